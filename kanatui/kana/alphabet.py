"""Lists the kana in order, the named character sets, and which characters look alike."""

from __future__ import annotations

import string

from kanatui.kana.kanji import JOYO, KYOIKU

HIRAGANA = "".join(chr(c) for c in range(0x3041, 0x3094))
"""The 83 hiragana, U+3041 to U+3093."""

KATAKANA = "".join(chr(c) for c in range(0x30A1, 0x30F7))
"""The 86 katakana, U+30A1 to U+30F6."""

KANA = HIRAGANA + KATAKANA

BASIC_HIRAGANA = "あいうえおかきくけこさしすせそたちつてとなにぬねのはひふへほまみむめもやゆよらりるれろわをん"
"""The 46 in use today, without small and voiced ones: what is learnt first."""

BASIC_KATAKANA = "".join(chr(ord(c) + ord("ア") - ord("あ")) for c in BASIC_HIRAGANA)
"""The same in katakana."""

KANA_PLUS = KANA + "ーヷヸヹヺゝゞヽヾ、。「」・"
"""The kana, and what else stands in a line of them: the long vowel, iteration marks and punctuation."""

HANGUL = bytes(half for row in range(0xB0, 0xC9) for cell in range(0xA1, 0xFF) for half in (row, cell)).decode("euc_kr")
"""The 2,350 Hangul syllables of KS X 1001, rows 16 to 40."""

SETS = {
    "hiragana": HIRAGANA,
    "katakana": KATAKANA,
    "kana": KANA,
    "kana+": KANA_PLUS,
    "basic-hiragana": BASIC_HIRAGANA,
    "basic-katakana": BASIC_KATAKANA,
    "digits": string.digits,
    "latin": string.ascii_letters,
    "kyoiku": KYOIKU,
    "joyo": JOYO,
    "hangul": HANGUL,
}
"""The named sets."""

DEFAULT_SET = "kana"
"""The default set: in recipes and in the list of faces."""

SMALL = dict(
    zip(
        "ぁぃぅぇぉっゃゅょゎァィゥェォッャュョヮヵヶ",
        "あいうえおつやゆよわアイウエオツヤユヨワカケ",
        strict=True,
    )
)
"""Small kana and their normal forms, which differ only in size and position."""

LOOK_ALIKES = ("へヘ", "べベ", "ぺペ", "りリ")
"""Hiragana and katakana that look the same."""

FOLD = {character: character for character in KANA} | SMALL | {pair[1]: pair[0] for pair in LOOK_ALIKES}
"""Each kana's representative when look-alikes are folded."""


def script(character: str) -> str:
    """Return ``hiragana``, ``katakana`` or ``other``."""
    return "hiragana" if character in HIRAGANA else "katakana" if character in KATAKANA else "other"

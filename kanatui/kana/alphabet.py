"""Lists the kana in order, the named character sets, and which characters look alike."""

from __future__ import annotations

HIRAGANA = "".join(chr(c) for c in range(0x3041, 0x3094))
"""The 83 hiragana, U+3041 to U+3093."""

KATAKANA = "".join(chr(c) for c in range(0x30A1, 0x30F7))
"""The 86 katakana, U+30A1 to U+30F6."""

KANA = HIRAGANA + KATAKANA

SETS = {"hiragana": HIRAGANA, "katakana": KATAKANA, "kana": KANA}
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

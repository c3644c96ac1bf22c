"""Kana as data: which characters there are, how they are named and ordered, and which ones look alike."""

from __future__ import annotations

HIRAGANA = "".join(chr(c) for c in range(0x3041, 0x3094))
"""The 83 hiragana, U+3041 to U+3093."""

KATAKANA = "".join(chr(c) for c in range(0x30A1, 0x30F7))
"""The 86 katakana, U+30A1 to U+30F6."""

KANA = HIRAGANA + KATAKANA

SETS = {"hiragana": HIRAGANA, "katakana": KATAKANA, "kana": KANA}
"""The sets that have a name."""

DEFAULT_SET = "kana"
"""The set that is meant where none is named: in recipes, and in the list of faces."""

SMALL = dict(
    zip(
        "ぁぃぅぇぉっゃゅょゎァィゥェォッャュョヮヵヶ",
        "あいうえおつやゆよわアイウエオツヤユヨワカケ",
        strict=True,
    )
)
"""Small kana and the normal ones from which they differ only in size and place."""

LOOK_ALIKES = ("へヘ", "べベ", "ぺペ", "りリ")
"""Hiragana and katakana that are drawn the same way."""

FOLD = {character: character for character in KANA} | SMALL | {pair[1]: pair[0] for pair in LOOK_ALIKES}
"""Each kana's representative when characters that cannot be told apart by shape count as one."""


def script(character: str) -> str:
    """Return ``hiragana``, ``katakana`` or ``other``."""
    return "hiragana" if character in HIRAGANA else "katakana" if character in KATAKANA else "other"

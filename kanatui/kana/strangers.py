"""Which characters of other scripts can be told from kana, and which of them are kept for measuring that.

A model is trained to be unsure of what it cannot read: digits, letters, kanji. Some of those have the very shape of a
kana; to teach a model that 口 is nothing would teach it that ロ is nothing.
"""

from __future__ import annotations

import numpy as np

from kanatui.core.rng import mix64

SAME_SHAPE = (
    "ー一-ｰ―—_",
    "へ^",
    "ヘ^",
    "く<",
    "し丨lI1|",
    "ノ/丿",
    "ニ二=",
    "ハ八",
    "ミ三",
    "ト卜",
    "ロ口",
    "エ工",
    "カ力",
    "タ夕",
    "チ千干",
    "ム厶",
    "ネ礻",
    "ヨ∃",
    "セ七",
    "ホ木",
    "ヰ井",
    "メxX×",
)
"""Each kana with the characters of other scripts that have its shape.

Likeness is the mean correlation between blurred 48 px images of both, fitted to one box, over six faces of four
styles. Kana that people and models often confuse have 0.77 (フヲ), 0.74 (コロ) and 0.72 (てで). Of all ASCII and the
2,965 kanji of JIS level 1, these are above 0.67: ト卜 0.87, ム厶 0.84, カ力 0.83, ロ口 0.80, タ夕 0.74, エ工 0.72,
ホ木 0.71, ネ礻 0.69, ホ本 0.69 (not listed here: it has one more stroke) and チ千 0.68. Just below them lie チ干 0.65,
セ七 0.64, ヨ∃ 0.63 and ヰ井 0.63. The others have few strokes, which faces place differently and handwriting does not:
ー一, ニ二, ハ八, ミ三, and signs.
"""

_KANJI = range(0x3400, 0xA000)
_ONE_IN = 4


def strangers(characters: str, known: str) -> str:
    """Return those of some characters that a model of ``known`` ones should not read: neither known nor shaped so."""
    alike = "".join(group for group in SAME_SHAPE if set(group) & set(known))
    return "".join(character for character in characters if character not in known and character not in alike)


def held_back(characters: str) -> str:
    """Return the kanji, one in four, that no model is trained on, so that what it makes of new ones can be measured."""
    kanji = np.array([ord(character) for character in characters if ord(character) in _KANJI], dtype=np.uint64)
    return "".join(map(chr, kanji[mix64(kanji) % np.uint64(_ONE_IN) == 0].tolist()))

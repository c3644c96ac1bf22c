"""Names of kana, and characters as they are typed without kana."""

import unicodedata

import pytest

from kanatui.kana.alphabet import HIRAGANA, KANA
from kanatui.kana.romaji import NAMES, name_of, parse_typed


@pytest.mark.parametrize("character", KANA)
def test_names_agree_with_unicode(character):
    spoken = unicodedata.name(character).split()[-1].lower()
    name = NAMES[character].removeprefix("x")
    hepburn = {"shi": "si", "chi": "ti", "tsu": "tu", "fu": "hu", "ji": "zi"}
    assert hepburn.get(name, name) == spoken


@pytest.mark.parametrize(
    ("text", "prefer", "character"),
    [
        ("か", "hiragana", "か"),
        ("か\u3099", "hiragana", "が"),
        ("ka", "hiragana", "か"),
        ("KA", "hiragana", "カ"),
        ("ka", "katakana", "カ"),
        ("shi", "hiragana", "し"),
        ("si", "hiragana", "し"),
        ("TU", "hiragana", "ツ"),
        ("small tsu", "hiragana", "っ"),
        ("xtu", "katakana", "ッ"),
        ("vu", "hiragana", "ヴ"),
        ("n", "hiragana", "ん"),
        ("304b", "hiragana", "か"),
        (" U+30F6 ", "hiragana", "ヶ"),
        ("漢", "hiragana", "漢"),
    ],
)
def test_typed_characters(text, prefer, character):
    assert parse_typed(text, prefer) == character


@pytest.mark.parametrize("text", ["", "kq", "かき", "U+110000", "!", "z"])
def test_what_is_no_character_is_refused_in_one_line(text):
    with pytest.raises(ValueError) as caught:
        parse_typed(text)
    assert "\n" not in str(caught.value)


def test_every_kana_can_be_typed_by_its_name():
    for character in KANA:
        typed = name_of(character).upper() if character not in HIRAGANA else name_of(character)
        assert parse_typed(typed) == character

import unicodedata

import pytest

from kanatui.core.errors import UsageError
from kanatui.kana import alphabet
from kanatui.kana.romaji import NAMES
from kanatui.kana.sets import parse_characters, spell_characters


def test_there_are_169_kana():
    assert len(alphabet.HIRAGANA) == 83
    assert len(alphabet.KATAKANA) == 86
    assert all(unicodedata.name(c).startswith("HIRAGANA LETTER") for c in alphabet.HIRAGANA)
    assert all(unicodedata.name(c).startswith("KATAKANA LETTER") for c in alphabet.KATAKANA)


def test_small_kana_are_those_that_unicode_calls_small():
    small = {c for c in alphabet.KANA if " SMALL " in unicodedata.name(c)}
    assert small == set(alphabet.SMALL)
    for little, normal in alphabet.SMALL.items():
        assert unicodedata.name(little).replace(" SMALL", "") == unicodedata.name(normal)


def test_folding_is_one_step_and_total():
    assert set(alphabet.FOLD) == set(alphabet.KANA)
    assert all(alphabet.FOLD[representative] == representative for representative in alphabet.FOLD.values())
    assert alphabet.FOLD["ヘ"] == alphabet.FOLD["へ"] == "へ"
    assert len(set(alphabet.FOLD.values())) == 169 - 22 - 4


@pytest.mark.parametrize("character", alphabet.KANA)
def test_names_agree_with_unicode(character):
    spoken = unicodedata.name(character).split()[-1].lower()
    name = NAMES[character].removeprefix("x")
    hepburn = {"shi": "si", "chi": "ti", "tsu": "tu", "fu": "hu", "ji": "zi"}
    assert hepburn.get(name, name) == spoken


def test_character_sets_are_parsed(tmp_path):
    file = tmp_path / "mine.txt"
    file.write_text("か き\nか\n", encoding="utf-8")
    assert parse_characters("hiragana") == alphabet.HIRAGANA
    assert parse_characters("U+4E00-U+4E02") == "一丁丂"
    assert parse_characters("u+3042") == "あ"
    assert parse_characters(str(file)) == "かき"
    assert parse_characters("うえ, あ,う") == "うえあ"


@pytest.mark.parametrize("spec", ["", "romaji", "U+4E02-U+4E00", "U+110000", "U+0000-U+10FFFF", "abc", "U+E000-U+E010"])
def test_bad_character_sets_name_themselves(spec):
    with pytest.raises(UsageError, match="--characters"):
        parse_characters(spec)


def test_a_character_file_that_is_not_text_is_named(tmp_path):
    file = tmp_path / "picture.txt"
    file.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UsageError, match="picture.txt"):
        parse_characters(str(file))


@pytest.mark.parametrize("characters", [alphabet.KANA, "い", "つへい", "あいうA,漢", "ABZ"])
def test_characters_spelled_out_mean_the_same_whatever_the_sets_are(characters, monkeypatch):
    spelled = spell_characters(characters)
    monkeypatch.setattr(alphabet, "SETS", {})
    assert parse_characters(spelled) == characters


def test_neighbours_are_spelled_as_ranges():
    assert spell_characters(alphabet.KANA) == "U+3041-U+3093,U+30A1-U+30F6"
    assert spell_characters("いつ") == "U+3044,U+3064"

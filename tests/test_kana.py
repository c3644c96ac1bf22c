import unicodedata

import pytest

from kanatui import kana
from kanatui.charset import parse_characters
from kanatui.errors import UsageError


def test_there_are_169_kana():
    assert len(kana.HIRAGANA) == 83
    assert len(kana.KATAKANA) == 86
    assert all(unicodedata.name(c).startswith("HIRAGANA LETTER") for c in kana.HIRAGANA)
    assert all(unicodedata.name(c).startswith("KATAKANA LETTER") for c in kana.KATAKANA)


def test_small_kana_are_those_that_unicode_calls_small():
    small = {c for c in kana.KANA if " SMALL " in unicodedata.name(c)}
    assert small == set(kana.SMALL)
    for little, normal in kana.SMALL.items():
        assert unicodedata.name(little).replace(" SMALL", "") == unicodedata.name(normal)


def test_folding_is_one_step_and_total():
    assert set(kana.FOLD) == set(kana.KANA)
    assert all(kana.FOLD[representative] == representative for representative in kana.FOLD.values())
    assert kana.FOLD["ヘ"] == kana.FOLD["へ"] == "へ"
    assert len(set(kana.FOLD.values())) == 169 - 22 - 4


def test_rows_hold_every_kana_once():
    assert sorted("".join(kana.ROWS["hiragana"] + kana.ROWS["katakana"])) == sorted(kana.KANA)


@pytest.mark.parametrize("character", kana.KANA)
def test_names_agree_with_unicode(character):
    spoken = unicodedata.name(character).split()[-1].lower()
    name = kana.NAMES[character].removeprefix("x")
    hepburn = {"shi": "si", "chi": "ti", "tsu": "tu", "fu": "hu", "ji": "zi"}
    assert hepburn.get(name, name) == spoken


def test_character_sets_are_parsed(tmp_path):
    file = tmp_path / "mine.txt"
    file.write_text("か き\nか\n", encoding="utf-8")
    assert parse_characters("hiragana") == kana.HIRAGANA
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

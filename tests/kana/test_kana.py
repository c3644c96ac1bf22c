"""The characters, their names, what folds into what, and how they are written in folders and by hand."""

import unicodedata

import numpy as np
import pytest

from kanatui.core.errors import UsageError
from kanatui.kana import alphabet
from kanatui.kana.alphabet import FOLD, HIRAGANA, KANA
from kanatui.kana.folding import fold_groups, fold_matrix, fold_probabilities
from kanatui.kana.romaji import NAMES, name_of, parse_typed
from kanatui.kana.sets import parse_characters, parse_label, spell_characters


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


def test_groups_join_small_and_normal_and_look_alikes():
    groups, index = fold_groups("あぁへヘりリカヵ漢")
    assert groups == ["あぁ", "へヘ", "りリ", "カヵ", "漢"]
    assert index.tolist() == [0, 0, 1, 1, 2, 2, 3, 3, 4]


def test_a_small_kana_without_its_normal_form_is_a_group_of_its_own():
    assert fold_groups("ゃか")[0] == ["ゃ", "か"]


def test_all_kana_fold_as_the_table_says_without_chains():
    groups, index = fold_groups(KANA)
    assert len(groups) == len(set(FOLD.values())) == 169 - 10 - 12 - 4
    assert all(FOLD[FOLD[character]] == FOLD[character] for character in KANA)
    assert sorted("".join(groups)) == sorted(KANA)
    assert all(character in groups[group] for character, group in zip(KANA, index, strict=True))


def test_folded_probabilities_are_sums_over_groups():
    probabilities = np.array([[0.1, 0.2, 0.3, 0.4]], dtype=np.float32)
    assert fold_probabilities(probabilities, "つあっリ") == pytest.approx(np.array([[0.4, 0.2, 0.4]]))
    assert fold_matrix("つあっリ").tolist() == [[1, 0, 0], [0, 1, 0], [1, 0, 0], [0, 0, 1]]


@pytest.mark.parametrize(
    ("name", "character"),
    [
        ("あ", "あ"), ("3042", "あ"), ("U+3042", "あ"), ("u+30a1", "ァ"), ("か\u3099", "が"), ("U+20BB7", "𠮷"),
        ("hello", None), ("", None), (".", None), ("U+110000", None), ("U+0007", None), ("あい", None), ("D800", None),
    ],
)  # fmt: skip
def test_labels(name, character):
    assert parse_label(name) == character


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


@pytest.mark.parametrize("characters", [alphabet.KANA, "い", "つへい", "あいうA,漢", "ABZ"])
def test_characters_spelled_out_mean_the_same_whatever_the_sets_are(characters, monkeypatch):
    spelled = spell_characters(characters)
    monkeypatch.setattr(alphabet, "SETS", {})
    assert parse_characters(spelled) == characters


def test_more_characters_than_a_file_name_can_have_are_characters():
    assert parse_characters(alphabet.KANA + "漢") == alphabet.KANA + "漢"


def test_neighbours_are_spelled_as_ranges():
    assert spell_characters(alphabet.KANA) == "U+3041-U+3093,U+30A1-U+30F6"
    assert spell_characters("いつ") == "U+3044,U+3064"

"""The characters, their names, what folds into what, and how they are written in folders and by hand."""

import unicodedata

import numpy as np
import pytest

from kanatui.core.errors import UsageError
from kanatui.kana import alphabet
from kanatui.kana.alphabet import FOLD, HIRAGANA, KANA
from kanatui.kana.folding import fold_groups, fold_matrix, fold_probabilities
from kanatui.kana.romaji import NAMES, name_of, parse_typed
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


@pytest.mark.parametrize(
    ("spec", "characters"),
    [
        ("0123456789", "0123456789"),
        ("a-c,X-Z", "abcXYZ"),
        ("ぁ-う", "ぁあぃいぅう"),
        ("か\u3099-ぎ", "がきぎ"),
        ("ト,ー", "トー"),
        ("a", "a"),
        ("+-*/=", "+-*/="),
        ("あ い\u3000う", "あいう"),
        ("U+002C", ","),
        ("chars:kana", "kan"),
        ("chars:a-z", "a-z"),
        ("set:DIGITS", "0123456789"),
        ("digits,chars:kana,ー", "0123456789kanー"),
    ],
)
def test_characters_ranges_and_prefixes(spec, characters):
    assert parse_characters(spec) == characters


@pytest.mark.parametrize("spec", ["か\u3099き\u3099く\u3099", "chars:か\u3099き\u3099く\u3099"])
def test_decomposed_characters_are_composed(spec):
    assert parse_characters(spec) == "がぎぐ"


def test_a_file_of_decomposed_characters_is_composed(tmp_path):
    (tmp_path / "mac.txt").write_text("\ufeffか\u3099\nハ\u309a\n", encoding="utf-8")
    assert parse_characters(str(tmp_path / "mac.txt")) == "がパ"


def test_a_mark_that_joins_nothing_is_no_class_of_its_own_by_accident():
    with pytest.raises(UsageError, match="か゚ is not one character.*U\\+309A"):
        parse_characters("あか\u309a")
    assert parse_characters("か,U+309A") == "か\u309a"


def test_prefixes_settle_what_a_name_means(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("digits", "0123", "set:kana"):
        (tmp_path / name).write_text("漢字", encoding="utf-8")
    assert parse_characters("digits") == "0123456789"
    assert parse_characters("file:digits") == parse_characters("./digits") == "漢字"
    assert parse_characters("0123") == "漢字"
    assert parse_characters("chars:0123") == "0123"
    assert parse_characters("set:kana") == KANA


def test_named_sets_have_the_characters_that_they_are_known_for():
    assert {name: len(characters) for name, characters in alphabet.SETS.items()} == {
        "hiragana": 83, "katakana": 86, "kana": 169, "kana+": 183, "digits": 10, "latin": 52,
        "kyoiku": 1026, "joyo": 2136, "hangul": 2350, "basic-hiragana": 46, "basic-katakana": 46,
    }  # fmt: skip
    assert all(len(set(characters)) == len(characters) for characters in alphabet.SETS.values())
    assert alphabet.SETS["kana+"].startswith(KANA) and set("ーヷヸヹヺゝゞヽヾ、。「」・") < set(alphabet.SETS["kana+"])
    assert alphabet.SETS["joyo"].startswith(alphabet.SETS["kyoiku"])
    assert all("CJK UNIFIED" in unicodedata.name(c) for c in alphabet.SETS["joyo"])
    # 20 kanji of prefectures joined the primary school's in 2020; 𠮟, 塡, 剝 and 頰 stand so in the table of 2010.
    assert set("一百森茨媛岡潟岐熊香佐埼崎滋鹿縄井沖栃奈梨阪阜") < set(alphabet.SETS["kyoiku"])
    assert set("亜鬱𠮟塡剝頰麺") < set(alphabet.SETS["joyo"]) - set(alphabet.SETS["kyoiku"])
    assert not set("勺錘銑脹匁叱填剥頬苺") & set(alphabet.SETS["joyo"])  # five were taken off the list in 2010
    hangul = alphabet.SETS["hangul"]
    assert (hangul[0], hangul[-1]) == ("가", "힝") and all("HANGUL SYLLABLE" in unicodedata.name(c) for c in hangul)


@pytest.mark.parametrize(
    "spec",
    [
        "", "romaji", "U+4E02-U+4E00", "U+110000", "U+0000-U+10FFFF", "abc", "U+E000-U+E010", "z-a", "chars:", "set:",
        "set:klingon", "file:nowhere", "file:", "い.txt", "./あ/い", "か\x07",
    ],
)  # fmt: skip
def test_bad_character_sets_name_themselves(spec):
    with pytest.raises(UsageError, match="^--characters") as caught:
        parse_characters(spec)
    assert "\n" not in str(caught.value)


def test_a_word_that_names_nothing_is_told_how_to_be_characters():
    with pytest.raises(UsageError, match="no text file has this name.*write chars:hirgana"):
        parse_characters("hirgana")


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


def test_what_a_model_reads_can_be_typed_even_if_it_is_ascii():
    assert parse_typed("7") == "7"
    assert parse_typed("a", known="abc") == "a" and parse_typed("U+0061", known="abc") == "a"
    assert parse_typed("a", known="あア") == "あ"
    with pytest.raises(ValueError, match="type the character"):
        parse_typed("z", known="あ")


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

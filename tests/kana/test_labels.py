"""Labels as people write them."""

import pytest

from kanatui.core.errors import UsageError
from kanatui.kana.alphabet import HIRAGANA, JOYO, KANA, KANA_PLUS, KATAKANA
from kanatui.kana.labels import Labels
from kanatui.kana.romaji import NAMES


def read(names, notation="auto"):
    labels = Labels(names, notation)
    return [labels.character(name) for name in names]


@pytest.mark.parametrize(
    ("name", "character"),
    [
        ("あ", "あ"), ("3042", "あ"), ("U+3042", "あ"), ("u+30a1", "ァ"), ("か\u3099", "が"), ("U+20BB7", "𠮷"),
        ("U304B", "か"), ("u304b", "か"), ("0x304b", "か"), ("0X304B", "か"), ("uni304B", "か"), ("\\u304b", "か"),
        ("ｱ", "ア"), ("ｶﾞ", "ガ"), ("ﾊﾟ", "パ"), ("ｯ", "ッ"), ("ｰ", "ー"), ("Ａ", "A"), ("７", "7"), ("7", "7"),
        ("か_ka", "か"), ("304b_か", "か"), ("か U+304B", "か"), ("12354", "あ"), ("2422", "あ"), ("0x2572", "ヲ"),
        ("hello", None), ("", None), (".", None), ("U+110000", None), ("U+0007", None), ("あい", None), ("D800", None),
        ("q", "q"), ("き_ka", None), ("か_き", None), ("not a label", None), ("train", None), ("12", None),
        ("99999999", None),
    ],
)  # fmt: skip
def test_one_label_by_itself(name, character):
    assert read([name]) == [character]


def jis(character):
    return "".join(f"{byte & 0x7F:02X}" for byte in character.encode("euc_jp"))


@pytest.mark.parametrize("writing", [jis, str.lower, lambda c: f"0x{jis(c)}"])
def test_whole_folders_of_jis_codes_as_etl_has_them(writing):
    characters = HIRAGANA + "亜唖娃安以一"
    names = [jis(c) if writing is str.lower else writing(c) for c in characters]
    if writing is str.lower:
        names = [name.lower() for name in names]
    assert read(names) == list(characters)


@pytest.mark.parametrize("characters", [KANA, KATAKANA, JOYO, KANA_PLUS, "가각", "abz09"])
@pytest.mark.parametrize(
    "writing", [lambda c: f"{ord(c):04x}", lambda c: f"{ord(c):04X}", lambda c: f"0x{ord(c):x}", lambda c: str(ord(c))]
)
def test_whole_folders_of_code_points(characters, writing):
    assert read([writing(c) for c in characters]) == list(characters)


@pytest.mark.parametrize("characters", [HIRAGANA, KATAKANA])
@pytest.mark.parametrize("spelling", ["hepburn", "kunrei"])
def test_whole_folders_of_romaji(characters, spelling):
    kunrei = {"shi": "si", "chi": "ti", "tsu": "tu", "fu": "hu", "ji": "zi", "xtsu": "xtu"}
    plain = {c: NAMES[c] for c in characters}
    names = [kunrei.get(name, name) if spelling == "kunrei" else name for name in plain.values()]
    script = "hiragana" if characters == HIRAGANA else "katakana"
    assert read(names, f"romaji:{script}") == list(characters)
    labels = Labels(names)
    assert [labels.character(name, script) for name in names] == list(characters)


def test_romaji_in_lower_case_is_hiragana_and_in_capitals_katakana():
    assert read(["a", "ka", "shi", "small_tsu"]) == ["あ", "か", "し", "っ"]
    assert read(["A", "KA", "SI", "small TSU"]) == ["ア", "カ", "シ", "っ"]
    assert "romaji (a is あ)" in Labels(["a", "ka"]).how and "romaji:katakana" in Labels(["a", "ka"]).how


def test_single_letters_are_romaji_only_among_romaji():
    assert read(["a", "b", "c"]) == ["a", "b", "c"]
    assert read(["a", "i", "u"]) == ["a", "i", "u"]
    assert read(["a", "i", "u"], "romaji") == ["あ", "い", "う"]
    assert read(["a", "i", "ka"]) == ["あ", "い", "か"]
    assert read(["a", "k", "ka"]) == ["a", "k", "か"]


def test_the_notation_is_the_one_in_which_all_names_make_sense():
    assert read(["3042", "304b"]) == ["あ", "か"]
    assert read(["3042", "2422"]) == ["安", "あ"]  # no letter of Unicode is U+2422
    assert read(["2422", "2424", "2024"]) == ["あ", "い", None]  # a stray one does not change what most are
    assert read(["2500", "2502"]) == ["─", "│"]  # and no JIS code ends in 00
    assert read(["U+3042", "2422", "か"]) == ["あ", "あ", "か"]
    assert read(["3042"], "jis") == ["安"] and read(["2422"], "unicode") == ["␢"] and read(["2325"], "decimal") == ["क"]


def test_how_labels_were_understood_is_one_line():
    assert Labels(["2422", "2424"]).how == "2 labels: JIS X 0208 codes (2422 is あ)"
    assert Labels(["か", "ｶﾞ", "か\u3099"]).how == "3 labels: characters (ｶﾞ is ガ)"
    assert Labels(["か", "304b"]).how.startswith("2 labels: characters × 1, Unicode code points (304b is か) × 1; ")
    assert Labels(["304b"]).how.endswith("--labels jis if they are JIS X 0208 codes")
    assert Labels(["misc"]).how == "no label makes sense"


def test_class_numbers_are_no_digits():
    numbers = [str(n) for n in range(49)]
    assert read(numbers) == [None] * 49 and "--labels index:" in Labels(numbers).how
    assert read([str(n) for n in range(10)]) == list("0123456789")
    assert read(numbers, "index:hiragana")[:3] == ["ぁ", "あ", "ぃ"]
    assert read(["0", "2", "x"], "index:おき") == ["お", None, None]


def test_an_unknown_notation_is_named():
    with pytest.raises(UsageError, match="--labels klingon: no such file, and none of auto, unicode"):
        Labels([], "klingon")
    with pytest.raises(UsageError, match="--characters"):
        Labels([], "index:nothing-like-it")

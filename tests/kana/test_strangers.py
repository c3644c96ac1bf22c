import pytest

from kanatui.kana.alphabet import HIRAGANA, KANA, SETS
from kanatui.kana.strangers import SAME_SHAPE, held_back, strangers


def test_a_stranger_is_neither_known_nor_shaped_like_a_known_character():
    assert strangers("あ漢口カ力7", KANA) == "漢7"


def test_shapes_count_only_of_characters_that_are_known():
    assert strangers("口力へ^", HIRAGANA) == "口力"
    assert strangers("一ー", KANA) == "一ー" and strangers("一", KANA + "ー") == ""
    assert strangers("0123456789", "0123456789") == ""


@pytest.mark.parametrize("group", SAME_SHAPE, ids=lambda group: group[0])
def test_each_group_is_a_kana_and_others(group):
    assert (group[0] in KANA or group[0] == "ー") and len(group) > 1 and len(set(group)) == len(group)
    assert strangers(group, KANA + "ー") == ""


def test_a_quarter_of_the_kanji_is_held_back_whatever_is_asked_with_them():
    kept = held_back(SETS["joyo"])
    assert 0.2 < len(kept) / len(SETS["joyo"]) < 0.3
    assert set(held_back(SETS["kyoiku"])) == set(kept) & set(SETS["kyoiku"])
    assert held_back(SETS["latin"] + SETS["digits"] + KANA) == ""

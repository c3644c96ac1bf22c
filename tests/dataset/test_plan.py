"""Which row of the glyph table each index stands for, in a grid and at random."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kanatui.core.errors import PluginError
from kanatui.dataset.plan import GlyphPlan
from kanatui.dataset.recipe import find_recipe
from kanatui.kana.alphabet import KANA
from kanatui.plugins.bases import Placement
from kanatui.plugins.registry import load


def article_plan(coverage=None):
    steps = find_recipe("article").steps(load())
    coverage = np.ones((len(KANA), 3), bool) if coverage is None else coverage
    return GlyphPlan(KANA, coverage, steps, mode="grid", seed=0)


def random_plan(characters="あい", faces=3, count=500, coverage=None, **options):
    augmentations = load().augmentations
    steps = [(augmentations[id](), p) for id, p in (("size", 1.0), ("shift", 1.0), ("rotate", 0.5))]
    coverage = np.ones((len(characters), faces), bool) if coverage is None else coverage
    return GlyphPlan(characters, coverage, steps, mode="random", seed=7, images_per_character=count, **options)


def article_oracle():
    """The article's grid as its nested loops, written down from its description."""
    for face in range(3):
        for point_size in range(120, 249, 8):
            blank = (256 - point_size) // 2
            shifts = [0, -blank // 3, blank // 3, -blank // 2, blank // 2] if blank >= 16 else [0]
            for x in shifts:
                for y in shifts:
                    for rotation in (-4, 4, -8, 8):
                        yield face, point_size, x, y, rotation


def test_the_first_character_of_the_article_row_by_row():
    oracle = list(article_oracle())
    table = article_plan().rows(np.arange(4236))
    assert len(oracle) == 4236
    assert (table["character"] == ord("ぁ")).all()
    columns = [table[name].tolist() for name in ("face", "point_size", "dx", "dy", "rotation")]
    assert list(zip(*columns, strict=True)) == oracle


def test_the_article_has_715_884_images():
    plan = article_plan()
    assert set(plan.counts.tolist()) == {4236}
    assert len(plan) == 715_884
    table = plan.table()
    assert len(np.unique(table["key"])) == 715_884
    assert table.rows.nbytes < 31e6
    assert (np.bincount(plan.labels(np.arange(len(plan)))) == 4236).all()


def test_a_glyph_that_a_face_lacks_leaves_the_other_numbers_alone():
    coverage = np.ones((len(KANA), 3), bool)
    coverage[2, 1] = False
    whole, part = article_plan(), article_plan(coverage)
    assert part.counts[2] == 4236 - 1412
    numbers = part.numbers(2)
    mine = part.rows(part.offsets[2] + np.arange(len(numbers))).rows
    same = whole.rows(whole.offsets[2] + numbers).rows
    assert np.array_equal(mine, same)
    assert 1 not in mine["face"]


def test_a_cap_keeps_a_fixed_choice_of_the_grid():
    steps = find_recipe("article").steps(load())
    plan = GlyphPlan("あい", np.ones((2, 3), bool), steps, mode="grid", seed=0, images_per_character=100)
    assert plan.counts.tolist() == [100, 100]
    assert np.array_equal(plan.numbers(0), plan.numbers(1))
    assert len(np.unique(plan.numbers(0))) == 100


@given(st.lists(st.integers(0, 999), min_size=1, max_size=60))
@settings(max_examples=50)
def test_a_row_depends_on_its_index_alone(indices):
    plan = random_plan()
    assert np.array_equal(plan.rows(indices).rows, plan.table().rows[indices])


def test_leaving_characters_out_keeps_the_rows_of_the_others():
    both, one = random_plan("あい"), random_plan("い")
    assert np.array_equal(both.rows(np.arange(500, 1000)).rows, one.table().rows)


def test_random_rows_use_only_faces_that_can_draw_the_character():
    coverage = np.array([[True, False, True], [False, True, False]])
    table = random_plan(coverage=coverage).table()
    assert set(table["face"][:500]) == {0, 2}
    assert set(table["face"][500:]) == {1}


def test_face_weights_are_respected():
    table = random_plan("あ", count=20_000, face_weights=[1.0, 1.0, 2.0]).table()
    shares = np.bincount(table["face"]) / len(table)
    assert np.allclose(shares, [0.25, 0.25, 0.5], atol=0.02)


def test_a_placement_applies_with_its_probability():
    table = random_plan("あ", count=20_000).table()
    assert abs((table["rotation"] != 0).mean() - 0.5) < 0.02
    assert table["point_size"].min() >= 120 and table["point_size"].max() <= 248
    assert (np.abs(table["dx"]) <= (256 - table["point_size"]) / 4 + 1e-3).all()


def test_an_index_out_of_range_is_refused():
    with pytest.raises(IndexError, match="0 … 999"):
        random_plan().rows([1000])


class Odd(Placement):
    """A placement whose methods are given to it."""

    id = "odd"

    def __init__(self, place):
        super().__init__()
        self.place = place

    def grid(self, table):
        return self.place(table)

    def draw(self, table, keys):
        return self.place(table)


@pytest.mark.parametrize(
    ("place", "words"),
    [
        (lambda table: table.replace(dx=1.0)["nothing"], "no field of name nothing"),
        (lambda table: table.replace(d_x=1.0), "'d_x' is not a placement column"),
        (lambda table: table.replace(dx=np.nan), "returned NaN or infinity in 'dx'"),
        (lambda table: None, "returned a NoneType"),
        (lambda table: 1 / 0, "ZeroDivisionError"),
    ],
)
def test_a_placement_that_fails_is_named_with_its_image(place, words):
    covered = np.ones((2, 1), bool)
    plan = GlyphPlan("あい", covered, [(Odd(place), 1.0)], mode="random", seed=0, images_per_character=3)
    with pytest.raises(PluginError, match=r"augmentation odd \{\} failed on image 0 of あ and 2 more: ") as raised:
        plan.rows([0, 1, 2])
    assert words in str(raised.value)
    with pytest.raises(PluginError, match=r"augmentation odd \{\} failed on the grid: ") as raised:
        GlyphPlan("あい", covered, [(Odd(place), 1.0)], mode="grid", seed=0)
    assert words in str(raised.value)


def test_only_a_grid_multiplies_rows():
    plan = GlyphPlan("あ", np.ones((1, 1), bool), [(Odd(lambda table: table.take(np.arange(2)[:1].repeat(4))), 1.0)],
                     mode="random", seed=0, images_per_character=3)  # fmt: skip
    with pytest.raises(PluginError, match="returned 4 rows for 2"):
        plan.rows([0, 1])

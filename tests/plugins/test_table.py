"""The glyph table: rows that placement augmentations choose, replace and multiply, never in place."""

import numpy as np
import pytest

from kanatui.plugins.table import CANVAS, GlyphTable, in_words


def test_a_blank_table_has_upright_characters_in_the_middle_of_the_canvas():
    table = GlyphTable.blank(3)
    assert len(table) == 3
    assert (table["point_size"] == 0.75 * CANVAS).all() and (table["aspect"] == 1).all()
    assert not any(table[column].any() for column in ("dx", "dy", "rotation", "shear"))


def test_no_method_changes_the_table_itself():
    table = GlyphTable.blank(2)
    before = table.rows.copy()
    changed = table.replace(dx=[1.0, 2.0], rotation=8.0)
    assert changed["dx"].tolist() == [1, 2] and changed["rotation"].tolist() == [8, 8]
    assert table.where(np.array([True, False]), changed)["dx"].tolist() == [1, 0]
    assert changed.take(np.array([1]))["dx"].tolist() == [2]
    assert np.array_equal(table.rows, before)


def test_cross_is_a_nested_loop_and_skips_what_is_not_offered():
    table = GlyphTable.blank(2).cross(dx=np.array([[1.0, 2.0], [3.0, np.nan]]), rotation=[5.0, 6.0])
    assert list(zip(table["dx"].tolist(), table["rotation"].tolist(), strict=True)) == [
        (1, 5), (1, 6), (2, 5), (2, 6), (3, 5), (3, 6),
    ]  # fmt: skip
    with pytest.raises(ValueError, match="colour"):
        table.replace(colour=1)


def test_a_placement_is_put_in_plain_words():
    usual = GlyphTable.blank(1)
    row = usual.replace(point_size=157, dx=-9.3, dy=15.3, rotation=-7.1).rows[0]
    assert in_words(row, usual.rows[0]) == ["size 157", "9.3 to the left", "15.3 down", "7.1° anticlockwise"]

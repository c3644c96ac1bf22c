"""Figures as people read them."""

from __future__ import annotations

import pytest

from kanatui.core.units import count_of


@pytest.mark.parametrize(("count", "text"), [(0, "0 glyphs"), (1, "1 glyph"), (2, "2 glyphs"), (1200, "1,200 glyphs")])
def test_a_count_has_its_noun_in_the_right_number(count: int, text: str) -> None:
    assert count_of(count, "glyph") == text

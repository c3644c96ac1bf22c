"""Figures as they are written for people."""

import pytest

from kanatui.core import units


@pytest.mark.parametrize(
    ("seconds", "said", "short"),
    [
        (8.4, "8 s", "0:08"),
        (59.6, "1 min 00 s", "1:00"),
        (90, "1 min 30 s", "1:30"),
        (7500, "2 h 05 min", "2:05:00"),
    ],
)
def test_times(seconds, said, short):
    assert (units.duration(seconds), units.clock(seconds)) == (said, short)


@pytest.mark.parametrize(("count", "text"), [(999, "999 B"), (1000, "1.0 kB"), (2.93e9, "2.9 GB"), (5e15, "5000.0 TB")])
def test_bytes(count, text):
    assert units.bytes_text(count) == text


@pytest.mark.parametrize(("count", "text"), [(0, "0 glyphs"), (1, "1 glyph"), (2000, "2,000 glyphs")])
def test_one_thing_is_singular(count, text):
    assert units.counted(count, "glyph") == text


def test_shares():
    assert units.percent(0.9366) == "93.7 %"


def test_many_characters_are_counted_and_few_are_named():
    assert units.named("ーヷ") == "ーヷ"
    assert units.named("あいうえお" * 300, most=3) == "あいう… (1,500)"

"""Segments of a page: no ink is lost or counted twice, and they come in the order of writing."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from kanatui.pictures.lines import find_lines
from kanatui.pictures.page import Page
from kanatui.pictures.ruling import Ruling

EM = 40.0


def page_of(mask, em=EM):
    nothing = np.zeros(mask.shape, dtype=np.int32)
    ruling = Ruling(np.zeros_like(mask), nothing, 0)
    return Page(mask.astype(np.float32), mask, em, ruling, 1.0, 0.0, mask.shape[::-1])


def boxes_on(shape, *boxes):
    mask = np.zeros(shape, dtype=bool)
    for left, top, right, bottom in boxes:
        mask[top:bottom, left:right] = True
    return mask


def characters_at(places, side=30):
    return [(x, y, x + side, y + side) for x, y in places]


def starts(layout):
    return [[segment.box[:2] for segment in line.segments] for line in layout.lines]


part = st.tuples(st.integers(0, 370), st.integers(0, 170), st.integers(3, 30), st.integers(3, 30))


@settings(max_examples=60, deadline=None)
@given(st.lists(part, min_size=1, max_size=30), st.sampled_from(["horizontal", "vertical", "auto"]))
def test_every_part_of_the_ink_lands_in_exactly_one_segment(parts, direction):
    mask = boxes_on((210, 410), *((x + 4, y + 4, x + 4 + w, y + 4 + h) for x, y, w, h in parts))
    layout = find_lines(page_of(mask), direction)
    labels, count = ndimage.label(mask, np.ones((3, 3), dtype=int))
    listed = [segment.label for line in layout.lines for segment in line.segments]
    assert len(listed) == len(set(listed)) and set(listed) == set(np.unique(layout.labels[mask])) - {0}
    for number in range(1, count + 1):
        own = np.unique(layout.labels[labels == number])
        assert 0 not in own
        ys, xs = np.nonzero(labels == number)
        along = np.ptp(ys) if layout.vertical else np.ptp(xs)
        assert len(own) == 1 or along > EM  # only what is too long for one character is cut


@settings(max_examples=40, deadline=None)
@given(st.lists(part, min_size=1, max_size=30), st.sampled_from(["horizontal", "vertical"]))
def test_a_segments_box_is_that_of_its_ink(parts, direction):
    mask = boxes_on((210, 410), *((x + 4, y + 4, x + 4 + w, y + 4 + h) for x, y, w, h in parts))
    layout = find_lines(page_of(mask), direction)
    for line in layout.lines:
        for segment in line.segments:
            y, x = np.nonzero(layout.labels == segment.label)
            assert segment.box == (x.min(), y.min(), x.max() + 1, y.max() + 1)


def test_horizontal_lines_are_read_from_the_top_and_from_the_left():
    places = [(x, y) for y in (10, 110) for x in (10, 50, 90, 130)]
    layout = find_lines(page_of(boxes_on((180, 200), *characters_at(places[::-1]))))
    assert not layout.vertical
    assert starts(layout) == [places[:4], places[4:]]


def test_vertical_lines_are_read_from_the_right_and_from_the_top():
    places = [(x, y) for x in (110, 10) for y in (10, 50, 90, 130)]
    layout = find_lines(page_of(boxes_on((200, 180), *characters_at(places))))
    assert layout.vertical
    assert starts(layout) == [places[:4], places[4:]]


@pytest.mark.parametrize("direction", ["horizontal", "vertical"])
def test_the_direction_can_be_forced(direction):
    places = [(x, 10) for x in (10, 60, 110)]
    layout = find_lines(page_of(boxes_on((60, 160), *characters_at(places))), direction)
    assert layout.vertical == (direction == "vertical")
    assert len(layout.lines) == (3 if layout.vertical else 1)


@pytest.mark.parametrize("vertical", [False, True], ids=["horizontal", "vertical"])
@pytest.mark.parametrize("apart", [40, 60, 90])
@pytest.mark.parametrize("count", [3, 4, 8])
def test_gaps_within_the_characters_of_a_single_line_do_not_turn_it(count, apart, vertical):
    places = [(10 + apart * n, 10) for n in range(count)]
    strokes = [(0, 0, 30, 6), (0, 24, 30, 30)]  # as those of こ, and turned as those of ル
    boxes = [(x + left, y + top, x + right, y + bottom) for x, y in places for left, top, right, bottom in strokes]
    mask = boxes_on((60, 40 + apart * count), *boxes)
    layout = find_lines(page_of(mask.T.copy() if vertical else mask))
    assert layout.vertical == vertical
    assert len(layout.lines) == 1


def test_a_crooked_line_is_one_line():
    places = [(10 + 40 * n, 10 + 5 * n) for n in range(9)]
    below = [(x, y + 70) for x, y in places]
    layout = find_lines(page_of(boxes_on((220, 400), *characters_at(places + below))), "horizontal")
    assert starts(layout) == [places, below]


def test_strokes_above_one_another_are_one_segment_and_neighbours_are_not():
    mask = boxes_on((60, 120), (10, 10, 38, 15), (8, 30, 40, 36), (50, 8, 78, 40))
    assert starts(find_lines(page_of(mask), "horizontal")) == [[(8, 10), (50, 8)]]


def test_touching_characters_are_cut_where_they_are_thin():
    rings = [(10, 10, 40, 40), (56, 10, 86, 40), (100, 10, 130, 40)]
    mask = boxes_on((60, 160), *rings, (40, 24, 56, 27), (86, 24, 100, 27))
    mask &= ~boxes_on((60, 160), *((x + 3, y + 3, right - 3, bottom - 3) for x, y, right, bottom in rings))
    (line,) = find_lines(page_of(mask), "horizontal").lines
    cuts = [segment.box[0] for segment in line.segments[1:]]
    assert any(40 <= cut <= 56 for cut in cuts) and any(86 <= cut <= 100 for cut in cuts)


def test_grain_and_frames_are_not_writing():
    mask = boxes_on((200, 400), *characters_at([(100, 80), (140, 80)]), (50, 50, 52, 52))
    frame = boxes_on((200, 400), (5, 5, 395, 195)) & ~boxes_on((200, 400), (8, 8, 392, 192))
    assert starts(find_lines(page_of(mask | frame))) == [[(100, 80), (140, 80)]]

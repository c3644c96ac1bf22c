"""Strokes, and the picture that they make."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kanatui.core.errors import ImageError
from kanatui.pictures.drawing import PEN_WIDTHS, Drawing, Stroke, paint, smoothed

shares = st.floats(0, 1)
lines = st.lists(st.tuples(shares, shares), min_size=1, max_size=8)


def test_a_dot_is_as_wide_as_the_pen():
    board = Drawing((Stroke(((0.5, 0.5),), width=0.2),)).raster(100)
    rows = np.flatnonzero(board.max(axis=1) > 127)
    assert (rows[0], rows[-1]) == (40, 59)
    assert board.max() == 255
    assert board.sum() / 255 == pytest.approx(np.pi * 10**2, rel=0.02)


def test_a_line_joins_its_points_without_gaps_and_ends_round():
    board = Drawing((Stroke(((0.1, 0.5), (0.9, 0.5)), width=0.1),)).raster(60)
    assert (board[30, 6:54] == 255).all()
    assert board[30, 2] == 0 and board[24, 30] == 0


def test_the_eraser_takes_ink_away_and_later_strokes_bring_it_back():
    line = Stroke(((0.1, 0.5), (0.9, 0.5)), width=0.1)
    board = Drawing((line, Stroke(((0.5, 0.2), (0.5, 0.8)), 0.2, erases=True))).raster(50)
    assert board[25, 25] == 0 and board[25, 8] == 255
    again = Drawing((line, Stroke(((0.5, 0.2), (0.5, 0.8)), 0.2, erases=True), line)).raster(50)
    assert (again == Drawing((line,)).raster(50)).all()


@given(lines, st.sampled_from(PEN_WIDTHS), st.integers(1, 64))
def test_painting_point_by_point_gives_the_same_picture(points, width, size):
    whole = Drawing((Stroke(tuple(points), width),)).raster(size)
    grown = np.zeros((size, size), dtype=np.uint8)
    for count in range(1, len(points) + 1):
        before = grown.copy()
        left, top, right, bottom = paint(grown, Stroke(tuple(points[:count]), width), first=max(0, count - 2))
        before[top:bottom, left:right] = grown[top:bottom, left:right]
        assert (before == grown).all(), "pixels changed outside of the box that was told"
    assert (grown == whole).all()


@given(st.lists(st.builds(Stroke, lines.map(tuple), st.sampled_from(PEN_WIDTHS), st.booleans()), max_size=4))
def test_a_drawing_survives_json(strokes):
    data = json.loads(json.dumps(Drawing(tuple(strokes)).to_data()))
    again = Drawing.from_data(data)
    assert again.to_data() == data
    assert [(s.erases, len(s.points)) for s in again.strokes] == [(s.erases, len(s.points)) for s in strokes]


@pytest.mark.parametrize(
    "data",
    [
        [{}],
        [{"points": []}],
        [{"points": [[0.1]]}],
        [{"points": [[0.1, "x"]]}],
        [{"points": [[float("nan"), 0.1]]}],
        [{"points": [[1e300, 0.1]]}],
        [{"points": [[0.1, 0.1]], "width": 0}],
        [None],
        ["points"],
        [{"points": [[0.1, 0.1]] * 200_000}],
    ],
)
def test_what_is_no_drawing_is_refused_in_one_line(data):
    with pytest.raises(ImageError) as caught:
        Drawing.from_data(data)
    assert "\n" not in str(caught.value)


def test_smoothing_takes_the_stairs_out_and_keeps_the_ends():
    grain = 1 / 20
    exact = np.linspace((0.1, 0.2), (0.9, 0.55), 200)
    stairs = [(round(float(x) / grain * 2) * grain / 2, round(float(y) / grain) * grain) for x, y in exact]
    stairs = [p for p, before in zip(stairs, [None, *stairs], strict=False) if p != before]
    soft = np.array(smoothed(stairs, grain))
    assert np.allclose(soft[0], stairs[0]) and np.allclose(soft[-1], stairs[-1])

    def roughness(points):
        steps = np.diff(np.array(points), axis=0)
        turns = np.diff(np.unwrap(np.arctan2(steps[:, 1], steps[:, 0])))
        return np.abs(turns).sum()

    assert roughness(soft) < roughness(stairs) / 2
    slope = (exact[-1] - exact[0])[1] / (exact[-1] - exact[0])[0]
    off = np.abs(soft[:, 1] - (0.2 + (soft[:, 0] - 0.1) * slope))
    assert off.max() < grain


@given(lines, st.just(0.0) | st.floats(0.005, 0.2))
def test_smoothing_stays_on_the_board_nearly_and_never_fails(points, grain):
    soft = np.array(smoothed(points, grain))
    assert np.isfinite(soft).all()
    assert (soft > -0.4).all() and (soft < 1.4).all()

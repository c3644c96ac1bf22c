"""Pictures as cells: each way is decoded as a terminal paints it, and compared with the picture."""

import unicodedata

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from kanatui.core.mosaic import LEVELS, WAYS, fit, resample

COLOURED = [way for way in WAYS.values() if way.greys]


def inside(name):
    """Which points of a cell, bool [24, 8], a character paints in ink, by its name in Unicode."""
    y, x = np.mgrid[0:24, 0:8]
    if name in ("SPACE", "FULL BLOCK"):
        return np.full((24, 8), name == "FULL BLOCK")
    if name.startswith(("BLOCK SEXTANT-", "BLOCK OCTANT-")):
        rows = 3 if "SEXTANT" in name else 4
        part = y // (24 // rows) * 2 + x // 4 + 1
        return np.isin(part, [int(digit) for digit in name.partition("-")[2]])
    if name.startswith("QUADRANT "):
        return np.logical_or.reduce(
            [inside(f"{half} QUARTER") for half in name.removeprefix("QUADRANT ").split(" AND ")]
        )
    if " ONE EIGHTH BLOCK-" in name:
        return (x if name.startswith("VERTICAL") else y // 3) == int(name[-1]) - 1
    words = name.split()
    distance = {"LEFT": x / 8, "RIGHT": (7 - x) / 8, "UPPER": y / 24, "LOWER": (23 - y) / 24}
    if words[-1] == "QUARTER" and len(words) == 3:  # a corner
        return (distance[words[0]] < 0.5) & (distance[words[1]] < 0.5)
    sizes = {"HALF": 4, "ONE EIGHTH": 1, "ONE QUARTER": 2, "THREE EIGHTHS": 3, "FIVE EIGHTHS": 5, "THREE QUARTERS": 6,
             "SEVEN EIGHTHS": 7}  # fmt: skip
    return distance[words[0]] < sizes[" ".join(words[1:-1])] / 8


def painted(mosaic):
    """What a terminal paints for the mosaic's lines of runs, 24 × 8 pixels a cell."""
    way, rows = mosaic.way, []
    for line in mosaic.lines():
        cells = []
        for text, ink, paper in line:
            for character in text:
                share = way.shapes[character]
                assert ink >= 0 or not share.any(), "a run without ink has only empty cells"
                cells.append(np.rint(paper + (ink - paper) * share))
        rows.append(np.hstack(cells))
    return np.vstack(rows)


def least_error(values, way):
    """The least squared error of one cell over all shapes and greys, by trying each."""
    down, across = values.shape
    errors = [((values - values.mean()) ** 2).sum()]
    for shape in way.drawn.reshape(-1, down, 24 // down, across, 8 // across).mean((2, 4)):
        unknown = np.stack([shape.ravel(), 1 - shape.ravel()], axis=1)
        found = np.linalg.lstsq(unknown, values.ravel(), rcond=None)[0]
        errors.append(((unknown @ found - values.ravel()) ** 2).sum())
    return min(errors)


@pytest.mark.parametrize("way", COLOURED, ids=lambda way: way.name)
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_runs_paint_the_cells_that_were_fitted(way, data):
    levels = st.sampled_from([0, 0, 0, 17, 119, 136, 255])  # equal neighbours, as in glyphs
    image = data.draw(arrays(np.uint8, (4, 14), elements=levels))
    mosaic = fit(image, way, 7, 2)
    assert np.array_equal(painted(mosaic), mosaic.pixels())


@pytest.mark.parametrize("way", COLOURED, ids=lambda way: way.name)
def test_no_shape_has_a_smaller_error_than_the_one_chosen(way):
    image = np.random.default_rng(7).integers(60, 190, (3 * way.down, 4 * way.across), dtype=np.uint8)
    shown = resample(fit(image, way, 4, 3).pixels(), *image.shape)
    half_a_level = 255 / (LEVELS - 1) / 2
    for y in range(3):
        for x in range(4):
            cell = np.s_[y * way.down : (y + 1) * way.down, x * way.across : (x + 1) * way.across]
            error = ((shown[cell] - image[cell]) ** 2).sum()
            assert error <= least_error(image[cell].astype(float), way) + image[cell].size * (half_a_level + 0.5) ** 2


@pytest.mark.parametrize("way", COLOURED, ids=lambda way: way.name)
def test_a_picture_of_two_greys_and_of_the_ways_own_shapes_is_shown_as_it_is(way):
    whole = [shape for shape in way.shapes.values() if set(np.unique(shape)) <= {0, 1}]
    chosen = np.random.default_rng(3).integers(0, len(whole), (8, 9))
    image = np.vstack([np.hstack([whole[place] for place in line]) for line in chosen])
    image = np.where(image > 0, 255, 34).astype(np.uint8)
    # Half as wide a bar of twice the contrast is the same where the picture is looked at.
    seen, wanted = (resample(each, 8 * way.down, 9 * way.across) for each in (fit(image, way, 9, 8).pixels(), image))
    assert np.abs(seen - wanted).max() <= 255 / (LEVELS - 1) / 2


@pytest.mark.parametrize("way", ["mosaics", "quadrants", "halves"])
def test_every_character_is_drawn_as_its_name_says(way):
    for character, shape in WAYS[way].shapes.items():
        name = unicodedata.name(character)
        if "DIAGONAL" not in name and "TRIANGULAR" not in name:
            assert np.array_equal(shape > 0, inside(name)), name


def test_diagonals_and_triangles_are_where_their_names_say():
    shapes = WAYS["mosaics"].shapes
    lower_left = shapes["\N{LOWER LEFT BLOCK DIAGONAL UPPER LEFT TO LOWER CENTRE}"]
    assert lower_left.mean() == pytest.approx(1 / 4, abs=0.01)
    assert lower_left[-1, 0] == 1 and lower_left[0, 0] > 0 and not lower_left[:, 4:].any()
    assert (np.diff(lower_left[:, :4].sum(axis=1)) > 0).all(), "it grows downwards"
    for code in range(0x1FB3C, 0x1FB52):
        assert np.allclose(shapes[chr(code)] + shapes[chr(code + 22)], 1, atol=0.05), "the other side of the same line"
    left = shapes["\N{LEFT TRIANGULAR ONE QUARTER BLOCK}"]
    assert left[12, 0] == left[12, 2] == 1 and not left[:, 4:].any() and left.mean() == pytest.approx(1 / 4, abs=0.01)
    for code in range(0x1FB68, 0x1FB6C):
        assert np.allclose(shapes[chr(code)] + shapes[chr(code + 4)], 1, atol=0.1)


def test_braille_is_named_after_its_dots():
    for mask, character in enumerate(WAYS["braille"].characters):
        places = {1: 0, 4: 1, 2: 2, 5: 3, 3: 4, 6: 5, 7: 6, 8: 7}  # Unicode's numbers of dots, in reading order
        name = unicodedata.name(character).removeprefix("BRAILLE PATTERN ").removeprefix("DOTS-")
        assert mask == sum(1 << places[int(dot)] for dot in name.replace("BLANK", ""))


def test_octants_are_those_of_unicode_16():
    """Python's own names are of an older Unicode; these are the first, the last, and some that are elsewhere."""
    octants = WAYS["octants"].characters[:256]  # what it shares with the other ways comes after them
    assert len(set(octants)) == 256
    of_parts = {"3": 0x1CD00, "23": 0x1CD01, "4": 0x1CD03, "34": 0x1CD06, "1": 0x1CEA8, "8": 0x1CEA0, "35": 0x1FBE6,
                "46": 0x1FBE7, "12": 0x1FB82, "123456": 0x1FB85, "78": 0x2582, "2345678": 0x1CDE5}  # fmt: skip
    for parts, code in of_parts.items():
        assert ord(octants[sum(1 << int(part) - 1 for part in parts)]) == code


def test_an_even_picture_is_one_run_a_line_and_a_glyph_few():
    for way in COLOURED:
        assert fit(np.full((48, 48), 51, np.uint8), way, 12, 6).lines() == [[(" " * 12, -1, 51)]] * 6
    bar = np.zeros((48, 48), np.uint8)
    bar[:, 20:28] = 255
    for way in COLOURED:
        assert all(len(line) == 1 for line in fit(bar, way, 12, 6).lines()), "ink on paper: one style a line"


def test_areas_are_averaged_whatever_the_sizes():
    image = np.arange(7 * 5, dtype=np.uint8).reshape(7, 5)
    for height, width in ((7, 5), (3, 2), (14, 10), (9, 8), (1, 1)):
        assert resample(image, height, width).mean() == pytest.approx(image.mean(), abs=1e-3)
    assert np.array_equal(resample(image, 7, 5), image)
    assert np.array_equal(resample(image, 14, 10), np.kron(image, np.ones((2, 2))))


def test_braille_shows_thin_strokes_and_plain_characters_densities():
    image = np.zeros((16, 16), dtype=np.uint8)
    image[0, 0] = image[15, 15] = image[3, 2] = 255
    lines = [line[0][0] for line in fit(image, WAYS["braille"], 8, 4).lines()]
    assert lines == ["⠁⡀" + "⠀" * 6, "⠀" * 8, "⠀" * 8, "⠀" * 7 + "⢀"]
    plain = fit(np.repeat(np.array([[0, 60, 120, 255]], np.uint8), 2, axis=0), WAYS["ascii"], 4, 1)
    ((text, ink, paper),) = plain.lines()[0]
    assert text[0] == " " and text[3] == "@" and len(set(text)) == 4
    assert (ink, paper) == (-1, -1)
    assert np.array_equal(np.argsort(plain.pixels()[0, ::8]), [0, 1, 2, 3])

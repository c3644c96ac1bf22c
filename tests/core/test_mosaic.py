"""Pictures as cells: each way is decoded as a terminal paints it, and compared with the picture."""

import unicodedata

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from kanatui.core.mosaic import LEVELS, WAYS, fit, resample

COLOURED = [way for way in WAYS.values() if way.greys]


def painted(mosaic):
    """What a terminal paints for the mosaic's lines of runs, one pixel for each part of a cell."""
    way = mosaic.way
    bits = np.arange(way.across * way.down)
    rows = []
    for line in mosaic.lines():
        cells = []
        for text, ink, paper in line:
            for character in text:
                mask = way.characters.index(character) >> bits & 1
                assert ink >= 0 or not mask.any(), "a run without ink has only empty cells"
                cells.append(np.where(mask, ink, paper).reshape(way.down, way.across))
        rows.append(np.hstack(cells))
    return np.vstack(rows)


def best_of_all_masks(parts):
    """The least squared error of one cell over all masks and greys, by trying each."""
    errors = []
    for mask in range(1 << len(parts)):
        inside = (mask >> np.arange(len(parts)) & 1).astype(bool)
        groups = [group for group in (parts[inside], parts[~inside]) if len(group)]
        errors.append(sum(((group - group.mean()) ** 2).sum() for group in groups))
    return min(errors)


@pytest.mark.parametrize("way", COLOURED, ids=lambda way: way.name)
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_runs_paint_the_cells_that_were_fitted(way, data):
    levels = st.sampled_from([0, 0, 0, 17, 119, 136, 255])  # equal neighbours, as in glyphs
    image = data.draw(arrays(np.uint8, (2 * way.down, 7 * way.across), elements=levels))
    mosaic = fit(image, way, 7, 2)
    assert np.array_equal(painted(mosaic), mosaic.pixels())


@pytest.mark.parametrize("way", COLOURED, ids=lambda way: way.name)
def test_no_mask_has_a_smaller_error_than_the_one_chosen(way):
    image = np.random.default_rng(7).integers(0, 256, (5 * way.down, 6 * way.across), dtype=np.uint8)
    shown = fit(image, way, 6, 5).pixels().astype(float)
    half_a_level = 255 / (LEVELS - 1) / 2
    for y in range(5):
        for x in range(6):
            cell = np.s_[y * way.down : (y + 1) * way.down, x * way.across : (x + 1) * way.across]
            parts = image[cell].astype(float).ravel()
            error = ((shown[cell].ravel() - parts) ** 2).sum()
            assert error <= best_of_all_masks(parts) + len(parts) * (half_a_level + 0.5) ** 2


@pytest.mark.parametrize("way", COLOURED, ids=lambda way: way.name)
def test_a_picture_of_two_greys_and_of_the_ways_own_parts_is_shown_as_it_is(way):
    image = np.random.default_rng(3).choice([34, 255], (8 * way.down, 9 * way.across)).astype(np.uint8)
    assert np.array_equal(fit(image, way, 9, 8).pixels(), image)


def test_every_character_is_named_after_its_parts():
    for mask, character in enumerate(WAYS["sextants"].characters):
        name = unicodedata.name(character)
        if name.startswith("BLOCK SEXTANT-"):
            assert mask == sum(1 << int(part) - 1 for part in name.removeprefix("BLOCK SEXTANT-"))
    for mask, character in enumerate(WAYS["braille"].characters):
        places = {1: 0, 4: 1, 2: 2, 5: 3, 3: 4, 6: 5, 7: 6, 8: 7}  # Unicode's numbers of dots, in reading order
        name = unicodedata.name(character).removeprefix("BRAILLE PATTERN ").removeprefix("DOTS-")
        assert mask == sum(1 << places[int(dot)] for dot in name.replace("BLANK", ""))


def test_octants_are_those_of_unicode_16():
    """Python's own names are of an older Unicode; these are the first, the last, and some that are elsewhere."""
    octants = WAYS["octants"].characters
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
    assert np.array_equal(np.argsort(plain.pixels()[0]), [0, 1, 2, 3])

"""The ink of whole pages, and the printed lines on them."""

import numpy as np
import pytest
from PIL import Image

from kanatui.cli.bench import compose
from kanatui.core.errors import NoInkError
from kanatui.pictures.page import EM, find_page
from kanatui.pictures.ruling import find_ruling
from tests.helpers.writing import image, line, sheet, stacked

TEXT = "あめがふるひは"


@pytest.fixture
def written(home):
    return line(TEXT)


def boxes_in(picture, page):
    """Return the ink's box of a page in pixels of the picture."""
    rows, columns = np.flatnonzero(page.mask.any(axis=1)), np.flatnonzero(page.mask.any(axis=0))
    return np.array(page.outline((columns[0], rows[0], columns[-1] + 1, rows[-1] + 1)))


@pytest.mark.parametrize("degrees", [-10, -4, 3, 9])
def test_a_crooked_page_is_turned_upright(written, degrees):
    assert find_page(image(compose.skewed(written.picture, degrees))).degrees == pytest.approx(-degrees, abs=2.0)


def test_an_upright_page_is_not_turned(written):
    assert find_page(image(written.picture)).degrees == 0.0


@pytest.mark.parametrize("degrees", [0, 8])
@pytest.mark.parametrize("scale", [1, 4])
def test_outlines_are_in_the_pictures_own_pixels(written, degrees, scale):
    turned = image(compose.skewed(written.picture, degrees))
    turned = turned.resize((turned.width * scale, turned.height * scale))
    found = boxes_in(turned, find_page(turned))
    rows, columns = np.nonzero(np.asarray(turned) < 128)
    ends = [columns.min(), rows.min(), columns.max(), rows.max()]
    assert np.abs(np.array([*found.min(axis=0), *found.max(axis=0)]) - ends).max() < scale * (3 if not degrees else 16)


def test_large_pages_are_reduced_until_characters_have_their_size(written):
    big = Image.new("L", (4000, 3000), 255)
    big.paste(
        image(written.picture).resize((3000, 3000 * written.picture.shape[0] // written.picture.shape[1])), (0, 0)
    )
    page = find_page(big)
    assert page.scale < 0.6 and 0.7 * EM < page.em < 1.4 * EM


@pytest.mark.parametrize(
    "spoil",
    [
        lambda picture: 255 - picture,
        lambda picture: compose.shadowed(picture, np.random.default_rng(3)),
        lambda picture: compose.jpeg(picture),
        lambda picture: (picture * 0.3 + 120).astype(np.uint8),
    ],
    ids=["light on dark", "shadow", "jpeg", "pale"],
)
def test_ink_is_found_in_any_light(written, spoil):
    expected, found = find_page(image(written.picture)).mask, find_page(image(spoil(written.picture))).mask
    assert found.shape == expected.shape
    assert (found & expected).sum() > 0.75 * expected.sum()
    assert found.sum() < 1.6 * expected.sum()


@pytest.mark.parametrize("mode", ["1", "P", "RGB", "RGBA", "LA", "I;16", "CMYK"])
def test_pictures_of_any_mode_are_read(written, mode):
    upright = image(written.picture)
    if mode == "I;16":
        converted = Image.fromarray(written.picture.astype(np.uint16) * 257)
    else:
        converted = upright.convert("RGB").convert(mode) if mode in ("P", "CMYK") else upright.convert(mode)
    assert find_page(converted).mask.sum() == pytest.approx(find_page(upright).mask.sum(), rel=0.1)


@pytest.mark.parametrize("colour", [0, 255])
def test_a_blank_page_has_no_ink(colour):
    with pytest.raises(NoInkError, match="no ink found"):
        find_page(Image.new("L", (300, 200), colour))


@pytest.mark.parametrize("vertical", [False, True])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_squares_are_found_and_left_out(home, vertical, seed):
    composed = sheet(["あめがふる", "ひはうちに"], vertical, seed)
    page = find_page(image(composed.picture))
    assert page.ruling.count == 10
    ink = sum((right - left) * (bottom - top) for left, top, right, bottom in composed.boxes) * page.scale**2
    assert page.mask.sum() < 0.5 * ink  # the lines alone would be more


def test_plain_paper_has_no_printed_lines(home):
    picture = stacked(line("ニコーロロココニニ", pitch=1.0).picture, line("ーーニニコエエユ", pitch=0.95).picture)
    page = find_page(image(picture))
    assert page.ruling.count == 0 and not page.ruling.lines.any()


def test_a_stroke_that_crosses_a_printed_line_stays_whole():
    mask = np.zeros((120, 400), dtype=bool)
    mask[60:62] = True
    mask[20:100, 200:206] = True
    lines = find_ruling(mask, 60.0).lines
    assert lines[60:62, :190].all() and lines[60:62, 216:].all()
    assert not lines[:, 200:206].any()

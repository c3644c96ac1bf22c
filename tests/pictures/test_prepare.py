"""Pictures are drawn here, stroke by stroke; what prepare() makes of a spoilt one must look like the clean drawing."""

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from PIL import Image, ImageDraw, ImageFilter
from scipy import ndimage

from kanatui.core.errors import ImageError, NoInkError
from kanatui.pictures.ink import find_paper, grey, pen_width
from kanatui.pictures.prepare import FILL, LEAST_PEN, find_inks, hypotheses, prepare

# Strokes in a unit square, as a hand would write them.
STROKES = {
    "い": [[(0.1, 0.2), (0.12, 0.6), (0.25, 0.8), (0.35, 0.65)], [(0.75, 0.25), (0.88, 0.45), (0.9, 0.6)]],
    "ツ": [[(0.1, 0.25), (0.2, 0.45)], [(0.4, 0.18), (0.48, 0.4)], [(0.85, 0.2), (0.75, 0.55), (0.35, 0.88)]],
    "ガ": [
        [(0.1, 0.4), (0.72, 0.36), (0.66, 0.8), (0.55, 0.85)],
        [(0.42, 0.15), (0.38, 0.55), (0.12, 0.88)],
        [(0.74, 0.12), (0.8, 0.24)],
        [(0.86, 0.08), (0.92, 0.2)],
    ],
    "ニ": [[(0.2, 0.3), (0.8, 0.28)], [(0.08, 0.75), (0.92, 0.73)]],
    "ロ": [[(0.1, 0.1), (0.1, 0.9), (0.9, 0.9), (0.9, 0.1), (0.1, 0.1)]],
    "ユ": [[(0.2, 0.15), (0.75, 0.15), (0.7, 0.85)], [(0.05, 0.85), (0.95, 0.85)]],
    "テ": [[(0.2, 0.1), (0.8, 0.12)], [(0.08, 0.45), (0.92, 0.42)], [(0.55, 0.45), (0.5, 0.7), (0.3, 0.92)]],
    "ー": [[(0.05, 0.5), (0.95, 0.52)]],
    "の": [[(0.55, 0.2), (0.4, 0.75), (0.15, 0.75), (0.12, 0.45), (0.45, 0.12), (0.85, 0.3), (0.88, 0.65), (0.6, 0.9)]],
}
PAPER, INK = 230, 40


def draw(character, size=105, pen=0.05, share=0.7, at=None):
    """Dark ink on light paper, uint8 [size, size]."""
    image = Image.new("L", (size * 4, size * 4), PAPER)
    canvas = ImageDraw.Draw(image)
    left, top = at or ((1 - share) / 2, (1 - share) / 2)
    width = max(4, round(pen * size * 4))
    for stroke in STROKES[character]:
        points = [((left + x * share) * size * 4, (top + y * share) * size * 4) for x, y in stroke]
        canvas.line(points, fill=INK, width=width, joint="curve")
        for x, y in (points[0], points[-1]):
            canvas.ellipse((x - width / 2, y - width / 2, x + width / 2, y + width / 2), fill=INK)
    return np.asarray(image.resize((size, size), Image.Resampling.BOX))


def cropped(picture):
    rows, columns = np.nonzero(picture < 128)
    return picture[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]


def ideal(character, size=64):
    """The clean drawing, framed by plain arithmetic."""
    dark = cropped(draw(character, 400)).astype(int)
    ink = Image.fromarray(((PAPER - dark) * 255 // (PAPER - INK)).astype(np.uint8))
    scale = FILL * size / max(ink.size)
    ink = ink.resize((round(ink.width * scale), round(ink.height * scale)), Image.Resampling.BOX)
    frame = Image.new("L", (size, size))
    frame.paste(ink, ((size - ink.width) // 2, (size - ink.height) // 2))
    return np.asarray(frame)


def likeness(a, b):
    """Cosine of the two images, blurred so that half a pixel does not matter: 1 is equal."""
    a, b = (ndimage.gaussian_filter(np.asarray(image, dtype=float), 1.5).ravel() for image in (a, b))
    return a @ b / np.sqrt((a @ a) * (b @ b))


def parts(image):
    return ndimage.label(image > 100, np.ones((3, 3)))[1]


def noisy(picture, strength=20):
    return np.clip(picture + np.random.default_rng(1).normal(0, strength, picture.shape), 0, 255).astype(np.uint8)


def across(picture):
    return np.linspace(0, 1, picture.shape[1])[None, :]


def shaded(picture):
    return (picture * (0.35 + 0.65 * across(picture))).astype(np.uint8)


def half_in_shadow(picture):
    return (picture * np.where(across(picture) < 0.55, 1.0, 0.5)).astype(np.uint8)


def lit_from_the_centre(picture):
    y, x = np.mgrid[-1 : 1 : picture.shape[0] * 1j, -1 : 1 : picture.shape[1] * 1j]
    return (picture * (1 - 0.25 * (x**2 + y**2))).astype(np.uint8)


def framed(picture, inset=2, width=2):
    image = Image.fromarray(picture)
    box = (inset, inset, image.width - 1 - inset, image.height - 1 - inset)
    ImageDraw.Draw(image).rectangle(box, outline=70, width=width)
    return np.asarray(image)


def askew(picture):
    frame = Image.fromarray(framed(np.full_like(picture, PAPER), inset=3)).rotate(2, fillcolor=PAPER)
    return np.minimum(picture, np.asarray(frame))


def ruled(picture):
    picture = picture.copy()
    picture[-5:-3] = 60
    picture[:, 3:5] = 60
    return picture


def scanned_past_the_edge(picture):
    picture = picture.copy()
    picture[:, :6] = 0
    return picture


def with_neighbours(picture):
    picture = picture.copy()
    picture[40:52, :4] = INK
    picture[70:90, -3:] = INK
    return picture


def speckled(picture):
    picture = picture.copy()
    for y, x in np.random.default_rng(3).integers(1, picture.shape[0] - 2, (40, 2)):
        picture[y, x : x + 2] = INK
    return picture


def with_pieces_of_a_frame(picture):
    picture = picture.copy()
    picture[3:5, 8:60] = 60
    picture[45:100, -6:-4] = 60
    return picture


def salted_and_peppered(picture):
    """Single pixels that are darker than the ink, which is not very dark, and lighter than the paper."""
    picture = (picture * 0.4 + 110).astype(np.uint8)
    spots = np.random.default_rng(4).random(picture.shape)
    picture[spots < 0.01] = 5
    picture[spots > 0.99] = 250
    return picture


def with_ink_of_uneven_strength(picture):
    """Strokes that fade from dark on the left to a third of that on the right."""
    strength = 1 - 0.67 * across(picture)
    return (PAPER - (PAPER - picture.astype(float)) * strength).astype(np.uint8)


def faint(picture):
    return (picture * 0.06 + 180).astype(np.uint8)


def faint_and_noisy(picture):
    return noisy(picture * 0.25 + 140, 6)


def blurred(picture):
    return np.asarray(Image.fromarray(picture).filter(ImageFilter.GaussianBlur(2)))


def small_scan(picture):
    """A form's field of 64 × 63 pixels in 16 greys, light on dark, noisy."""
    image = 255 - np.asarray(Image.fromarray(picture).resize((64, 63), Image.Resampling.BOX), dtype=float)
    return noisy(image * 0.6 + 20, 10) // 16 * 17


def icon(picture):
    return np.asarray(Image.fromarray(picture).resize((24, 24), Image.Resampling.BOX))


def jpeg(picture):
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "JPEG", quality=20)
    return np.asarray(Image.open(file))


SPOILT = [
    noisy, shaded, half_in_shadow, lit_from_the_centre, framed, askew, ruled, scanned_past_the_edge, with_neighbours,
    with_pieces_of_a_frame, speckled, salted_and_peppered, with_ink_of_uneven_strength, faint, faint_and_noisy, blurred,
    small_scan, icon, jpeg, cropped,
]  # fmt: skip


@pytest.mark.parametrize("character", STROKES)
@pytest.mark.parametrize("size", [28, 48, 64])
def test_fills_its_share_of_the_frame_and_is_centred(character, size):
    image = prepare(draw(character), size)
    assert image.shape == (size, size) and image.dtype == np.uint8
    rows, columns = np.nonzero(image > 127)
    height, width = np.ptp(rows) + 1, np.ptp(columns) + 1
    assert max(height, width) == pytest.approx(FILL * size, abs=1.5)
    assert rows.min() + rows.max() == pytest.approx(size - 1, abs=2)
    assert columns.min() + columns.max() == pytest.approx(size - 1, abs=2)
    source = cropped(draw(character, 400)).shape
    assert min(height, width) / max(height, width) == pytest.approx(min(source) / max(source), abs=3 / size)
    assert image.max() > 200 and image[0].max() == image[:, 0].max() == 0


@pytest.mark.parametrize("character", STROKES)
def test_clean_pictures_look_as_they_should(character):
    assert likeness(prepare(draw(character), 64), ideal(character)) > 0.98


UNEVEN_LIGHT = (shaded, half_in_shadow, lit_from_the_centre)  # of no meaning where the ink is what shines
SPOILT_BOTH_WAYS = [(spoil, False) for spoil in SPOILT] + [
    (spoil, True) for spoil in SPOILT if spoil not in UNEVEN_LIGHT
]


@pytest.mark.parametrize(("spoil", "negative"), SPOILT_BOTH_WAYS)
@pytest.mark.parametrize("character", ["い", "ツ", "ガ", "の"])
def test_spoilt_pictures_look_the_same_in_one_of_the_hypotheses(character, spoil, negative):
    picture = spoil(draw(character))
    images = hypotheses(255 - picture if negative else picture, 64).images
    image = max(images, key=lambda image: likeness(image, ideal(character)))
    assert likeness(image, ideal(character)) > 0.92
    if spoil not in (small_scan, icon, blurred):  # there the two dots of a voicing mark may truly run together
        assert parts(image) == parts(ideal(character))


@pytest.mark.parametrize("character", ["ロ", "ユ", "ニ", "テ"])
@pytest.mark.parametrize("negative", [False, True])
def test_strokes_along_the_edges_of_a_tight_crop_are_not_border_lines(character, negative):
    picture = cropped(draw(character))
    assert likeness(prepare(255 - picture if negative else picture, 64), ideal(character)) > 0.95
    assert likeness(hypotheses(255 - picture if negative else picture, 64).images[0], ideal(character)) > 0.95


def test_lines_and_blots_alone_are_no_crash():
    """Of two parts one is on the rim and the other a piece of a line: something is left all the same."""
    for height in range(20, 60, 4):
        picture = np.full((64, 64), PAPER, dtype=np.uint8)
        picture[2:4, 8:40] = INK
        picture[20 : 20 + height, 60:] = INK
        assert prepare(picture, 48).any()


def test_one_spot_on_empty_paper_is_no_ink():
    picture = np.full((64, 64), PAPER, dtype=np.uint8)
    picture[30, 30] = INK
    with pytest.raises(NoInkError, match="only one colour"):
        prepare(picture, 48)


def test_a_small_faint_character_is_found_on_grainy_paper():
    picture = noisy(draw("の", share=0.4) * 0.3 + 130, 14)
    assert likeness(prepare(picture, 64), ideal("の")) > 0.9


@pytest.mark.parametrize("pen", [0.012, 0.05, 0.15])
@pytest.mark.parametrize("share", [0.5, 0.8, 0.95])
@pytest.mark.parametrize("character", STROKES)
def test_polarity_from_hair_lines_to_brushes(character, pen, share):
    picture = draw(character, pen=pen, share=share).astype(np.float32)
    assert find_paper(picture).dark_ink > 0
    assert find_paper(255 - picture).dark_ink < 0
    if share < 0.9:
        assert find_paper(framed(picture.astype(np.uint8)).astype(np.float32)).dark_ink > 0


def test_a_thin_pen_in_a_large_scan_does_not_vanish():
    picture = noisy(draw("の", 1800, pen=0.0015), 4)
    image = prepare(picture, 64)
    assert likeness(image, ideal("の")) > 0.8
    assert parts(image) == 1
    assert pen_width(image > 127) >= LEAST_PEN * 64 * 0.7


def test_a_small_character_on_a_large_page_is_found():
    page = np.full((1400, 1000), PAPER, dtype=np.uint8)
    page[900:980, 120:200] = draw("ガ", 80)
    assert likeness(prepare(noisy(page, 4), 64), ideal("ガ")) > 0.97


def test_thick_strokes_keep_their_width():
    thin, thick = (pen_width(prepare(draw("の", pen=pen), 64) > 127) for pen in (0.06, 0.12))
    assert thick / thin == pytest.approx(2, rel=0.25)


PICTURE = Image.fromarray(draw("ガ"))


def ink_on_nothing(ink=0):
    alpha = Image.fromarray(255 - np.asarray(PICTURE))
    image = Image.new("RGBA", PICTURE.size, (ink, ink, ink, 0))
    image.putalpha(alpha.point(lambda value: max(0, value - 25)))
    return image


def rounded_card():
    image = PICTURE.convert("RGBA")
    corners = Image.new("L", image.size, 0)
    ImageDraw.Draw(corners).rounded_rectangle((0, 0, 104, 104), 20, fill=255)
    image.putalpha(corners)
    return image


def coloured(paper, ink):
    share = np.asarray(PICTURE, dtype=float)[..., None] / 255
    return Image.fromarray((share * paper + (1 - share) * ink).astype(np.uint8))


@pytest.mark.parametrize(
    "image",
    [
        PICTURE.convert("1", dither=Image.Dither.NONE),
        PICTURE.convert("RGB"),
        PICTURE.convert("RGBA"),
        PICTURE.convert("LA"),
        PICTURE.convert("CMYK"),
        PICTURE.convert("YCbCr"),
        PICTURE.convert("RGB").quantize(8),
        PICTURE.convert("I"),
        PICTURE.convert("F"),
        Image.fromarray((np.asarray(PICTURE) * 40.0 + 9000).astype(np.uint16)),
        ink_on_nothing(),
        ink_on_nothing(255),
        rounded_card(),
        coloured((250, 250, 245), (250, 240, 60)),
        coloured((230, 60, 60), (40, 140, 60)),
        coloured((0, 0, 60), (0, 255, 255)),
        np.asarray(PICTURE),
        np.asarray(PICTURE.convert("RGB")),
        np.asarray(PICTURE) < 128,
        np.asarray(PICTURE).astype(np.int64) * 1000,
        np.asarray(PICTURE) / 255.0,
    ],
    ids=lambda image: getattr(image, "mode", None) or str(image.dtype),
)
def test_every_kind_of_picture_gives_the_same_image(image):
    assert likeness(prepare(image, 64), prepare(PICTURE, 64)) > 0.98


def test_preparing_what_is_prepared_changes_little():
    once = prepare(draw("ガ"), 64)
    assert likeness(prepare(once, 64), once) > 0.98


@pytest.mark.parametrize(
    "image",
    [
        Image.new("L", (50, 50), 255),
        Image.new("RGB", (1, 1), (3, 4, 5)),
        Image.new("RGBA", (30, 30), (0, 0, 0, 0)),
        np.full((8, 8), np.nan),
        np.array([[0.0, np.inf], [1.0, 2.0]]),
        np.zeros((0, 4), dtype=np.uint8),
        np.zeros((4, 4, 2), dtype=np.uint8),
    ],
    ids=["white", "one pixel", "transparent", "nan", "infinite", "empty", "two channels"],
)
def test_pictures_without_ink_are_errors(image):
    with pytest.raises(ImageError):
        prepare(image, 32)


@given(arrays(np.uint8, array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=40)), st.sampled_from([16, 48]))
@settings(max_examples=60, deadline=None)
def test_any_array_gives_an_image_or_an_image_error(picture, size):
    try:
        image = prepare(picture, size)
    except ImageError:
        return
    assert image.shape == (size, size) and image.dtype == np.uint8 and image.max() > 0


@pytest.mark.parametrize("shape", [(1, 3000), (3000, 1), (2, 500), (500, 3)])
def test_strips_do_not_break_it(shape):
    picture = np.full(shape, 255, dtype=np.uint8)
    picture[shape[0] // 2 :, shape[1] // 2 :] = 0
    assert prepare(picture, 32).shape == (32, 32)


def test_find_inks_says_where_and_how_wide():
    picture = np.full((100, 120), 255.0, dtype=np.float32)
    picture[20:80, 50:56] = 0
    (ink,) = find_inks(picture)
    assert ink.box == (50, 20, 56, 80)
    assert ink.pen == pytest.approx(6, rel=0.35)
    assert ink.alpha[50, 52] == 1.0 and ink.alpha[50, 80] == 0.0


def test_grey_takes_the_channel_that_tells_ink_from_paper():
    values = np.asarray(grey(coloured((230, 60, 60), (40, 140, 60))))
    luminance = np.asarray(coloured((230, 60, 60), (40, 140, 60)).convert("L"), dtype=float)
    assert np.ptp(values) > 3 * np.ptp(luminance)

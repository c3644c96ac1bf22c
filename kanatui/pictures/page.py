"""Finds the ink of a whole page: a photo of a line, a scanned sheet, a screenshot, of any size and a little crooked.

A page is not prepared as a picture of one character is (:mod:`kanatui.pictures.prepare`): most of it is paper, its
light is uneven, and what lies at its edges may be text. What comes out is reduced so that a character has about
:data:`EM` pixels, turned upright, and without the printed lines of squared or ruled paper
(:mod:`kanatui.pictures.ruling`).
"""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import numpy.typing as npt
from PIL import Image
from scipy import ndimage

from kanatui.core.errors import NoInkError
from kanatui.pictures.ink import Grey, Mask, grey, otsu
from kanatui.pictures.ruling import Ruling, find_ruling

EM = 80
"""Pixels to a character of a page that is reduced: nearly twice what the model's picture has."""

MOST_SKEW = 12.0
"""Degrees by which a page may be turned."""

_GLANCE = 1_000_000  # pixels: enough to find out how large the characters are
_MOST = 6_000_000  # pixels that are worked on; their temporary arrays take some 200 MB
_PAPER = 0.2  # share of the longer side: the squares that fit between strokes, however bold, but not into shadows
_WIDE = 0.5  # of the longer side: squares that find no room between the strokes of a large character either
_PAPER_ACROSS = 0.4  # share of the shorter side: in a picture of a line shadows are no wider
_COARSE = 400  # px: enough to tell ink from paper
_LEAST_CONTRAST = 0.08  # of the paper's light: fainter marks are grain and stains
_INK = 0.5  # of the typical contrast of ink: half covered by it
_PALE = 0.03  # of the paper's light: the palest printed lines that can be told from clean paper
_RADII = 0.5  # degrees between the directions that are tried


@dataclasses.dataclass(frozen=True)
class Page:
    """The ink of a page, upright."""

    alpha: Grey
    """float32 [H, W], 0 paper to 1 ink."""
    mask: Mask
    """bool [H, W]: certain ink, without printed lines."""
    em: float
    """Typical size of a character's em box, in pixels of ``alpha``."""
    ruling: Ruling
    """The printed lines and squares that were left out."""
    scale: float
    """Pixels of ``alpha`` to a pixel of the picture."""
    degrees: float
    """By which the picture was turned, anticlockwise positive."""
    picture: tuple[int, int]
    """Width and height of the picture in its own pixels."""

    def outline(self, box: tuple[int, int, int, int]) -> list[tuple[float, float]]:
        """Return the four corners, in pixels of the picture, of a box in pixels of ``alpha``."""
        left, top, right, bottom = box
        corners = np.array([(left, top), (right, top), (right, bottom), (left, bottom)], dtype=np.float64)
        height, width = self.alpha.shape
        turn = math.radians(self.degrees)
        across, down = (corners - (width / 2, height / 2)).T
        x = across * math.cos(turn) - down * math.sin(turn)
        y = across * math.sin(turn) + down * math.cos(turn)
        middle = np.array(self.picture) / 2
        found = np.column_stack([x, y]) / self.scale + middle
        return [(float(a), float(b)) for a, b in np.clip(found, 0, self.picture)]


def find_page(image: Image.Image) -> Page:
    """Find the ink of a page.

    Args:
        image: a Pillow image of any mode and size, dark on light or light on dark.

    Raises:
        NoInkError: the picture holds no ink.
    """
    size = image.size
    glance, scale = _reduced(image, math.sqrt(_GLANCE / (size[0] * size[1])))
    contrast, level, grain = _contrast(np.asarray(grey(glance), dtype=np.float32))
    em = character_size(contrast > _INK * level)
    if scale < 1.0 and em < EM:
        # The characters are small in a large picture: look closer.
        closer = min(scale * EM / em, math.sqrt(_MOST / (size[0] * size[1])))
        em *= min(closer, 1.0) / scale
        glance, scale = _reduced(image, closer)
        contrast, level, grain = _contrast(np.asarray(grey(glance), dtype=np.float32))
    elif em > 1.25 * EM:
        factor = EM / em
        shape = [max(1, round(side * factor)) for side in glance.size]
        contrast = np.asarray(Image.fromarray(contrast).resize(shape, Image.Resampling.BOX), dtype=np.float32)
        scale, em = scale * factor, em * factor
    degrees = find_skew(contrast > _INK * level, em)
    if degrees:
        turned = Image.fromarray(contrast).rotate(degrees, Image.Resampling.BILINEAR, expand=True)
        contrast = np.asarray(turned, dtype=np.float32)
    mask = contrast > _INK * level
    ruling = find_ruling(_marked(contrast, max(_PALE, grain)), em)
    mask &= ~ruling.lines
    if not mask.any():
        raise NoInkError("no ink found")
    alpha = np.clip((contrast / level - 0.2) / 0.8, 0.0, 1.0).astype(np.float32)
    alpha[ruling.lines] = 0.0
    return Page(alpha, mask, character_size(mask), ruling, scale, degrees, size)


def _reduced(image: Image.Image, factor: float) -> tuple[Image.Image, float]:
    """Reduce a picture by a factor below 1, before it becomes floating-point numbers, and return the factor."""
    if factor >= 1.0:
        return image, 1.0
    if image.mode in ("1", "P", "PA"):
        image = image.convert("RGBA" if image.has_transparency_data else "RGB")
    elif image.mode not in ("L", "LA", "RGB", "RGBA"):
        image = grey(image)
    shape = (max(1, round(image.width * factor)), max(1, round(image.height * factor)))
    return image.resize(shape, Image.Resampling.BOX, reducing_gap=2.0), factor


def _contrast(work: Grey) -> tuple[Grey, float, float]:
    """Return how much each pixel differs from the paper around it, and the contrasts of ink and of the paper's grain.

    The contrast is the share of the paper's light that is missing, 0 on typical paper.

    Most of a page is paper, so whichever is the rarer side of the local average is ink. NoInkError if there is none.
    """
    if float(np.ptp(work)) <= 0.0 or not np.isfinite(work).all():
        raise NoInkError("no ink found: the picture has only one colour")
    low = float(work.min())
    work = ndimage.gaussian_filter(work - low, 0.7)
    if _is_light(work):
        work = float(work.max()) - work
    side = max(3, round(min(max(work.shape) * _PAPER, min(work.shape) * _PAPER_ACROSS)))
    paper = ndimage.grey_closing(work, size=(side, side))
    contrast = np.asarray(1.0 - work / np.maximum(paper, 1e-2 * float(paper.max())), dtype=np.float32)
    middle, lower = (float(value) for value in np.quantile(contrast[::3, ::3], (0.5, 0.16)))
    contrast = np.maximum(contrast - middle, 0.0)
    grain = 5.0 * (middle - lower)
    least = max(_LEAST_CONTRAST, grain)
    inked = contrast[contrast > least]
    if not len(inked):
        raise NoInkError("no ink found")
    # Printed lines and blurred edges are fainter than what was written: of two classes the stronger is ink.
    level = float(np.median(inked[inked >= otsu(inked)]))
    return contrast, max(level, least / _INK), grain


def _marked(contrast: Grey, least: float) -> Mask:
    """Return whatever is darker than paper, bool [H, W]: cores without blurred edges, be they of ink or a pale line."""
    return np.asarray((contrast > least) & (contrast > 0.5 * ndimage.maximum_filter(contrast, 7)))


def _is_light(work: Grey) -> bool:
    """Say whether ink is lighter than paper: taken for ink, it covers less than paper between strokes would.

    Closing by a large square fills dark strokes up to the paper about them; opening does so with light ones. The wrong
    one of them finds "ink" wherever true ink is near. It is right for 99.7 % of 3,182 single glyphs, dark and light,
    and for all of 540 pages, two thirds of them in shadow.
    """
    scale = min(1.0, _COARSE / max(work.shape))
    shape = [max(2, round(side * scale)) for side in work.shape[::-1]]
    coarse = np.asarray(Image.fromarray(work).resize(shape, Image.Resampling.BOX))
    wide = max(3, round(max(shape) * _WIDE))
    side = (min(wide, coarse.shape[0]), min(wide, coarse.shape[1]))
    dark = ndimage.grey_closing(coarse, size=side) - coarse
    light = coarse - ndimage.grey_opening(coarse, size=side)
    return _covered(light) < _covered(dark)


def _covered(contrast: Grey) -> float:
    """Return the share of a picture that has most of its strongest contrast, which shadows have not."""
    return float((contrast > 0.6 * np.quantile(contrast, 0.995)).mean())


def character_size(mask: Mask) -> float:
    """Return the typical size of the em box of the characters on a page, in pixels.

    A kana's ink takes three quarters of it on average; connected parts are weighted by their size, so that dots and
    single strokes count little, and what encloses other parts (a printed box) does not count.
    """
    labels, _ = ndimage.label(mask, np.ones((3, 3), dtype=int))
    found = ndimage.find_objects(labels)
    sides = np.array([[part[0].stop - part[0].start, part[1].stop - part[1].start] for part in found], dtype=float)
    if not len(sides):
        raise NoInkError("no ink found")
    areas = np.bincount(labels.ravel(), minlength=len(found) + 1)[1:]
    longer = sides.max(axis=1)
    # A box or a grid fills little of its rectangle; so does a long thin stroke, but that is no box.
    hollow = (areas < 0.08 * sides.prod(axis=1)) & (sides.min(axis=1) > 0.3 * longer)
    usual = ~hollow if (longer[~hollow].sum() > 0.0) else np.ones(len(longer), dtype=bool)
    longer = np.sort(longer[usual])
    # Grain has many small parts: only those of a fair size speak.
    longer = longer[longer >= 0.25 * longer[-max(1, len(longer) // 20 + 1)]]
    share = np.cumsum(longer) / longer.sum()
    return max(4.0, float(longer[np.searchsorted(share, 0.7)]) / 0.75)


def find_skew(mask: Mask, em: float) -> float:
    """Return by how many degrees a page must be turned, anticlockwise positive, for its lines to be upright; 0 if few.

    Lines of text are found as the direction in which ink concentrates most in bands of a fifth of a character:
    finer bands would follow the strokes, which rise to the right in many hands.
    """
    y, x = np.nonzero(mask)
    step = max(1, len(x) // 40_000)
    points = np.column_stack([x, y])[::step].astype(np.float32)
    if np.ptp(points, axis=0).max() < 2.5 * em:
        return 0.0  # one or two characters have no line
    angles = np.arange(-MOST_SKEW, MOST_SKEW + _RADII / 2, _RADII)
    scores = np.array([_concentration(points, angle, em / 5) for angle in angles])
    scores *= 1.0 - 0.004 * np.abs(angles)[:, None]
    axis = int(scores.max(axis=0).argmax())
    best = int(scores[:, axis].argmax())
    upright = scores[len(angles) // 2, axis]
    if scores[best, axis] < 1.03 * upright or best in (0, len(angles) - 1):
        return 0.0
    below, here, above = scores[best - 1 : best + 2, axis]
    bend = below - 2 * here + above
    return float(angles[best] + (_RADII * 0.5 * (below - above) / bend if bend < 0 else 0.0))


def _concentration(points: npt.NDArray[np.float32], degrees: float, band: float) -> list[float]:
    """Return how concentrated points are in horizontal and in vertical bands once turned, each a share 0 … 1."""
    turn = math.radians(degrees)
    x, y = points.T
    found = []
    for places in (y * math.cos(turn) - x * math.sin(turn), x * math.cos(turn) + y * math.sin(turn)):
        counts = np.bincount(((places - places.min()) / band).astype(np.int64)).astype(np.float64)
        # Half a band aside, too, so that the result does not depend on where bands begin.
        spread = np.convolve(counts, (0.25, 0.5, 0.25))
        found.append(float((spread**2).sum() / counts.sum() ** 2))
    return found

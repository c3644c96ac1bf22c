"""Ink and paper: one grey channel, polarity, the light on the paper, the threshold."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image
from scipy import ndimage

from kanatui.core.errors import ImageError, NoInkError
from kanatui.pictures.drawing import Box

_COARSE = 48  # px: enough for polarity and background, and large filters are cheap at this size
_MARGIN = 2  # px of paper put around what is measured: in a crop of few pixels all paper borders on ink.
# With it and the present weights of parts, digits of 8 × 8 px are read 95.0 % instead of 94.1 % right.
_FAINT = 0.65  # of the threshold: lower limit where ink is faint; ruled lines behind it stay below
_PAPER = 15  # px of the coarse picture: squares of this size fit between strokes, not into them
_SPIKE = 0.2  # share of the picture's range

Grey = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]
Numbers = npt.NDArray[np.signedinteger[Any]]


def box_of(mask: Mask) -> Box:
    """Return the box around what is marked in a mask that is not empty, bool [H, W]."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def require_contrast(work: Grey) -> float:
    """Return the brightness range of the picture. ImageError if it is zero or not finite."""
    span = float(work.max()) - float(work.min())
    if not 0.0 < span < np.inf:
        raise NoInkError("no ink found: the picture has only one colour")
    return span


def grey(image: Image.Image) -> Image.Image:
    """Return the one channel in which ink and paper differ most, Pillow mode ``F``.

    Transparent pictures are laid on paper: of the opaque pixels' own colour if most are opaque, else (only the ink is
    opaque) black or white, whichever the ink is not. Of coloured pictures the first principal component is taken,
    so that yellow on white or red on green does not fade as in luminance.
    """
    if image.mode in ("F", "I") or image.mode.startswith("I;16"):
        return image.convert("F")
    if image.has_transparency_data:
        image = _opaque(image.convert("RGBA"))
    if image.mode in ("1", "L"):
        return image.convert("L").convert("F")
    image = image.convert("RGB")
    sample = np.asarray(image.resize((32, 32), Image.Resampling.BOX), dtype=np.float64).reshape(-1, 3)
    _, vectors = np.linalg.eigh(np.cov(sample.T))
    weights = vectors[:, -1] / np.abs(vectors[:, -1]).sum()
    if abs(weights.sum()) > 0.98:  # all of one sign and similar: a grey picture
        return image.convert("L").convert("F")
    # Pillow clips the result of a matrix to 0 … 255, so negative weights need an offset.
    return image.convert("L", (*weights, -255 * weights[weights < 0].sum())).convert("F")


def _opaque(image: Image.Image) -> Image.Image:
    sample = np.asarray(image.resize((32, 32), Image.Resampling.BOX), dtype=np.float64).reshape(-1, 4)
    colours, opacity = sample[:, :3], sample[:, 3] / 255
    if not opacity.any():
        raise NoInkError("no ink found: the picture is fully transparent")
    if opacity.mean() >= 0.5:
        paper = np.median(colours[opacity >= 0.5], axis=0)
    else:
        paper = np.full(3, 0.0 if np.average(colours.mean(axis=1), weights=opacity) >= 128 else 255.0)
    flat = Image.new("RGBA", image.size, tuple(int(value) for value in paper))
    flat.alpha_composite(image)
    return flat


def from_array(values: npt.NDArray[np.generic]) -> Image.Image:
    """Return an array [H, W], [H, W, 3] or [H, W, 4] as a picture. ImageError if its shape is another."""
    if values.dtype == np.bool_:
        values = values.astype(np.uint8) * 255
    if values.ndim == 2 and values.dtype != np.uint8:
        values = values.astype(np.float32)
    if values.ndim not in (2, 3) or 0 in values.shape or (values.ndim == 3 and values.shape[2] not in (3, 4)):
        raise ImageError(f"an array of shape {values.shape} is not a picture ([H, W], [H, W, 3] or [H, W, 4])")
    return Image.fromarray(values)


@dataclasses.dataclass(frozen=True)
class Paper:
    """The paper behind the ink, for either polarity."""

    dark_ink: float
    """How much speaks for ink darker than the paper; negative: for lighter ink. Near 0 both are possible."""
    under_dark: Grey
    """The paper's brightness if the ink is dark, float32 [h, w], h and w at most 48."""
    under_light: Grey
    """The same if the ink is light."""


def find_paper(work: Grey) -> Paper:
    """Tell ink from paper, whichever is darker.

    Closing by squares of growing size removes dark strokes as soon as they are narrower than the square; opening
    removes light ones. Whichever loses more of its outline is ink, no matter how much of the picture it covers and how
    the light falls: a shadow's edge survives both. If the losses are nearly even (heavy type cropped to its ink), the
    border counts, which is more often paper.

    Args:
        work: grey picture, float32 [H, W].
    """
    scale = min(1.0, _COARSE / max(work.shape))
    shape = [max(2, round(side * scale)) for side in work.shape[::-1]]  # an outline takes two pixels
    small = np.asarray(Image.fromarray(work).resize(shape, Image.Resampling.BOX))
    low, span = small.min(), max(float(np.ptp(small)), 1e-12)
    smooth = ndimage.gaussian_filter((small - low) / span, 0.5, truncate=2.0)
    # Closing is opening of the negative; one call for both takes half the time.
    both = np.stack([-smooth, smooth])
    outline = np.zeros(2)
    for side in (4, 8, _PAPER):
        opened = ndimage.grey_opening(both, size=(1, side, side))
        outline += np.abs(np.diff(opened, axis=1)).sum(axis=(1, 2)) + np.abs(np.diff(opened, axis=2)).sum(axis=(1, 2))
    lost = (outline[1] - outline[0]) / max(outline.sum(), 1e-12)
    border = np.concatenate([smooth[:2].ravel(), smooth[-2:].ravel(), smooth[:, :2].ravel(), smooth[:, -2:].ravel()])
    dark_ink = float(lost + 0.4 * (border.mean() - otsu(smooth)))
    return Paper(dark_ink, -opened[0] * span + low, opened[1] * span + low)


@dataclasses.dataclass(frozen=True)
class Contrast:
    """How much each pixel differs from the paper around it."""

    values: Grey
    """float32 [H, W], about 0 on paper and up to 1 on ink."""
    parts: Numbers
    """The connected parts of the ink, numbered from 1, and 0 on paper: [H, W]."""
    alpha: Grey
    """float32 [H, W], 0 paper to 1 typical ink."""

    def ink(self, kept: Mask) -> Grey:
        """Return the ``alpha`` of the ``kept`` part of the ink and its soft edges."""
        return self.alpha * ndimage.maximum_filter(kept.view(np.uint8), 3)


def find_contrasts(work: Grey, paper: Paper, dark: bool) -> Iterator[Contrast]:
    """Separate ink from paper, in each way in which light may fall on it.

    Where the paper seems darker in one place than in another, light may be uneven or ink so broad that no paper shows
    between its strokes. Even light is tried first: it loses no ink.

    Dark ink is measured as the share of the paper's light that it absorbs, so that a shadow over half of the picture
    does not make the ink in it fainter. Light ink (a screen, a negative) is measured as a difference.

    Args:
        work: grey picture, float32 [H, W].
        paper: the picture's.
        dark: whether the ink is the darker.

    Yields:
        One or two; none if there is no ink.
    """
    span = require_contrast(work)
    coarse = paper.under_dark if dark else paper.under_light
    if float(np.ptp(coarse)) > 0.15 * span:
        even = np.full_like(work, coarse.max() if dark else coarse.min())
        # A sharp shadow needs full resolution, or its edge remains as a line.
        side = max(3, max(work.shape) * _PAPER // _COARSE)
        filtered = ndimage.grey_closing if dark else ndimage.grey_opening
        behinds = [even, filtered(ndimage.gaussian_filter(work, 0.8), size=(side, side))]
    else:
        smooth = Image.fromarray(ndimage.gaussian_filter(coarse, 1.5))
        behinds = [np.asarray(smooth.resize(work.shape[::-1], Image.Resampling.BILINEAR))]
    for behind in behinds:
        if contrast := _contrast(work, behind, dark, span):
            yield contrast


def _contrast(work: Grey, behind: Grey, dark: bool, span: float) -> Contrast | None:
    """Compare each pixel with the paper ``behind`` it, float32 [H, W]. None if nothing is ink."""
    low = min(float(work.min()), 0.0)
    contrast = 1.0 - (work - low) / np.maximum(behind - low, 1e-3 * span) if dark else (work - behind) / span
    contrast = (contrast / max(float(contrast.max()), 1e-12)).astype(np.float32, copy=False)
    surrounded = np.pad(contrast, _MARGIN)
    middle = otsu(surrounded)
    if _noise(surrounded, middle) > 0.02:
        contrast = ndimage.gaussian_filter(contrast, 0.8, truncate=2.5)
        surrounded = np.pad(contrast, _MARGIN)
        middle = otsu(surrounded)
    threshold, floor = _thresholds(surrounded, middle)
    sure = contrast > threshold
    if not sure.any():
        return None
    parts, level = _inked(contrast, sure, threshold, floor)
    low = 0.4 * threshold
    return Contrast(contrast, parts, np.clip((contrast - low) / (level - low), 0.0, 1.0))


def _thresholds(contrast: Grey, middle: float) -> tuple[float, float]:
    """Return the contrast above which a pixel is certainly ink, and the one below which it certainly is not.

    The first is Otsu's, ``middle``, or more if that is within the paper's noise: his method expects two classes of
    similar size, and loses a small, faint character in the grain of the paper.
    """
    sure = max(middle, 1e-6)
    # The median, and one sigma below it; every other row is enough and takes half the time.
    paper, lower = (float(value) for value in np.quantile(contrast[::2], (0.5, 0.16)))
    if paper < sure:  # more paper than ink
        sure = max(sure, min(paper + 3.5 * (paper - lower), 0.7 * float(contrast.max())))
    return sure, max(_FAINT * sure, min(sure, paper + 2.5 * (paper - lower)))


def _inked(contrast: Grey, sure: Mask, threshold: float, floor: float) -> tuple[Numbers, float]:
    """Return the connected parts of the ink, as :attr:`Contrast.parts`, and the typical contrast of ink.

    Where a stroke becomes faint, half of the contrast usual there is enough (down to a floor) if it is connected to
    certain ink. Next to a dark stroke the threshold is unchanged, or its blurred edge would widen it.
    """
    level = float(np.median(contrast[sure]))
    about = ndimage.maximum_filter(contrast, 2 * round(max(pen_width(sure), 1.0)) + 1)
    likely = contrast > np.clip(threshold / level * about, floor, threshold)
    labels, count = ndimage.label(likely, np.ones((3, 3), dtype=int))
    joined = np.zeros(count + 1, dtype=labels.dtype)
    joined[labels[sure]] = 1
    return (joined * joined.cumsum())[labels], level  # numbered without gaps


def _noise(contrast: Grey, middle: float) -> float:
    """Return the standard deviation of the noise on paper, from the median step between neighbours that are no ink."""
    left, right = contrast[:, :-1], contrast[:, 1:]
    paper = np.maximum(left, right) < 0.5 * middle
    return float(np.median(np.abs(right - left)[paper])) * 1.05 if paper.any() else 0.0  # 1.4826 / √2


def otsu(values: Grey) -> float:
    """Return the threshold that best separates two classes (Otsu 1979), from a histogram of 256 levels."""
    low, high = float(values.min()), float(values.max())
    levels = ((values - low) * (255.0 / max(high - low, 1e-12))).astype(np.uint8)
    counts = np.bincount(levels.ravel(), minlength=256).astype(np.float64)
    below = np.cumsum(counts)[:-1]
    above = counts.sum() - below
    mass = np.cumsum(counts * np.arange(256))
    difference = mass[:-1] / np.maximum(below, 1) - (mass[-1] - mass[:-1]) / np.maximum(above, 1)
    between = below * above * difference**2
    # Two-level pictures have a plateau of equally good thresholds; its middle is symmetric.
    best = np.flatnonzero(between >= between.max() * (1 - 1e-9)).mean()
    return low + (float(best) + 0.5) * (high - low) / 255.0


def without_spikes(work: Grey) -> Grey:
    """Replace single pixels that differ from all eight neighbours by the nearest of these: salt and pepper.

    They would set the scale of the contrast, or count as ink. Even the thinnest stroke continues in one of the eight.

    Args:
        work: grey picture, float32 [H, W].
    """
    height, width = work.shape
    padded = np.pad(work, 1, mode="edge")
    # Slices, because SciPy's filter with a footprint takes four times as long.
    around = [padded[y : y + height, x : x + width] for y in range(3) for x in range(3) if (y, x) != (1, 1)]
    most, least = functools.reduce(np.maximum, around), functools.reduce(np.minimum, around)
    margin = _SPIKE * float(np.ptp(work))
    return np.where((work > most + margin) | (work < least - margin), np.clip(work, least, most), work)


def pen_width(mask: Mask) -> float:
    """Return the mean width of the strokes in pixels: twice the area over the outline's length (Crofton's formula)."""
    outline = np.count_nonzero(mask[1:] != mask[:-1]) + np.count_nonzero(mask[:, 1:] != mask[:, :-1])
    outline += np.count_nonzero(mask[[0, -1]]) + np.count_nonzero(mask[:, [0, -1]])
    return 2.0 * np.count_nonzero(mask) / max(np.pi / 4 * outline, 1.0)

"""Turns a picture of one character, of any size and kind, into an image like those trained on: white ink on black.

The steps, each a function below: one grey channel, polarity, uneven background, threshold, border lines, specks, pen
width, framing. Nothing is learnt or random: a picture always gives the same image.
"""

from __future__ import annotations

import dataclasses

import numpy as np
import numpy.typing as npt
from PIL import Image
from scipy import ndimage

from kanatui.core.errors import ImageError, NoInkError
from kanatui.pictures.blemishes import Grey, Mask, pen_width, without_border_lines, without_specks, without_spikes

FILL = 0.68
"""Share of the frame that the longer side of the ink fills.

Measured on 950 real drawings with a first model of the handwriting recipe: 0.60 to 0.75 read equally well (92.3 to
92.7 % folded), 0.55 loses 1 %, 0.80 loses 2 % and 0.90 loses 6 %.
"""

LEAST_PEN = 0.04
"""Least width of a pen stroke as a share of the frame: thinner ones are thickened, or they would fade to grey.

Measured as above: up to 0.05 nothing changes, 0.07 loses 1 %.
"""

_WORK = 192  # px: larger pictures are first reduced to this; twice what the ink gets in a 128 px frame
_COARSE = 48  # px: enough for polarity and background, and large filters are cheap at this size
_FAINT = 0.65  # of the threshold: lower limit where ink is faint; ruled lines behind it stay below
_PAPER = 15  # px of the coarse picture: squares of this size fit between strokes, not into them


def prepare(image: Image.Image | npt.NDArray[np.generic], size: int) -> npt.NDArray[np.uint8]:
    """Return the picture's character, white on black, centred in a frame of ``size`` × ``size`` pixels.

    Args:
        image: a Pillow image of any mode, or an array [H, W], [H, W, 3] or [H, W, 4]; dark on light or light on dark.
        size: side of the result in pixels.

    Returns:
        uint8 [size, size]; the ink's longer side fills :data:`FILL` of the frame, with its proportions kept.

    Raises:
        NoInkError: the picture holds no ink.
    """
    picture = grey(image if isinstance(image, Image.Image) else _from_array(image))
    box = (0.0, 0.0, float(picture.width), float(picture.height))
    while True:
        width, height = box[2] - box[0], box[3] - box[1]
        scale = min(1.0, _WORK / max(width, height))
        shape = (max(1, round(width * scale)), max(1, round(height * scale)))
        # Averaging keeps a thin pen's share of each pixel; its contrast is stretched again below.
        whole = scale == 1.0 and shape == picture.size
        work = np.asarray(picture if whole else picture.resize(shape, Image.Resampling.BOX, box=box), dtype=np.float32)
        ink = find_ink(work)
        left, top, right, bottom = ink.box
        if scale == 1.0 or max(right - left, bottom - top) >= _WORK / 2:
            return framed(ink, size)
        # The character is small in a large picture: repeat on a crop around it.
        margin = 0.2 * max(right - left, bottom - top)
        box = (
            max(box[0], box[0] + (left - margin) / scale),
            max(box[1], box[1] + (top - margin) / scale),
            min(box[2], box[0] + (right + margin) / scale),
            min(box[3], box[1] + (bottom + margin) / scale),
        )


@dataclasses.dataclass(frozen=True)
class Ink:
    """The ink found in a picture."""

    alpha: Grey
    """float32 [H, W], 0 paper to 1 ink."""
    box: tuple[int, int, int, int]
    """Left, top, right, bottom of the ink, in pixels; right and bottom exclusive."""
    pen: float
    """Mean width of the strokes in pixels."""


def find_ink(work: Grey) -> Ink:
    """Separate ink from paper in a grey picture float32 [H, W] of any polarity. NoInkError if there is none."""
    _require_contrast(work)
    work = without_spikes(work)
    span = _require_contrast(work)
    contrast, uneven = _contrast(work - min(float(work.min()), 0.0), span)
    if _noise(contrast) > 0.02:
        contrast = ndimage.gaussian_filter(contrast, 0.8, truncate=2.5)
    threshold, floor = _thresholds(contrast)
    mask, level = _inked(contrast, threshold, floor)
    mask = without_specks(without_border_lines(mask), contrast / level, uneven)
    if not mask.any():
        raise NoInkError("no ink found")
    near = ndimage.maximum_filter(mask.view(np.uint8), 3)
    alpha = np.clip((contrast - 0.4 * threshold) / (level - 0.4 * threshold), 0.0, 1.0) * near
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    box = (int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1)
    return Ink(alpha.astype(np.float32), box, pen_width(mask))


def _require_contrast(work: Grey) -> float:
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


def _from_array(values: npt.NDArray[np.generic]) -> Image.Image:
    if values.dtype == np.bool_:
        values = values.astype(np.uint8) * 255
    if values.ndim == 2 and values.dtype != np.uint8:
        values = values.astype(np.float32)
    if values.ndim not in (2, 3) or 0 in values.shape or (values.ndim == 3 and values.shape[2] not in (3, 4)):
        raise ImageError(f"an array of shape {values.shape} is not a picture ([H, W], [H, W, 3] or [H, W, 4])")
    return Image.fromarray(values)


def find_paper(work: Grey) -> tuple[bool, Grey]:
    """Return whether the ink is darker than the paper, and the brightness of the paper everywhere.

    Closing by squares of growing size removes dark strokes as soon as they are narrower than the square; opening
    removes light ones. Whichever loses more of its outline is ink, no matter how much of the picture it covers and how
    the light falls: a shadow's edge survives both. If the losses are nearly even (heavy type cropped to its ink), the
    border decides, which is more often paper. It was right for 99.6 % of 4,400 glyphs, from hair-line to black, tightly
    cropped, framed, shaded or noisy.

    Args:
        work: grey picture, float32 [H, W].

    Returns:
        Whether ink is dark; and the brightness of the paper, float32 [h, w], h and w at most 48: what remains after
        squares wider than any stroke.
    """
    small = _reduced(work, _COARSE)
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
    dark = bool(lost + 0.4 * (border.mean() - otsu(smooth)) > 0.0)
    return dark, (-opened[0] if dark else opened[1]) * span + low


def _contrast(work: Grey, span: float) -> tuple[Grey, bool]:
    """Return how much each pixel differs from the paper around it, and whether the light is uneven.

    The contrast is float32 [H, W], about 0 on paper and up to 1 on ink. Dark ink is measured as the share of the
    paper's light that it absorbs, so that a shadow over half of the picture does not make the ink in it fainter. Light
    ink (a screen, a negative) is measured as a difference.
    """
    dark, coarse = find_paper(work)
    uneven = float(np.ptp(coarse)) > 0.15 * span
    if uneven:
        # A sharp shadow needs full resolution, or its edge remains as a line.
        side = max(3, max(work.shape) * _PAPER // _COARSE)
        filtered = ndimage.grey_closing if dark else ndimage.grey_opening
        paper = filtered(ndimage.gaussian_filter(work, 0.8), size=(side, side))
    else:
        smooth = Image.fromarray(ndimage.gaussian_filter(coarse, 1.5))
        paper = np.asarray(smooth.resize(work.shape[::-1], Image.Resampling.BILINEAR))
    contrast = 1.0 - work / np.maximum(paper, 1e-3 * span) if dark else (work - paper) / span
    strongest = max(float(contrast.max()), 1e-12)
    return (contrast / strongest).astype(np.float32, copy=False), uneven


def _reduced(work: Grey, most: int) -> Grey:
    """Average the picture down to at most ``most`` pixels a side, but at least 2."""
    scale = min(1.0, most / max(work.shape))
    height, width = (max(2, round(side * scale)) for side in work.shape)
    return np.asarray(Image.fromarray(work).resize((width, height), Image.Resampling.BOX), dtype=np.float32)


def _thresholds(contrast: Grey) -> tuple[float, float]:
    """Return the contrast above which a pixel is certainly ink, and the one below which it certainly is not.

    The first is Otsu's, or more if that is within the paper's noise: his method expects two classes of similar size,
    and loses a small, faint character in the grain of the paper.
    """
    sure = max(otsu(contrast), 1e-6)
    # The median, and one sigma below it; every other row is enough and takes half the time.
    paper, lower = (float(value) for value in np.quantile(contrast[::2], (0.5, 0.16)))
    if paper < sure:  # more paper than ink
        sure = max(sure, min(paper + 3.5 * (paper - lower), 0.7 * float(contrast.max())))
    return sure, max(_FAINT * sure, min(sure, paper + 2.5 * (paper - lower)))


def _inked(contrast: Grey, threshold: float, floor: float) -> tuple[Mask, float]:
    """Return the mask of ink, bool [H, W], and the typical contrast of ink.

    Where a stroke becomes faint, half of the contrast usual there is enough (down to a floor) if it is connected to
    certain ink. Next to a dark stroke the threshold is unchanged, or its blurred edge would widen it.
    """
    sure = contrast > threshold
    if not sure.any():
        raise NoInkError("no ink found")
    level = float(np.median(contrast[sure]))
    about = ndimage.maximum_filter(contrast, 2 * round(max(pen_width(sure), 1.0)) + 1)
    likely = contrast > np.clip(threshold / level * about, floor, threshold)
    labels, count = ndimage.label(likely, np.ones((3, 3), dtype=int))
    joined = np.zeros(count + 1, dtype=bool)
    joined[labels[sure]] = True
    return joined[labels], level


def _noise(contrast: Grey) -> float:
    """Return the standard deviation of the pixel noise, from the median step between neighbours (ink edges are few)."""
    step = np.abs(contrast[:, 1:] - contrast[:, :-1])
    return float(np.median(step)) * 1.05 if step.size else 0.0  # 1.4826 / √2


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


def framed(ink: Ink, size: int) -> npt.NDArray[np.uint8]:
    """Scale the ink to its share of the frame, thicken thin strokes, and centre it."""
    left, top, right, bottom = ink.box
    scale = FILL * size / max(right - left, bottom - top)
    alpha = ink.alpha
    missing = LEAST_PEN * size / scale - ink.pen  # px of the working picture
    if missing > 0.5:
        alpha = _thickened(alpha, missing)
    # One affine map is enough: the box's centre goes to the frame's. Pillow's resize takes fractional boxes, with a
    # support that covers every source pixel, but only inside the picture; so it is padded with paper first.
    half = size / scale / 2
    margin = int(np.ceil(half)) + 1
    paper = np.pad(alpha, margin)
    x, y = (left + right) / 2 + margin, (top + bottom) / 2 + margin
    frame = Image.fromarray(paper).resize(
        (size, size), Image.Resampling.HAMMING, box=(x - half, y - half, x + half, y + half)
    )
    pixels: Grey = np.asarray(frame, dtype=np.float32)
    return np.round(np.clip(pixels, 0.0, 1.0) * 255).astype(np.uint8)


def _thickened(alpha: Grey, by: float) -> Grey:
    whole = int(by)
    side = whole + 1
    wide = ndimage.grey_dilation(alpha, size=(side, side)) if whole else alpha
    wider = ndimage.grey_dilation(alpha, size=(side + 1, side + 1))
    return np.asarray(wide + (wider - wide) * (by - whole), dtype=np.float32)

"""Drawings laid on paper, and what else every kind of bad picture is made with.

A drawing is ink alone: float32 [H, W], 0 paper to 1 ink, cropped to its ink. A picture is uint8 [H, W] or [H, W, 3].
All randomness comes from the generator that is passed in.
"""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFilter
from scipy import ndimage

Drawing = npt.NDArray[np.float32]
Picture = npt.NDArray[np.uint8]
Kind = Callable[[Drawing, np.random.Generator], Picture]

SIDE = 64
"""Side in pixels of a picture, unless a kind says otherwise."""

_OVER = 3  # ink is laid out three times as large, then averaged, so that its edges are smooth


def lay(
    drawing: Drawing,
    rng: np.random.Generator,
    side: int = SIDE,
    share: tuple[float, float] = (0.5, 0.75),
    pen: tuple[float, float] = (0.05, 0.1),
    centred: bool = False,
) -> Drawing:
    """Write a drawing onto an empty sheet.

    Args:
        drawing: ink, float32 [H, W].
        rng: where chance comes from.
        side: of the sheet, in pixels.
        share: least and greatest share of the sheet that the longer side of the ink takes.
        pen: least and greatest width of the pen, as a share of the longer side of the ink.
        centred: whether the ink is in the middle; else it is anywhere on the sheet.

    Returns:
        Ink, float32 [side, side], 0 to 1.
    """
    long = rng.uniform(*share) * side * _OVER
    wide = rng.uniform(*pen) * long
    scale = (long - wide) / max(drawing.shape)
    size = [max(1, round(edge * scale)) for edge in drawing.shape[::-1]]
    thin = np.asarray(Image.fromarray(drawing).resize((size[0], size[1]), Image.Resampling.BICUBIC)) > 0.5
    margin = int(wide / 2) + 2
    # Ink as wide as the pen: all that is near the middle line of what was drawn.
    line = _thinned(np.pad(thin, margin))
    ink = (ndimage.distance_transform_edt(~line) <= wide / 2).astype(np.float32)
    ink = cropped(ink)
    sheet = np.zeros((side * _OVER, side * _OVER), dtype=np.float32)
    free = [max(0, whole - part) for whole, part in zip(sheet.shape, ink.shape, strict=True)]
    top, left = (gap // 2 if centred else int(rng.integers(gap + 1)) for gap in free)
    ink = ink[: sheet.shape[0], : sheet.shape[1]]
    sheet[top : top + ink.shape[0], left : left + ink.shape[1]] = ink
    return np.array(Image.fromarray(sheet).resize((side, side), Image.Resampling.BOX))


def _thinned(mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Peel strokes until they are a pixel or two wide, so that their width does not add to the new pen's."""
    while True:
        smaller = ndimage.binary_erosion(mask)
        kept = smaller | (mask & ~ndimage.binary_dilation(smaller, iterations=2))
        if kept.sum() >= mask.sum() or not smaller.any():
            return mask
        mask = kept


def cropped(ink: Drawing, margin: int = 0) -> Drawing:
    """Return the ink with ``margin`` pixels of paper about it."""
    rows, columns = (np.flatnonzero(ink.max(axis=axis) > 0.5) for axis in (1, 0))
    return np.pad(ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1], margin)


def printed(ink: Drawing, paper: float = 235.0, dark: float = 35.0) -> Picture:
    """Return ink on paper as brightness."""
    return brightness(paper - (paper - dark) * ink)


def brightness(values: npt.NDArray[np.floating]) -> Picture:
    return np.clip(np.round(values), 0, 255).astype(np.uint8)


def grid(shape: tuple[int, ...]) -> tuple[Drawing, Drawing]:
    """Return how far down and how far right each pixel is, 0 to 1."""
    down, right = np.mgrid[0 : 1 : shape[0] * 1j, 0 : 1 : shape[1] * 1j]
    return down.astype(np.float32), right.astype(np.float32)


def drawn_lines(ink: Drawing, drawn: Callable[[ImageDraw.ImageDraw, int], None], strength: float = 0.85) -> Drawing:
    """Draw onto ink with Pillow, four times as large, and keep the darker of both."""
    side = ink.shape[0] * 4
    canvas = Image.new("L", (side, side))
    drawn(ImageDraw.Draw(canvas), side)
    lines = np.asarray(canvas.resize(ink.shape[::-1], Image.Resampling.BOX), dtype=np.float32) / 255
    return np.maximum(ink, lines * strength)


def noisy(picture: Picture, rng: np.random.Generator, sigma: float) -> Picture:
    return brightness(picture + rng.normal(0, sigma, picture.shape))


def blurred(picture: Picture, radius: float) -> Picture:
    return np.asarray(Image.fromarray(picture).filter(ImageFilter.GaussianBlur(radius)))


def compressed(picture: Picture, quality: int) -> Picture:
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file))


def cloud(shape: tuple[int, ...], rng: np.random.Generator, cells: int) -> Drawing:
    """Return smooth random values, 0 to 1."""
    rough = Image.fromarray(rng.random((cells, cells)).astype(np.float32))
    smooth = np.asarray(rough.resize((shape[1], shape[0]), Image.Resampling.BICUBIC))
    return np.asarray((smooth - smooth.min()) / max(float(np.ptp(smooth)), 1e-6))

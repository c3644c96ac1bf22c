"""Renders pictures as text: half blocks (two pixels per cell), or plain characters without colour."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[np.uint8]
Run = tuple[str, int, int]
"""Some equal cells: the text, the grey of the ink (0 … 255), the grey of the paper."""

_RAMP = " .:-=+*#%@"
_LEVELS = 16
"""Number of greys after rounding: cells merge into longer runs, with no visible difference at cell size."""


def shrink(image: Pixels, side: int) -> Pixels:
    """Return uint8 [side, side] from uint8 [H, W] by averaging areas; strokes thinner than a pixel stay visible."""
    from PIL import Image

    resized = Image.fromarray(image).resize(
        (side, side), Image.Resampling.BOX if side < len(image) else Image.Resampling.NEAREST
    )
    return np.asarray(resized)


def half_blocks(pixels: Pixels) -> list[list[Run]]:
    """Turn uint8 [H, W] into ceil(H / 2) lines of runs of equal cells. Odd heights get a black line at the bottom."""
    if len(pixels) % 2:
        pixels = np.vstack([pixels, np.zeros_like(pixels[:1])])
    quantised = (pixels.astype(np.uint16) * (_LEVELS - 1) + 127) // 255 * 255 // (_LEVELS - 1)
    lines = []
    for top, bottom in zip(quantised[0::2].tolist(), quantised[1::2].tolist(), strict=True):
        cells = groupby(zip(top, bottom, strict=True))
        lines.append([_run(upper, lower, len(list(same))) for (upper, lower), same in cells])
    return lines


def _run(upper: int, lower: int, count: int) -> Run:
    return (" " * count, lower, lower) if upper == lower else ("▀" * count, upper, lower)


def ascii_lines(pixels: Pixels) -> list[str]:
    """Turn uint8 [H, W] into ceil(H / 2) lines of one character per cell; brighter cells get denser characters."""
    if len(pixels) % 2:
        pixels = np.vstack([pixels, np.zeros_like(pixels[:1])])
    cells = pixels.reshape(len(pixels) // 2, 2, -1).astype(np.float32).mean(axis=1)
    levels = np.minimum((cells / 256 * len(_RAMP) * 1.4).astype(int), len(_RAMP) - 1)
    return ["".join(_RAMP[level] for level in row) for row in levels]


def sheet(images: Sequence[Pixels], columns: int, gap: int = 1) -> Pixels:
    """Lay images of one size out in a grid, ``gap`` grey pixels between them: uint8 [H, W]."""
    side = len(images[0])
    rows = -(-len(images) // columns)
    canvas = np.full((rows * (side + gap) - gap, columns * (side + gap) - gap), 60, dtype=np.uint8)
    for place, image in enumerate(images):
        y, x = divmod(place, columns)
        canvas[y * (side + gap) : y * (side + gap) + side, x * (side + gap) : x * (side + gap) + side] = image
    return canvas

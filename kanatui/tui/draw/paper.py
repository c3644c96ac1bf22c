"""Draws the board's guides, and its pixels as terminal cells."""

from __future__ import annotations

import functools
from itertools import groupby

import numpy as np
from PIL import Image
from rich.segment import Segment
from rich.style import Style

from kanatui.pictures.drawing import Pixels

_USUAL = (0.1, 0.1, 0.9, 0.9)
"""Left, top, right and bottom of the faint frame, in shares of the board; a normal character fills it."""

_SMALL = (0.26, 0.42, 0.74, 0.9)
"""The frame of small kana; only its corners are drawn. :func:`.smallness` agrees with both frames."""

_PAPER, _FRAME, _INK = 20, 56, 235
_LEVELS = 16
"""Number of grey levels; few of them let neighbours merge into runs, so that a stroke sends few bytes."""


def guides(side: int, model: Pixels | None = None) -> Pixels:
    """Draw the guides: uint8 [side, side], 1 on the dotted frame, on the corners of the smaller one, and on a model.

    Args:
        side: of the board, in pixels.
        model: a glyph to trace, uint8 [H, W], white on black in its em, which fills the dotted frame; None for none.
    """
    frame = np.zeros((side, side), dtype=np.uint8)
    if side < 16:
        return frame
    left, top, right, bottom = _edges(_USUAL, side)
    if model is not None:
        size = (right - left + 1, bottom - top + 1)
        shape = Image.fromarray(model).resize(size, Image.Resampling.LANCZOS)
        frame[top : bottom + 1, left : right + 1] = np.asarray(shape) > 127
    frame[[top, bottom], left : right + 1 : 2] = 1
    frame[top : bottom + 1 : 2, [left, right]] = 1
    left, top, right, bottom = _edges(_SMALL, side)
    reach = side // 16
    for arm in (slice(left, left + reach), slice(right - reach + 1, right + 1)):
        frame[bottom, arm.start - 1 : arm.stop + 1] = 0  # the frame's dots would blur the corner
    for x, inwards in ((left, 1), (right, -1)):
        for y, down in ((top, 1), (bottom, -1)):
            frame[y, x : x + inwards * reach : inwards] = 1
            frame[y : y + down * reach : down, x] = 1
    return frame


def _edges(box: tuple[float, float, float, float], side: int) -> tuple[int, int, int, int]:
    """Return first and last column and row; an even number of pixels separates opposite edges of the normal frame."""
    left, top, right, bottom = (round(share * side) for share in box)
    return left, top, right, bottom


def half_block_line(ink: Pixels, frame: Pixels) -> list[Segment]:
    """Draw a line of half-block cells, one colour for each half; equal neighbours are merged into one run.

    Args:
        ink: uint8 [2, W], the two rows of pixels.
        frame: the same rows of :func:`guides`.
    """
    upper, lower = (_shades(ink[half], frame[half]) for half in (0, 1))
    cells = groupby(zip(upper, lower, strict=True))
    return [_run(*cell, len(list(same))) for cell, same in cells]


def _shades(ink: Pixels, frame: Pixels) -> list[tuple[int, bool]]:
    levels = (ink.astype(np.uint16) * (_LEVELS - 1) + 127) // 255
    framed = (frame > 0) & (levels == 0)
    return list(zip(levels.tolist(), framed.tolist(), strict=True))


def _run(upper: tuple[int, bool], lower: tuple[int, bool], count: int) -> Segment:
    return Segment((" " if upper == lower else "▀") * count, _style(upper, lower))


@functools.cache
def _style(upper: tuple[int, bool], lower: tuple[int, bool]) -> Style:
    return Style.parse(f"{_shade(*upper)} on {_shade(*lower)}")


def _shade(level: int, framed: bool) -> str:
    value = _FRAME if framed else _PAPER + (_INK - _PAPER) * level // (_LEVELS - 1)
    return f"rgb({value},{value},{value})"


def grey(ink: int) -> str:
    """Return the colour of a pixel with this much ink, 0 … 255."""
    return _shade(ink * (_LEVELS - 1) // 255, False)


def plain_line(ink: Pixels, frame: Pixels) -> list[Segment]:
    """Draw a line with plain characters that distinguish the upper and lower half of a cell."""
    upper, lower = (ink > 96).tolist()
    framed = frame.max(axis=0).tolist()
    text = [
        "#" if up and low else '"' if up else "_" if low else "." if guide else " "
        for up, low, guide in zip(upper, lower, framed, strict=True)
    ]
    return [Segment("".join(text))]

"""Finds the printed lines of practice paper: squares (genkō yōshi), ruled lines, boxes.

A printed line is thin, straight, and goes on: longer than any stroke, or repeated at the same height from square to
square. Handwriting interrupts it, the page may be a little crooked or in perspective. So thin pieces are collected and
followed from one to the next; only what is thin across the line is taken out, so that a stroke that crosses it stays
whole (as staff lines are removed from music; Dalitz and others, "A Comparative Study of Staff Removal Algorithms",
IEEE PAMI 2008).
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from kanatui.pictures.ink import Mask, Numbers

_THIN = 0.075  # ems: greatest thickness of a printed line
_PIECE = 0.25  # ems: shortest piece of a line between two strokes or crossings
_CORNER = 0.1  # ems of a line that are hidden where it meets another
_GAP = 1.3  # ems of line that handwriting may hide
_LENGTH = 2.2  # ems: shortest line that is believed
_COVERED = 0.55  # share of a line's length that must be seen
_SLOPE = 0.09  # of a line against the page's axes: 5 degrees
_STRAIGHT = 0.035  # ems of deviation
_OBLONG = 1.7  # longer side of a square to its shorter one: boxes of practice sheets are often upright
_LEAST_SQUARE, _MOST_SQUARE = 0.7, 3.2  # ems along a side


@dataclasses.dataclass(frozen=True)
class Ruling:
    """Printed lines of a page."""

    lines: Mask
    """bool [H, W]: their pixels, without the strokes that cross them."""
    squares: Numbers
    """int32 [H, W]: the number of the square from 1 that each pixel is in, 0 where there is none."""
    count: int
    """How many squares there are; 0 on plain and on ruled paper."""


def find_ruling(mask: Mask, em: float) -> Ruling:
    """Find the printed lines and squares of a page.

    Args:
        mask: whatever is darker than paper, faint lines too, bool [H, W], upright to within 5 degrees.
        em: typical size of a character, in pixels.
    """
    across, drawn_across = _lines_along(mask, em)
    down, drawn_down = (part.T for part in _lines_along(np.ascontiguousarray(mask.T), em))
    lines = across | down
    if not lines.any():
        return Ruling(lines, np.zeros(mask.shape, dtype=np.int32), 0)
    # Where two lines cross, neither piece is thin across: what is left there would look like a dot.
    both = ndimage.maximum_filter(drawn_across.view(np.uint8), 3) & ndimage.maximum_filter(drawn_down.view(np.uint8), 3)
    lines |= mask & both.view(np.bool_)
    squares, count = _squares(drawn_across | drawn_down, em)
    return Ruling(lines, squares, count)


def _lines_along(mask: Mask, em: float) -> tuple[Mask, Mask]:
    """Return horizontal printed lines: their pixels, and the lines as drawn through without interruptions."""
    thin = max(3, round(_THIN * em))
    labels, pieces = _pieces(mask & ~_taller(mask, thin), em)
    lines, drawn = np.zeros_like(mask), np.zeros_like(mask)
    for chain in _chains(pieces, em):
        lines |= np.isin(labels, [piece.label for piece in chain])
        # Where lines meet neither is thin: its last bit is missing.
        ends = (chain[0].start - _CORNER * em, chain[-1].stop + _CORNER * em)
        xs = [ends[0], *(x for piece in chain for x in (piece.start, piece.stop)), ends[1]]
        ys = [chain[0].y0, *(y for piece in chain for y in (piece.y0, piece.y1)), chain[-1].y1]
        _draw(drawn, xs, ys)
    return lines, drawn


def _taller(mask: Mask, thin: int) -> Mask:
    """Return the pixels that lie in a vertical run of more than ``thin`` pixels."""
    return np.asarray(ndimage.binary_opening(mask, np.ones((thin + 1, 1), dtype=bool)))


@dataclasses.dataclass(frozen=True)
class _Piece:
    """An uninterrupted piece of a nearly horizontal line."""

    label: int
    start: int
    stop: int
    y0: float
    """Its height at ``start``, in pixels, of the straight line through it."""
    y1: float

    @property
    def length(self) -> int:
        return self.stop - self.start


def _pieces(thin: Mask, em: float) -> tuple[Numbers, list[_Piece]]:
    labels, _ = ndimage.label(thin, np.ones((3, 3), dtype=int))
    pieces = []
    for label, part in enumerate(ndimage.find_objects(labels), start=1):
        height, length = part[0].stop - part[0].start, part[1].stop - part[1].start
        if length < _PIECE * em or height > length * _SLOPE + 2 * max(3, _THIN * em):
            continue
        own = labels[part] == label
        counts = own.sum(axis=0)
        x = np.flatnonzero(counts)
        y = (own * np.arange(height)[:, None]).sum(axis=0)[x] / counts[x]
        slope, first = np.polyfit(x, y, 1) if len(x) > 2 else (0.0, float(y.mean()))
        if abs(slope) <= _SLOPE and np.abs(first + slope * x - y).max() <= max(1.5, _STRAIGHT * em):
            y0 = part[0].start + first
            pieces.append(_Piece(label, part[1].start, part[1].stop, y0, y0 + slope * length))
    return labels, pieces


def _chains(pieces: list[_Piece], em: float) -> list[list[_Piece]]:
    """Follow lines from piece to piece, from left to right; return those that are long and mostly seen."""
    waiting = sorted(pieces, key=lambda piece: piece.start)
    chains = []
    while waiting:
        chain = [waiting.pop(0)]
        at = 0
        while at < len(waiting) and waiting[at].start - chain[-1].stop <= _GAP * em:
            if _follows(chain, waiting[at], em):
                chain.append(waiting.pop(at))
            else:
                at += 1
        span = chain[-1].stop - chain[0].start
        seen = sum(piece.length for piece in chain)
        if span >= _LENGTH * em and seen >= _COVERED * span:
            chains.append(chain)
    return chains


def _follows(chain: list[_Piece], piece: _Piece, em: float) -> bool:
    """Say whether a piece lies where the line will be; its slope is known better the longer it is."""
    last, first = chain[-1], chain[0]
    gap = piece.start - last.stop
    if gap < -2:
        return False
    length = last.stop - first.start
    slope = (last.y1 - first.y0) / max(length, 1)
    doubt = max(2.0, _STRAIGHT * em) + (0.02 if length > em else 0.06) * max(gap, 0)
    return abs(last.y1 + slope * gap - piece.y0) <= doubt


def _draw(canvas: Mask, xs: Sequence[float], ys: Sequence[float]) -> None:
    """Draw a path from left to right, three pixels high."""
    for x0, x1, y0, y1 in zip(xs, xs[1:], ys, ys[1:], strict=False):
        if x1 <= x0:
            continue
        columns = np.arange(max(0, math.floor(x0) - 1), min(canvas.shape[1], math.ceil(x1) + 1))
        rows = np.round(np.interp(columns, (x0, x1), (y0, y1))).astype(int)
        for offset in (-1, 0, 1):
            canvas[np.clip(rows + offset, 0, len(canvas) - 1), columns] = True


def _squares(drawn: Mask, em: float) -> tuple[Numbers, int]:
    """Number the regions that lines enclose and that are like squares, of about the same size."""
    # Lines may stop just short of each other.
    near = ndimage.maximum_filter(drawn.view(np.uint8), 2 * max(1, round(0.03 * em)) + 1).view(np.bool_)
    labels, _ = ndimage.label(~near)
    found = ndimage.find_objects(labels)
    areas = np.bincount(labels.ravel(), minlength=len(found) + 1)[1:]
    boxes = np.array([[part[0].stop - part[0].start, part[1].stop - part[1].start] for part in found], dtype=float)
    boxes = boxes.reshape(-1, 2)
    longer, shorter = boxes.max(axis=1, initial=0), boxes.min(axis=1, initial=1e9)
    fair = (shorter >= _LEAST_SQUARE * em) & (longer <= _MOST_SQUARE * em) & (longer <= _OBLONG * shorter)
    fair &= areas >= 0.75 * boxes.prod(axis=1)
    if fair.sum() < 2:
        return np.zeros(drawn.shape, dtype=np.int32), 0
    usual = float(np.median(areas[fair]))
    chosen = fair & (areas > 0.5 * usual) & (areas < 2.0 * usual)
    number = np.zeros(len(found) + 1, dtype=np.int32)
    number[1:][chosen] = np.arange(1, chosen.sum() + 1)
    squares = number[labels]
    # A character's strokes reach a little over the lines of its square.
    reach = 2 * max(1, round(0.05 * em)) + 1
    grown = ndimage.maximum_filter(squares, reach)
    return np.where(squares > 0, squares, grown), int(chosen.sum())


def square_boxes(squares: Numbers, count: int) -> npt.NDArray[np.int64]:
    """Return the box of each square, int64 [count, 4]: left, top, right, bottom in pixels."""
    found = ndimage.find_objects(squares, max_label=count)
    return np.array(
        [(part[1].start, part[0].start, part[1].stop, part[0].stop) for part in found if part], dtype=np.int64
    ).reshape(-1, 4)

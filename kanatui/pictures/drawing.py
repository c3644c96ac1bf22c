"""Drawings: pen strokes on a square board, and their raster image.

Points are shares of the board's side, x to the right and y downwards, 0 … 1. So a drawing has no resolution: the screen
shows it with pixels of half a cell, and the model and the file get the same strokes at a much higher resolution.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from kanatui.core.errors import ImageError

Point = tuple[float, float]
Pixels = npt.NDArray[np.uint8]
Box = tuple[int, int, int, int]
"""Left, top, right, bottom in pixels; right and bottom exclusive."""

PEN_WIDTHS = (0.03, 0.045, 0.06, 0.08, 0.11)
"""Pen widths as shares of the board. The middle one is like a felt pen's on a character of usual size."""

_MOST_POINTS = 100_000

_SPREAD, _REACH = 1.5, 4
"""Averaging window of a line, in half grains: standard deviation, and half its length."""


@dataclasses.dataclass(frozen=True)
class Stroke:
    """One pen stroke, from touching the board to leaving it."""

    points: tuple[Point, ...]
    """At least one; a single point is a dot."""
    width: float = PEN_WIDTHS[2]
    """The pen's width as a share of the board."""
    erases: bool = False
    """Whether it removes ink."""


@dataclasses.dataclass(frozen=True)
class Drawing:
    """Strokes in the order in which they were drawn."""

    strokes: tuple[Stroke, ...] = ()

    def raster(self, size: int) -> Pixels:
        """Draw the whole board: uint8 [size, size], white ink on black, edges smoothed."""
        pixels = np.zeros((size, size), dtype=np.uint8)
        for stroke in self.strokes:
            paint(pixels, stroke)
        return pixels

    def to_data(self) -> list[dict[str, Any]]:
        """Return the strokes as values for JSON, with points rounded to a ten-thousandth of the board."""
        return [
            {"points": [[round(x, 4), round(y, 4)] for x, y in stroke.points], "width": round(stroke.width, 4)}
            | ({"erases": True} if stroke.erases else {})
            for stroke in self.strokes
        ]

    @classmethod
    def from_data(cls, data: Sequence[Mapping[str, Any]]) -> Drawing:
        """Read the values that :meth:`to_data` returned. ImageError if they are invalid."""
        try:
            strokes = tuple(_stroke(entry) for entry in data)
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
            raise ImageError(f"not the strokes of a drawing ({type(error).__name__}: {error})") from None
        if sum(len(stroke.points) for stroke in strokes) > _MOST_POINTS:
            raise ImageError(f"the drawing has more than {_MOST_POINTS:,} points")
        return cls(strokes)


def _stroke(entry: Mapping[str, Any]) -> Stroke:
    points = tuple((float(x), float(y)) for x, y in entry["points"])
    width = float(entry.get("width", Stroke.width))
    if not points or not 0.0 < width <= 1.0 or not np.isfinite(points).all() or np.abs(points).max() > 10.0:
        raise ValueError("a stroke is empty or off the board")
    return Stroke(points, width, entry.get("erases") is True)


def paint(pixels: Pixels, stroke: Stroke, first: int = 0) -> Box:
    """Draw a stroke into a picture of the board.

    Args:
        pixels: uint8 [size, size], changed in place.
        stroke: what to draw, with round ends and joints.
        first: the point to begin at; a growing stroke is continued from its last drawn point.

    Returns:
        The box of pixels that may have changed.
    """
    size = len(pixels)
    points = stroke.points[first:] if first + 1 < len(stroke.points) else stroke.points[-1:]
    # A pen thinner than a pixel would look grey; on a small board it is drawn a pixel wide.
    radius = max(stroke.width * size, 1.0) / 2
    spans = list(itertools.pairwise(points)) or [(points[0], points[0])]
    boxes = [_paint_span(pixels, np.array(span) * size, radius, stroke.erases) for span in spans]
    corners = np.array(boxes)
    left, top = corners[:, :2].min(axis=0).tolist()
    right, bottom = corners[:, 2:].max(axis=0).tolist()
    return left, top, right, bottom


def _paint_span(pixels: Pixels, span: npt.NDArray[np.float64], radius: float, erases: bool) -> Box:
    """Draw one straight piece, ``span`` [2, 2] in pixels, with an edge that fades over one pixel."""
    low = np.clip(np.floor(span.min(axis=0) - radius - 1), 0, len(pixels)).astype(int)
    high = np.clip(np.ceil(span.max(axis=0) + radius + 1), 0, len(pixels)).astype(int)
    x = np.arange(low[0], high[0]) + 0.5 - span[0, 0]
    y = (np.arange(low[1], high[1]) + 0.5 - span[0, 1])[:, None]
    along = span[1] - span[0]
    length = float(along @ along)
    share = np.clip((x * along[0] + y * along[1]) / length, 0.0, 1.0) if length else 0.0
    distance = np.hypot(x - share * along[0], y - share * along[1])
    ink = (np.clip(radius + 0.5 - distance, 0.0, 1.0) * 255 + 0.5).astype(np.uint8)
    part = pixels[low[1] : high[1], low[0] : high[0]]
    if erases:
        np.minimum(part, 255 - ink, out=part)
    else:
        np.maximum(part, ink, out=part)
    return int(low[0]), int(low[1]), int(high[0]), int(high[1])


def smoothed(points: Sequence[Point], grain: float) -> tuple[Point, ...]:
    """Smooth a line whose points are known only to within a ``grain``.

    A terminal reports the cell of the mouse, so a slanted stroke arrives in steps. The line is resampled at even steps
    and averaged over about a grain; its ends stay in place, and corners are rounded by less than a grain.

    Args:
        points: the points as reported.
        grain: share of the board between neighbouring positions, 0 if points are exact.
    """
    line = np.array(points, dtype=np.float64)
    steps = np.hypot(*np.diff(line, axis=0).T) if len(line) > 1 else np.zeros(0)
    along = np.concatenate([[0.0], np.cumsum(steps)])
    if grain <= 0.0 or along[-1] < 2 * grain:
        return tuple(points)
    step = grain / 2
    count = max(2, round(along[-1] / step) + 1)
    even = np.linspace(0.0, along[-1], count)
    walked = np.stack([np.interp(even, along, line[:, axis]) for axis in (0, 1)], axis=1)
    window = np.exp(-0.5 * (np.arange(-_REACH, _REACH + 1) / _SPREAD) ** 2)
    # Reflected at its end points the line continues straight, so the ends stay in place.
    padded = np.pad(walked, ((_REACH, _REACH), (0, 0)), mode="reflect", reflect_type="odd")
    soft = np.stack([np.convolve(padded[:, axis], window / window.sum(), mode="valid") for axis in (0, 1)], axis=1)
    return tuple((float(x), float(y)) for x, y in soft)

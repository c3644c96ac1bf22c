"""A rectangle of terminal cells to draw on: letters, and curves in braille dots, eight to a cell."""

from __future__ import annotations

import math
from collections.abc import Container, Iterator, Sequence
from itertools import groupby

ACROSS, DOWN = 2, 4
"""Dots of a cell."""

BRAILLE = 0x2800
"""The braille character without dots; the bits of its dots are added."""

DOT_BITS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))
"""The bit of each dot of a braille cell, four rows of two."""

Pattern = tuple[int, int]
"""How a line is broken, for telling lines apart without colour: the dots that are drawn, and those left out."""

SOLID: Pattern = (1, 0)

Run = tuple[str, str]
"""Neighbouring cells of one style: their text and the style, as Rich writes it."""

Point = tuple[float, float]
"""Distance from the left and from the top, each as a share (0 … 1) of the rectangle; other values are outside."""


class Cells:
    """A grid of cells. What is drawn outside is left out. A cell has one style, that of the last thing drawn there."""

    def __init__(self, width: int, height: int) -> None:
        self.width, self.height = max(0, width), max(0, height)
        self._cells = [[(" ", "")] * self.width for _ in range(self.height)]

    def put(self, x: int, y: int, text: str, style: str) -> None:
        """Write from a cell to the right; every character is one cell wide."""
        for place, character in enumerate(text, start=x):
            if 0 <= place < self.width and 0 <= y < self.height:
                self._cells[y][place] = (character, style)

    def dot(self, x: int, y: int, bits: int, style: str, over: Container[str] = ()) -> None:
        """Add braille dots to a cell of dots; in a cell of any other kind, or of a style in ``over``, replace it."""
        if not (0 <= x < self.width and 0 <= y < self.height):
            return
        before, old_style = self._cells[y][x]
        if ord(before) >> 8 == BRAILLE >> 8 and old_style not in over:
            bits |= ord(before) - BRAILLE
        self._cells[y][x] = (chr(BRAILLE + bits), style)

    def lines(self) -> list[tuple[Run, ...]]:
        """Return all lines, each in runs of one style."""
        return [
            tuple(("".join(text for text, _ in run), style) for style, run in groupby(line, key=lambda cell: cell[1]))
            for line in self._cells
        ]


class Window:
    """A part of some cells. Points are shares of it, so whoever draws there need not know its size."""

    def __init__(self, cells: Cells, x: int, y: int, width: int, height: int) -> None:
        """Set up; ``x`` and ``y`` are the cell at the top left. If there is no room, nothing is drawn."""
        self._cells, self._x, self._y = cells, x, y
        self.width, self.height = max(0, width), max(0, height)

    def column(self, share: float) -> int:
        """Return the column of cells at a share of the width."""
        return self._x + _nearest(share, self.width * ACROSS) // ACROSS

    def row(self, share: float) -> int:
        """Return the row of cells at a share of the height."""
        return self._y + _nearest(share, self.height * DOWN) // DOWN

    def put(self, point: Point, character: str, style: str) -> None:
        """Write a character at a point."""
        x, y = point
        if self.width and self.height and 0 <= x <= 1 and 0 <= y <= 1:
            self._cells.put(self.column(x), self.row(y), character, style)

    def curve(self, points: Sequence[Point], style: str, pattern: Pattern = SOLID, over: Container[str] = ()) -> None:
        """Join points by lines of dots; a single point is a dot. Curves that cross share a cell's dots.

        Args:
            points: the points.
            style: of the dots.
            pattern: how the line is broken.
            over: styles whose dots it replaces instead of adding to them.
        """
        bits: dict[tuple[int, int], int] = {}
        for count, (x, y) in enumerate(self._path(points, ACROSS, DOWN)):
            if count % sum(pattern) < pattern[0]:
                cell = x // ACROSS, y // DOWN
                bits[cell] = bits.get(cell, 0) | DOT_BITS[y % DOWN][x % ACROSS]
        for (x, y), dots in bits.items():
            self._cells.dot(self._x + x, self._y + y, dots, style, over)

    def trail(self, points: Sequence[Point], character: str, style: str) -> None:
        """Join points by a line of characters, for terminals without braille."""
        for x, y in self._path(points, 1, 1):
            self._cells.put(self._x + x, self._y + y, character, style)

    def _path(self, points: Sequence[Point], across: int, down: int) -> Iterator[tuple[int, int]]:
        """Yield the places on the lines between points, in a grid of ``across`` by ``down`` to a cell."""
        if not (self.width and self.height):
            return
        columns, rows = self.width * across, self.height * down
        last = None
        for start, end in zip(points, points[1:] or points, strict=False):
            inside = _clipped(start, end)
            if inside is None:
                continue
            (x0, y0), (x1, y1) = ((_nearest(x, columns), _nearest(y, rows)) for x, y in inside)
            for place in _straight(x0, y0, x1, y1):
                if place != last:
                    last = place
                    yield place


def _straight(x0: int, y0: int, x1: int, y1: int) -> Iterator[tuple[int, int]]:
    """Yield the places on a straight line; halves are rounded up, whatever its direction."""
    steps = max(abs(x1 - x0), abs(y1 - y0), 1)
    for step in range(steps + 1):
        yield (
            x0 + (2 * step * (x1 - x0) + steps) // (2 * steps),
            y0 + (2 * step * (y1 - y0) + steps) // (2 * steps),
        )


def _nearest(share: float, dots: int) -> int:
    """Return the dot nearest to a share (0 … 1) of a row of dots."""
    return math.floor(share * (dots - 1) + 0.5)


def _clipped(start: Point, end: Point) -> tuple[Point, Point] | None:
    """Return the part of a line within 0 … 1 both ways (as Liang and Barsky find it), None if it is all outside."""
    (x0, y0), (x1, y1) = start, end
    if 0 <= x0 <= 1 and 0 <= x1 <= 1 and 0 <= y0 <= 1 and 0 <= y1 <= 1:
        return start, end
    first, last = 0.0, 1.0
    for begin, change in ((x0, x1 - x0), (y0, y1 - y0)):
        if not change:
            if not 0 <= begin <= 1:
                return None
            continue
        enters, leaves = sorted((-begin / change, (1 - begin) / change))
        first, last = max(first, enters), min(last, leaves)
    if first > last:
        return None
    return _along(start, end, first), _along(start, end, last)


def _along(start: Point, end: Point, share: float) -> Point:
    x, y = (begin + share * (until - begin) for begin, until in zip(start, end, strict=True))
    return min(1.0, max(0.0, x)), min(1.0, max(0.0, y))

"""What a plot draws: curves between two axes, as lines of text with styles. It knows nothing of widgets."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Sequence

from kanatui.tui.widgets.axis import Axis, LogAxis, even_labels
from kanatui.tui.widgets.cells import SOLID, Cells, Pattern, Point, Run, Window

AXIS, TICK, GRID, CROSS = "plot--axis", "plot--tick", "plot--grid", "plot--cross"
"""The styles of the axes, of their labels, of the grid and of the crosshair."""

UNIT = Axis(0.0, 1.0)
"""The axes while nothing is shown."""

_WIDEST_LABEL = 6
_NARROWEST, _LOWEST = 18, 4
"""Cells below which there is no room for axes: the curves take all of it."""

_BOTTOM = 2
"""Lines of the horizontal axis and its labels."""

_LINES_A_TICK = 3.0
_MOST_TICKS = 8

_GRID_PATTERN: Pattern = (1, 3)

_ON_EDGE = 1e-6
"""The share of an axis by which a point may lie outside and is still drawn: floats put the highest point there."""


@dataclasses.dataclass(frozen=True)
class Curve:
    """Points joined by a line of braille dots; with a marker, a character at each of them instead."""

    xs: Sequence[float]
    ys: Sequence[float]
    style: str
    marker: str = ""
    trail: str = "*"
    """The character of the line where there is no braille."""
    pattern: Pattern = SOLID
    faint: bool = False
    """Whether other curves hide it."""


@dataclasses.dataclass(frozen=True)
class UprightLine:
    """A line at a value of the horizontal axis; a letter at its top distinguishes lines without colour."""

    x: float
    letter: str
    style: str


@dataclasses.dataclass(frozen=True)
class _Lines:
    """The characters of which axes are drawn."""

    level: str
    upright: str
    corner: str
    tick_left: str
    tick_below: str


_DRAWN = _Lines("─", "│", "└", "┤", "┬")
_PLAIN = _Lines("-", "|", "+", "+", "+")


@dataclasses.dataclass(frozen=True)
class Figure:
    """Curves, marks and axes."""

    curves: Sequence[Curve] = ()
    """The last is on top; what lies outside the axes is left out."""
    lines: Sequence[UprightLine] = ()
    x: Axis = UNIT
    y: Axis = UNIT
    cross: float | None = None
    """Where on the level axis the crosshair is."""
    plain: bool = False
    """Whether to do without braille and lines."""

    def drawn(self, width: int, height: int) -> list[tuple[Run, ...]]:
        """Draw everything on some cells."""
        cells = Cells(width, height)
        window = self.window(cells)
        if window.width and window.height:
            self._draw(cells, window)
        return cells.lines()

    def window(self, cells: Cells) -> Window:
        """Return the area of the curves, which may be empty."""
        if not self._framed(cells.width, cells.height):
            return Window(cells, 0, 0, cells.width, cells.height)
        left = self._label_width(cells.height) + 1
        return Window(cells, left, 0, cells.width - left, cells.height - _BOTTOM)

    def _framed(self, width: int, height: int) -> bool:
        return width >= _NARROWEST and height >= _LOWEST

    def _draw(self, cells: Cells, window: Window) -> None:
        framed = self._framed(cells.width, cells.height)
        if framed:
            self._draw_grid(window, cells.height)
        faint = {curve.style for curve in self.curves if curve.faint} | {GRID}
        for curve in self.curves:
            self._draw_curve(window, curve, faint)
        self._draw_lines(cells, window)
        if framed:
            self._draw_axes(cells, window)

    # ── curves ────────────────────────────────────────────────────────────────────────────────────────────────────

    def _draw_curve(self, window: Window, curve: Curve, faint: set[str]) -> None:
        points = list(self._points(curve))
        if curve.marker:
            for point in points:
                window.put(point, curve.marker, curve.style)
        elif self.plain:
            window.trail(points, curve.trail, curve.style)
        else:
            window.curve(points, curve.style, curve.pattern, faint)

    def _points(self, curve: Curve) -> Iterator[Point]:
        """Yield the positions of a curve's points, without those that a logarithmic axis cannot show."""
        for x, y in zip(curve.xs, curve.ys, strict=True):
            if y > 0 or not isinstance(self.y, LogAxis):
                yield _snapped(self.x.share(x)), _snapped(1 - self.y.share(y))

    def _draw_lines(self, cells: Cells, window: Window) -> None:
        """Draw marks and the crosshair from the top to the bottom."""
        upright = "|" if self.plain else "│"
        marks = [(line.x, line.letter, line.style) for line in self.lines]
        for x, letter, style in [*marks, *([(self.cross, upright, CROSS)] if self.cross is not None else [])]:
            share = self.x.share(x)
            if 0 <= share <= 1:
                column = window.column(share)
                cells.put(column, 0, letter, style if style == CROSS else f"bold {style}")
                for y in range(1, window.height):
                    cells.put(column, y, upright, style)

    # ── axes ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def _heights(self, height: int) -> list[tuple[float, str]]:
        """Return the ticks of the upright axis with their labels."""
        ticks = self.y.ticks(most_heights(height))
        return list(zip(ticks, even_labels(ticks, _WIDEST_LABEL), strict=True))

    def _label_width(self, height: int) -> int:
        return min(_WIDEST_LABEL, max((len(label) for _, label in self._heights(height)), default=0))

    def _draw_grid(self, window: Window, height: int) -> None:
        """Draw a dotted line at each tick of the upright axis."""
        for tick, _ in () if self.plain else self._heights(height):
            share = 1 - _snapped(self.y.share(tick))
            if 0 <= share <= 1:
                window.curve([(0.0, share), (1.0, share)], GRID, _GRID_PATTERN)

    def _draw_axes(self, cells: Cells, window: Window) -> None:
        lines, left, bottom = _PLAIN if self.plain else _DRAWN, cells.width - window.width - 1, window.height
        for y in range(bottom):
            cells.put(left, y, lines.upright, AXIS)
        cells.put(left, bottom, lines.corner + lines.level * window.width, AXIS)
        free = -1
        for tick, label in self._heights(cells.height):
            y = window.row(min(1.0, max(0.0, 1 - self.y.share(tick))))
            if y != free:
                cells.put(left, y, lines.tick_left, AXIS)
                cells.put(max(0, left - len(label)), y, label[:left], TICK)
                free = y
        for x, begin, label in self._places(cells, window):
            cells.put(x, bottom, lines.tick_below, AXIS)
            cells.put(begin, bottom + 1, label, TICK)

    def _places(self, cells: Cells, window: Window) -> list[tuple[int, int, str]]:
        """Return the ticks of the level axis: column, first column of the label, label; as many as keep apart."""
        for most in range(_MOST_TICKS, 0, -1):
            found, free, last = [], 0, math.inf
            for tick in self.x.ticks(most):
                x, label = window.column(min(1.0, max(0.0, self.x.share(tick)))), self.x.label(tick)
                begin = min(max(0, x - len(label) // 2), cells.width - len(label))
                last = min(last, begin - free)
                found.append((x, begin, label))
                free = begin + len(label) + 2
            if last >= 0:
                return found
        return found[:1]


def most_heights(height: int) -> int:
    """Return how many ticks an upright axis of a figure that is ``height`` lines high should have."""
    return max(1, min(_MOST_TICKS, int((height - _BOTTOM) / _LINES_A_TICK)))


def _snapped(share: float) -> float:
    """Move a position that is outside only by a float's inexactness to the edge."""
    return min(1.0, max(0.0, share)) if -_ON_EDGE < share < 1 + _ON_EDGE else share

"""A plot of curves with two axes, which can be zoomed and moved.

A widget of our own: textual-plot repaints itself completely for each curve, which took 16 kB/s at 82×16 cells. This
one sends only the lines that changed.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any, ClassVar

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Region
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget
from typing_extensions import override

from kanatui.tui.widgets.axis import Axis, even_labels, short_label
from kanatui.tui.widgets.cells import Cells, Point, Run, Window

_LEFT = 7
"""Columns for the labels of the vertical axis, the last of them blank."""
_BOTTOM = 1
"""Lines for the labels of the horizontal axis."""
_FRAME = 1
"""Width of the frame in cells."""

_AXIS, _TICK = "plot--axis", "plot--tick"
"""The styles of the frame and of the labels."""

_KEY_ZOOM, _WHEEL_ZOOM = 0.15, 0.05
_KEY_STEP = 2
"""Cells by which an arrow moves the curves."""

_COLUMNS_A_TICK, _LINES_A_TICK = 8, 1.5
"""The minimum; labels that would touch are left out in any case."""
_MOST_X_TICKS, _MOST_Y_TICKS = 5, 8


@dataclasses.dataclass(frozen=True)
class Curve:
    """Points joined by a line of braille dots, or, with a marker, a character at each of them."""

    xs: Sequence[float]
    ys: Sequence[float]
    style: str
    marker: str = ""


@dataclasses.dataclass(frozen=True)
class UprightLine:
    """A line at a value of the horizontal axis; a letter at its top distinguishes lines without colour."""

    x: float
    letter: str
    style: str


class Plot(Widget, can_focus=True):
    """Curves to zoom into and move about in."""

    ALLOW_SELECT = False
    COMPONENT_CLASSES: ClassVar[set[str]] = {_AXIS, _TICK}
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(
            "plus,equals_sign", "zoom(1)", "Zoom", key_display="+", tooltip="Zoom into the curves; arrows move them"
        ),
        Binding("minus", "zoom(-1)", "Zoom out", show=False, key_display="-"),
        Binding("left", "move(-1, 0)", "Earlier", show=False),
        Binding("right", "move(1, 0)", "Later", show=False),
        Binding("up", "move(0, 1)", "Higher", show=False),
        Binding("down", "move(0, -1)", "Lower", show=False),
        Binding("shift+left", "zoom_x(-1)", "Zoom out in time", show=False),
        Binding("shift+right", "zoom_x(1)", "Zoom into time", show=False),
        Binding("r", "reset", "Whole curve", show=False, tooltip="Show the whole curve again"),
    ]

    class Moved(Message):
        """Another part is visible; the owner of the curves may now show more of their points there."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._curves: Sequence[Curve] = ()
        self._lines: Sequence[UprightLine] = ()
        self._whole = Axis(0.0, 1.0), Axis(0.0, 1.0)
        self._part: tuple[Axis, Axis] | None = None
        self._painted: list[tuple[Run, ...]] = []

    # ── what is shown ─────────────────────────────────────────────────────────────────────────────────────────────

    def show(self, curves: Sequence[Curve], lines: Sequence[UprightLine], x: Axis, y: Axis) -> None:
        """Show other curves, the last of them on top.

        Args:
            curves: what to draw; what lies outside the axes is left out.
            lines: marks at values of ``x``, drawn over the curves.
            x: the level axis of the whole picture. What the user chose to see instead stays.
            y: the upright axis, likewise.
        """
        self._curves, self._lines, self._whole = curves, lines, (x, y)
        self._paint()

    @property
    def axes(self) -> tuple[Axis, Axis]:
        """The visible parts of the horizontal and the vertical axis."""
        return self._part or self._whole

    @property
    def moved(self) -> bool:
        """Whether the user has zoomed or moved the curves."""
        return self._part is not None

    def _see(self, part: tuple[Axis, Axis] | None) -> None:
        self._part = part
        self._paint()
        self.post_message(self.Moved())

    # ── keys and mouse ────────────────────────────────────────────────────────────────────────────────────────────

    def action_zoom(self, way: int) -> None:
        """Zoom in (1) or out (-1) about the middle."""
        x, y = self.axes
        self._see((x.zoomed(way * _KEY_ZOOM), y.zoomed(way * _KEY_ZOOM)))

    def action_zoom_x(self, way: int) -> None:
        """Zoom in (1) or out (-1) horizontally only."""
        x, y = self.axes
        self._see((x.zoomed(way * _KEY_ZOOM), y))

    def action_move(self, right: int, up: int) -> None:
        """Move the view right or up, or left or down if negative."""
        self._move(right * _KEY_STEP, up * _KEY_STEP)

    def action_reset(self) -> None:
        """Show the whole curve again."""
        self._see(None)

    def _move(self, right: float, up: float) -> None:
        """Move the view by some cells."""
        x, y = self.axes
        window = self._window(Cells(0, 0))
        self._see((x.moved(right / max(1, window.width)), y.moved(up / max(1, window.height))))

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        """Zoom in at the pointer."""
        self._zoom_at(event, _WHEEL_ZOOM)

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        """Zoom out at the pointer."""
        self._zoom_at(event, -_WHEEL_ZOOM)

    def _zoom_at(self, event: events.MouseEvent, factor: float) -> None:
        """Zoom at the pointer; on the labels of an axis, along that axis only."""
        event.stop()
        window = self._window(Cells(0, 0))
        across = (event.x - _LEFT - _FRAME + 0.5) / max(1, window.width)
        up = 1 - (event.y - _FRAME + 0.5) / max(1, window.height)
        x, y = self.axes
        along_x, along_y = self._axes_at(event)
        self._see((x.zoomed(factor, across) if along_x else x, y.zoomed(factor, up) if along_y else y))

    def on_mouse_move(self, event: events.MouseMove) -> None:
        """Drag the curves; on the labels of an axis, along that axis only."""
        if event.button:
            along_x, along_y = self._axes_at(event)
            self._move(-event.delta_x * along_x, event.delta_y * along_y)

    def _axes_at(self, event: events.MouseEvent) -> tuple[bool, bool]:
        """Return which axes the pointer applies to: both, or the one whose labels it is on."""
        return event.x >= _LEFT, event.y < self.size.height - _BOTTOM

    # ── painting ──────────────────────────────────────────────────────────────────────────────────────────────────

    def on_resize(self) -> None:
        self._paint()

    @override
    def render_line(self, y: int) -> Strip:
        runs = self._painted[y] if y < len(self._painted) else ()
        strip = Strip([Segment(text, self._rich_style(style)) for text, style in runs])
        return strip.adjust_cell_length(self.size.width, self.rich_style)

    def _rich_style(self, style: str) -> Style:
        """Look up the styles of a part of the plot; they change with the theme."""
        if style in self.COMPONENT_CLASSES:
            return self.get_component_rich_style(style)
        return self.rich_style + Style.parse(style)

    def _paint(self) -> None:
        """Draw everything, and send the lines that changed."""
        before, self._painted = self._painted, self._drawn()
        if len(before) != len(self._painted):
            self.refresh()
            return
        for y, (old, new) in enumerate(zip(before, self._painted, strict=True)):
            if old != new:
                self.refresh(Region(0, y, self.size.width, 1))

    def _drawn(self) -> list[tuple[Run, ...]]:
        cells = Cells(*self.size)
        window = self._window(cells)
        for curve in self._curves:
            self._draw_curve(window, curve)
        if window.width and window.height:
            self._draw_frame(cells)
            self._draw_lines(cells, window)
            self._draw_x_ticks(cells, window)
            self._draw_y_ticks(cells, window)
        return cells.lines()

    def _window(self, cells: Cells) -> Window:
        """Return the area inside the frame, which may be empty."""
        width, height = self.size
        room = width - _LEFT - 2 * _FRAME, height - _BOTTOM - 2 * _FRAME
        return Window(cells, _LEFT + _FRAME, _FRAME, *room)

    def _draw_curve(self, window: Window, curve: Curve) -> None:
        x, y = self.axes
        points: list[Point] = [(x.share(a), 1 - y.share(b)) for a, b in zip(curve.xs, curve.ys, strict=True)]
        if not curve.marker:
            window.curve(points, curve.style)
        for point in points if curve.marker else ():
            window.put(point, curve.marker, curve.style)

    def _draw_frame(self, cells: Cells) -> None:
        level = "━" * (cells.width - _LEFT - 2 * _FRAME)
        bottom = cells.height - _BOTTOM - _FRAME
        cells.put(_LEFT, 0, f"┏{level}┓", _AXIS)
        cells.put(_LEFT, bottom, f"┗{level}┛", _AXIS)
        for y in range(_FRAME, bottom):
            cells.put(_LEFT, y, "┃", _AXIS)
            cells.put(cells.width - _FRAME, y, "┃", _AXIS)

    def _draw_lines(self, cells: Cells, window: Window) -> None:
        for line in self._lines:
            share = self.axes[0].share(line.x)
            if 0 <= share <= 1:
                x = window.column(share)
                cells.put(x, 0, "┳", _AXIS)
                cells.put(x, _FRAME, line.letter, f"bold {line.style}")
                for y in range(_FRAME + 1, _FRAME + window.height):
                    cells.put(x, y, "│", line.style)
                cells.put(x, _FRAME + window.height, "┻", _AXIS)

    def _draw_x_ticks(self, cells: Cells, window: Window) -> None:
        """Mark the ticks below the frame; a label that would touch the one before is left out."""
        free = 0
        for tick in self.axes[0].ticks(min(_MOST_X_TICKS, window.width // _COLUMNS_A_TICK)):
            label, x = short_label(tick), window.column(min(1.0, max(0.0, self.axes[0].share(tick))))
            begin = min(x - len(label) // 2, cells.width - len(label))
            if begin >= free:
                cells.put(x, cells.height - _BOTTOM - _FRAME, "┳", _AXIS)
                cells.put(begin, cells.height - _BOTTOM, label, _TICK)
                free = begin + len(label) + 1

    def _draw_y_ticks(self, cells: Cells, window: Window) -> None:
        """Mark the ticks left of the frame, one per line."""
        ticks = self.axes[1].ticks(min(_MOST_Y_TICKS, int(window.height / _LINES_A_TICK)))
        for tick, label in zip(ticks, even_labels(ticks, _LEFT - 1), strict=True):
            y = window.row(min(1.0, max(0.0, 1 - self.axes[1].share(tick))))
            cells.put(_LEFT, y, "┫", _AXIS)
            cells.put(max(0, _LEFT - 1 - len(label)), y, label[: _LEFT - 1], _TICK)

"""A plot of curves with two axes, which can be zoomed, moved and measured.

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

from kanatui.tui.widgets.axis import Axis
from kanatui.tui.widgets.cells import Cells, Run, Window
from kanatui.tui.widgets.figure import AXIS, CROSS, GRID, TICK, Curve, Figure, UprightLine

_KEY_ZOOM, _WHEEL_ZOOM = 0.15, 0.05
_KEY_STEP = 2
"""Cells by which an arrow moves the curves."""


class Plot(Widget, can_focus=True):
    """A chart. It can be zoomed and moved about in, and a crosshair reads its values."""

    ALLOW_SELECT = False
    COMPONENT_CLASSES: ClassVar[set[str]] = {AXIS, TICK, GRID, CROSS}
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "cross", "Values", tooltip="Show the values of all curves at a crosshair; arrows move it"),
        Binding(
            "plus,equals_sign", "zoom(1)", "Zoom", key_display="+", tooltip="Zoom into the curves; arrows move them"
        ),
        Binding("minus", "zoom(-1)", "Zoom out", show=False, key_display="-"),
        Binding("left", "move(-1, 0)", "Earlier", show=False),
        Binding("right", "move(1, 0)", "Later", show=False),
        Binding("up", "move(0, 1)", "Higher", show=False),
        Binding("down", "move(0, -1)", "Lower", show=False),
        Binding("home", "edge(0)", "Crosshair to the beginning", show=False),
        Binding("end", "edge(1)", "Crosshair to the end", show=False),
        Binding("shift+left", "zoom_x(-1)", "Zoom out in time", show=False),
        Binding("shift+right", "zoom_x(1)", "Zoom into time", show=False),
        Binding("r", "reset", "Whole curve", show=False, tooltip="Show the whole curve again"),
        Binding("escape", "cross(False)", "No crosshair", show=False),
    ]

    class Moved(Message):
        """Another part is visible; the owner of the curves may now show more of their points there."""

    class Pointed(Message):
        """The crosshair was moved to a value of the level axis, or taken away (None)."""

        def __init__(self, x: float | None) -> None:
            super().__init__()
            self.x = x

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._figure = Figure()
        self._part: tuple[Axis, Axis] | None = None
        self._painted: list[tuple[Run, ...]] = []
        self._by_mouse = False

    # ── what is shown ─────────────────────────────────────────────────────────────────────────────────────────────

    def show(
        self, curves: Sequence[Curve], lines: Sequence[UprightLine], x: Axis, y: Axis, plain: bool = False
    ) -> None:
        """Show other curves, the last of them on top.

        Args:
            curves: what to draw; what lies outside the axes is left out.
            lines: marks at values of ``x``, drawn over the curves.
            x: the level axis of the whole picture. What the user chose to see instead stays.
            y: the upright axis, likewise.
            plain: draw without braille.
        """
        self._figure = Figure(curves, lines, x, y, self._figure.cross, plain)
        self._paint()

    @property
    def axes(self) -> tuple[Axis, Axis]:
        """The visible parts of the horizontal and the vertical axis."""
        return self._part or (self._figure.x, self._figure.y)

    @property
    def moved(self) -> bool:
        """Whether the user has zoomed or moved the curves."""
        return self._part is not None

    @property
    def cross(self) -> float | None:
        """Where on the level axis the crosshair is, None if there is none."""
        return self._figure.cross

    def point_at(self, x: float | None) -> None:
        """Put the crosshair at a value of the level axis, or take it away, without a message."""
        if x != self.cross:
            self._figure = dataclasses.replace(self._figure, cross=x)
            self._paint()

    def show_whole(self) -> None:
        """Show the whole picture again, without a message."""
        self._part = None

    def text(self) -> str:
        """Return what is drawn, as lines of text."""
        return "\n".join("".join(text for text, _ in line).rstrip() for line in self._drawn())

    def _see(self, part: tuple[Axis, Axis] | None) -> None:
        self._part = part
        self._paint()
        self.post_message(self.Moved())

    # ── keys and mouse ────────────────────────────────────────────────────────────────────────────────────────────

    def action_cross(self, wanted: bool | None = None) -> None:
        """Show the crosshair in the middle, or take it away."""
        if wanted is None:
            wanted = self.cross is None
        self._point(self.axes[0].value(0.5) if wanted else None)

    def action_zoom(self, way: int) -> None:
        """Zoom in (1) or out (-1) about the crosshair or the middle."""
        x, y = self.axes
        about = 0.5 if self.cross is None else min(1.0, max(0.0, x.share(self.cross)))
        self._see((x.zoomed(way * _KEY_ZOOM, about), y.zoomed(way * _KEY_ZOOM)))

    def action_zoom_x(self, way: int) -> None:
        """Zoom in (1) or out (-1) horizontally only."""
        x, y = self.axes
        self._see((x.zoomed(way * _KEY_ZOOM), y))

    def action_move(self, right: int, up: int) -> None:
        """Move the crosshair by a cell, else the view right or up, or left or down if negative."""
        if self.cross is not None and right:
            self._step(right)
        else:
            # Shares of the widget, because the area of the curves depends on how wide the labels are at the moment.
            x, y = self.axes
            width, height = max(1, self.size.width), max(1, self.size.height)
            self._see((x.moved(right * _KEY_STEP / width), y.moved(up * _KEY_STEP / height)))

    def action_edge(self, share: int) -> None:
        """Move the crosshair to the first (0) or last (1) visible value."""
        self._point(self.axes[0].value(share))

    def action_reset(self) -> None:
        """Show the whole curve again."""
        self._see(None)

    @override
    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Leave keys that concern the crosshair to others while there is none."""
        if action == "edge" or (action == "cross" and parameters):
            return self.cross is not None
        return super().check_action(action, parameters)

    def _point(self, x: float | None, by_mouse: bool = False) -> None:
        shown = (x is None) != (self.cross is None)
        self._by_mouse = by_mouse
        self.point_at(x)
        self.post_message(self.Pointed(x))
        if shown:
            self.refresh_bindings()

    def _step(self, cells: int) -> None:
        """Move the crosshair by some cells, within what is visible."""
        x, width = self.axes[0], self._window.width
        if self.cross is not None and width > 1:
            column = round(x.share(self.cross) * (width - 1)) + cells
            self._point(x.value(min(1.0, max(0.0, column / (width - 1)))))

    def _move(self, right: float, up: float) -> None:
        """Move the view by some cells."""
        x, y = self.axes
        window = self._window
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
        window = self._window
        up = 1 - (event.y + 0.5) / max(1, window.height)
        x, y = self.axes
        along_x, along_y = self._axes_at(event)
        self._see((x.zoomed(factor, self._across(event)) if along_x else x, y.zoomed(factor, up) if along_y else y))

    def on_mouse_move(self, event: events.MouseMove) -> None:
        """Drag the curves, on the labels of an axis along that axis only; without a button, point at values."""
        along_x, along_y = self._axes_at(event)
        if event.button:
            self._move(-event.delta_x * along_x, event.delta_y * along_y)
        elif along_x and along_y and (self.cross is None or self._by_mouse):
            self._point(self.axes[0].value(min(1.0, max(0.0, self._across(event)))), by_mouse=True)

    def on_leave(self) -> None:
        """Take the crosshair of the mouse away with it."""
        if self._by_mouse:
            self._point(None)

    def _across(self, event: events.MouseEvent) -> float:
        """Return the pointer's position as a share of the level axis."""
        width = self._window.width
        return (event.x - (self.size.width - width) + 0.5) / max(1, width)

    def _axes_at(self, event: events.MouseEvent) -> tuple[bool, bool]:
        """Return which axes the pointer applies to: both, or the one whose labels it is on."""
        window = self._window
        return event.x >= self.size.width - window.width, event.y < window.height

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

    @property
    def _visible(self) -> Figure:
        x, y = self.axes
        return dataclasses.replace(self._figure, x=x, y=y)

    def _drawn(self) -> list[tuple[Run, ...]]:
        return self._visible.drawn(*self.size)

    @property
    def _window(self) -> Window:
        return self._visible.window(Cells(*self.size))

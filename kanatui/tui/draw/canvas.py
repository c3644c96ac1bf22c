"""The canvas: draw with the mouse or with keys."""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar

import numpy as np
from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.geometry import Region, Size
from textual.message import Message
from textual.reactive import reactive
from textual.strip import Strip
from textual.widget import Widget
from typing_extensions import override

from kanatui.pictures.drawing import PEN_WIDTHS, Box, Drawing, Pixels, Point, Stroke, paint, smoothed
from kanatui.tui.draw.paper import grey, guides, half_block_line, plain_line
from kanatui.tui.host import host

_LEAP = 4
"""Pixels of the board that shift with an arrow moves."""

_MORE_WAYS = (
    ("shift+left", -_LEAP, 0), ("shift+right", _LEAP, 0), ("shift+up", 0, -_LEAP), ("shift+down", 0, _LEAP),
    ("home", -1, -1), ("pageup", 1, -1), ("end", -1, 1), ("pagedown", 1, 1),
    ("shift+home", -_LEAP, -_LEAP), ("shift+pageup", _LEAP, -_LEAP),
    ("shift+end", -_LEAP, _LEAP), ("shift+pagedown", _LEAP, _LEAP),
)  # fmt: skip
"""Movement keys, and the pixels they move right and down."""

_PEN_UP, _PEN_DOWN = "rgb(90,180,255)", "rgb(255,170,40)"


class Paper(Vertical):
    """What the canvas lies in: as wide as makes it a square, two columns for a line."""

    @override
    def get_content_width(self, container: Size, viewport: Size) -> int:
        return 2 * container.height


class Canvas(Widget, can_focus=True):
    """The drawing board. Draw with the mouse, or with arrows and space."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("space", "pen", "Pen", tooltip="Pen down, pen up"),
        *(
            Binding(key, f"move({x}, {y})", name, show=False, tooltip=f"{name}, drawing if the pen is down; {more}")
            for key, x, y, name, more in (
                ("left", -1, 0, "Left", "shift: further"),
                ("right", 1, 0, "Right", "shift: further"),
                ("up", 0, -1, "Up", "home and pgup: diagonally"),
                ("down", 0, 1, "Down", "end and pgdn: diagonally"),
            )
        ),
        # Named in the tooltips above, to keep the list of keys short.
        *(Binding(key, f"move({x}, {y})", show=False) for key, x, y in _MORE_WAYS),
        Binding("u,backspace", "undo", "Undo", tooltip="Undo the last stroke", key_display="u"),
        Binding("e", "erase", "Erase", show=False, tooltip="Switch between eraser and pen"),
        Binding("c,delete", "clear", "Clear", tooltip="Clear the board", key_display="c"),
        Binding("plus,equals_sign,right_square_bracket", "width(1)", "Thicker", show=False, key_display="+"),
        Binding("minus,left_square_bracket", "width(-1)", "Thinner", show=False, key_display="-"),
    ]

    erasing: reactive[bool] = reactive(False)
    """Whether the next stroke erases."""
    pen: reactive[float] = reactive(PEN_WIDTHS[2])
    """The pen's width, as a share of the board's side."""
    pen_down: reactive[bool] = reactive(False)
    """Whether the arrows draw."""

    class Changed(Message):
        """A stroke was finished or undone, or the board was cleared: there is a new drawing to read."""

        def __init__(self, canvas: Canvas) -> None:
            super().__init__()
            self.canvas = canvas

        @property
        @override
        def control(self) -> Canvas:
            return self.canvas

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._strokes: list[Stroke] = []
        self._open: Stroke | None = None
        self.cursor: Point = (0.5, 0.5)
        """The cursor's position, in shares of the board's side."""
        self._cursor_seen = False
        self.pixels: Pixels = np.zeros((0, 0), dtype=np.uint8)
        """The painted pixels, uint8 [side, side]."""
        self._guides: Pixels = self.pixels
        self._model: Pixels | None = None

    # ── the drawing ───────────────────────────────────────────────────────────────────────────────────────────────

    @property
    def drawing(self) -> Drawing:
        """The finished strokes on the board."""
        return Drawing(tuple(self._strokes))

    @property
    def empty(self) -> bool:
        """Whether the board has no strokes."""
        return not self._strokes and self._open is None

    @override
    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Offer to undo and to clear only where there is something."""
        return not self.empty if action in ("undo", "clear") else super().check_action(action, parameters)

    def clear(self) -> None:
        """Clear the board without posting :class:`Changed`."""
        self._strokes, self._open = [], None
        self.pen_down = False
        self._repaint()

    def put(self, drawing: Drawing) -> None:
        """Replace the drawing on the board and post :class:`Changed`."""
        self.clear()
        self._strokes = list(drawing.strokes)
        self._repaint()
        self.post_message(self.Changed(self))

    def _begin(self, point: Point) -> None:
        self._finish(tell=False)
        self._open = Stroke((point,), self.pen * (2 if self.erasing else 1), self.erasing)
        self._refresh_box(paint(self.pixels, self._open))

    def _extend(self, point: Point) -> None:
        stroke = self._open
        if stroke is None or point == stroke.points[-1]:
            return
        self._open = dataclasses.replace(stroke, points=(*stroke.points, point))
        self._refresh_box(paint(self.pixels, self._open, first=len(stroke.points) - 1))

    def _finish(self, tell: bool = True, grain: float = 0.0) -> None:
        stroke, self._open = self._open, None
        self.pen_down = False
        if stroke is None:
            return
        self._strokes.append(dataclasses.replace(stroke, points=smoothed(stroke.points, grain)))
        self._repaint()
        if tell:
            self.post_message(self.Changed(self))

    # ── the mouse ─────────────────────────────────────────────────────────────────────────────────────────────────

    def on_mouse_down(self, event: events.MouseDown) -> None:
        if event.button == 1 and self._over_board(event):
            event.stop()
            self.capture_mouse()
            self._show_cursor(False)
            self._begin(self._place(event))

    def on_mouse_move(self, event: events.MouseMove) -> None:
        """Draw a straight line from the mouse's last reported position."""
        if self._open is None or self.pen_down:
            return
        if event.button == 1:
            self._extend(self._place(event))
        else:  # the release was lost, for example when another window took the mouse
            self._lift()

    def on_mouse_up(self, event: events.MouseUp) -> None:
        if self._open is not None and not self.pen_down:
            event.stop()
            self._extend(self._place(event))
            self._lift()

    def _lift(self) -> None:
        self.release_mouse()
        self._finish(grain=0.0 if self._precise else 2.0 / max(self.side, 1))

    @property
    def _precise(self) -> bool:
        """Whether the terminal reports the mouse in pixels; Textual requests that only with in-band window resizing."""
        return self.app.supports_smooth_scrolling

    def _place(self, event: events.MouseEvent) -> Point:
        # Without pixels the cell's centre is the best estimate.
        x, y = (event.pointer_x, event.pointer_y) if self._precise else (event.x + 0.5, event.y + 0.5)
        side = max(self.side, 1)
        return _on_board(x / side), _on_board(2 * y / side)

    def _over_board(self, event: events.MouseEvent) -> bool:
        return 0 <= event.x < self.side and 0 <= 2 * event.y < self.side

    # ── the keys ──────────────────────────────────────────────────────────────────────────────────────────────────

    def action_pen(self) -> None:
        """Put the pen down at the cursor, or lift it."""
        if self.pen_down:
            self._finish(grain=1.0 / max(self.side, 1))
        else:
            self._show_cursor(True)
            self._begin(self._cursor_centre())
            self.pen_down = True

    def action_move(self, x: int, y: int) -> None:
        """Move the cursor by so many pixels of the board, drawing if the pen is down."""
        side = max(self.side, 1)
        if self._cursor_seen:
            self._refresh_cursor()
            column, row = self.cursor_pixel
            self.cursor = (_on_board((column + x + 0.5) / side), _on_board((row + y + 0.5) / side))
        self._show_cursor(True)
        if self.pen_down:
            self._extend(self._cursor_centre())

    def action_undo(self) -> None:
        """Undo the unfinished stroke, else the last one."""
        if self._open is not None:
            self._open = None
            self.pen_down = False
        elif self._strokes:
            self._strokes.pop()
        else:
            return
        self._repaint()
        self.post_message(self.Changed(self))

    def action_erase(self) -> None:
        self.erasing = not self.erasing

    def action_clear(self) -> None:
        if not self.empty:
            self.clear()
            self.post_message(self.Changed(self))

    def action_width(self, steps: int) -> None:
        """Make the pen thicker (positive) or thinner."""
        place = PEN_WIDTHS.index(self.pen) + steps
        self.pen = PEN_WIDTHS[max(0, min(place, len(PEN_WIDTHS) - 1))]

    @property
    def cursor_pixel(self) -> tuple[int, int]:
        """Column and row of the pixel under the cursor."""
        side = len(self.pixels)  # the painted size: after a resize, painting may come before on_resize
        last = max(side - 1, 0)
        return min(int(self.cursor[0] * side), last), min(int(self.cursor[1] * side), last)

    def _cursor_centre(self) -> Point:
        """The centre of the cursor's pixel, where the pen draws."""
        x, y = self.cursor_pixel
        side = max(len(self.pixels), 1)
        return (x + 0.5) / side, (y + 0.5) / side

    def _show_cursor(self, seen: bool) -> None:
        if seen or self._cursor_seen:
            self._cursor_seen = seen
            self._refresh_cursor()

    def _refresh_cursor(self) -> None:
        x, y = self.cursor_pixel
        self.refresh(Region(x, y // 2, 1, 1))

    def watch_pen_down(self) -> None:
        self._refresh_cursor()

    # ── painting ──────────────────────────────────────────────────────────────────────────────────────────────────

    @property
    def side(self) -> int:
        """Pixels per side of the board: one per column, two per line."""
        return min(self.size.width, 2 * self.size.height) // 2 * 2

    def on_resize(self) -> None:
        side = self.side
        self.pixels = np.zeros((side, side), dtype=np.uint8)
        self._guides = guides(side, self._model)
        self._repaint()
        self.refresh()

    def trace(self, model: Pixels | None) -> None:
        """Show a glyph faintly below the drawing, uint8 [H, W] with white ink in its em; None shows none."""
        self._model = model
        self._guides = guides(len(self.pixels), model)
        self.refresh()

    @override
    def notify_style_update(self) -> None:
        """Redraw everything after a change of theme or of plain characters."""
        super().notify_style_update()
        self.refresh()

    def _repaint(self) -> None:
        """Redraw all strokes, and update the cells that differ."""
        strokes = [*self._strokes, self._open] if self._open else self._strokes
        pixels = Drawing(tuple(strokes)).raster(self.side)
        rows, columns = np.nonzero(pixels != self.pixels)
        self.pixels = pixels
        if len(rows):
            left, top, right, bottom = (int(n) for n in (columns.min(), rows.min(), columns.max(), rows.max()))
            self._refresh_box((left, top, right + 1, bottom + 1))

    def _refresh_box(self, box: Box) -> None:
        left, top, right, bottom = box
        if right > left and bottom > top:
            self.refresh(Region(left, top // 2, right - left, -(-bottom // 2) - top // 2))

    @override
    def render_line(self, y: int) -> Strip:
        """Return one line of cells, each two pixels high."""
        side = len(self.pixels)
        if 2 * y >= side:
            return Strip.blank(self.size.width, self.rich_style)
        ink, guide = self.pixels[2 * y : 2 * y + 2], self._guides[2 * y : 2 * y + 2]
        plain = host(self).ascii
        segments = plain_line(ink, guide) if plain else half_block_line(ink, guide)
        strip = Strip(segments, side)
        x, row = self.cursor_pixel
        if self._cursor_seen and self.has_focus and row // 2 == y:
            cell = self._cursor_cell(plain, row % 2 == 0, int(ink[1 - row % 2, x]))
            strip = Strip.join([strip.crop(0, x), Strip([cell], 1), strip.crop(x + 1, side)])
        return strip.adjust_cell_length(self.size.width, self.rich_style)

    def _cursor_cell(self, plain: bool, upper: bool, other: int) -> Segment:
        """Draw the cursor; without colour, its character shows where it is."""
        if plain:
            return Segment("@" if self.pen_down else "+")
        colour = _PEN_DOWN if self.pen_down else _PEN_UP
        return Segment("▀" if upper else "▄", Style.parse(f"{colour} on {grey(other)}"))


def _on_board(share: float) -> float:
    return max(0.0, min(share, 1.0))

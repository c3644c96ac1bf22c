"""Pictures in the terminal: a sheet of many, and a single one as large as fits.

Half blocks show two pixels in each cell; neighbours of equal colour are one run, so a glyph costs few bytes. Where the
app draws with plain characters, one character stands for two pixels.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Region, Size
from textual.message import Message
from textual.reactive import reactive
from textual.scroll_view import ScrollView
from textual.strip import Strip
from textual.widget import Widget
from typing_extensions import override

from kanatui.tui.host import host

if TYPE_CHECKING:
    from kanatui.core.blocks import Pixels

_GUTTER = 1
"""Blank columns left of each glyph, which hold the cursor and separate the glyphs."""

_TILES = (8, 12, 16, 20, 24, 32, 48, 64)
"""The widths of a glyph in columns that zooming steps through."""


def draw_lines(image: Pixels, side: int, plain: bool) -> list[list[Segment]]:
    """Draw uint8 [H, W] on ``side`` columns and half as many lines, with plain characters or in half blocks."""
    from kanatui.core.blocks import shrink

    return draw_pixels(shrink(image, side), plain)


def draw_pixels(pixels: Pixels, plain: bool) -> list[list[Segment]]:
    """Draw uint8 [H, W] pixel by pixel, two in each cell, with plain characters or in half blocks."""
    from kanatui.core.blocks import ascii_lines, half_blocks

    if plain:
        return [[Segment(line)] for line in ascii_lines(pixels)]
    return [[Segment(text, _style(ink, paper)) for text, ink, paper in line] for line in half_blocks(pixels)]


@functools.cache
def _style(ink: int, paper: int) -> Style:
    """Return the style of a cell; there is one for each pair of the 16 greys of :mod:`kanatui.core.blocks`."""
    return Style.parse(f"rgb({ink},{ink},{ink}) on rgb({paper},{paper},{paper})")


class GlyphSheet(ScrollView, can_focus=True):
    """A sheet of glyphs. Arrows move, enter chooses, + and - zoom."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left", "move(-1, 0)", "Left", show=False),
        Binding("right", "move(1, 0)", "Right", show=False),
        Binding("up", "move(0, -1)", "Up", show=False),
        Binding("down", "move(0, 1)", "Down", show=False),
        Binding("home", "go(0)", "First glyph", show=False),
        Binding("end", "go(-1)", "Last glyph", show=False),
        Binding("enter", "choose", "Look closer", show=False),
        Binding("plus,equals_sign", "zoom(1)", "Larger glyphs", show=False, key_display="+"),
        Binding("minus", "zoom(-1)", "Smaller glyphs", show=False, key_display="-"),
    ]
    COMPONENT_CLASSES: ClassVar[set[str]] = {"glyphs--cursor", "glyphs--caption", "glyphs--mark", "glyphs--empty"}

    tile: reactive[int] = reactive(16)
    """Columns of a glyph; it is half as many lines high."""
    cursor: reactive[int] = reactive(0)
    """The glyph under the cursor."""

    class Highlighted(Message):
        """The cursor moved to another glyph."""

        def __init__(self, sheet: GlyphSheet, index: int) -> None:
            super().__init__()
            self.sheet, self.index = sheet, index

        @property
        @override
        def control(self) -> GlyphSheet:
            return self.sheet

    class Selected(Highlighted):
        """A glyph was chosen, by enter or a click."""

    def __init__(self, empty: str = "", **options: Any) -> None:
        """Start without glyphs.

        Args:
            empty: the text that is shown while there are none.
        """
        super().__init__(**options)
        self.empty = empty
        self.images: Sequence[Pixels] = ()
        """The glyphs, uint8 [H, W] each."""
        self.captions: Sequence[str] = ()
        """The text below each glyph, if any."""
        self._marks: Sequence[bool] = ()
        self._drawn: dict[int, list[list[Segment]]] = {}

    def show(self, images: Any, captions: Sequence[str] = (), marks: Sequence[bool] = ()) -> None:
        """Show other glyphs; only tiles that differ are painted again.

        Args:
            images: uint8 [n, H, W], white ink on black; None or empty for none.
            captions: a short line below each glyph.
            marks: which glyphs are marked, by their caption's look and a ``!``.
        """
        before = (self.images, self.captions, self._marks)
        self.images = () if images is None else images
        self.captions, self._marks = captions, marks
        if len(before[0]) != len(self.images) or bool(before[1]) != bool(captions):
            self._drawn.clear()
            self._lay_out()
            self.refresh()
        else:
            for index in range(len(self.images)):
                if self._differs(index, *before):
                    self._drawn.pop(index, None)
                    self._refresh_tile(index)
        self.cursor = max(0, min(self.cursor, len(self.images) - 1))

    def say(self, text: str) -> None:
        """Show a line of text instead of glyphs."""
        self.empty = text
        self.show(None)
        self.refresh()

    def _differs(self, index: int, images: Sequence[Pixels], captions: Sequence[str], marks: Sequence[bool]) -> bool:
        if list(captions[index : index + 1]) != list(self.captions[index : index + 1]):
            return True
        if list(marks[index : index + 1]) != list(self._marks[index : index + 1]):
            return True
        old, new = images[index], self.images[index]
        return old.shape != new.shape or bool((old != new).any())

    # ── layout ────────────────────────────────────────────────────────────────────────────────────────────────────

    @property
    def columns(self) -> int:
        """How many glyphs are side by side."""
        return max(1, self.scrollable_content_region.width // (self.tile + _GUTTER))

    @property
    def fitting(self) -> int:
        """How many glyphs are visible at once, with captions."""
        return self.columns * max(1, self.size.height // (self.tile // 2 + 1))

    @property
    def _tile_height(self) -> int:
        return self.tile // 2 + 1  # a line for the caption, or to keep two glyphs apart

    def _lay_out(self) -> None:
        lines = -(-len(self.images) // self.columns) * self._tile_height
        self.virtual_size = Size(self.columns * (self.tile + _GUTTER), lines)

    def on_resize(self) -> None:
        self._lay_out()
        self.refresh()

    @override
    def notify_style_update(self) -> None:
        """Draw everything again: the theme or the plain characters changed."""
        super().notify_style_update()
        self._drawn.clear()

    def watch_tile(self) -> None:
        """Draw everything in the new size."""
        self._drawn.clear()
        self._lay_out()
        self.refresh()

    def _region(self, index: int) -> Region:
        y, x = divmod(index, self.columns)
        return Region(x * (self.tile + _GUTTER), y * self._tile_height, self.tile + _GUTTER, self._tile_height)

    def _refresh_tile(self, index: int) -> None:
        seen = self._region(index).translate(-self.scroll_offset)
        if seen.overlaps(self.size.region):
            self.refresh(seen)

    # ── drawing ───────────────────────────────────────────────────────────────────────────────────────────────────

    @override
    def render_line(self, y: int) -> Strip:
        width = self.size.width
        if not len(self.images):
            text = self.empty if y == 0 else ""
            style = self.get_component_rich_style("glyphs--empty")
            return Strip([Segment(set_cell_size(text, width), style)], width)
        row, line = divmod(y + self.scroll_offset.y, self._tile_height)
        first = row * self.columns
        segments: list[Segment] = []
        for index in range(first, min(first + self.columns, len(self.images))):
            segments.extend(self._tile_line(index, line))
        return Strip(segments).adjust_cell_length(width, self.rich_style)

    def _tile_line(self, index: int, line: int) -> list[Segment]:
        here = index == self.cursor and self.has_focus
        gutter = Segment("▌" if here else " ", self.get_component_rich_style("glyphs--cursor"))
        if line == self.tile // 2:
            return [gutter, self._caption(index, here)]
        return [gutter, *self._tile(index)[line]]

    def _caption(self, index: int, here: bool) -> Segment:
        marked = index < len(self._marks) and self._marks[index]
        text = self.captions[index] if index < len(self.captions) else ""
        kind = "glyphs--cursor" if here else "glyphs--mark" if marked else "glyphs--caption"
        return Segment(set_cell_size(f"!{text}" if marked else text, self.tile), self.get_component_rich_style(kind))

    def _tile(self, index: int) -> list[list[Segment]]:
        if index not in self._drawn:
            self._drawn[index] = draw_lines(self.images[index], self.tile, host(self).ascii)
        return self._drawn[index]

    # ── moving ────────────────────────────────────────────────────────────────────────────────────────────────────

    def watch_cursor(self, old: int, new: int) -> None:
        """Repaint the two glyphs and keep the cursor visible."""
        for index in (old, new):
            self._refresh_tile(index)
        if len(self.images):
            self.scroll_to_region(self._region(new), animate=False)
            self.post_message(self.Highlighted(self, new))

    def on_focus(self) -> None:
        self._refresh_tile(self.cursor)

    def on_blur(self) -> None:
        self._refresh_tile(self.cursor)

    def action_move(self, across: int, down: int) -> None:
        """Move the cursor, staying on the sheet."""
        wanted = self.cursor + across + down * self.columns
        if 0 <= wanted < len(self.images):
            self.cursor = wanted

    def action_go(self, index: int) -> None:
        """Go to a glyph, counted from the end if negative."""
        if len(self.images):
            self.cursor = index % len(self.images)

    def action_choose(self) -> None:
        """Choose the glyph under the cursor."""
        if len(self.images):
            self.post_message(self.Selected(self, self.cursor))

    def action_zoom(self, steps: int) -> None:
        """Make glyphs larger or smaller."""
        place = min(range(len(_TILES)), key=lambda i: abs(_TILES[i] - self.tile))
        self.tile = _TILES[max(0, min(place + steps, len(_TILES) - 1))]

    def on_click(self, event: events.Click) -> None:
        """Choose the glyph that was clicked."""
        x, y = event.x + self.scroll_offset.x, event.y + self.scroll_offset.y
        column = x // (self.tile + _GUTTER)
        index = y // self._tile_height * self.columns + column
        if column < self.columns and index < len(self.images):
            self.cursor = index
            self.post_message(self.Selected(self, index))


class GlyphView(Widget):
    """One picture, as large as fits."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._image: Pixels | None = None
        self._lines: list[list[Segment]] | None = None

    def show(self, image: Pixels | None) -> None:
        """Show another picture, uint8 [H, W], or none."""
        self._image, self._lines = image, None
        self.refresh()

    def on_resize(self) -> None:
        self._lines = None

    @override
    def notify_style_update(self) -> None:
        """Draw it again: the theme or the plain characters changed."""
        super().notify_style_update()
        self._lines = None

    @override
    def render_line(self, y: int) -> Strip:
        """Return one line, with the picture in the middle."""
        width, height = self.size
        side = min(width, 2 * height) // 2 * 2
        if self._image is None or side < 2:
            return Strip.blank(width, self.rich_style)
        if self._lines is None:
            self._lines = draw_lines(self._image, side, host(self).ascii)
        top = (height - side // 2) // 2
        if not top <= y < top + len(self._lines):
            return Strip.blank(width, self.rich_style)
        left = (width - side) // 2
        line = [Segment(" " * left, self.rich_style), *self._lines[y - top]]
        return Strip(line).adjust_cell_length(width, self.rich_style)


def caption(*parts: str, width: int = 16) -> str:
    """Join parts by spaces as long as they fit into ``width`` cells."""
    text = ""
    for part in parts:
        longer = f"{text} {part}" if text else part
        if cell_len(longer) > width:
            break
        text = longer
    return text

"""Pictures in the terminal: a sheet of many, and a single one as large as fits.

How a picture becomes cells is decided by the app's :class:`~kanatui.tui.pictures.Pictures`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
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
from kanatui.tui.pictures import Lines

if TYPE_CHECKING:
    from kanatui.core.blocks import Pixels

_GUTTER = 1
"""Blank columns left of each glyph, which hold the cursor and separate the glyphs."""

_WANTED = 12
"""Glyphs that should be visible at once; as long as they are, glyphs grow with the window."""

_LEAST, _MOST = 8, 64
"""Columns of the smallest and the largest glyph on a sheet."""

_AMPLE = 32
"""Columns beyond which glyphs grow only if the user wants it, however few there are."""


def tile_size(width: int, height: int, comfortable: int, zoom: int = 0, wanted: int = _WANTED) -> int:
    """Return how many columns wide a glyph is on a sheet; it is half as many lines high, and a caption below it.

    Glyphs are as large as possible while ``wanted`` are visible at once, but not smaller than can be recognised.

    Args:
        width: columns of the sheet.
        height: lines of the sheet.
        comfortable: columns from which a glyph can be recognised.
        zoom: how many glyphs fewer to put side by side; negative for more.
        wanted: how many glyphs should be visible.
    """

    def size(columns: int) -> int:
        return min((width // columns - _GUTTER) // 2 * 2, max(_LEAST, 2 * (height - 1)), _MOST)

    most = max(1, width // (comfortable + _GUTTER))
    least = min(most, -(-width // (_AMPLE + _GUTTER)))
    fitting = (n for n in range(least, most + 1) if n * (height // (size(n) // 2 + 1)) >= wanted)
    columns = next(fitting, most) - zoom
    return max(_LEAST, size(min(max(1, columns), max(1, width // (_LEAST + _GUTTER)))))


class GlyphSheet(ScrollView, can_focus=True):
    """A sheet of glyphs. They grow with the window. Arrows move, enter chooses, + and - zoom."""

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

    tile: reactive[int] = reactive(_LEAST)
    """Columns of a glyph; it is half as many lines high. Follows from the room, and from :attr:`zoom`."""
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

    class Resized(Message):
        """Glyphs have another size, so another number of them fits."""

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
        self._glyphs = 0
        self.zoom = 0
        """How many glyphs fewer than usual are side by side."""
        self._drawn: dict[int, Lines] = {}
        self._look: tuple[str, bool] | None = None

    def show(
        self, images: Any, captions: Sequence[str] = (), marks: Sequence[bool] = (), glyphs: int | None = None
    ) -> None:
        """Show other glyphs; only tiles that differ are painted again.

        Args:
            images: uint8 [n, H, W], white ink on black; None or empty for none.
            captions: a short line below each glyph.
            marks: which glyphs are marked, by their caption's look and a ``!``.
            glyphs: how many of the images are glyphs, where blanks fill up rows; None for all. Their size follows from
                it, so that :meth:`columns_for` of this number says beforehand how wide the rows will be.
        """
        before = (self.images, self.captions, self._marks)
        counted = self._glyphs
        self.images = () if images is None else images
        self._glyphs = len(self.images) if glyphs is None else glyphs
        self.captions, self._marks = captions, marks
        if (len(before[0]), counted) != (len(self.images), self._glyphs) or bool(before[1]) != bool(captions):
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
        return self._columns_of(self.tile)

    def columns_for(self, glyphs: int) -> int:
        """Return how many glyphs will be side by side when so many are shown."""
        return self._columns_of(self._tile_for(glyphs))

    def _columns_of(self, tile: int) -> int:
        return max(1, self.scrollable_content_region.width // (tile + _GUTTER))

    def _tile_for(self, glyphs: int) -> int:
        room = self.scrollable_content_region
        wanted = min(_WANTED, glyphs or _WANTED)
        return tile_size(room.width, room.height, host(self).pictures.comfortable, self.zoom, wanted)

    @property
    def fitting(self) -> int:
        """How many glyphs are visible at once, with captions."""
        return self.columns * max(1, self.size.height // (self.tile // 2 + 1))

    @property
    def _tile_height(self) -> int:
        return self.tile // 2 + 1  # a line for the caption, or to keep two glyphs apart

    def _lay_out(self) -> None:
        room = self.scrollable_content_region
        if room.width < 1 or room.height < 1:
            return
        self.set_reactive(GlyphSheet.tile, self._tile_for(self._glyphs))
        lines = -(-len(self.images) // self.columns) * self._tile_height
        self.virtual_size = Size(self.columns * (self.tile + _GUTTER), lines)

    def on_resize(self) -> None:
        self._size_again()

    @override
    def notify_style_update(self) -> None:
        """Draw everything again: the theme or the way of showing pictures may have changed."""
        super().notify_style_update()
        self._drawn.clear()
        self._size_again()

    def _size_again(self) -> None:
        before = self.tile
        self._lay_out()
        if self.tile != before:
            self._drawn.clear()
            self.post_message(self.Resized())
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
        text = f"!{text}" if marked else text
        if cell_len(text) > self.tile:
            text = f"{set_cell_size(text, self.tile - 1)}…"
        return Segment(set_cell_size(text, self.tile), self.get_component_rich_style(kind))

    def _tile(self, index: int) -> list[list[Segment]]:
        pictures = host(self).pictures
        if pictures.look != self._look:
            self._look = pictures.look
            self._drawn.clear()
        if index not in self._drawn:
            self._drawn[index] = pictures.draw(self.images[index], self.tile, self.tile // 2, self.rich_style)
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
        """Make glyphs larger or smaller: put fewer or more of them side by side."""
        before = self.tile
        self.zoom += steps
        self._size_again()
        if self.tile == before:  # no further
            self.zoom -= steps
        elif len(self.images):
            self.scroll_to_region(self._region(self.cursor), animate=False)

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

    def __init__(self, top: bool = False, **options: Any) -> None:
        """Start without a picture.

        Args:
            top: put it at the top instead of the middle.
        """
        super().__init__(**options)
        self._at_top = top
        self._image: Pixels | None = None
        self._lines: Lines | None = None
        self._look: tuple[str, bool] | None = None

    def show(self, image: Pixels | None) -> None:
        """Show another picture, uint8 [H, W], or none."""
        self._image, self._lines = image, None
        self.refresh()

    def on_resize(self) -> None:
        self._lines = None

    @override
    def render_line(self, y: int) -> Strip:
        """Return one line, with the picture in the middle from left to right."""
        width, height = self.size
        side = min(width, 2 * height) // 2 * 2
        if self._image is None or side < 2:
            return Strip.blank(width, self.rich_style)
        pictures = host(self).pictures
        if self._lines is None or self._look != pictures.look:
            self._look = pictures.look
            self._lines = pictures.draw(self._image, side, side // 2, self.rich_style)
        top = 0 if self._at_top else (height - side // 2) // 2
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

"""A table of which only the visible lines are drawn, so that a thousand rows cost no more than forty.

Textual's DataTable measures and keeps every cell: filling it with 500 rows of 11 columns took 100 ms and laying it out
another second on a busy machine with two cores, at each key that narrows or sorts it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any, ClassVar

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
from typing_extensions import override

GAP = 2
"""Blank cells between two columns, usually."""

KINDS = ("good", "bad", "warning", "active", "muted", "mark", "strong", "group")
"""How a cell can look; the style sheet has a component ``table--KIND`` for each."""


@dataclasses.dataclass(frozen=True)
class Heading:
    """A column."""

    key: str
    title: str
    width: int
    """In cells."""
    right: bool = False
    """Whether its texts are right-aligned."""
    chosen: bool = False
    """Whether the heading stands out: the table is sorted by it."""
    gap: int = GAP
    """Blank cells after it."""


@dataclasses.dataclass(frozen=True)
class Line:
    """A row: a text for each column, and how it looks (one of :data:`KINDS`, "" for plain)."""

    key: str
    cells: tuple[str, ...]
    kinds: tuple[str, ...] = ()


class Table(ScrollView, can_focus=True):
    """A table with a cursor. Arrows move it, enter chooses a row."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "move(-1)", "Up", show=False),
        Binding("down,j", "move(1)", "Down", show=False),
        Binding("pageup", "page(-1)", "Page up", show=False),
        Binding("pagedown", "page(1)", "Page down", show=False),
        Binding("home", "go(0)", "First row", show=False),
        Binding("end", "go(-1)", "Last row", show=False),
        Binding("enter", "choose", "Choose", show=False),
    ]
    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "table--heading",
        "table--chosen",
        "table--cursor",
        "table--resting",
        *(f"table--{kind}" for kind in KINDS),
    }

    cursor: reactive[int] = reactive(0)
    """The row under the cursor."""

    class Highlighted(Message):
        """Another row is under the cursor."""

        def __init__(self, table: Table, key: str) -> None:
            super().__init__()
            self.table, self.key = table, key

        @property
        @override
        def control(self) -> Table:
            return self.table

    class Selected(Highlighted):
        """A row was chosen, by enter or by a click on the row under the cursor."""

    class HeadingClicked(Highlighted):
        """A heading was clicked; ``key`` is the column's."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.headings: tuple[Heading, ...] = ()
        self.lines: tuple[Line, ...] = ()

    @property
    def key(self) -> str:
        """The key of the row under the cursor, "" if there is none."""
        return self.lines[self.cursor].key if self.cursor < len(self.lines) else ""

    def show(self, headings: Sequence[Heading], lines: Sequence[Line]) -> None:
        """Show other rows; the cursor stays on the same one where possible, and only rows that differ are painted."""
        key, before = self.key, (self.headings, self.lines)
        self.headings, self.lines = tuple(headings), tuple(lines)
        if before[0] != self.headings or len(before[1]) != len(self.lines):
            self.virtual_size = Size(self.size.width, len(self.lines) + 1)
            self.refresh()
        else:
            for index, (old, new) in enumerate(zip(before[1], self.lines, strict=True)):
                if old != new:
                    self._refresh_row(index)
        if not self.go_to(key):
            self.cursor = max(0, min(self.cursor, len(self.lines) - 1))
        if self.key != key:
            self.post_message(self.Highlighted(self, self.key))

    def go_to(self, key: str) -> bool:
        """Move the cursor to a row; return False if it is not shown."""
        index = next((index for index, line in enumerate(self.lines) if line.key == key), None)
        if index is not None:
            self.cursor = index
            self._keep_visible()
        return index is not None

    # ── drawing ───────────────────────────────────────────────────────────────────────────────────────────────────

    def on_resize(self) -> None:
        self.virtual_size = Size(self.size.width, len(self.lines) + 1)
        self._keep_visible()

    @override
    def render_line(self, y: int) -> Strip:
        width = self.size.width
        if y == 0:
            return self._heading_line().adjust_cell_length(width, self.rich_style)
        index = y - 1 + self.scroll_offset.y
        if index >= len(self.lines):
            return Strip.blank(width, self.rich_style)
        under = self._under_cursor(index)
        return Strip(self._cells(self.lines[index], under)).adjust_cell_length(width, under)

    def _under_cursor(self, index: int) -> Style:
        if index != self.cursor:
            return self.rich_style
        return self.get_component_rich_style("table--cursor" if self.has_focus else "table--resting")

    def _look(self, kind: str, under: Style) -> Style:
        """Return the style of a cell. Under the cursor it has the cursor's colours: others are hard to read there."""
        if not kind:
            return under
        style = self.get_component_rich_style(f"table--{kind}")
        return style if under is self.rich_style else under + Style(bold=style.bold)

    def _heading_line(self) -> Strip:
        under = self.rich_style
        parts: list[Segment] = []
        for heading in self.headings:
            style = self._look("chosen" if heading.chosen else "heading", under)
            parts += [Segment(_fitted(heading.title, heading), style), Segment(" " * heading.gap, under)]
        return Strip(parts)

    def _cells(self, line: Line, under: Style) -> list[Segment]:
        parts: list[Segment] = []
        for place, (heading, text) in enumerate(zip(self.headings, line.cells, strict=False)):
            kind = line.kinds[place] if place < len(line.kinds) else ""
            parts += [Segment(_fitted(text, heading), self._look(kind, under)), Segment(" " * heading.gap, under)]
        return parts

    def _refresh_row(self, index: int) -> None:
        y = index + 1 - self.scroll_offset.y
        if 1 <= y < self.size.height:
            self.refresh(Region(0, y, self.size.width, 1))

    # ── moving ────────────────────────────────────────────────────────────────────────────────────────────────────

    @property
    def _page(self) -> int:
        return max(1, self.size.height - 1)

    def watch_cursor(self, old: int, new: int) -> None:
        """Repaint the two rows and keep the cursor visible."""
        for index in (old, new):
            self._refresh_row(index)
        self._keep_visible()

    def _keep_visible(self) -> None:
        top = self.scroll_offset.y
        wanted = max(min(top, self.cursor), self.cursor - self._page + 1)
        if wanted != top and self.size.height > 1:
            self.scroll_to(y=wanted, animate=False, immediate=True)

    def on_focus(self) -> None:
        self._refresh_row(self.cursor)

    def on_blur(self) -> None:
        self._refresh_row(self.cursor)

    def _move_to(self, index: int) -> None:
        if self.lines:
            before = self.cursor
            self.cursor = max(0, min(index, len(self.lines) - 1))
            if self.cursor != before:
                self.post_message(self.Highlighted(self, self.key))

    def action_move(self, by: int) -> None:
        self._move_to(self.cursor + by)

    def action_page(self, by: int) -> None:
        self._move_to(self.cursor + by * self._page)

    def action_go(self, index: int) -> None:
        """Go to a row, counted from the end if negative."""
        self._move_to(index if index >= 0 else len(self.lines) + index)

    def action_choose(self) -> None:
        if self.key:
            self.post_message(self.Selected(self, self.key))

    def on_click(self, event: events.Click) -> None:
        """Move the cursor to the row that was clicked, or choose it if it is there already."""
        if event.y == 0:
            self._click_heading(event.x)
            return
        index = event.y - 1 + self.scroll_offset.y
        if index >= len(self.lines):
            return
        if index == self.cursor:
            self.action_choose()
        else:
            self._move_to(index)

    def _click_heading(self, x: int) -> None:
        left = 0
        for heading in self.headings:
            left += heading.width + heading.gap
            if x < left:
                self.post_message(self.HeadingClicked(self, heading.key))
                return


def _fitted(text: str, heading: Heading) -> str:
    """Return a text with exactly as many cells as its column has; what is cut off is marked."""
    width = heading.width
    cells = cell_len(text)
    if cells > width:
        return set_cell_size(text, max(0, width - 1)) + "…" if width > 0 else ""
    return " " * (width - cells) + text if heading.right else text + " " * (width - cells)

"""Lists whose lines can be ticked, and how their lines are laid out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from rich.cells import cell_len, set_cell_size
from textual import events
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.message import Message
from textual.widgets import OptionList
from textual.widgets.option_list import Option
from typing_extensions import override

TICKED, OPEN, PARTLY = "[x]", "[ ]", "[-]"
"""Ticks in plain characters: readable without colour, and of the same width in every terminal."""


class TickList(OptionList):
    """A list to tick. Space ticks, or a click on the tick."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("space", "tick", "Tick", tooltip="Tick the line on or off")]

    class Ticked(Message):
        """A line's tick was pressed; the owner of the data decides what to do."""

        def __init__(self, ticks: TickList, index: int) -> None:
            super().__init__()
            self.ticks, self.index = ticks, index

        @property
        @override
        def control(self) -> TickList:
            return self.ticks

    def show(self, lines: Sequence[Content], cursor: int | None = None) -> None:
        """Show other lines; those that are the same are not painted again.

        Args:
            cursor: the line for the cursor; None leaves it where it is.
        """
        place = self.highlighted if cursor is None else cursor
        if len(lines) != self.option_count:
            self.set_options(Option(line) for line in lines)
        else:
            for index, line in enumerate(lines):
                if self.get_option_at_index(index).prompt != line:
                    self.replace_option_prompt_at_index(index, line)
        if lines:
            self.highlighted = min(place or 0, len(lines) - 1)

    def action_tick(self) -> None:
        """Tick the line under the cursor."""
        if self.highlighted is not None:
            self.post_message(self.Ticked(self, self.highlighted))

    def on_click(self, event: events.Click) -> None:
        """Tick the line if its tick was clicked; elsewhere a click only chooses the line."""
        index = event.style.meta.get("option")
        if index is not None and event.x - self.gutter.left < len(TICKED) + 1:
            self.highlighted = index
            self.post_message(self.Ticked(self, index))
            event.prevent_default()


def line(left: str, right: str, width: int, style: str = "", right_style: str = "") -> Content:
    """Lay out a line of ``width`` cells: the left text is cut if it is too long, the right one is always complete."""
    room = max(0, width - cell_len(right) - 1)
    shown = left if cell_len(left) <= room else set_cell_size(left, max(0, room - 1)) + "…"
    return Content.assemble((set_cell_size(shown, room), style), " ", (right, right_style or style))

"""The dialog in which the columns of the table of runs are chosen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Label, OptionList
from typing_extensions import override

from kanatui.training.columns import APP
from kanatui.tui.widgets.keybar import KeyBar
from kanatui.tui.widgets.ticks import OPEN, TICKED, TickList, line

_WIDTH = 56
"""Cells of a line."""

_OFFERED = [column for column in APP if column.help]


class ColumnPicker(ModalScreen[tuple[str, ...] | None]):
    """Which columns the table of runs has. Returns their names, () for all of them, None for escape."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss(None)", "Cancel"),
        Binding("enter", "take", "Done", priority=True),
        Binding("a", "all", "All"),
    ]

    def __init__(self, chosen: Sequence[str]) -> None:
        super().__init__()
        self._names = [column.name for column in _OFFERED]
        self._chosen = set(chosen) or set(self._names)

    @override
    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog"):
            yield Label("Columns of the table of runs", classes="title")
            yield TickList(id="columns")
            yield Label("Of these, as many are shown as there is room for.", classes="hint")
            yield KeyBar()

    def on_mount(self) -> None:
        self._repaint()
        self.query_one(TickList).focus()

    def _repaint(self) -> None:
        self.query_one(TickList).show(
            [
                line(f"{TICKED if column.name in self._chosen else OPEN} {column.heading}", column.help, _WIDTH)
                for column in _OFFERED
            ]
        )

    @on(TickList.Ticked)
    def _tick(self, event: TickList.Ticked) -> None:
        self._toggle(event.index)

    @on(OptionList.OptionSelected)
    def _click(self, event: OptionList.OptionSelected) -> None:
        self._toggle(event.option_index)

    def _toggle(self, index: int) -> None:
        self._chosen ^= {self._names[index]}
        self._repaint()

    def action_all(self) -> None:
        self._chosen = set(self._names)
        self._repaint()

    def action_take(self) -> None:
        chosen = tuple(name for name in self._names if name in self._chosen)
        self.dismiss(() if len(chosen) == len(self._names) else chosen)

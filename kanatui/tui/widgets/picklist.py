"""A choice whose list is narrowed by typing, for lists of models, recipes and data sets."""

from __future__ import annotations

from collections.abc import Iterable

from rich.console import RenderableType
from textual import events
from textual.app import ComposeResult
from textual.widgets import OptionList, Select
from textual.widgets._select import SelectOverlay, SelectType
from textual.widgets.option_list import Option
from typing_extensions import override

from kanatui.tui.widgets.filter import Terms, searchable


class NarrowingOverlay(SelectOverlay):
    """The open list. Letters narrow it, at once; escape shows all lines, then closes it."""

    def __init__(self) -> None:
        super().__init__(type_to_search=False)
        self._all: list[Option] = []
        self._shown: list[int] = []
        self._text = ""

    @override
    def check_consume_key(self, key: str, character: str | None = None) -> bool:
        """Take letters, which are keys of the screen elsewhere."""
        return character is not None and character.isprintable()

    @override
    def watch_has_focus(self, value: bool) -> None:
        super().watch_has_focus(value)
        if value:
            self.take()

    def on_key(self, event: events.Key) -> None:
        """Narrow the list by a letter, or take one back."""
        if event.key == "backspace" and self._text:
            self._narrow(self._text[:-1])
        elif event.key == "slash" and not self._text:
            self._tell("/")
        elif event.character and event.is_printable:
            self._narrow(self._text + event.character)
        else:
            return
        event.stop()
        event.prevent_default()

    def _narrow(self, text: str) -> None:
        terms = Terms(text)
        here = self._shown[self.highlighted] if self.highlighted is not None and self._shown else None
        lines = [searchable([str(option.prompt)]) for option in self._all]
        self._text, self._shown = text, terms.among(lines)
        self.set_options([Option(self._all[index].prompt) for index in self._shown])
        if self._shown:
            self.select(self._shown.index(here) if here in self._shown else 0)
        self._tell()

    def _tell(self, text: str = "") -> None:
        shown = f"/{self._text} · {len(self._shown)} of {len(self._all)}" if self._text else text
        self.border_subtitle = shown.replace("[", r"\[")

    def restore(self) -> None:
        """Show all lines again, because the choice counts them."""
        if self._text:
            self.set_options(self._all)
            self.take()

    def take(self) -> None:
        """Take the lines that are listed now for all there are."""
        self._all, self._text = list(self.options), ""
        self._shown = list(range(len(self._all)))
        self._tell()

    @override
    def action_dismiss(self) -> None:
        if self._text:
            self._narrow("")
        else:
            super().action_dismiss()

    @override
    def _on_blur(self, event: events.Blur) -> None:
        self.restore()  # and Textual's own handler then closes the list

    @override
    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        """Choose a line by its place among all."""
        event.stop()
        event.prevent_default()  # of Textual's own handler, which counts the lines that are shown
        index = self._shown[event.option_index] if self._text else event.option_index
        self.restore()
        self.post_message(self.UpdateSelection(index))


class PickList(Select[SelectType]):
    """A choice. Enter opens its list, typing narrows it."""

    @override
    def compose(self) -> ComposeResult:
        for widget in super().compose():
            yield NarrowingOverlay() if isinstance(widget, SelectOverlay) else widget

    @override
    def set_options(self, options: Iterable[tuple[RenderableType, SelectType]]) -> None:
        super().set_options(options)
        self.query_one(NarrowingOverlay).take()

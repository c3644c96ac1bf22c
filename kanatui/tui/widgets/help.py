"""What each key does on the current screen: for `?` and for the command palette."""

from __future__ import annotations

import inspect
from collections.abc import Iterator

from rich.table import Column, Table
from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical, VerticalScroll
from textual.dom import DOMNode
from textual.screen import ModalScreen, Screen
from textual.widgets import Label, Static
from typing_extensions import override


def actions(screen: Screen[object]) -> Iterator[tuple[DOMNode, Binding]]:
    """Yield each action that the screen, its widgets or the app have a key for, with the node it belongs to."""
    seen: set[tuple[str, str]] = set()
    for node in (screen, *screen.query("*"), screen.app):
        for binding in _own_bindings(node):
            shown = (binding.key_display or binding.key, binding.description)
            if binding.description and shown not in seen:
                seen.add(shown)
                yield node, binding


def _own_bindings(node: DOMNode) -> Iterator[Binding]:
    """Yield a node's bindings without those that Textual gives it, such as scrolling."""
    for cls in type(node).__mro__:
        if not cls.__module__.startswith("textual."):
            yield from Binding.make_bindings(cls.__dict__.get("BINDINGS", ()))


class Keys(ModalScreen[None]):
    """All keys of a screen."""

    BINDINGS = [Binding("escape,question_mark,q,enter", "dismiss(None)", "Close")]  # noqa: RUF012  # Textual's own form

    def __init__(self, about: Screen[object]) -> None:
        super().__init__()
        self._text = _text(about)

    @override
    def compose(self) -> ComposeResult:
        """Yield the text, which scrolls."""
        with Vertical(classes="dialog wide"):
            yield Label("Keys on this screen", classes="title")
            with VerticalScroll():
                yield Static(self._text)
            yield Static("ctrl+p finds every action by name · escape closes", classes="hint")

    def on_mount(self) -> None:
        """Focus the text, so that the arrows scroll it."""
        self.query_one(VerticalScroll).focus()


def _text(screen: Screen[object]) -> Table:
    """Return a line for each key, below the part of the screen that must have the focus."""
    table = Table.grid(Column(justify="right", no_wrap=True), Column(overflow="fold"), padding=(0, 2, 0, 0))
    last = None
    for node, binding in actions(screen):
        if node is not last:
            table.add_row("", Text(_place(node, screen), style="bold"))
            last = node
        key = binding.key_display or screen.app.get_key_display(binding)
        table.add_row(Text(key, style="bold"), Text(binding.tooltip or binding.description))
    return table


def _place(node: DOMNode, screen: Screen[object]) -> str:
    """Return the name of the part of the screen that must have the focus, from its docstring."""
    if node is screen.app:
        return "Everywhere"
    if node is screen:
        return "On this screen"
    return f"In: {(inspect.getdoc(type(node)) or '').partition(chr(10))[0].partition('.')[0]}"

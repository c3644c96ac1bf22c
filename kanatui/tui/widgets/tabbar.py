"""A line of tabs that takes few bytes; a tab is chosen by key or by click."""

from __future__ import annotations

from collections.abc import Mapping

from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.content import Content
from textual.message import Message
from textual.reactive import reactive
from textual.widgets import Static
from typing_extensions import override


class TabBar(Horizontal):
    """Tabs, the active one in brackets, so that it can be recognised without colour."""

    active: reactive[str] = reactive("")
    """The name of the active tab."""

    class Clicked(Message):
        """A tab was clicked."""

        def __init__(self, bar: TabBar, tab: str) -> None:
            super().__init__()
            self.bar, self.tab = bar, tab

        @property
        @override
        def control(self) -> TabBar:
            return self.bar

    def __init__(self, tabs: Mapping[str, str], id: str) -> None:
        """Set up; ``tabs`` holds the titles by name."""
        super().__init__(id=id)
        self._tabs = dict(tabs)

    @override
    def compose(self) -> ComposeResult:
        for name, title in self._tabs.items():
            yield TabLabel(name, title)

    def watch_active(self) -> None:
        for label in self.query(TabLabel):
            label.mark(label.tab == self.active)


class TabLabel(Static):
    """The title of one tab."""

    def __init__(self, tab: str, title: str) -> None:
        super().__init__(Content(f" {title} "), classes="tab")
        self.tab = tab
        self._title = title

    def mark(self, active: bool) -> None:
        """Show whether it is the active one."""
        self.set_class(active, "active")
        self.update(Content(f"[{self._title}]" if active else f" {self._title} "), layout=False)

    def on_click(self) -> None:
        bar = self.parent
        if isinstance(bar, TabBar):
            bar.post_message(TabBar.Clicked(bar, self.tab))

"""The line at the top of every screen: the app's name, the four screens, and what is being trained."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.content import Content
from textual.widgets import Static
from typing_extensions import override

from kanatui.tui.host import TABS


class StatusHeader(Horizontal):
    """Names the screens, this one marked, and shows the app's ``activity`` at the right."""

    def __init__(self, mode: str) -> None:
        super().__init__()
        self._mode = mode

    @override
    def compose(self) -> ComposeResult:
        """Yield the name, a label for each screen, and the state."""
        yield Static("kanatui", classes="name")
        for key, (mode, title) in enumerate(TABS.items(), start=1):
            chosen = mode == self._mode
            # Brackets as well as colour: they show the current screen without colour, too.
            text = f"[{key} {title}]" if chosen else f" {key} {title} "
            yield ScreenTab(text, mode, classes="chosen" if chosen else "")
        yield Static("", id="activity", markup=False)

    def on_mount(self) -> None:
        """Follow the app's activity."""
        self.watch(self.app, "activity", self._show)

    def _show(self, activity: str) -> None:
        self.query_one("#activity", Static).update(activity, layout=False)


class ScreenTab(Static):
    """The name of a screen; a click goes there."""

    def __init__(self, text: str, mode: str, classes: str) -> None:
        super().__init__(Content(text), classes=classes)
        self._mode = mode

    async def on_click(self) -> None:
        await self.run_action(f"app.go('{self._mode}')")

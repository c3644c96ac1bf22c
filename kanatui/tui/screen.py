"""What the four screens share: the header, the keys, and the call when they are shown."""

from __future__ import annotations

from typing import ClassVar

from textual import events, on
from textual.app import ComposeResult
from textual.screen import Screen
from typing_extensions import override

from kanatui.tui.widgets.form import FieldHelp, ParameterForm
from kanatui.tui.widgets.header import StatusHeader
from kanatui.tui.widgets.keybar import KeyBar


class KanatuiScreen(Screen[None]):
    """One of the four screens. Subclasses define ``mode`` and :meth:`compose_body`."""

    mode: ClassVar[str] = ""
    """Its key in :data:`kanatui.tui.host.TABS`."""

    @override
    def compose(self) -> ComposeResult:
        yield StatusHeader(self.mode)
        yield from self.compose_body()
        yield KeyBar()

    def compose_body(self) -> ComposeResult:
        """Yield what is between the header and the keys."""
        yield from ()

    def on_screen_resume(self, event: events.ScreenResume) -> None:
        """Keep the styles of all widgets as they are: matching them again takes half the time of a change of screens.

        They follow other changes by themselves, and after a change of theme the app matches them again anyway.
        """
        event.refresh_styles = False

    @on(events.DescendantFocus)
    @on(events.DescendantBlur)
    @on(ParameterForm.Judged)
    def _explain(self) -> None:
        """Tell about the field that has the focus."""
        for line in self.query(FieldHelp):
            line.follow(self.focused)

    async def on_shown(self) -> None:
        """Called each time the user comes to this screen, after it is mounted."""

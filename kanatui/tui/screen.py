"""What the four screens share: the header above, the footer below, and who tells them that they are shown."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, cast

from textual.app import ComposeResult
from textual.screen import Screen
from textual.widgets import Footer

from kanatui.tui.widgets.header import StatusHeader

if TYPE_CHECKING:
    from kanatui.tui.app import KanatuiApp


class KanatuiScreen(Screen[None]):
    """One of the four screens. Subclasses give ``mode`` and :meth:`compose_body`."""

    mode: ClassVar[str] = ""
    """Its key in :data:`kanatui.tui.app.TABS`."""

    def compose(self) -> ComposeResult:
        """Put header and footer round the body."""
        yield StatusHeader(self.mode)
        yield from self.compose_body()
        yield Footer(show_command_palette=False, compact=True)

    def compose_body(self) -> ComposeResult:
        """Give what stands between header and footer."""
        yield from ()

    async def on_shown(self) -> None:
        """Called each time the user comes to this screen, after it is mounted."""

    @property
    def kanatui(self) -> KanatuiApp:
        """The app, by its own type."""
        return cast("KanatuiApp", self.app)

"""What the four screens share: the header, the keys, and the call when they are shown."""

from __future__ import annotations

from typing import ClassVar, TypeVar

from textual import events, on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.dom import DOMNode
from textual.screen import Screen
from textual.widget import Widget
from typing_extensions import override

from kanatui.core.units import counted
from kanatui.tui.host import host
from kanatui.tui.taking import save_screen, text_at
from kanatui.tui.widgets.form import FieldHelp, ParameterForm
from kanatui.tui.widgets.header import StatusHeader
from kanatui.tui.widgets.keybar import KeyBar

PLAIN_BORDERS = "-ascii"
"""The app's class while borders are drawn with plain characters."""

_PANE, _ENTERED = "pane", "-entered"
"""The class of a pane, and that of the one that has the focus."""

_Pane = TypeVar("_Pane", bound=Widget)


def pane(widget: _Pane, title: str) -> _Pane:
    """Make a container a titled part of its screen; its border shows whether it has the focus (`kanatui.tcss`)."""
    widget.add_class(_PANE)
    widget.border_title = Content(title)
    return widget


def _panes_around(widget: Widget | None) -> set[DOMNode]:
    """Return the panes that a widget is in; it may be one itself."""
    return set() if widget is None else {node for node in widget.ancestors_with_self if node.has_class(_PANE)}


class KanatuiScreen(Screen[None]):
    """One of the four screens. Subclasses define ``mode`` and :meth:`compose_body`."""

    mode: ClassVar[str] = ""
    """Its key in :data:`kanatui.tui.host.TABS`."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "copy", "Copy", show=False, tooltip="Copy the figure or table that has the focus, as text"),
        Binding("S", "save", "Save screen", show=False, key_display="S", tooltip="Save the screen as SVG or text"),
    ]

    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (100, "-wide")]  # noqa: RUF012  # Textual's own form
    VERTICAL_BREAKPOINTS = [(0, "-low"), (30, "-tall")]  # noqa: RUF012
    """Panes have a border all round where there is room both ways, else only what separates them."""

    def __init__(self) -> None:
        super().__init__()
        self._plain = False  # what its styles were matched for
        # Its widgets are styled when they are mounted, and the app knows all styles from its start. Textual would parse
        # them again and match them with every widget, twice, before it paints a new screen (0.1 to 0.4 s).
        self._css_update_count = self.app._css_update_count
        # Textual sets these at the first resizing, and then matches the styles of all widgets again.
        for size, breakpoints in zip(
            self.app.size, (self.HORIZONTAL_BREAKPOINTS, self.VERTICAL_BREAKPOINTS), strict=True
        ):
            self.add_class(max(each for each in breakpoints if each[0] <= size)[1], update=False)

    @override
    def compose(self) -> ComposeResult:
        yield StatusHeader(self.mode)
        yield from self.compose_body()
        yield KeyBar()

    def compose_body(self) -> ComposeResult:
        """Yield what is between the header and the keys."""
        yield from ()

    def watch_focused(self, before: Widget | None, focused: Widget | None) -> None:
        """Mark the pane that has the focus.

        Textual's ``:focus-within`` would match the styles of all widgets in both panes again, at each Tab.
        """
        left, entered = _panes_around(before), _panes_around(focused)
        for widget in left ^ entered:
            widget.set_class(widget in entered, _ENTERED, update=False)
        self.app.stylesheet.update_nodes(left ^ entered)

    def on_screen_resume(self, event: events.ScreenResume) -> None:
        """Keep the styles of all widgets as they are: matching them again takes half the time of a change of screens.

        They follow other changes by themselves, and after a change of theme the app matches them again anyway. Only
        a change to or from plain characters on another screen has not reached them.
        """
        plain = host(self).has_class(PLAIN_BORDERS)
        event.refresh_styles, self._plain = plain != self._plain, plain

    def action_copy(self) -> None:
        """Copy the figure or table that has the focus as text, through the terminal (OSC 52)."""
        text = text_at(self.focused)
        if text:
            self.app.copy_to_clipboard(text)
            self.notify(f"copied {counted(text.count(chr(10)) + 1, 'line')}; some terminals must be set to allow that")
        else:
            self.notify("nothing to copy here: go to a chart, a table or a list first")

    @work(exclusive=True, group="save")
    async def action_save(self) -> None:
        """Ask for a file and save the screen there."""
        await save_screen(self, f"kanatui-{self.mode}")

    @on(events.DescendantFocus)
    @on(events.DescendantBlur)
    @on(ParameterForm.Judged)
    def _explain(self) -> None:
        """Tell about the field that has the focus."""
        for line in self.query(FieldHelp):
            line.follow(self.focused)

    async def on_shown(self) -> None:
        """Called each time the user comes to this screen, after it is mounted."""

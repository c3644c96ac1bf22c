"""The app: its four screens, global keys and commands, and how it ends."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import importlib
import os
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, ClassVar, cast

from rich.console import RenderableType
from textual import work
from textual.actions import ActionParseResult, parse
from textual.app import SystemCommand
from textual.binding import Binding, BindingType
from textual.command import CommandPalette
from textual.dom import DOMNode
from textual.driver import Driver
from textual.drivers.linux_driver import LinuxDriver
from textual.filter import LineFilter
from textual.screen import Screen
from textual.theme import Theme
from textual.widget import Widget
from textual.widgets import OptionList
from textual.worker import get_current_worker
from typing_extensions import override

from kanatui.core.mosaic import WAYS
from kanatui.tui.activity import Activity, stop_everything, work_under_way
from kanatui.tui.driver import TolerantDriver
from kanatui.tui.host import TABS, Host
from kanatui.tui.keys import asks
from kanatui.tui.leaving import leave_on_signals
from kanatui.tui.screen import PLAIN_BORDERS, KanatuiScreen
from kanatui.tui.settings import Settings
from kanatui.tui.terminal import Terminal
from kanatui.tui.theme import DARK, FITTING, LIGHT, OURS, PLAIN, Harmless, Reversing, fitting
from kanatui.tui.ways import AUTO, ITERM, KITTY, SIXEL, VARIABLE, Choice, choose, graphics_of
from kanatui.tui.widgets.dialogs import Confirm, Details
from kanatui.tui.widgets.help import Keys, actions

_LOOK_EVERY = 1.0
"""Seconds between checks of the newest active training."""

_HARMLESS, _REVERSING = Harmless(), Reversing()
"""One of each: Textual keeps what a filter made of a line, by the filter itself. With new ones for every paint it made
all lines again: switching between screens took 137 ms of processor time instead of 59."""

_SETTLES_IN = 2.0
"""Seconds after which a new screen has loaded what it shows."""

_ENDS_WITH_APP = {
    "evaluate": "An evaluation is running and will be lost",
    "train": "A training is being prepared and will not start",
    "adapt": "Samples are being prepared and the training will not start",
}
"""What is lost if the app quits while an engine is busy, by the engine's name."""

_ABOUT_WAYS = {
    AUTO: "Show pictures in the best way that the terminal is known to manage",
    KITTY: "Show pictures sharply, by Kitty's protocol",
    ITERM: "Show pictures sharply, by iTerm2's protocol",
    SIXEL: "Show pictures sharply, as Sixel",
    "octants": "Show pictures in blocks of 2×4 (needs a terminal of 2025 that draws them itself)",
    "mosaics": "Show pictures in blocks of 2×3 and in wedges (needs a terminal that draws these itself)",
    "sextants": "Show pictures in blocks of 2×3 (most terminals since 2021)",
    "quadrants": "Show pictures in blocks of 2×2 and in bars (any terminal)",
    "halves": "Show pictures in half blocks, 1×2 (any terminal)",
    "braille": "Show pictures in dots of one colour, 2×4",
    "ascii": "Show pictures with plain characters",
}


def _module(mode: str) -> str:
    return f"kanatui.tui.{mode}.screen"


def _screen(mode: str) -> KanatuiScreen:
    """Import a screen's modules and make the screen; importing all of them would delay the first paint."""
    module = importlib.import_module(_module(mode))
    made: KanatuiScreen = getattr(module, f"{mode.capitalize()}Screen")()
    return made


class KanatuiApp(Host):
    """The terminal app: four screens, the command palette, themes, and a clean exit on signals."""

    TITLE = "kanatui"
    CSS_PATH: ClassVar[Any] = ["kanatui.tcss", *(f"{mode}/screen.tcss" for mode in TABS)]
    MODES: ClassVar[dict[str, Any]] = {mode: functools.partial(_screen, mode) for mode in TABS}
    DEFAULT_MODE = "dataset"
    BINDINGS: ClassVar[list[BindingType]] = [
        *(
            Binding(str(key), f"go('{mode}')", TABS[mode], show=False, tooltip=f"Go to {TABS[mode]}")
            for key, mode in enumerate(TABS, start=1)
        ),
        Binding("question_mark", "keys", "Keys", key_display="?", tooltip="All keys of this screen"),
        Binding("ctrl+p", "command_palette", "Palette", tooltip="Find an action by name", priority=True),
        Binding("f2", "switch_theme", "Light or dark", show=False, tooltip="Switch to the light or the dark theme"),
        Binding("P", "pictures", "Pictures", show=False, key_display="P", tooltip="Show pictures another way"),
        Binding("exclamation_mark", "last_problem", "Last problem", show=False, key_display="!"),
        Binding("ctrl+q", "quit", "Quit", priority=True),
        Binding("q", "help_quit", show=False),
    ]

    def __init__(self, pictures: str = "", mode: str = "", terminal: Terminal | None = None) -> None:
        """Set up.

        Args:
            pictures: how to show pictures, whatever the settings say; "" leaves it to them.
            mode: the first screen, a key of :data:`.TABS`.
            terminal: what the terminal answered, None if there is none.
        """
        if mode:
            self.DEFAULT_MODE = mode  # type: ignore[misc]  # the other screens are made when they are first visited
        no_color = "NO_COLOR" in os.environ
        self.settings = Settings.load()
        chosen = choose(terminal, os.environ, pictures, self.settings.pictures)
        super().__init__(chosen, ansi_color=True if no_color else None)
        self._fitting = choose(terminal, {**os.environ, VARIABLE: ""})
        self._no_color = no_color
        self._fitting_theme = PLAIN if no_color else fitting(terminal.light if terminal else None)
        for theme in OURS:
            self.register_theme(theme)
        self.theme = PLAIN if no_color else self._known_theme(self.settings.theme)
        self.set_class(self.ascii and not no_color, PLAIN_BORDERS)
        self._activity = Activity()
        self._visited = {self.DEFAULT_MODE}
        self.settled: Callable[[], None] = lambda: None
        """Called once, when the first screen has had time to load what it shows."""
        self._put_signals_back: Callable[[], None] = lambda: None
        self.asked_to_leave = False
        """Whether it ends because of a key, a signal or a terminal that is gone, and not of an error."""

    def _known_theme(self, name: str) -> str:
        return name if name in self.available_themes else self._fitting_theme

    @override
    def get_line_filters(self) -> Sequence[LineFilter]:
        """Let no text command the terminal, and show the cursor without colours, too."""
        filters = [_HARMLESS, *super().get_line_filters()]
        return [_REVERSING, *filters] if self.no_color else filters

    @override
    def get_driver_class(self) -> type[Driver]:
        """Read input with the driver that no byte can end, unless the user has chosen one."""
        found = super().get_driver_class()
        return TolerantDriver if found is LinuxDriver else found

    # ── start and end ───────────────────────────────────────────────────────────────────────────────────────────────

    async def on_mount(self) -> None:
        """Start watching trainings and signals."""
        self.theme_changed_signal.subscribe(self, self._keep_theme)
        if threading.current_thread() is threading.main_thread():  # Python handles signals only there
            self._put_signals_back = leave_on_signals(self)
        self.set_interval(_LOOK_EVERY, self._look)
        self._look()
        self.set_timer(_SETTLES_IN, self._settle)
        # Dataset, the usual first screen, loads what it shows as it is mounted.
        if isinstance(self.screen, KanatuiScreen) and self.DEFAULT_MODE != type(self).DEFAULT_MODE:
            self.screen.call_after_refresh(self.screen.on_shown)
        self.key_order.opened(self.screen)

    @override
    def exit(self, result: None = None, return_code: int = 0, message: RenderableType | None = None) -> None:
        """Leave; before that, while its screen is still there, the terminal forgets its pictures."""
        self.asked_to_leave = self._exception is None
        self.pictures.close()
        super().exit(result, return_code, message)

    @override
    def _handle_exception(self, error: Exception) -> None:
        """Crash; but only log what fails while it closes.

        A handler, also one of Textual's own widgets, may find the widgets that it has just made already gone: about
        one in three of the apps that were left in their first second ended so.
        """
        if self.asked_to_leave:
            with open(2, "w", closefd=False) as log:
                print(f"while it closed: {type(error).__name__}: {error}", file=log)
        else:
            super()._handle_exception(error)

    @property
    def error(self) -> str:
        """The exception that ended it, in one line; "" if none did."""
        error = self._exception  # Textual gives it only to tests
        return f"{type(error).__name__}: {error}".splitlines()[0] if error else ""

    async def on_unmount(self) -> None:
        await self.close_engines()
        self._put_signals_back()
        self.pictures.close()

    @work(thread=True, exclusive=True, group="activity")
    def _look(self) -> None:
        text = self._activity.describe()
        if not get_current_worker().is_cancelled:
            self.call_from_thread(setattr, self, "activity", text)

    @work
    async def _settle(self) -> None:
        """Import the other screens ahead of their first visit; after that no large imports remain."""
        for mode in TABS:
            await asyncio.to_thread(importlib.import_module, _module(mode))
        self.settled()

    def _keep_theme(self, theme: Theme) -> None:
        """Keep what the user chose; a theme that was chosen by itself may be another one in the next terminal."""
        if self._no_color or (self.settings.theme == FITTING and theme.name == self._fitting_theme):
            return
        self.settings.theme = theme.name
        self.settings.save()

    @override
    def delay_update(self, delay: float = 0.001) -> None:
        """Paint a change of screens at once: Textual would wait 50 ms to hide an incomplete one, but it is complete.

        No timer of Textual's: it leaves out what is late, also the only time of a timer like this one. On a busy
        machine one is sometimes a millisecond late, and then nothing was painted any more.
        """
        batch = contextlib.ExitStack()
        batch.enter_context(self.batch_update())

        def paint() -> None:
            batch.close()
            if self.screen_stack:  # there are no screens while the app closes
                self.screen.refresh()

        asyncio.get_running_loop().call_later(delay, paint)

    # ── keys ──────────────────────────────────────────────────────────────────────────────────────────────────────

    @override
    async def run_action(
        self,
        action: str | ActionParseResult,
        default_namespace: DOMNode | None = None,
        namespaces: Mapping[str, DOMNode] | None = None,
    ) -> bool:
        """Run an action, unless what it belongs to is not there yet or no longer."""
        node = default_namespace
        if isinstance(node, Widget) and not (node.is_mounted and node.is_attached):
            return False
        if node is not None and "page_" in str(action) and _has_list_without_room(node):
            return False
        return await super().run_action(action, default_namespace, namespaces)

    # ── screens ───────────────────────────────────────────────────────────────────────────────────────────────────

    @override
    async def visit(self, mode: str) -> None:
        """Go to a screen and close any help or details over the current one."""
        while isinstance(self.screen, Keys | Details):
            self.screen.dismiss()
        await self.switch_mode(mode)
        if mode not in self._visited:
            self._visited.add(mode)
            self.set_timer(_SETTLES_IN, self._settle)
        if isinstance(self.screen, KanatuiScreen):
            await self.screen.on_shown()

    # ── actions ───────────────────────────────────────────────────────────────────────────────────────────────────

    @asks
    @work
    async def action_go(self, mode: str) -> None:
        if mode != self.current_mode:
            await self.visit(mode)

    def action_keys(self) -> None:
        if isinstance(self.screen, KanatuiScreen):
            self.push_screen(Keys(cast("Screen[object]", self.screen)))

    def action_last_problem(self) -> None:
        """Show the details of the last problem."""
        text, details = self.last_problem
        if text:
            self.push_screen(Details(text, details))
        else:
            self.notify("no problems so far")

    def action_switch_theme(self) -> None:
        """Switch to the light theme, or from any light one to the dark one."""
        if self._no_color:
            self.notify("NO_COLOR is set: the terminal's own two colours are used")
        else:
            self.theme = DARK.name if not self.current_theme.dark else LIGHT.name

    def action_fit_theme(self) -> None:
        """Choose the theme by the terminal's background, now and at each start."""
        if not self._no_color:
            self.settings.theme = FITTING
            self.settings.save()
            self.theme = self._fitting_theme

    def _offered(self) -> list[str]:
        """Return the ways to show pictures that may work in this terminal."""
        return [AUTO, *graphics_of(self._fitting.terminal), *WAYS]

    def action_pictures(self, way: str = "") -> None:
        """Show pictures another way, the next one if none is named, and save the choice."""
        offered = self._offered()
        if not way:
            now = self.settings.pictures if self.settings.pictures in offered else AUTO
            way = offered[(offered.index(now) + 1) % len(offered)]
        self.pictures.choice = self._fitting if way == AUTO else Choice(way, "chosen", self._fitting.terminal)
        self.settings.pictures = way
        self.settings.save()
        self.set_class(self.ascii, PLAIN_BORDERS)
        for widget in self.screen.query("*"):
            widget.notify_style_update()
            widget.refresh()
        reason = f": {self.pictures.way} ({self._fitting.why})" if way == AUTO else ""
        self.notify(f"pictures: {way}{reason}", timeout=2)

    @override
    def action_help_quit(self) -> None:
        """Say which key quits, to whoever tries ctrl+c or q."""
        self.notify("ctrl+q quits", timeout=3)

    @asks
    @work(exclusive=True, group="quit")
    @override
    async def action_quit(self) -> None:  # type: ignore[override]  # a worker, because it waits for an answer from the user
        """Quit; if work is active, first ask whether it should continue."""
        under_way = await asyncio.to_thread(work_under_way)
        lost = [f"{text}." for name, text in _ENDS_WITH_APP.items() if self.is_busy(name)]
        if lost and not under_way:
            leaving = Confirm("\n".join(lost), {"leave": "Leave"}, danger="leave")
            if await self.push_screen_wait(leaving) is None:
                return
        if under_way:
            at_work = f"Still active: {', '.join(under_way)}.\nIt can continue without the app, which finds it again."
            question = "\n".join([at_work, *lost])
            answers = {"detach": "Detach", "stop": "Stop"}
            answer = await self.push_screen_wait(Confirm(question, answers, default="detach", danger="stop"))
            if answer is None:
                return
            if answer == "stop":
                self.notify("stopping after a checkpoint …", timeout=30)
                await asyncio.to_thread(stop_everything)
        self.exit()

    @override
    def get_system_commands(self, screen: Screen[Any]) -> Iterable[SystemCommand]:
        """Add every action that has a key to the palette; one that cannot be done now says so when it is chosen."""
        for node, binding in actions(screen):
            _, name, parameters = parse(binding.action)
            key = binding.key_display or self.get_key_display(binding)
            about = f"{binding.tooltip or binding.description} ({key})"
            if node.check_action(name, parameters):
                do: Callable[[], Any] = functools.partial(self.run_action, binding.action, node)
            else:
                about, do = f"not now · {about}", functools.partial(self.notify, f"{binding.description}: not now")
            yield SystemCommand(binding.description, about, do)
        yield SystemCommand("Theme", "Choose a dark or light colour theme", self.action_change_theme)
        yield SystemCommand("Theme of the terminal", "Dark or light as its background is", self.action_fit_theme)
        for way in self._offered():
            yield SystemCommand(f"Pictures: {way}", _ABOUT_WAYS[way], functools.partial(self.action_pictures, way))


def _has_list_without_room(node: DOMNode) -> bool:
    """Return whether a node is a list without a line to show, or has one: Textual fails to turn its pages."""
    lists = node.query(OptionList) if isinstance(node, CommandPalette) else [node]
    return any(isinstance(each, OptionList) and not _has_lines(each) for each in lists)


def _has_lines(listed: OptionList) -> bool:
    return bool(listed.scrollable_content_region and listed.virtual_size.height)

"""The app: its four screens, global keys and commands, and how it ends."""

from __future__ import annotations

import asyncio
import functools
import importlib
import os
import threading
from collections.abc import Callable, Iterable
from typing import Any, ClassVar, cast

from textual import work
from textual.actions import parse
from textual.app import SystemCommand
from textual.binding import Binding, BindingType
from textual.screen import Screen
from textual.worker import get_current_worker
from typing_extensions import override

from kanatui.core.mosaic import WAYS
from kanatui.tui.activity import Activity, stop_everything, work_under_way
from kanatui.tui.host import TABS, Host
from kanatui.tui.leaving import leave_on_signals
from kanatui.tui.screen import KanatuiScreen
from kanatui.tui.settings import DEFAULT_THEME, Settings
from kanatui.tui.terminal import AUTO, KITTY, VARIABLE, Choice, Terminal, choose
from kanatui.tui.widgets.dialogs import Confirm, Details
from kanatui.tui.widgets.help import Keys, actions

_LOOK_EVERY = 1.0
"""Seconds between checks of the newest active training."""

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
    "octants": "Show pictures in blocks of 2×4 (needs a terminal of 2025 that draws them itself)",
    "sextants": "Show pictures in blocks of 2×3 (most terminals since 2021)",
    "quadrants": "Show pictures in blocks of 2×2 (any terminal)",
    "halves": "Show pictures in half blocks, 1×2 (any terminal)",
    "braille": "Show pictures in dots of one colour, 2×4",
    "ascii": "Show pictures with plain characters",
}
_PLAIN_THEME = "ansi-dark"
"""The theme for NO_COLOR: the terminal's own two colours."""


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
        *(Binding(str(key), f"go('{mode}')", TABS[mode], show=False) for key, mode in enumerate(TABS, start=1)),
        Binding("question_mark", "keys", "Keys", key_display="?", tooltip="All keys of this screen"),
        Binding("ctrl+p", "command_palette", "Palette", tooltip="Find an action by name", priority=True),
        Binding("P", "pictures", "Pictures", show=False, key_display="P", tooltip="Show pictures another way"),
        Binding("exclamation_mark", "last_problem", "Last problem", show=False, key_display="!"),
        Binding("ctrl+q", "quit", "Quit", priority=True),
    ]

    def __init__(self, pictures: str = "", mode: str = "", terminal: Terminal | None = None) -> None:
        """Set up.

        Args:
            pictures: how to show pictures, whatever the settings say; "" leaves it to them.
            mode: the first screen, a key of :data:`.TABS`.
            terminal: what the terminal answered, None if there is none.
        """
        no_color = "NO_COLOR" in os.environ
        self.settings = Settings.load()
        chosen = choose(terminal, os.environ, pictures, self.settings.pictures)
        super().__init__(chosen, ansi_color=True if no_color else None)
        self._fitting = choose(terminal, {**os.environ, VARIABLE: ""})
        self.theme = _PLAIN_THEME if no_color else self._known_theme(self.settings.theme)
        self._first_mode = mode
        self._no_color = no_color
        self._activity = Activity()
        self._visited = {self.DEFAULT_MODE}
        self.settled: Callable[[], None] = lambda: None
        """Called once, when the first screen has had time to load what it shows."""
        self._put_signals_back: Callable[[], None] = lambda: None

    def _known_theme(self, name: str) -> str:
        return name if name in self.available_themes else DEFAULT_THEME

    # ── start and end ───────────────────────────────────────────────────────────────────────────────────────────────

    async def on_mount(self) -> None:
        """Start watching trainings and signals."""
        self.theme_changed_signal.subscribe(self, self._keep_theme)
        if threading.current_thread() is threading.main_thread():  # Python handles signals only there
            self._put_signals_back = leave_on_signals(self)
        self.set_interval(_LOOK_EVERY, self._look)
        self._look()
        self.set_timer(_SETTLES_IN, self._settle)
        if self._first_mode:
            self.action_go(self._first_mode)

    @override
    def exit(self, *arguments: Any, **options: Any) -> None:
        """Leave; before that, while its screen is still there, the terminal forgets its pictures."""
        self.pictures.close()
        super().exit(*arguments, **options)

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

    def _keep_theme(self, theme: Any) -> None:
        if not self._no_color:
            self.settings.theme = theme.name
            self.settings.save()

    @override
    def delay_update(self, delay: float = 0.001) -> None:
        """Paint a change of screens at once: Textual would wait 50 ms to hide an incomplete one, but it is complete."""
        super().delay_update(delay)

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

    def action_pictures(self, way: str = "") -> None:
        """Show pictures another way, the next one if none is named, and save the choice."""
        offered = [AUTO, *((KITTY,) if self._fitting.way == KITTY else ()), *WAYS]
        if not way:
            now = self.settings.pictures if self.settings.pictures in offered else AUTO
            way = offered[(offered.index(now) + 1) % len(offered)]
        self.pictures.choice = self._fitting if way == AUTO else Choice(way, "chosen", self._fitting.terminal)
        self.settings.pictures = way
        self.settings.save()
        for widget in self.screen.query("*"):
            widget.notify_style_update()
            widget.refresh()
        reason = f": {self.pictures.way} ({self._fitting.why})" if way == AUTO else ""
        self.notify(f"pictures: {way}{reason}", timeout=2)

    @work(exclusive=True, group="quit")
    @override
    async def action_quit(self) -> None:  # type: ignore[override]  # a worker, because it waits for an answer from the user
        """Quit; if work is active, first ask whether it should continue."""
        under_way = await asyncio.to_thread(work_under_way)
        lost = [f"{text}." for name, text in _ENDS_WITH_APP.items() if self.is_busy(name)]
        if lost and not under_way:
            answers = {"leave": "Leave", "cancel": "Cancel"}
            if await self.push_screen_wait(Confirm("\n".join(lost), answers, default="cancel")) != "leave":
                return
        if under_way:
            at_work = f"Still active: {', '.join(under_way)}.\nIt can continue without the app, which finds it again."
            question = "\n".join([at_work, *lost])
            answers = {"detach": "Detach", "stop": "Stop", "cancel": "Cancel"}
            answer = await self.push_screen_wait(Confirm(question, answers, default="detach"))
            if answer not in ("detach", "stop"):
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
            about = f"{binding.tooltip or 'key'} ({key})"
            if node.check_action(name, parameters):
                do: Callable[[], Any] = functools.partial(self.run_action, binding.action, node)
            else:
                about, do = f"not now · {about}", functools.partial(self.notify, f"{binding.description}: not now")
            yield SystemCommand(binding.description, about, do)
        yield SystemCommand("Theme", "Choose a dark or light colour theme", self.action_change_theme)
        for way in (AUTO, *WAYS):
            yield SystemCommand(f"Pictures: {way}", _ABOUT_WAYS[way], functools.partial(self.action_pictures, way))

"""What the app offers to its screens and widgets: they know only this class and never import the app."""

from __future__ import annotations

import traceback
from typing import TYPE_CHECKING, Any, cast

from textual.message_pump import MessagePump
from textual.notifications import SeverityLevel
from textual.reactive import reactive
from typing_extensions import override

from kanatui.core.errors import KanatuiError
from kanatui.tui.keys import OrderedKeys
from kanatui.tui.pictures import Pictures
from kanatui.tui.settings import Settings
from kanatui.tui.terminal import window
from kanatui.tui.ways import Choice
from kanatui.tui.words import in_the_app

if TYPE_CHECKING:
    from kanatui.engine.client import Engine

TABS = {"dataset": "Dataset", "train": "Train", "evaluate": "Evaluate", "draw": "Draw"}
"""The screens, each with its title, in the order of their keys, 1 to 4."""


class Host(OrderedKeys):
    """The app as its screens see it: engines, reporting problems, going to other screens."""

    activity: reactive[str] = reactive("", repaint=False)
    """The newest running training in a few words, "" if none runs."""

    settings: Settings
    """What is kept between sessions."""

    def __init__(self, choice: Choice, ansi_color: bool | None = None) -> None:
        super().__init__(ansi_color=ansi_color)
        self.pictures = Pictures(choice, self._write_to_terminal, lambda: self.current_theme.dark, self._window)
        """Draws pictures the way that the terminal can show."""
        self._engines: dict[str, Engine] = {}
        self.last_problem: tuple[str, str] = ("", "")
        """The last problem, as one line and its details; two empty texts if there was none."""

    @property
    def ascii(self) -> bool:
        """Whether pictures are drawn with plain characters."""
        return self.pictures.way == "ascii"

    def _window(self) -> tuple[int, int, int, int]:
        """Return columns, lines, width and height in pixels; the latter zeros if the system does not know them."""
        fileno = getattr(self._driver, "fileno", None)  # a driver without a terminal has none
        columns, lines, width, height = (0, 0, 0, 0) if fileno is None else window(fileno)
        return (columns, lines, width, height) if lines else (*self.size, 0, 0)

    def _write_to_terminal(self, data: str) -> None:
        if self._driver is not None:  # None before the app runs and after it has ended
            self._driver.write(data)

    # ── engines ───────────────────────────────────────────────────────────────────────────────────────────────────

    def engine(self, name: str) -> Engine:
        """Return the engine with that name, which starts at its first request."""
        from kanatui.engine.client import Engine

        if name not in self._engines:
            self._engines[name] = Engine(name)
        return self._engines[name]

    def is_busy(self, name: str) -> bool:
        """Whether the engine with that name has work to do."""
        return name in self._engines and self._engines[name].busy

    async def close_engines(self) -> None:
        """End all engines."""
        for engine in self._engines.values():
            await engine.close()

    async def renew_engines(self) -> None:
        """End the engines that only wait or draw previews: an engine keeps the plugins that it found at its start."""
        for name, engine in self._engines.items():
            if name == "preview" or not engine.busy:
                await engine.close()

    # ── problems ──────────────────────────────────────────────────────────────────────────────────────────────────

    @override
    def notify(
        self,
        message: str,
        *,
        title: str = "",
        severity: SeverityLevel = "information",
        timeout: float | None = None,
        markup: bool = False,
    ) -> None:
        """Show a message; names in it may look like markup, so that it never is any."""
        super().notify(message, title=title, severity=severity, timeout=timeout, markup=False)

    def tell_problem(self, error: BaseException | str, details: str = "") -> None:
        """Show that something failed; `!` shows the details, or the exception's traceback if there are none."""
        text = in_the_app(error if isinstance(error, KanatuiError | str) else f"{type(error).__name__}: {error}")
        if not details and isinstance(error, BaseException):
            details = getattr(error, "details", "") or "".join(traceback.format_exception(error))
        self.last_problem = (text, details)
        more = "\n(! shows the details)" if details else ""
        self.notify(f"{text}{more}", severity="error", timeout=8, markup=False)

    # ── other screens ─────────────────────────────────────────────────────────────────────────────────────────────

    async def visit(self, mode: str) -> None:
        """Go to one of :data:`TABS` and wait until it is shown."""
        raise NotImplementedError

    def show_run(self, run_id: str) -> None:
        """Go to Train with a run shown live."""
        self._call_on("train", "show_run", run_id)

    def evaluate_run(self, run_id: str) -> None:
        """Go to Evaluate with a run picked."""
        self._call_on("evaluate", "pick_run", run_id)

    def show_samples(self, character: str) -> None:
        """Go to Draw with the user's samples of a character."""
        self._call_on("draw", "show_samples", character)

    def train_with(self, recipe: dict[str, Any] | None, dataset: str | None) -> None:
        """Go to Train's form with a recipe or a data set chosen."""
        self._call_on("train", "train_with", recipe, dataset)

    def _call_on(self, mode: str, method: str, *arguments: Any) -> None:
        """Go to a screen and call one of its methods, by name, because screens are imported when first visited."""

        async def call() -> None:
            await self.visit(mode)
            await getattr(self.screen, method)(*arguments)

        self.key_order.hold_for(self.run_worker(call(), group="go"))


def host(node: MessagePump) -> Host:
    """Return the app that a screen or widget belongs to."""
    return cast(Host, node.app)

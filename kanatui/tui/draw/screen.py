"""The Draw screen: the board with its readings, the samples, and adapting a model to them."""

from __future__ import annotations

import asyncio
from typing import ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets import ContentSwitcher, OptionList
from typing_extensions import override

from kanatui.core.errors import KanatuiError
from kanatui.core.params import Float
from kanatui.core.units import counted
from kanatui.evaluation.adapt import LEAST, changes, got_worse, in_words
from kanatui.training.runs import Run, find_run
from kanatui.tui.draw.board import Board
from kanatui.tui.draw.canvas import Canvas
from kanatui.tui.draw.pages import Pages
from kanatui.tui.draw.samples import Samples
from kanatui.tui.host import host
from kanatui.tui.keys import asks
from kanatui.tui.models import NONE_YET
from kanatui.tui.screen import KanatuiScreen
from kanatui.tui.starting import begin_training, prepare
from kanatui.tui.widgets.dialogs import Ask
from kanatui.tui.widgets.glyphs import GlyphSheet

_ENDED = {"stopped": "was stopped", "failed": "failed", "crashed": "crashed"}

_POLL = 0.5
"""Seconds between checks of a running adaptation."""

_READABLE = 20
"""Seconds that a message with figures is shown."""

_MINUTES = Float(1.0, min=0.1, max=600.0, help="how long to train")


def _wrong_minutes(text: str) -> str:
    try:
        _MINUTES.parse(text)
    except ValueError as error:
        return str(error)
    return ""


class DrawScreen(KanatuiScreen):
    """The board and the samples, one of them shown."""

    mode = "draw"
    AUTO_FOCUS = "Canvas"
    ALLOW_SELECT = False  # dragging draws and must not select text

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("d", "board", "Draw", tooltip="Go to the board"),
        Binding("s", "samples", "Samples", tooltip="Go to the samples"),
        Binding("r", "pages", "Read a picture", tooltip="Read a picture of lines or a page, and keep its characters"),
        Binding("a", "adapt", "Adapt", tooltip="Adapt the model to your samples"),
        Binding("escape", "board", "Back to the board", show=False),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._adapting = False

    @override
    def compose_body(self) -> ComposeResult:
        with ContentSwitcher(initial="board"):
            yield Board(id="board")
            yield Samples(id="samples")
            yield Pages(id="pages")

    @override
    async def on_shown(self) -> None:
        """List the models and count the samples again."""
        self.query_one(Board).prepare()

    @override
    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Offer the other view, and at most one adaptation at a time."""
        if action == "adapt":
            return not self._adapting
        if action in ("samples", "pages"):
            return self._shown != action
        if action == "board":
            return self._shown != "board" or not self.query_one(Canvas).has_focus
        return True

    @property
    def _shown(self) -> str | None:
        return self.query_one(ContentSwitcher).current

    def action_board(self) -> None:
        """Show and focus the board."""
        self.query_one(ContentSwitcher).current = "board"
        self.query_one(Canvas).focus()
        self.refresh_bindings()

    def action_samples(self) -> None:
        """Show and focus the samples."""
        self.query_one(ContentSwitcher).current = "samples"
        self.query_one("#characters", OptionList).focus()
        self.query_one(Samples).model = self.query_one(Board).model
        self.query_one(Samples).reload()
        self.refresh_bindings()

    async def show_samples(self, character: str) -> None:
        """Show and focus the samples of a character, for users who come here from Evaluate."""
        self.query_one(Samples).choose(character)
        self.action_samples()

    def action_pages(self) -> None:
        """Show and focus what reads pictures of lines; ask for a picture if there is none yet."""
        pages = self.query_one(Pages)
        pages.model = self.query_one(Board).model
        self.query_one(ContentSwitcher).current = "pages"
        pages.query_one(GlyphSheet).focus()
        self.refresh_bindings()
        if not pages.found:
            pages.action_open()

    @on(Samples.Changed)
    async def _recount(self) -> None:
        await self.query_one(Board).count_samples()

    @asks
    @work
    async def action_adapt(self) -> None:
        """Ask for the minutes, then start a training that adapts the model to the samples, and show it."""
        board = self.query_one(Board)
        if not board.model:
            self.notify(NONE_YET)
            return
        if board.kept < LEAST:
            missing = LEAST - board.kept
            board.say(f"adapting needs {LEAST} samples, {board.kept} are kept: draw {missing} more, or import some")
            return
        question = (
            f"Adapt {board.model} to your {counted(board.kept, 'sample')}, for how many minutes?\n"
            f"This trains a new run; {board.model} stays as it is."
        )
        minutes = await self.app.push_screen_wait(Ask(question, _MINUTES.format(_MINUTES.default), _wrong_minutes))
        if minutes is None:
            return
        self._set_adapting(True)
        try:
            engine = host(self).engine("adapt")
            made = await prepare(engine, "adapt", board.say, model=board.model, minutes=_MINUTES.parse(minutes))
            run = await asyncio.to_thread(find_run, made["run"])
            await begin_training(run, board.say)
            host(self).settings.adapting = run.id
            host(self).settings.save()
        except KanatuiError as error:
            board.say(f"✗ not adapted: {error}")
            host(self).tell_problem(error)
        else:
            board.say(f"run {run.id} is adapting it; press 2 to watch")
            host(self).show_run(run.id)
            self._follow(run)
        finally:
            self._set_adapting(False)

    @work
    async def _follow(self, run: Run) -> None:
        """Wait for an adaptation to end, and switch to the result unless it is worse."""
        try:
            while (status := await asyncio.to_thread(run.status)).active:
                await asyncio.sleep(_POLL)
        except KanatuiError as error:  # for example, the run was deleted
            host(self).tell_problem(error)
            return
        if status.state == "finished":
            await self._tell_of(run)
        else:
            reason = f" ({status.reason})" if status.reason else ""
            self._tell(f"adaptation run {run.id} {_ENDED.get(status.state, status.state)}{reason}")

    async def _tell_of(self, run: Run) -> None:
        board = self.query_one(Board)
        try:
            found = await asyncio.to_thread(changes, run)
        except KanatuiError as error:
            host(self).tell_problem(error)
            return
        figures = in_words(found) or "no scores before and after"
        if found and not got_worse(found):
            text = f"adapted: {figures} · press m for another model"
            board.read_with(run.id, text)
            host(self).notify(text, timeout=_READABLE, markup=False)
            return
        verdict = "adapting made it worse" if found else "adapted"
        board.prepare()
        self._tell(f"{verdict}: {figures} · still using {board.model}; press m to choose {run.id}")

    def _tell(self, text: str) -> None:
        self.query_one(Board).say(text)
        host(self).notify(text, severity="warning", timeout=_READABLE, markup=False)

    def _set_adapting(self, adapting: bool) -> None:
        self._adapting = adapting
        self.refresh_bindings()

"""A run in progress: charts, figures, images of the batch, events. All of it comes from the run's files."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import Any

from textual import events, on, work
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.message import Message
from textual.reactive import reactive
from textual.widgets import Static
from typing_extensions import override

from kanatui.core.errors import KanatuiError
from kanatui.training.commands import TAKEN_BACK
from kanatui.training.control import PAUSE, RESUME, Mailbox
from kanatui.tui.host import host
from kanatui.tui.train import figures
from kanatui.tui.train.augment import Augmentations
from kanatui.tui.train.batch import BatchSheet
from kanatui.tui.train.charts import Charts
from kanatui.tui.train.follow import Follower
from kanatui.tui.train.logs import EventLog, OutputLog, read_from
from kanatui.tui.train.rows import Row
from kanatui.tui.widgets.tabbar import TabBar
from kanatui.tui.words import in_the_app

_POLL = 0.25
_POLL_ANSWER = 0.05
_FIGURES_EVERY = 0.5
_CHARTS_EVERY = 1.0
_CATCHES_UP = 5.0
"""Seconds within which a run's status says what its training has answered: it writes a checkpoint first."""

_SHORT, _TINY = 15, 8
"""Lines below which the charts need those of the figures, and those of the tabs, too."""

VIEWS = {"charts": "Charts", "images": "Images", "events": "Events", "log": "Log", "augment": "Augmentations"}
_ANSWERED = {
    "pause": "paused",
    "resume": "continuing",
    "stop": "stopping",
    "stop_after_epoch": "stopping after this epoch",
    "augment": "augmentations changed",
}
_AFTERWARDS = {"stopped": "c continues from its checkpoint, v evaluates it", "finished": "v evaluates it"}


class Live(Vertical):
    """One run, watched."""

    view: reactive[str] = reactive("charts")
    """Which of :data:`VIEWS` is shown; if there is room, the charts are always shown, too."""

    class Answered(Message):
        """A training has answered a command, or can no longer answer."""

        def __init__(self, command: str, accepted: bool, text: str, step: int | None) -> None:
            super().__init__()
            self.command, self.accepted, self.text, self.step = command, accepted, text, step

    def __init__(self, id: str) -> None:
        super().__init__(id=id)
        self.row: Row | None = None
        """The run that is shown."""
        self.follower: Follower | None = None
        self._others: dict[str, tuple[str, Follower]] = {}
        self._pending: dict[int, str] = {}
        self._told: tuple[bool, float] = (False, 0.0)
        """Whether it has answered that it pauses or goes on, and until when that counts more than its status."""
        self.charts = Charts(id="live-charts")
        self.caught_up = False
        """Whether all earlier events have been read."""
        self.lost = False
        """Whether the run that was shown has been deleted, and no other has been chosen since."""

    @override
    def compose(self) -> ComposeResult:
        """Yield the figures, and the views below."""
        yield Static("No run is shown: choose one under Runs, or press n for a new one.", id="live-head", markup=False)
        with Vertical(id="live-figures"):
            yield Static("", id="live-bar", markup=False)
            for name in ("place", "scores", "cost"):
                yield Static("", id=f"live-{name}", classes="figure", markup=False)
        yield Static("", id="live-note", markup=False)
        yield Static("", id="live-crash", markup=False)
        yield TabBar(VIEWS, "live-views")
        yield self.charts
        with Vertical(id="live-lower"):
            yield BatchSheet(id="live-images")
            yield EventLog(id="live-events")
            yield OutputLog(id="live-log")
            yield Augmentations(id="live-augment")

    async def on_mount(self) -> None:
        self.watch_view()
        self.set_interval(_FIGURES_EVERY, self._show_figures)
        self.set_interval(_CHARTS_EVERY, self._show_rest)

    # ── which run ─────────────────────────────────────────────────────────────────────────────────────────────────

    def watch_run(self, row: Row) -> None:
        """Watch another run."""
        if self.row is not None and self.row.run.id == row.run.id:
            self.update_state(row)
            return
        self.row, self.lost = row, False
        self._told = (False, 0.0)
        self.follower = Follower(row.run)
        self._pending.clear()
        self.caught_up = False
        self.say("")
        self.query_one(EventLog).restart()
        self.query_one(OutputLog).follow(row.run.log)
        self.query_one(BatchSheet).watch_run(row.run)
        self.query_one(Augmentations).watch_run(row.run)
        self._follow(self.follower)
        self._show_crash(row)
        self.update_state(row)

    def forget(self) -> None:
        """Show no run: the one shown was deleted."""
        self.row = self.follower = None
        self.lost = True
        self.workers.cancel_group(self, "follow")
        self.query_one("#live-head", Static).update("The run that was shown here is gone: choose another under Runs.")
        for name in ("bar", "place", "scores", "cost", "note"):
            self.query_one(f"#live-{name}", Static).update("")
        self.query_one("#live-crash").display = False
        self.charts.show([])

    def update_state(self, row: Row) -> None:
        """Update the state of the run."""
        before, self.row = self.row, row
        if before is None or before.state != row.state:
            self._show_crash(row)
            if before is not None and not row.status.active:
                self.say(_AFTERWARDS.get(row.state, ""))
        self.set_class(row.status.active, "active")
        self._show_figures()

    def overlay(self, rows: list[Row]) -> None:
        """Show the curves of these runs together with those of the one shown, which may be among them."""
        before, known = list(self._others), self._others
        self._others = {
            row.run.id: (row.title, known[row.run.id][1] if row.run.id in known else Follower(row.run)) for row in rows
        }
        if list(self._others) != before:
            self._follow_others()

    # ── following ─────────────────────────────────────────────────────────────────────────────────────────────────

    @work(exclusive=True, group="follow")
    async def _follow(self, follower: Follower) -> None:
        bites = 0
        while True:
            ended = self.row is not None and not self.row.status.active  # then all its answers can be read
            if await follower.advance():
                bites += 1
                if not self.caught_up and bites > 1:
                    self.say(f"reading what happened so far: {follower.share:.0%}".replace("%", " %"))
                continue
            if not self.caught_up:
                self.caught_up = True
                self.say("")
                self._show_rest()
                self._show_figures()
            self._look_for_answers(follower)
            if ended:
                self._give_up_waiting()
            await asyncio.sleep(_POLL_ANSWER if self._pending else _POLL)

    @work(exclusive=True, group="others")
    async def _follow_others(self) -> None:
        while self._others:
            for _, follower in list(self._others.values()):
                while await follower.advance():
                    pass
            self._show_rest()
            await asyncio.sleep(_CHARTS_EVERY)
        self._show_rest()

    # ── commands ──────────────────────────────────────────────────────────────────────────────────────────────────

    def say(self, text: str) -> None:
        """Show a text on the line for answers."""
        for note in self.query("#live-note").results(Static):  # none if the app is left while a training starts
            note.update(text, layout=False)

    def send(self, command: str, arguments: Mapping[str, Any]) -> None:
        """Send a command to the training, and show the answer when it comes."""
        self.run_worker(self._send(command, arguments), group="send")

    async def _send(self, command: str, arguments: Mapping[str, Any]) -> None:
        row = self.row
        if row is None or not row.status.active:
            self._answer(command, False, f"{_words(command)}: the run is not running", None)
            return
        self.say(f"{_words(command)} sent …")
        try:
            sequence = await asyncio.to_thread(Mailbox(row.run.control).send, command, **arguments)
        except KanatuiError as error:
            self._answer(command, False, str(error), None)
            return
        self._pending[sequence] = command

    def _look_for_answers(self, follower: Follower) -> None:
        for sequence, command in list(self._pending.items()):
            event = follower.history.answers.get(sequence)
            if event is None:
                continue
            del self._pending[sequence]
            note = event.get("note") or ""
            step = event.get("step") if isinstance(event.get("step"), int) else None
            if event.get("accepted") and note == TAKEN_BACK:
                self._answer(command, True, "going on after this epoch", step)
            elif event.get("accepted"):
                at = f" at step {step:,}" if step is not None else ""
                self._answer(command, True, f"{_ANSWERED.get(command, command)}{at}{_bracketed(note)}", step)
            else:
                self._answer(command, False, f"{_words(command)} refused: {note}", step)

    def _give_up_waiting(self) -> None:
        for command in self._pending.values():
            self._answer(command, False, f"the training ended before it could {_words(command)}", None)
        self._pending.clear()

    def _answer(self, command: str, accepted: bool, text: str, step: int | None) -> None:
        if not accepted:
            self.say(f"✗ {text}")
        elif self.row is not None and self.row.status.active:  # otherwise the line says already what happens next
            self.say(text)
        if accepted and command in (PAUSE, RESUME):
            self._told = (command == PAUSE, time.monotonic() + _CATCHES_UP)
        self.post_message(self.Answered(command, accepted, text, step))

    def is_paused(self, row: Row) -> bool:
        """Return whether a run is paused, or has just answered that it will be."""
        paused, until = self._told
        if self.row is not None and self.row.run.id == row.run.id and time.monotonic() < until:
            return paused
        return row.state == "paused"

    # ── painting ──────────────────────────────────────────────────────────────────────────────────────────────────

    @property
    def _seen(self) -> bool:
        return self.screen.is_current and bool(self.size)

    def _show_figures(self) -> None:
        row, follower = self.row, self.follower
        if row is None or follower is None or not self._seen:
            return
        plain = host(self).ascii
        self._put("head", figures.headline(row))
        width = self.query_one("#live-bar").size.width
        self._put("bar", figures.bar(row, follower.history, width, plain))
        for name, line in zip(("place", "scores", "cost"), figures.lines(row, follower.history, width), strict=True):
            self._put(name, line)

    def _put(self, name: str, text: str) -> None:
        """Change a line if its text is different: what is not sent costs nothing."""
        line = self.query_one(f"#live-{name}", Static)
        if str(line.content) != text:
            line.update(text, layout=False)

    def _show_rest(self) -> None:
        """Redraw the visible ones of charts, images, events and log, if there is anything new."""
        row, follower = self.row, self.follower
        if row is None or follower is None or not self._seen or not self.caught_up:
            return
        self._draw_charts()
        self.query_one(Augmentations).update_state(follower.history.augment, row.status.active)
        self.query_one(EventLog).show(follower.history)
        self._show_files(row)

    @work(exclusive=True, group="files")
    async def _show_files(self, row: Row) -> None:
        if self.query_one(OutputLog).display:
            await self.query_one(OutputLog).advance()
        if self.query_one(BatchSheet).display:
            await self.query_one(BatchSheet).advance(row.status.active)

    def _draw_charts(self) -> None:
        if self.row is None or self.follower is None:
            return
        watched = self.row.run.id
        runs = [(watched, self.row.title, self.follower.history)]
        runs += [(id, title, other.history) for id, (title, other) in self._others.items() if id != watched]
        self.charts.show(runs)

    @work(exclusive=True, group="crash")
    async def _show_crash(self, row: Row) -> None:
        """Show where it went wrong: the reason, the last line of the log, and the keys that show and continue it."""
        box = self.query_one("#live-crash", Static)
        box.display = row.state in ("failed", "crashed")
        if box.display:
            _, printed = await asyncio.to_thread(read_from, row.run.log, 0)
            last = next((line.strip() for line in reversed(printed) if line.strip()), "")
            said = [last] if last and row.status.reason not in last else []
            reason = f"✗ {row.state}: {in_the_app(row.status.reason)}"
            box.update("\n".join([reason, *said, "l shows its whole log, c continues from its last checkpoint"]))

    def focus_view(self) -> None:
        """Focus the widget that has the keys of the view."""
        if self.view == "charts":
            self.charts.current.plot.focus()
            return
        places = {"images": "#live-images", "events": "#live-events", "log": "#live-log"}
        for widget in self.query(places.get(self.view, "#augment-steps")):
            if widget.display and widget.is_on_screen:
                widget.focus()
                return

    # ── views ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def watch_view(self) -> None:
        self.query_one(TabBar).active = self.view
        if self.view != "charts":
            self.charts.fill(None)
        for name in VIEWS:
            self.set_class(name == self.view, f"view-{name}")
        self.call_after_refresh(self._show_rest)

    @on(TabBar.Clicked, "#live-views")
    def _tab_clicked(self, event: TabBar.Clicked) -> None:
        event.stop()
        self.view = event.tab

    def next_chart(self) -> None:
        """Show the charts; if they are shown already, show the next ones."""
        if self.view == "charts":
            self.charts.next_ones()
        self.view = "charts"
        self._draw_charts()

    def on_resize(self, event: events.Resize) -> None:
        self.set_class(event.size.height < _SHORT, "short")
        self.set_class(event.size.height < _TINY, "tiny")
        self.call_after_refresh(self._show_rest)


def _words(command: str) -> str:
    return command.replace("_", " ")


def _bracketed(note: str) -> str:
    return f" ({note})" if note else ""

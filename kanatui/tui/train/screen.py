"""The Train screen: the runs, one of them live, and the form for a new one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.reactive import reactive
from typing_extensions import override

from kanatui.core.errors import KanatuiError
from kanatui.training.about import title_problem
from kanatui.training.control import AUGMENT, PAUSE, RESUME, STOP, STOP_AFTER_EPOCH
from kanatui.tui.host import host
from kanatui.tui.keys import asks
from kanatui.tui.screen import KanatuiScreen, pane
from kanatui.tui.starting import begin_training
from kanatui.tui.train.augment import Augmentations
from kanatui.tui.train.live import Live
from kanatui.tui.train.newrun import NewRun
from kanatui.tui.train.rows import Row
from kanatui.tui.train.runlist import RunsPanel
from kanatui.tui.train.settings import SettingsPane
from kanatui.tui.widgets.dialogs import Ask, Confirm
from kanatui.tui.widgets.tabbar import TabBar
from kanatui.tui.words import in_the_app

PARTS = {"runs": "Runs", "live": "Live", "new": "New"}
PANES = ("hidden", "beside", "large")
"""How much room the settings take under the table of runs."""

_WHEN: dict[str, Callable[[Row], bool]] = {
    "pause": lambda row: row.status.active and row.state != "paused",
    "resume": lambda row: row.state == "paused",
    "stop": lambda row: row.status.active,
    "stop_after_epoch": lambda row: row.status.active and row.state != "paused",
    "continue": lambda row: row.resumable,
    "evaluate": lambda row: any(row.run.checkpoint(name).is_file() for name in ("best", "last")),
    "delete": lambda row: not row.status.active,
    "rename": lambda row: True,
    "note": lambda row: True,
}
"""Actions on a run, each with the condition for offering it."""
_VIEWS = ("view", "charts")
"""Actions that need a run to show."""


class TrainScreen(KanatuiScreen):
    """Runs, a live view of one, and the form for a new one: side by side where there is room, else one at a time."""

    mode = "train"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+s", "start", "Start", tooltip="Start the training of the form"),
        Binding("n", "part('new')", "New", tooltip="Set up a new training"),
        Binding("escape", "back", "Runs", tooltip="Leave the field; back to the list of runs"),
        Binding("p", "pause", "Pause", tooltip="Pause the training"),
        Binding("p", "resume", "Resume", tooltip="Resume the paused training"),
        Binding("s", "stop", "Stop", tooltip="Stop now, with a checkpoint first"),
        Binding("e", "stop_after_epoch", "Stop after epoch", tooltip="Stop when this epoch ends; again: take it back"),
        Binding("c", "continue", "Continue", tooltip="Continue a stopped or crashed run"),
        Binding(
            "x",
            "settings",
            "Settings",
            tooltip="Show the settings of the run or the marked runs; again: larger, hide",
        ),
        Binding("w", "whole", "All settings", show=False, tooltip="Show all settings of marked runs, or what differs"),
        Binding("a", "view('augment')", "Augment", tooltip="Tick and change augmentations while it trains"),
        Binding("g", "charts", "Charts", tooltip="Charts; again: the next ones"),
        Binding("i", "view('images')", "Images", tooltip="The images of the present batch"),
        Binding("h", "view('events')", "Events", show=False, tooltip="What happened in the run"),
        Binding("l", "view('log')", "Log", show=False, tooltip="What the training printed"),
        Binding("v", "evaluate", "Evaluate", tooltip="Evaluate this run"),
        Binding("t", "rename", "Rename", tooltip="Give the run another title"),
        Binding("o", "note", "Note", tooltip="Write a note on the run"),
        Binding("d,delete", "delete", "Delete", key_display="d", tooltip="Delete the run"),
    ]

    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (110, "-wide")]  # noqa: RUF012  # Textual's own form
    VERTICAL_BREAKPOINTS = [(0, "-low"), (36, "-tall")]  # noqa: RUF012

    part: reactive[str] = reactive("runs")
    """Which of :data:`PARTS` is shown; if there is room, the runs are always shown, too."""

    def __init__(self) -> None:
        super().__init__()
        self.add_class(f"part-{self.part}", update=False)  # before it has widgets whose styles would be matched again
        self._wanted_run = ""
        self._pane = ""
        self._continuing: set[str] = set()
        self._keys_are_for: tuple[str, str, str, bool] | None = None

    @override
    def compose_body(self) -> ComposeResult:
        """Yield the three parts."""
        yield TabBar(PARTS, "train-parts")
        with Horizontal(id="train-body"):
            yield pane(RunsPanel(id="train-runs"), "Runs")
            yield pane(SettingsPane(id="train-settings"), "Settings")
            yield pane(Live(id="train-live"), "Live")
            yield pane(NewRun(id="train-new"), "New training")

    @override
    async def on_shown(self) -> None:
        """Update the runs at once."""
        self.runs.look()

    @property
    def runs(self) -> RunsPanel:
        """The list."""
        return self.query_one(RunsPanel)

    @property
    def settings(self) -> SettingsPane:
        """The settings of the run under the cursor, or of the marked ones."""
        return self.query_one(SettingsPane)

    @property
    def live(self) -> Live:
        """The live view."""
        return self.query_one(Live)

    @property
    def target(self) -> Row | None:
        """The run that an action applies to: the one under the cursor if the list has the focus, else the live one."""
        if self.part == "runs":
            return self.runs.current or self.live.row
        return self.live.row

    # ── from elsewhere ────────────────────────────────────────────────────────────────────────────────────────────

    async def show_run(self, run_id: str) -> None:
        """Show a run live, as soon as the list has it."""
        self._wanted_run = run_id
        self.part = "live"
        self.runs.look()
        self._runs_changed()

    async def train_with(self, recipe: dict[str, Any] | None, dataset: str | None) -> None:
        """Go to the form with a recipe or a data set chosen."""
        self.part = "new"
        await self.query_one(NewRun).choose(recipe, dataset)
        self.query_one(NewRun).focus_first()  # also if the form was left at its end

    # ── parts ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def watch_part(self) -> None:
        """Show and focus a part."""
        for name in PARTS:
            self.set_class(name == self.part, f"part-{name}")
        if not self.query("#train-parts"):
            return  # not composed yet: on_mount calls again
        self.query_one("#train-parts", TabBar).active = self.part
        if self.part != "live":
            self.live.charts.fill(None)
        self.call_after_refresh(self._focus_part)
        self.call_after_refresh(self.settings.paint)
        self._refresh_keys()

    def on_mount(self) -> None:
        """Show the list first."""
        self.watch_part()

    def _focus_part(self) -> None:
        if self.part == "runs":
            self.runs.table.focus()
        elif self.part == "live":
            self.live.focus_view()
        else:
            self.query_one(NewRun).focus_first()

    @on(TabBar.Clicked, "#train-parts")
    def _tab_clicked(self, event: TabBar.Clicked) -> None:
        self.part = event.tab

    def action_part(self, part: str) -> None:
        """Go to a part."""
        self.part = part

    def action_back(self) -> None:
        """Go from a field of the form to its button, where letters are keys again; from elsewhere to the list of runs.

        What was typed stays in the form.
        """
        form = self.query_one(NewRun)
        if self.part == "new" and form.in_a_field:
            form.leave_fields()
        else:
            self.part = "runs"

    def action_settings(self) -> None:
        """Show the settings under the table, give them all the room there, or hide them."""
        if self.part != "runs":
            self.part = "runs"
            return
        before = self._pane or ("beside" if self.has_class("-wide") else "hidden")
        self._pane = PANES[(PANES.index(before) + 1) % len(PANES)]
        for name in PANES:
            self.set_class(name == self._pane, f"settings-{name}")
        if self._pane == "hidden" and self.focused and self.settings in self.focused.ancestors:
            self.runs.table.focus()
        self.call_after_refresh(self.settings.paint)
        self.refresh_bindings()

    def action_whole(self) -> None:
        """Show all settings of the marked runs, or only what differs."""
        self.settings.whole = not self.settings.whole

    def action_start(self) -> None:
        """Start the training of the form. It is a key of the screen, so it works before the form has the focus."""
        self.query_one(NewRun).start()

    def action_view(self, view: str) -> None:
        """Go to a view of the live run."""
        self.live.view = view
        self.part = "live"
        self.call_after_refresh(self.live.focus_view)

    def action_charts(self) -> None:
        """Show the charts, or the next of them."""
        if self.part != "live" and self.has_class("-narrow"):
            self.part = "live"
            self.live.view = "charts"
            return
        self.live.next_chart()
        if self.part == "live":
            self.live.focus_view()

    # ── which run ─────────────────────────────────────────────────────────────────────────────────────────────────

    @on(RunsPanel.Changed)
    def _runs_changed(self) -> None:
        runs, live = self.runs, self.live
        wanted = runs.row(self._wanted_run) if self._wanted_run else None
        if wanted is not None:
            self._wanted_run = ""
            runs.go_to(wanted.run.id)
            live.watch_run(wanted)
        elif live.row is not None:
            row = runs.row(live.row.run.id)
            if row is None:
                live.forget()
            else:
                live.update_state(row)
        elif runs.rows and not live.lost:  # which run to look at next, the user says: keys act on the one shown
            live.watch_run(next((row for row in runs.rows if row.status.active), runs.rows[0]))
        live.overlay([row for row in map(runs.row, runs.marked) if row])
        self.settings.show(runs.compared())
        self._refresh_keys()

    @on(RunsPanel.Chosen)
    def _choose(self, event: RunsPanel.Chosen) -> None:
        self.live.watch_run(event.row)
        self.part = "live"

    @override
    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Offer only what fits the part that is shown and the state of the target run."""
        if action == "start":
            return self.part == "new"
        if action == "whole":
            return self.is_mounted and self.part == "runs" and self.settings.compares
        if action == "back":
            return self.part != "runs"
        if action == "part":
            return parameters != (self.part,)
        if not self.is_mounted or action not in (*_WHEN, *_VIEWS):
            return True
        row = self.target
        if row is None or action in _VIEWS:
            return row is not None
        if self.part == "new":
            return False  # no run is in sight that it could be about
        if row.run.id in self._continuing:
            return False
        if action in ("pause", "resume") and row.status.active:
            return self.live.is_paused(row) == (action == "resume")
        return _WHEN[action](row)

    def on_descendant_focus(self) -> None:
        """Update the keys, which depend on the focus."""
        self._refresh_keys()

    def _refresh_keys(self) -> None:
        """Update the keys if the target run or its state has changed: a new footer costs 5 kB."""
        row = self.target
        about = (self.part, row.run.id if row else "", row.state if row else "", bool(row and self.live.is_paused(row)))
        if about != self._keys_are_for:
            self._keys_are_for = about
            self.refresh_bindings()

    # ── steering ──────────────────────────────────────────────────────────────────────────────────────────────────

    def _steer(self, command: str, **arguments: Any) -> None:
        row = self.target
        if row is None:
            return
        self.live.watch_run(row)
        self.part = "live"
        self.live.send(command, arguments)

    def action_pause(self) -> None:
        """Pause the training."""
        self._steer(PAUSE)

    def action_resume(self) -> None:
        """Resume the paused training."""
        self._steer(RESUME)

    @asks
    @work
    async def action_stop(self) -> None:
        """Stop the training now, with a checkpoint, after a confirmation."""
        row = self.target
        if row is None:
            return
        question = f"Stop run {row.run.number} {row.title} now?\nA checkpoint is written first; c continues from it."
        if await self.app.push_screen_wait(Confirm(question, {"stop": "Stop"})) == "stop":
            self.live.watch_run(row)
            self.part = "live"
            self.live.send(STOP, {})

    def action_stop_after_epoch(self) -> None:
        """Stop the training when it has completed the epoch; again: no longer."""
        row, live = self.target, self.live
        if row is not None:
            live.watch_run(row)
            pending = live.follower is not None and live.follower.history.stops_after_epoch
            self._steer(STOP_AFTER_EPOCH, take_back=pending)

    @on(Augmentations.Wanted)
    def _augment(self, event: Augmentations.Wanted) -> None:
        self.live.send(AUGMENT, {"augments": event.augments})

    @on(Live.Answered)
    def _answered(self, event: Live.Answered) -> None:
        if event.command == AUGMENT and not event.accepted:
            self.query_one(Augmentations).refused(event.text)
        self._refresh_keys()
        self.runs.look()

    # ── what can be done with a run ───────────────────────────────────────────────────────────────────────────────

    @work
    async def action_continue(self) -> None:
        """Continue a stopped or crashed run from its last checkpoint."""
        row = self.target
        if row is None or not row.resumable:
            return
        live = self.live
        live.watch_run(row)
        self.part = "live"
        live.say("continuing …")
        self._set_continuing(row.run.id, True)
        try:
            await begin_training(row.run, lambda text: live.say(f"continuing: {text}"), fresh=False)
        except KanatuiError as error:
            live.say(f"✗ {in_the_app(error)}")
            host(self).tell_problem(error)
        else:
            live.say("")
        finally:
            self._set_continuing(row.run.id, False)

    def _set_continuing(self, id: str, continuing: bool) -> None:
        """Offer nothing on a run whose process is on its way: it says nothing yet, so it looks as it stopped."""
        self._continuing ^= {id} if continuing != (id in self._continuing) else set()
        self.refresh_bindings()

    def action_evaluate(self) -> None:
        """Evaluate this run."""
        row = self.target
        if row is not None:
            host(self).evaluate_run(row.run.id)

    @asks
    @work
    async def action_rename(self) -> None:
        """Change the run's title."""
        row = self.target
        if row is None:
            return
        title = await self.app.push_screen_wait(
            Ask(f"Title of run {row.run.id} (empty: its name)", row.title, title_problem)
        )
        if title is not None and title.strip() != row.title:
            await self._write(row.run.rename, title.strip())

    @asks
    @work
    async def action_note(self) -> None:
        """Write a note on the run."""
        row = self.target
        if row is None:
            return
        note = await self.app.push_screen_wait(Ask(f"Note on run {row.run.number} {row.title}", row.note))
        if note is not None:
            await self._write(row.run.annotate, note.strip())

    @asks
    @work
    async def action_delete(self) -> None:
        """Delete the run, after a confirmation."""
        row = self.target
        if row is None:
            return
        question = f"Delete run {row.run.id} with its events and weights?\nThis cannot be undone."
        if await self.app.push_screen_wait(Confirm(question, {"delete": "Delete"}, danger="delete")) == "delete":
            await self._write(row.run.delete)

    async def _write(self, change: Any, *arguments: str) -> None:
        try:
            await asyncio.to_thread(change, *arguments)
        except KanatuiError as error:
            host(self).tell_problem(error)
        self.runs.look()

    # ── a new run ─────────────────────────────────────────────────────────────────────────────────────────────────

    @on(NewRun.Started)
    async def _started(self, event: NewRun.Started) -> None:
        await self.show_run(event.run_id)

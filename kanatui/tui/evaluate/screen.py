"""The Evaluate screen: a run's scores, its confusions and misread images, and a comparison with another run."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets import Input, Static
from textual.worker import Worker, get_current_worker
from typing_extensions import override

from kanatui.core.errors import EngineError, KanatuiError
from kanatui.evaluation.figures import check_file, save_scores
from kanatui.tui.evaluate.characters import CharacterTable
from kanatui.tui.evaluate.choices import Choices
from kanatui.tui.evaluate.comparison import ComparePanel
from kanatui.tui.evaluate.finding import compare_with, evaluations_of, images_of
from kanatui.tui.evaluate.images import Fetched
from kanatui.tui.evaluate.progress import ProgressLine
from kanatui.tui.evaluate.results import LoadedEvaluation, headline
from kanatui.tui.evaluate.tabs import ResultTabs
from kanatui.tui.host import host
from kanatui.tui.keys import asks
from kanatui.tui.models import models_to_evaluate
from kanatui.tui.screen import KanatuiScreen, pane
from kanatui.tui.taking import FIGURES, save_as
from kanatui.tui.widgets.dialogs import Confirm
from kanatui.tui.widgets.form import FieldHelp

if TYPE_CHECKING:
    from kanatui.evaluation.store import Evaluation

_NO_RUNS = "No trained model yet: press 2 for Train, then n to train one, then 3 to come back."
_NOT_YET = "This run has not been evaluated yet: choose the images above and press e."


class EvaluateScreen(KanatuiScreen):
    """A run's scores, what it misreads, and how it compares with another run."""

    mode = "evaluate"
    AUTO_FOCUS = ""  # the list is focused once there is one: arrows should move in it, not open the choice of the run
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("e", "evaluate", "Evaluate", tooltip="Evaluate the run on the images chosen above"),
        Binding("x", "cancel", "Cancel", tooltip="Cancel the running evaluation; nothing is kept"),
        Binding("c", "tab('characters')", "Characters", show=False, tooltip="Scores of each character, worst first"),
        Binding("m", "tab('confusions')", "Map of confusions", show=False, tooltip="See what is read as what"),
        Binding(
            "i", "tab('images')", "Images", show=False, tooltip="The misread images of the row or cell under the cursor"
        ),
        Binding(
            "v", "tab('compare')", "Versus a second run", show=False, tooltip="See what only one run reads correctly"
        ),
        Binding(
            "r",
            "tab('reliability')",
            "Reliability",
            show=False,
            tooltip="See how far its probabilities can be believed",
        ),
        Binding(
            "a", "all_images", "All images", show=False, tooltip="All images of the character, or the misread ones"
        ),
        Binding("s", "samples", "Samples", show=False, tooltip="Go to your own samples of the character"),
        Binding(
            "F", "figure", "Figure", show=False, key_display="F", tooltip="Save the map or diagram as PNG, SVG, PDF"
        ),
        Binding("b", "evaluate_second", "Evaluate B", tooltip="Evaluate the second run on the same images"),
        Binding(
            "f", "fold", "Fold", tooltip="Count look-alikes (small and normal kana, へ and ヘ) as the same, or not"
        ),
        Binding("escape", "leave_field", "Leave the field", tooltip="Leave the field; letters are keys again"),
        Binding("escape", "back", "Back to the list", show=False),
        Binding("delete", "delete", "Delete", show=False, tooltip="Delete the evaluation shown"),
    ]

    def __init__(self) -> None:
        super().__init__()
        self.loaded: LoadedEvaluation | None = None
        """The evaluation shown, None if there is none."""
        self._folded = True
        self._worker: Worker[None] | None = None

    @override
    def compose_body(self) -> ComposeResult:
        yield pane(Choices(id="choices"), "Evaluate")
        yield ProgressLine()
        yield Static("", id="scores", markup=False)
        yield Static(_NO_RUNS, id="empty", markup=False)
        yield ResultTabs(self._fetch, id="results")
        yield FieldHelp()

    @property
    def choices(self) -> Choices:
        """The form at the top: run, images, and the evaluation shown."""
        return self.query_one(Choices)

    @property
    def results(self) -> ResultTabs:
        """The tabs of the evaluation shown."""
        return self.query_one(ResultTabs)

    @property
    def compare_panel(self) -> ComparePanel:
        """The tab that compares with a second run."""
        return self.results.compare_panel

    # ── runs and their evaluations ────────────────────────────────────────────────────────────────────────────────

    @override
    async def on_shown(self) -> None:
        """List the runs with weights again."""
        runs = await asyncio.to_thread(models_to_evaluate)
        self.choices.offer_runs(runs)
        self.compare_panel.offer(runs)
        if not runs:
            self._show(None)
        elif self.choices.run:
            self._list_evaluations(self.choices.run)

    async def pick_run(self, run: str) -> None:
        """Choose a run, for users who come here from Train."""
        if not self.choices.pick_run(run):
            host(self).tell_problem(f"run {run} has no weights yet: wait for its first checkpoint")
        self.action_tab("characters")

    @on(Choices.RunChosen)
    def _run_chosen(self, event: Choices.RunChosen) -> None:
        self._list_evaluations(event.run)

    @work(exclusive=True, group="list")
    async def _list_evaluations(self, run: str) -> None:
        found = await asyncio.to_thread(evaluations_of, run)
        kinds = await asyncio.to_thread(images_of, run)
        if run == self.choices.run:
            self.choices.offer_images(kinds)
            self.choices.offer_evaluations(found)
            if not found:
                self._show(None)

    @on(Choices.EvaluationChosen)
    def _evaluation_chosen(self, event: Choices.EvaluationChosen) -> None:
        self._open(event.evaluation)

    @work(exclusive=True, group="open")
    async def _open(self, evaluation: Evaluation) -> None:
        try:
            loaded = await asyncio.to_thread(LoadedEvaluation.load, evaluation)
        except KanatuiError as error:
            host(self).tell_problem(error)
            return
        self._show(loaded)

    # ── evaluating ────────────────────────────────────────────────────────────────────────────────────────────────

    @on(Input.Submitted)
    def action_evaluate(self) -> None:
        """Evaluate the chosen run on the chosen images."""
        choices = self.choices
        if not choices.run:
            self.notify(_NO_RUNS)
            return
        try:
            self._begin(choices.run, choices.source(), choices.characters(), choices.limit())
        except KanatuiError as error:
            host(self).tell_problem(error)

    def action_evaluate_second(self) -> None:
        """Evaluate the second run on the images of the first run's evaluation."""
        if self.loaded is None or not self.compare_panel.second:
            self.notify("choose an evaluated run, and a second run to compare it with")
            return
        about = self.loaded.evaluation
        source = {"kind": about.kind, "path" if about.kind == "folder" else "run": about.where}
        if about.notation:
            source["labels"] = about.notation
        self._begin(self.compare_panel.second, source, about.candidates or None, about.limit or None)

    @property
    def busy(self) -> bool:
        """Whether an evaluation is running."""
        return self._worker is not None and not (self._worker.is_finished or self._worker.is_cancelled)

    def _begin(self, run: str, source: Mapping[str, str], characters: str | None, limit: int | None) -> None:
        self._worker = self._evaluate(run, source, characters, limit)
        self.query_one(ProgressLine).begin(run)
        self.refresh_bindings()

    def _end(self) -> None:
        self._worker = None
        for line in self.query(ProgressLine):  # gone if the app is closing
            line.end()
        self.refresh_bindings()

    @work(exclusive=True, group="evaluate")
    async def _evaluate(self, run: str, source: Mapping[str, str], characters: str | None, limit: int | None) -> None:
        task = get_current_worker()
        try:
            answer = (
                await host(self)
                .engine("evaluate")
                .ask(
                    "evaluate",
                    on_progress=self.query_one(ProgressLine).advance,
                    model=run,
                    source=source,
                    characters=characters,
                    limit=limit,
                )
            )
        except EngineError as error:
            host(self).tell_problem(error)
            return
        finally:
            if task is self._worker:  # not if it was cancelled and another has started
                self._end()
        self._evaluated(run, answer.data["path"])

    def _evaluated(self, run: str, path: str) -> None:
        if run == self.choices.run:
            if self.focused is not None and self.focused.id == "run":
                self.set_focus(None)  # the list of characters takes it
            self._list_evaluations(run)
        elif run == self.compare_panel.second:
            self._load_second()
        else:
            self.notify(f"run {run} has been evaluated")

    def action_cancel(self) -> None:
        """Cancel the running evaluation."""
        if self._worker:
            self._worker.cancel()
        self._end()
        self.notify("evaluation cancelled; nothing was kept")

    def action_delete(self) -> None:
        """Ask, then delete the evaluation shown."""
        if self.loaded:
            self._delete(self.loaded.evaluation)

    @asks
    @work(exclusive=True, group="delete")
    async def _delete(self, evaluation: Evaluation) -> None:
        question = f"Delete the evaluation of {evaluation.run}\n({evaluation.source}, made {evaluation.made})?"
        if await self.app.push_screen_wait(Confirm(question, {"delete": "Delete"}, danger="delete")) == "delete":
            try:
                evaluation.delete()
            except KanatuiError as error:
                host(self).tell_problem(error)
            self._list_evaluations(evaluation.run)

    # ── results ───────────────────────────────────────────────────────────────────────────────────────────────────

    def _show(self, loaded: LoadedEvaluation | None) -> None:
        self.loaded = loaded
        self.query_one("#empty", Static).update(_NOT_YET if self.choices.run else _NO_RUNS)
        self.set_class(loaded is not None, "loaded")
        self.refresh_bindings()
        if loaded is None:
            self.query_one("#scores", Static).update("")
            if self.focused is None and self.choices.run:
                self.query_one("#run").focus()
            return
        self.query_one("#scores", Static).update(headline(loaded))
        self.results.show(loaded, self._folded)
        self._load_second()
        if self.focused is None:
            self.query_one(CharacterTable).focus()

    def action_fold(self) -> None:
        """Count look-alikes as the same, or no longer."""
        self._folded = not self._folded
        self.notify("look-alikes count as the same" if self._folded else "look-alikes count as different", timeout=2)
        self.results.fold(self._folded)
        self._load_second()

    @on(ComparePanel.Chosen)
    def _second_chosen(self) -> None:
        self._load_second()

    @work(exclusive=True, group="second")
    async def _load_second(self) -> None:
        first, second = self.loaded, self.compare_panel.second
        if first is None or not second:
            self.compare_panel.say(
                "Choose a second run to see, image by image, what only one of the two reads correctly."
            )
        elif second == first.evaluation.run:
            self.compare_panel.say("That is the same run; choose another one.")
        else:
            found = await asyncio.to_thread(compare_with, first, second)
            if found is None:
                self.compare_panel.say(f"Run {second} has not been evaluated on these images yet: press b.")
            else:
                self.compare_panel.show(found[0], first, found[1], self._folded)
                if self.results.list_shown == "compare" and self.compare_panel.at_choice:
                    self.compare_panel.table.focus()  # arrows walk in it, and do not choose another run
        self.refresh_bindings()
        if self.results.list_shown == "compare":
            self.results.look()

    # ── tabs ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def action_tab(self, name: str) -> None:
        """Go to a tab and focus its content."""
        self.results.go_to(name)

    @on(ResultTabs.Switched)
    def _switched(self) -> None:
        self.refresh_bindings()

    def action_back(self) -> None:
        """Move the focus from the images back to the list."""
        self.results.go_to(self.results.list_shown)

    def action_leave_field(self) -> None:
        """Move the focus from a field of the form to the list, if there is one."""
        self.set_focus(None)
        if self.loaded is not None:
            self.action_back()

    @override
    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Offer only the keys that do something here."""
        if action == "cancel":
            return self.busy
        if action == "leave_field":
            return isinstance(self.focused, Input)
        if action == "evaluate":
            return not self.busy and (not self.is_mounted or bool(self.choices.run))
        if action in ("fold", "delete", "tab"):
            return self.loaded is not None
        if action == "evaluate_second":
            return not self.busy and self.results.list_shown == "compare" and self.compare_panel.comparison is None
        return super().check_action(action, parameters)

    # ── from a character or figure to other places ────────────────────────────────────────────────────────────────

    def action_all_images(self) -> None:
        """Show all images of the character under the cursor, or the misread ones again."""
        everything = self.results.toggle_all_images()
        self.notify("all images of the character" if everything else "the misread images alone", timeout=2)

    def action_samples(self) -> None:
        """Go to the user's own samples of the character under the cursor."""
        if self.loaded and self.results.character:
            host(self).show_samples(self.results.character)
        else:
            self.notify("go to the row of a character first")

    @work(exclusive=True, group="save")
    async def action_figure(self) -> None:
        """Save the confusion map or the reliability diagram as a figure."""
        if (loaded := self.loaded) is None:
            self.notify("evaluate a run first")
            return
        try:
            check_file(Path(f"figure{FIGURES[0]}"))
        except KanatuiError as error:
            host(self).tell_problem(error)
            return
        part = "reliability" if self.results.list_shown == "reliability" else "confusions"
        name = f"{loaded.evaluation.run or 'model'}-{part}{FIGURES[0]}"
        await save_as(
            self, f"Save the {part} as", name, FIGURES, lambda path: save_scores(path, loaded.scores, (part,))
        )

    async def _fetch(self, evaluation: Evaluation, records: Sequence[int]) -> Fetched:
        # While one engine evaluates, the other's process is free.
        engine = host(self).engine("preview" if self.busy else "evaluate")
        answer = await engine.ask("pictures", slot="pictures", evaluation=str(evaluation.path), records=records)
        return answer.arrays["images"], answer.data["origins"]

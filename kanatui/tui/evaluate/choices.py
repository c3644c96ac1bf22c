"""The form that chooses what to evaluate with which run, and which earlier evaluation to show."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.message import Message
from textual.widgets import Input, Label, Select
from typing_extensions import override

from kanatui.core import paths
from kanatui.core.errors import UsageError
from kanatui.evaluation import HELD_OUT_IMAGES
from kanatui.training.event_text import IMAGE_SETS
from kanatui.tui.evaluate.results import summary
from kanatui.tui.widgets.dialogs import Paths
from kanatui.tui.widgets.picklist import PickList

if TYPE_CHECKING:
    from kanatui.evaluation.store import Evaluation

_ABOUT = {
    "run": "run: the model that reads; typing narrows the list · default: the newest",
    "source": "reads: what was held out of the training, or pictures of your own · default: held-out images",
    "path": "folder: pictures in folders named by their character: か, ka or U+304B · → completes",
    "limit": f"at most: from 1 · default: {HELD_OUT_IMAGES:,} held-out images, all pictures of a folder",
    "candidates": "as one of: the characters that it may answer, as hiragana or あいう · default: all it knows",
    "evaluation": "shown: an evaluation of this run; delete removes it · default: the newest",
}
"""What each control takes, by its id."""

_SOURCES = {kind: IMAGE_SETS[kind] for kind in ("held_out", "faces")} | {"folder": "a folder of pictures"}


class Choices(Vertical):
    """The choice of run, images and evaluation."""

    class RunChosen(Message):
        """The user chose another run."""

        def __init__(self, run: str) -> None:
            super().__init__()
            self.run = run

    class EvaluationChosen(Message):
        """The user chose another evaluation."""

        def __init__(self, evaluation: Evaluation) -> None:
            super().__init__()
            self.evaluation = evaluation

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._runs: list[tuple[str, str]] = []
        self._evaluations: dict[str, Evaluation] = {}
        self._kinds: Sequence[str] = tuple(_SOURCES)
        self._told_run = self._told_evaluation = ""

    @override
    def compose(self) -> ComposeResult:
        with Horizontal(classes="choices"):
            yield Label("Run", classes="label")
            yield PickList[str]([], prompt="no run yet", id="run", compact=True)
            yield Label("reads")
            yield Select(
                [(text, kind) for kind, text in _SOURCES.items()],
                value="held_out",
                allow_blank=False,
                id="source",
                compact=True,
            )
        with Horizontal(classes="choices for-folder"):
            yield Label("Folder", classes="label")
            completed = Paths(case_sensitive=True)
            yield Input(placeholder="LABEL/*.png or *.jpg", id="path", compact=True, suggester=completed)
        with Horizontal(classes="choices"):
            yield Label("At most", classes="label")
            yield Input(placeholder="as many as usual", id="limit", type="integer", compact=True)
            yield Label("images, as one of")
            yield Input(placeholder="all characters", id="candidates", compact=True)
        with Horizontal(classes="choices"):
            yield Label("Shown", classes="label")
            yield PickList[str]([], prompt="not evaluated yet", id="evaluation", compact=True)

    def on_mount(self) -> None:
        for id, about in _ABOUT.items():
            self.query_one(f"#{id}").tooltip = about

    # ── runs ──────────────────────────────────────────────────────────────────────────────────────────────────────

    @property
    def run(self) -> str:
        """The chosen run's id, "" if there is none."""
        return _value(self.query_one("#run", Select))

    def pick_run(self, run: str) -> bool:
        """Choose a run; return False if it is not offered."""
        if run not in [id for _, id in self._runs]:
            return False
        self.query_one("#run", Select).value = run
        return True

    def offer_runs(self, runs: list[tuple[str, str]]) -> None:
        """Offer runs as (text, id), newest first; keep the current choice, initially the newest."""
        if runs == self._runs:
            return
        chosen, self._runs = self.run, runs
        select = self.query_one("#run", Select)
        # Ignore the message of the moment without a choice.
        select.set_options(runs)
        if runs:
            select.value = chosen if chosen in [id for _, id in runs] else runs[0][1]

    def offer_images(self, kinds: Sequence[str]) -> None:
        """Offer kinds of images, of the keys of the sources; keep the current choice if it is among them."""
        select = self.query_one("#source", Select)
        if kinds == self._kinds:
            return
        chosen, self._kinds = _value(select), kinds
        with select.prevent(Select.Changed):
            select.set_options([(_SOURCES[kind], kind) for kind in kinds])
            select.value = chosen if chosen in kinds else kinds[0]
        self.set_class(select.value == "folder", "folder")

    # ── what to evaluate ──────────────────────────────────────────────────────────────────────────────────────────

    def source(self) -> dict[str, str]:
        """Return what to evaluate. Raises UsageError if the folder is missing."""
        kind = _value(self.query_one("#source", Select))
        if kind != "folder":
            return {"kind": kind}
        path = self.query_one("#path", Input).value.strip()
        if not path:
            raise UsageError("enter a folder first: it must hold LABEL/*.png or *.jpg, where LABEL is the character")
        return {"kind": kind, "path": str(paths.user_path(path).absolute())}

    def limit(self) -> int | None:
        """Return the maximum number of images, None for the default. Raises UsageError unless it is a number from 1."""
        text = self.query_one("#limit", Input).value.strip()
        if not text:
            return None
        if not text.isdecimal() or not int(text):
            raise UsageError(f"at most {text!r} images: must be a whole number from 1")
        return int(text)

    def characters(self) -> str | None:
        """Return the candidates, None for all. Raises KanatuiError if the text is invalid."""
        from kanatui.kana.sets import parse_characters

        text = self.query_one("#candidates", Input).value.strip()
        return parse_characters(text) if text else None

    # ── evaluations ───────────────────────────────────────────────────────────────────────────────────────────────

    @property
    def evaluation(self) -> Evaluation | None:
        """The chosen evaluation, None if there is none."""
        return self._evaluations.get(_value(self.query_one("#evaluation", Select)))

    def offer_evaluations(self, evaluations: Sequence[Evaluation]) -> None:
        """Offer evaluations, newest first, and choose the newest unless all were offered before."""
        if [evaluation.path for evaluation in evaluations] == [old.path for old in self._evaluations.values()]:
            return
        self._told_evaluation = ""
        self._evaluations = {str(evaluation.path): evaluation for evaluation in evaluations}
        select = self.query_one("#evaluation", Select)
        select.set_options([(summary(evaluation), path) for path, evaluation in self._evaluations.items()])
        if self._evaluations:
            select.value = next(iter(self._evaluations))

    def on_select_changed(self, event: Select.Changed) -> None:
        """Post each choice once; setting the options briefly leaves nothing chosen."""
        event.stop()
        if event.select.id == "source":
            self.set_class(event.value == "folder", "folder")
        elif event.select.id == "run" and self.run and self.run != self._told_run:
            self._told_run = self.run
            self.post_message(self.RunChosen(self.run))
        elif event.select.id == "evaluation" and self.evaluation:
            path = str(self.evaluation.path)
            if path != self._told_evaluation:
                self._told_evaluation = path
                self.post_message(self.EvaluationChosen(self.evaluation))


def _value(select: Select[str]) -> str:
    return select.value if isinstance(select.value, str) else ""

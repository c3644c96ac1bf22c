"""What there is on disk to look at: runs, their evaluations, pairs of them. It reads files: not for handlers."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from kanatui.core import paths
from kanatui.core.errors import KanatuiError
from kanatui.core.units import percent
from kanatui.model.shipped import DEFAULT
from kanatui.training.models import ModelEntry, list_models
from kanatui.tui.evaluate.results import LoadedEvaluation

if TYPE_CHECKING:
    from kanatui.evaluation.compare import Comparison
    from kanatui.evaluation.store import Evaluation


def models() -> list[tuple[str, str]]:
    """Return the models that can be evaluated as (text with the best strict and folded score, reference).

    Runs come newest first; the model that ships with kanatui, if it does, comes last.
    """
    try:
        found = list_models()
    except KanatuiError:
        return []
    return [(_label(model), model.reference) for model in sorted(found, key=lambda model: model.run is None)]


def _label(model: ModelEntry) -> str:
    name = model.run.id if model.run else model.title
    scores = model.scores
    return f"{name} · {100 * scores['strict']:.1f} / {percent(scores['folded'])}" if scores else name


def evaluations_of(run: str) -> list[Evaluation]:
    """Return the evaluations of a run or of ``default``, newest first; none if it is gone."""
    from kanatui.evaluation.store import list_evaluations
    from kanatui.training.runs import find_run

    if run == DEFAULT:  # kept among those of all weights files that lie in no run
        return [each for each in list_evaluations(paths.home() / "evaluations") if each.run == DEFAULT]
    with contextlib.suppress(KanatuiError):
        return list_evaluations(find_run(run).path / "evaluations")
    return []


def compare_with(first: LoadedEvaluation, run: str) -> tuple[Comparison, LoadedEvaluation] | None:
    """Look for an evaluation of another run over the same images, and put the two together."""
    from kanatui.evaluation.compare import Comparison

    for evaluation in evaluations_of(run):
        with contextlib.suppress(KanatuiError):
            if evaluation.data == first.evaluation.data:
                second = LoadedEvaluation.load(evaluation)
                predictions, files = (first.predictions, second.predictions), (first.files, second.files)
                return Comparison(first.evaluation, evaluation, predictions, files), second
    return None

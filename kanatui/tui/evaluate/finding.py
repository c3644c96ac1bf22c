"""What there is on disk to look at: runs, their evaluations, pairs of them. It reads files: not for handlers."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from kanatui.core import paths
from kanatui.core.errors import KanatuiError
from kanatui.core.units import percent
from kanatui.model.shipped import DEFAULT, default_weights
from kanatui.tui.evaluate.results import LoadedEvaluation

if TYPE_CHECKING:
    from kanatui.evaluation.compare import Comparison
    from kanatui.evaluation.store import Evaluation


def runs_with_weights() -> list[tuple[str, str]]:
    """Return the models that can be evaluated as (text with the best strict and folded score, id).

    Runs come newest first; the model that ships with kanatui, if it does, comes last.
    """
    from kanatui.training.runs import list_runs

    found = []
    with contextlib.suppress(KanatuiError):
        for run in reversed(list_runs()):
            with contextlib.suppress(KanatuiError):
                run.weights()
                best = run.status().best or {}
                scores = f" · {100 * best['strict']:.1f} / {percent(best['folded'])}" if "folded" in best else ""
                found.append((f"{run.id}{scores}", run.id))
    with contextlib.suppress(KanatuiError):
        default_weights()
        found.append(("default, ships with kanatui", DEFAULT))
    return found


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
                readings, files = (first.readings, second.readings), (first.files, second.files)
                return Comparison(first.evaluation, evaluation, readings, files), second
    return None

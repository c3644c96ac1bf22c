"""What there is on disk to look at: runs, their evaluations, pairs of them. It reads files: not for handlers."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from kanatui.errors import KanatuiError
from kanatui.tui.evaluate.judged import Judged
from kanatui.words import percent

if TYPE_CHECKING:
    from kanatui.evaluation.compare import Comparison
    from kanatui.evaluation.store import Evaluation


def runs_with_weights() -> list[tuple[str, str]]:
    """Return the runs that can be judged as (text with the best strict and folded score, id), newest first."""
    from kanatui.training.runs import list_runs

    found = []
    with contextlib.suppress(KanatuiError):
        for run in reversed(list_runs()):
            with contextlib.suppress(KanatuiError):
                run.weights()
                best = run.status().best or {}
                scores = f" · {100 * best['strict']:.1f} / {percent(best['folded'])}" if "folded" in best else ""
                found.append((f"{run.id}{scores}", run.id))
    return found


def evaluations_of(run: str) -> list[Evaluation]:
    """Return a run's evaluations, newest first; none if it is gone."""
    from kanatui.evaluation.store import list_evaluations
    from kanatui.training.runs import find_run

    with contextlib.suppress(KanatuiError):
        return list_evaluations(find_run(run).path / "evaluations")
    return []


def compare_with(first: Judged, run: str) -> tuple[Comparison, Judged] | None:
    """Look for an evaluation of another run over the same images, and put the two together."""
    from kanatui.evaluation.compare import Comparison

    for evaluation in evaluations_of(run):
        with contextlib.suppress(KanatuiError):
            if evaluation.data == first.evaluation.data:
                second = Judged.load(evaluation)
                readings, files = (first.readings, second.readings), (first.files, second.files)
                return Comparison(first.evaluation, evaluation, readings, files), second
    return None

"""Finds evaluations on disk and pairs to compare. The functions read files: do not call them on the event loop."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from kanatui.core import paths
from kanatui.core.errors import KanatuiError
from kanatui.model.shipped import DEFAULT
from kanatui.tui.evaluate.results import LoadedEvaluation

if TYPE_CHECKING:
    from kanatui.evaluation.compare import Comparison
    from kanatui.evaluation.store import Evaluation


def evaluations_of(run: str) -> list[Evaluation]:
    """Return the evaluations of a run or of ``default``, newest first; empty if the run is gone."""
    from kanatui.evaluation.store import list_evaluations
    from kanatui.training.runs import find_run

    if run == DEFAULT:  # stored with those of all weights files outside the runs
        return [each for each in list_evaluations(paths.home() / "evaluations") if each.run == DEFAULT]
    with contextlib.suppress(KanatuiError):
        return list_evaluations(find_run(run).path / "evaluations")
    return []


def images_of(run: str) -> tuple[str, ...]:
    """Return which kinds of images a run, or ``default``, can be evaluated on: only what its training held out."""
    from kanatui.training.options import TrainingOptions
    from kanatui.training.provenance import find_provenance

    with contextlib.suppress(KanatuiError):
        config = find_provenance(run).config
        if "source" in config:
            options = TrainingOptions(**config.get("train", {}))
            held = {"held_out": options.hold_out > 0, "faces": bool(options.hold_out_faces)}
            return (*(kind for kind, there in held.items() if there), "folder")
    return ("folder",)


def compare_with(first: LoadedEvaluation, run: str) -> tuple[Comparison, LoadedEvaluation] | None:
    """Compare with another run's evaluation of the same images; None if there is none."""
    from kanatui.evaluation.compare import Comparison

    for evaluation in evaluations_of(run):
        with contextlib.suppress(KanatuiError):
            if evaluation.data == first.evaluation.data:
                second = LoadedEvaluation.load(evaluation)
                predictions, files = (first.predictions, second.predictions), (first.files, second.files)
                return Comparison(first.evaluation, evaluation, predictions, files), second
    return None

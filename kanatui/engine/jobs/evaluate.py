"""Jobs of evaluation: evaluating a model, and opening the images it misread."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kanatui.core.errors import StorageError
from kanatui.engine.context import Context, Reporter
from kanatui.engine.wire import Answer

if TYPE_CHECKING:
    from kanatui.dataset.source import ImageSource

MOST_PICTURES = 200
"""Most pictures in one answer; nobody looks at more."""


def evaluate(context: Context, arguments: Mapping[str, Any], report: Reporter) -> Answer:
    """Evaluate ``model`` on ``source``, with ``characters`` and ``limit`` if given: {"path"} of the result.

    The arguments are those of :func:`kanatui.evaluation.evaluate.evaluate`, which also lists the errors.
    """
    from kanatui.evaluation.evaluate import evaluate

    made = evaluate(
        arguments["model"], arguments["source"], arguments.get("characters"), arguments.get("limit"), report
    )
    if made.not_stored:
        raise StorageError(made.not_stored)
    return Answer({"path": str(made.path)}, {})


def pictures(context: Context, arguments: Mapping[str, Any], report: Reporter) -> Answer:
    """Open images of an ``evaluation`` (its JSON file), by the places of their ``records``.

    Returns:
        ``images`` uint8 [n, S, S], at most :data:`MOST_PICTURES`; {"origins": how each was made, "errors": a
        reason for each that is missing}.
    """
    from kanatui.evaluation.evaluate import open_pictures
    from kanatui.evaluation.store import read_evaluation

    def opener(spec: Mapping[str, Any]) -> ImageSource:
        from kanatui.dataset.open import open_source
        from kanatui.dataset.recipe import Recipe

        # The context's streams draw only the glyphs that are needed; opening a source again takes seconds.
        if "dataset" in spec or "samples" in spec:
            return open_source(spec)
        return context.stream(Recipe.from_dict(spec["recipe"]), report)

    evaluation = read_evaluation(Path(arguments["evaluation"]))
    images, origins, errors = open_pictures(evaluation, arguments["records"][:MOST_PICTURES], opener)
    return Answer({"origins": origins, "errors": errors}, {"images": images})

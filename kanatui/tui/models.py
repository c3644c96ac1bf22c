"""The models that Draw and Evaluate offer, as (label, reference). Reads files, so it must not be called in handlers."""

from __future__ import annotations

import contextlib

from kanatui.core.errors import KanatuiError
from kanatui.core.units import percent
from kanatui.evaluation.adapt import changes, got_worse
from kanatui.training.models import ModelEntry, list_models
from kanatui.training.runs import find_run
from kanatui.tui.settings import Settings

NONE_YET = "No model yet. Press 2, then n, and train one: the recipe quick takes about a minute."


def models_for_drawing() -> list[tuple[str, str]]:
    """Return the model that ships first, then finished runs, then others that have weights, the newest first."""
    return [(_short(model), model.reference) for model in sorted(list_models(), key=lambda model: not model.finished)]


def model_for_drawing(settings: Settings) -> str:
    """Return the model that Draw reads with, "" if none was chosen.

    An adaptation that has ended since, perhaps while the app was closed, becomes the choice unless it is worse.
    """
    if settings.adapting:
        with contextlib.suppress(KanatuiError):
            run = find_run(settings.adapting)
            if run.status().active:
                return settings.model
            found = changes(run)
            if found and not got_worse(found):
                settings.model = run.id
        settings.adapting = ""
        settings.save()
    return settings.model


def models_to_evaluate() -> list[tuple[str, str]]:
    """Return runs, the newest first, then the model that ships; without runs if they cannot be listed."""
    try:
        found = list_models()
    except KanatuiError:
        return []
    return [(_long(model), model.reference) for model in sorted(found, key=lambda model: model.run is None)]


def _short(model: ModelEntry) -> str:
    return f"{model.title} · {percent(model.scores['folded'])}{_of(model)}" if model.scores else model.title


def _long(model: ModelEntry) -> str:
    name = model.run.id if model.run else model.title
    scores = model.scores
    return f"{name} · {100 * scores['strict']:.1f} / {percent(scores['folded'])}{_of(model)}" if scores else name


def _of(model: ModelEntry) -> str:
    return f" of {model.scored_on}" if model.scored_on else ""

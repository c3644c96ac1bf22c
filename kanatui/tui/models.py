"""The models that Draw and Evaluate offer, as (label, reference). Reads files, so it must not be called in handlers."""

from __future__ import annotations

from kanatui.core.errors import KanatuiError
from kanatui.core.units import percent
from kanatui.training.models import ModelEntry, list_models

NONE_YET = "No model yet. Press 2, then n, and train one: the recipe quick takes about a minute."


def models_for_drawing() -> list[tuple[str, str]]:
    """Return the model that ships first, then finished runs, then others that have weights, the newest first."""
    return [(_short(model), model.reference) for model in sorted(list_models(), key=lambda model: not model.finished)]


def models_to_evaluate() -> list[tuple[str, str]]:
    """Return runs, the newest first, then the model that ships; without runs if they cannot be listed."""
    try:
        found = list_models()
    except KanatuiError:
        return []
    return [(_long(model), model.reference) for model in sorted(found, key=lambda model: model.run is None)]


def _short(model: ModelEntry) -> str:
    return f"{model.title} · {percent(model.scores['folded'])}" if model.scores else model.title


def _long(model: ModelEntry) -> str:
    name = model.run.id if model.run else model.title
    scores = model.scores
    return f"{name} · {100 * scores['strict']:.1f} / {percent(scores['folded'])}" if scores else name

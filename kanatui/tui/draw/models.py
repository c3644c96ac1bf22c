"""Which models can read drawings, as the board offers them."""

from __future__ import annotations

from kanatui.core.units import percent
from kanatui.training.models import ModelEntry, list_models

NONE_YET = "No model yet. Press 2, then n, and train one: the recipe quick takes about a minute."


def models() -> list[tuple[str, str]]:
    """Return (label, reference) of each model, the best to begin with first.

    The one that ships comes first, then finished runs, then others that have weights, the newest first.
    """
    return [(_label(model), model.reference) for model in sorted(list_models(), key=lambda model: not model.finished)]


def _label(model: ModelEntry) -> str:
    return f"{model.title} · {percent(model.scores['folded'])}" if model.scores else model.title

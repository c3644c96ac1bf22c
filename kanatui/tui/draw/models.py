"""Which models can read drawings: the one that ships, and the runs that have weights."""

from __future__ import annotations

import contextlib

from kanatui.core.errors import KanatuiError
from kanatui.core.units import percent
from kanatui.model.shipped import DEFAULT, default_weights
from kanatui.training.runs import list_runs

NONE_YET = "No model yet. Press 2, then n, and train one: the recipe quick takes about a minute."


def models() -> list[tuple[str, str]]:
    """Return (label, reference) of each model, the best to begin with first.

    The one that ships comes first, then finished runs, then others that have weights, the newest first.
    """
    found: list[tuple[str, str]] = []
    finished: list[tuple[str, str]] = []
    others: list[tuple[str, str]] = []
    with contextlib.suppress(KanatuiError):
        default_weights()
        found.append(("default, ships with kanatui", DEFAULT))
    for run in reversed(list_runs()):
        with contextlib.suppress(KanatuiError):
            run.weights()
            status = run.status()
            score = f" · {percent(float(status.best['folded']))}" if status.best else ""
            name = run.id if run.title == run.name else f"{run.number:03d} {run.title}"
            entry = (f"{name}{score}", run.id)
            (finished if status.state == "finished" else others).append(entry)
    return [*found, *finished, *others]

"""Which models there are: the one that ships with kanatui, and those of the runs that have weights."""

from __future__ import annotations

import contextlib
import dataclasses
from pathlib import Path

from kanatui.core.errors import KanatuiError
from kanatui.model import shipped
from kanatui.training.runs import Run, Status, list_runs


@dataclasses.dataclass(frozen=True)
class ModelEntry:
    """One model that can read."""

    reference: str
    """By which commands and jobs find it: a run's id, or ``default``."""
    weights: Path
    run: Run | None = None
    """None for the one that ships."""
    status: Status | None = None
    """The run's."""

    @property
    def title(self) -> str:
        """What people call it: a run's id, or its number and the title that somebody gave it."""
        if self.run is None:
            return f"{self.reference}, ships with kanatui"
        return self.run.id if self.run.title == self.run.name else f"{self.run.number:03d} {self.run.title}"

    @property
    def finished(self) -> bool:
        """Whether its training came to its end."""
        return self.status is None or self.status.state == "finished"

    @property
    def scores(self) -> dict[str, float]:
        """The best ``strict`` and ``folded`` score while it was trained, shares 0 … 1; empty where none is known."""
        best = self.status.best if self.status else None
        return {name: float(best[name]) for name in ("strict", "folded")} if best and "folded" in best else {}


def list_models() -> list[ModelEntry]:
    """Return all models: the one that ships first, then those of runs, the newest first.

    StorageError if the folder of runs cannot be read.
    """
    found = []
    with contextlib.suppress(KanatuiError):
        found.append(ModelEntry(shipped.DEFAULT, shipped.default_weights()))
    for run in reversed(list_runs()):
        with contextlib.suppress(KanatuiError):
            found.append(ModelEntry(run.id, run.weights(), run, run.status()))
    return found

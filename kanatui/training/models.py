"""Lists the models: the one that ships with kanatui, and those of runs with weights."""

from __future__ import annotations

import contextlib
import dataclasses
from pathlib import Path

from kanatui.core.errors import KanatuiError
from kanatui.model import shipped
from kanatui.training.runs import Run, Status, list_runs


@dataclasses.dataclass(frozen=True)
class ModelEntry:
    """A model."""

    reference: str
    """The reference for commands and jobs: a run's id, or ``default``."""
    weights: Path
    run: Run | None = None
    """None for the model that ships."""
    status: Status | None = None
    """The run's."""

    @property
    def title(self) -> str:
        """Its name for display: a run's id, or its number and title if it has one."""
        if self.run is None:
            return f"{self.reference}, ships with kanatui"
        return self.run.id if self.run.title == self.run.name else f"{self.run.number:03d} {self.run.title}"

    @property
    def finished(self) -> bool:
        """Whether its training is finished."""
        return self.status is None or self.status.state == "finished"

    @property
    def scores(self) -> dict[str, float]:
        """The best ``strict`` and ``folded`` validation scores (shares, 0 … 1); empty if unknown."""
        best = self.status.best if self.status else None
        names = ("strict", "folded")
        return {name: float(best[name]) for name in names} if best and best.keys() >= {*names} else {}

    @property
    def scored_on(self) -> str:
        """What its scores are of, if it is not held-out images: ``17 own samples``."""
        return self.run.scored_on(self.status.best) if self.run and self.status else ""


def list_models() -> list[ModelEntry]:
    """Return all models: first the one that ships, then those of runs, newest first.

    StorageError if the folder of runs cannot be read.
    """
    found = []
    with contextlib.suppress(KanatuiError):
        found.append(ModelEntry(shipped.DEFAULT, shipped.default_weights()))
    for run in reversed(list_runs()):
        with contextlib.suppress(KanatuiError):
            found.append(ModelEntry(run.id, run.weights(), run, run.status()))
    return found

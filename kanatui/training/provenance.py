"""What a model was trained on: by its run, or by its card where it was exported from one."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from typing_extensions import override

from kanatui.core import paths
from kanatui.core.errors import RunError
from kanatui.model import shipped
from kanatui.model.card import read_card
from kanatui.training.runs import Run, find_run


@dataclasses.dataclass(frozen=True)
class Provenance:
    """Where a model comes from."""

    id: str
    """The run's, or ``default``, or the path of a weights file that lies elsewhere."""
    config: Mapping[str, Any]
    """The training's configuration (:func:`kanatui.training.session.make_config`), empty if nothing tells it."""
    evaluations: Path
    """The folder in which evaluations of the model are kept."""
    run: Run | None = None
    """The run, if the model lies in one."""

    @property
    def source(self) -> Mapping[str, Any]:
        """The ``spec()`` of the images that it was trained on. RunError if nothing tells it."""
        spec = self.config.get("source")
        if not isinstance(spec, Mapping):
            raise RunError(f"{self}: nothing tells which images it was trained on; use pictures (--images DIR)")
        return spec

    @override
    def __str__(self) -> str:
        return f"run {self.id}" if self.run else f"model {self.id}"


def provenance_of(weights: Path) -> Provenance:
    """Return where a weights file comes from. RunError or WeightsError if its run or its card cannot be read."""
    folder = weights.resolve().parent.parent
    if (folder / "config.toml").is_file():
        return _of_run(Run(folder))
    id = shipped.DEFAULT if weights == shipped.DEFAULT_FILE else str(weights.resolve())
    config = read_card(weights).get("config")
    return Provenance(id, config if isinstance(config, Mapping) else {}, paths.home() / "evaluations")


def find_provenance(reference: str) -> Provenance:
    """Return the origin with an id, or of a run by any reference. Raises what finding the run or the file does."""
    if reference == shipped.DEFAULT:
        return provenance_of(shipped.default_weights())
    if reference.endswith(".safetensors"):
        return provenance_of(Path(reference))
    return _of_run(find_run(reference))


def _of_run(run: Run) -> Provenance:
    return Provenance(run.id, run.config, run.path / "evaluations", run)

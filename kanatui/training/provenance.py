"""Finds what a model was trained on: from its run, or from its card if it was exported."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from typing_extensions import override

from kanatui.core import paths
from kanatui.core.errors import RunError, WeightsError
from kanatui.dataset.manifest import read_manifest
from kanatui.dataset.recipe import Recipe, read_recipe
from kanatui.kana.sets import spell_characters
from kanatui.model import shipped
from kanatui.model.card import read_card
from kanatui.training.runs import Run, find_run


@dataclasses.dataclass(frozen=True)
class Provenance:
    """The origin of a model."""

    id: str
    """The run's id, ``default``, or the path of another weights file."""
    config: Mapping[str, Any]
    """The training's configuration (:func:`kanatui.training.config.make_config`), empty if unknown."""
    evaluations: Path
    """The folder of the model's evaluations."""
    run: Run | None = None
    """The run, if the model is in one."""

    @property
    def source(self) -> Mapping[str, Any]:
        """The ``spec()`` of the images that it was trained on. RunError if unknown."""
        spec = self.config.get("source")
        if not isinstance(spec, Mapping):
            raise RunError(
                f"{self}: it is not known which images it was trained on; train again, or use pictures (--images DIR)"
            )
        return spec

    def recipe(self) -> Recipe:
        """Return the recipe of these images, pinned to its characters and faces, also for a data set.

        Raises:
            RunError: the images are unknown.
            DatasetError, RecipeError: the data set is missing or damaged.
            ParameterError: the recipe is invalid.
        """
        source = self.source
        if "dataset" not in source:
            return Recipe.from_dict(source["recipe"])
        folder = Path(source["dataset"])
        manifest = read_manifest(folder)
        return read_recipe(folder / "recipe.toml").pinned(manifest.characters, manifest.faces)

    @override
    def __str__(self) -> str:
        return f"run {self.id}" if self.run else f"model {self.id}"


def provenance_of(weights: Path) -> Provenance:
    """Return the origin of a weights file. RunError or WeightsError if its run or card cannot be read."""
    folder = weights.resolve().parent.parent
    if (folder / "config.toml").is_file():
        return _of_run(Run(folder))
    id = shipped.DEFAULT if weights == shipped.DEFAULT_FILE else str(weights.resolve())
    card = read_card(weights)
    config = card.get("config")
    config = _with_characters(config, card["characters"]) if isinstance(config, Mapping) else {}
    return Provenance(id, config, paths.home() / "evaluations")


def find_provenance(reference: str) -> Provenance:
    """Return the origin by its id or by any reference of a run. Raises what finding the run or the file raises."""
    if reference == shipped.DEFAULT:
        return provenance_of(shipped.default_weights())
    if reference.endswith(".safetensors"):
        return provenance_of(Path(reference))
    return _of_run(find_run(reference))


def _of_run(run: Run) -> Provenance:
    return Provenance(run.id, config_of(run), run.path / "evaluations", run)


def config_of(run: Run) -> Mapping[str, Any]:
    """Return a run's configuration, with the characters that its weights read. RunError if it cannot be read.

    Runs of earlier versions name a character set, which may have grown since.
    """
    config = run.config
    try:
        return _with_characters(config, read_card(run.weights())["characters"])
    except (RunError, WeightsError):  # no weights yet
        return config


def _with_characters(config: Mapping[str, Any], characters: str) -> Mapping[str, Any]:
    source = config.get("source")
    if not isinstance(source, Mapping) or not isinstance(source.get("recipe"), Mapping):
        return config
    recipe = {**source["recipe"], "characters": spell_characters(characters)}
    return {**config, "source": {**source, "recipe": recipe}}

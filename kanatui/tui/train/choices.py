"""What a new training is to be: defaults, and how the command line is told."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kanatui.core import paths, storage
from kanatui.core.params import Parameter
from kanatui.dataset.recipe import Recipe
from kanatui.training.options import TrainingOptions

FIRST = ("minutes", "epochs", "batch_size", "learning_rate", "device")
"""The options that most trainings set; the others are behind "more"."""

BUDGET = ("minutes", "epochs")
"""Of these one is given."""


def first_options() -> dict[str, Parameter[Any]]:
    """Return the declarations of the options that are shown first."""
    declared = TrainingOptions.parameters()
    return {name: declared[name] for name in FIRST}


def more_options() -> dict[str, Parameter[Any]]:
    """Return the declarations of the others; the model has a place of its own."""
    return {name: value for name, value in TrainingOptions.parameters().items() if name not in (*FIRST, "model")}


@dataclasses.dataclass(frozen=True)
class Defaults:
    """What a recipe's ``[train]`` table says, with kanatui's own defaults for the rest."""

    options: dict[str, Any]
    parameters: dict[str, Any]
    """The model's own, those that the recipe sets."""

    @classmethod
    def of(cls, train: Mapping[str, Any]) -> Defaults:
        """Read a ``[train]`` table. ParameterError if it makes no sense."""
        values = dict(train)
        parameters = dict(values.pop("parameters", {}))
        return cls(TrainingOptions(**values).values, parameters)

    @property
    def model(self) -> str:
        """The model plugin's id."""
        return str(self.options["model"])

    def parameters_of(self, model: str) -> dict[str, Any]:
        """Return what the recipe sets of a model's parameters: nothing for another model than its own."""
        return self.parameters if model == self.model else {}


@dataclasses.dataclass(frozen=True, eq=False)
class Source:
    """What is trained on: a recipe by name or as edited, or a written data set by name."""

    kind: str
    """``recipe``, ``edited`` or ``dataset``."""
    name: str
    recipe: Recipe

    def same_as(self, other: Source) -> bool:
        """Say whether both are the same down to the last augmentation, which ``==`` of recipes leaves out."""
        return (self.kind, self.name, self.recipe.to_dict()) == (other.kind, other.name, other.recipe.to_dict())


def arguments(
    source: Source,
    name: str,
    model: str,
    declared: Mapping[str, Parameter[Any]],
    parameters: Mapping[str, Any],
    options: Mapping[str, Any],
    defaults: Defaults,
) -> list[str]:
    """Return what stands behind ``kanatui train``: the source, and what differs from its defaults.

    Args:
        name: the run's, "" for the source's.
        declared: the model's parameters.
        parameters: their values.
        options: of :class:`.TrainingOptions`, without the model.

    Raises:
        StorageError: an edited recipe cannot be written.
    """
    told = ["--data", source.name] if source.kind == "dataset" else [_recipe_argument(source)]
    if name:
        told += ["--name", name]
    if model != defaults.model:
        told += ["--model", model]
    before = defaults.parameters_of(model)
    for key, value in parameters.items():
        if value != declared[key].check(before.get(key, declared[key].default)):
            told += ["--model-set", f"{key}={declared[key].format(value)}"]
    for key, value in options.items():
        if value != defaults.options[key]:
            told += [f"--{key.replace('_', '-')}", TrainingOptions.parameters()[key].format(value)]
    return told


def _recipe_argument(source: Source) -> str:
    if source.kind == "recipe":
        return source.name
    # The run keeps its own copy of the recipe; this file only carries it there.
    folder = storage.make_folder(paths.cache() / "starts")
    path: Path = folder / f"{source.recipe.name or 'edited'}.toml"
    storage.write_bytes(path, source.recipe.to_toml().encode())
    return str(path)

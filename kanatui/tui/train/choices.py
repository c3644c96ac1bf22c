"""The options of a new training, their defaults, and what it trains on."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from kanatui.core.params import Parameter
from kanatui.dataset.recipe import Recipe
from kanatui.training.options import TrainingOptions
from kanatui.training.runs import plain_run_name

FIRST = ("minutes", "epochs", "batch_size", "learning_rate", "device")
"""The options that most trainings set; the others are behind "more"."""

BUDGET = ("minutes", "epochs")
"""Exactly one of these is given."""


def first_options() -> dict[str, Parameter[Any]]:
    """Return the declarations of the options that are shown first."""
    declared = TrainingOptions.parameters()
    return {name: declared[name] for name in FIRST}


def more_options() -> dict[str, Parameter[Any]]:
    """Return the declarations of the others; the model has its own field."""
    return {name: value for name, value in TrainingOptions.parameters().items() if name not in (*FIRST, "model")}


@dataclasses.dataclass(frozen=True)
class Defaults:
    """The values of a recipe's ``[train]`` table, with kanatui's defaults for the rest."""

    options: dict[str, Any]
    parameters: dict[str, Any]
    """The model parameters that the recipe sets."""

    @classmethod
    def of(cls, train: Mapping[str, Any]) -> Defaults:
        """Read a ``[train]`` table. ParameterError if it is invalid."""
        values = dict(train)
        parameters = dict(values.pop("parameters", {}))
        return cls(TrainingOptions(**values).values, parameters)

    @property
    def model(self) -> str:
        """The model plugin's id."""
        return str(self.options["model"])

    def parameters_of(self, model: str) -> dict[str, Any]:
        """Return the parameters that the recipe sets for a model: none unless it is the recipe's model."""
        return self.parameters if model == self.model else {}


@dataclasses.dataclass(frozen=True, eq=False)
class Source:
    """What is trained on: a recipe by name or as edited, or a written data set by name."""

    kind: str
    """``recipe``, ``edited`` or ``dataset``."""
    name: str
    recipe: Recipe

    @property
    def run_name(self) -> str:
        """The name of a run if the user gives it none."""
        return plain_run_name(self.name or self.recipe.name)

    def same_as(self, other: Source) -> bool:
        """Return whether both are the same, augmentations included, which ``==`` of recipes leaves out."""
        return (self.kind, self.name, self.recipe.to_dict()) == (other.kind, other.name, other.recipe.to_dict())


def job_arguments(
    source: Source,
    model: str,
    declared: Mapping[str, Parameter[Any]],
    parameters: Mapping[str, Any],
    options: Mapping[str, Any],
    defaults: Defaults,
) -> dict[str, Any]:
    """Return the arguments for the engine's job ``configure``.

    Args:
        model: the plugin's id.
        declared: the model's parameters.
        parameters: their values.
        options: of :class:`.TrainingOptions`, without the model.
        defaults: the source's.
    """
    recipe = source.recipe
    if options["seed"] != defaults.options["seed"]:
        recipe = recipe.but(seed=options["seed"])  # one seed for the images and the training, as with --seed
    images = {"dataset": source.name} if source.kind == "dataset" else {"recipe": recipe.to_dict()}
    changed = {key: value for key, value in parameters.items() if value != declared[key].check(declared[key].default)}
    return {**images, "options": {**options, "model": model}, "parameters": changed}

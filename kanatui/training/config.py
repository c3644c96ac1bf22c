"""Makes a run's configuration: everything needed to make the same images and train the same model again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from kanatui.dataset.layout import Layout
from kanatui.dataset.recipe import Recipe
from kanatui.plugins.registry import Registry
from kanatui.training.options import TrainingOptions


def make_config(
    source: Mapping[str, Any],
    characters: str,
    faces: Sequence[str],
    options: TrainingOptions,
    parameters: Mapping[str, Any],
    recipe: str = "",
    observers: Mapping[str, Mapping[str, Any]] | None = None,
) -> dict[str, Any]:
    """Return a run's configuration for :meth:`.Run.create`.

    A recipe is pinned to ``characters`` and ``faces``: fonts that are installed later, or a named character set
    that grows, must not change the images of a run that is continued or evaluated. A data set cannot change.
    Its outliers are drawn without the faces that the options hold out.

    Args:
        source: an image source's ``spec()``.
        characters: those of the source.
        faces: ids of the source's faces.
        parameters: the model plugin's parameters that differ from their defaults.
        recipe: its name, for display.
        observers: parameters of observers that differ from their defaults, by the observers' ids.

    Raises:
        ParameterError: the recipe in the spec is invalid.
    """
    if "recipe" in source:
        pinned = Recipe.from_dict(source["recipe"]).pinned(characters, faces, options.hold_out_faces)
        source = {**source, "recipe": pinned.to_dict()}
    return {
        "recipe": recipe,
        "train": _plain(options.values),
        "model": _plain(parameters),
        "source": dict(source),
    } | ({"observers": {id: _plain(values) for id, values in observers.items()}} if observers else {})


def config_of_layout(
    layout: Layout,
    registry: Registry,
    options: TrainingOptions,
    parameters: Mapping[str, Any],
    observers: Mapping[str, Mapping[str, Any]] | None = None,
) -> dict[str, Any]:
    """Return the configuration of a run that trains on a recipe's layout, made with a registry's plugins."""
    spec = {"recipe": layout.recipe.to_dict(), "plugins": list(registry.folders)}
    faces = [face.id for face in layout.faces]
    return make_config(spec, layout.plan.characters, faces, options, parameters, layout.recipe.name, observers)


def _plain(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}

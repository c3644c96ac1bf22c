"""Jobs that prepare a training, which the app then starts: nothing is trained here."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

from kanatui.engine.context import Context, Reporter
from kanatui.engine.wire import Answer


def configure(context: Context, arguments: Mapping[str, Any], report: Reporter) -> Answer:
    """Make a new run's configuration (:func:`kanatui.training.config.make_config`), which is the answer.

    Arguments: a ``recipe`` (``Recipe.to_dict()``), or the name of a ``dataset``; ``options`` of
    :class:`.TrainingOptions`; ``parameters`` of the model and, if any, of ``observers`` by their ids: those that differ
    from their defaults.
    """
    from kanatui.training.options import TrainingOptions

    options, parameters = TrainingOptions(**arguments["options"]), arguments["parameters"]
    observers = arguments.get("observers", {})
    context.registry.model(options.model)(**parameters)  # invalid parameters are refused here, before there is a run
    for id, values in observers.items():
        context.registry.observer(id)(**values)
    if "dataset" in arguments:
        return Answer(_of_dataset(arguments["dataset"], options, parameters, observers))
    from kanatui.dataset.layout import lay_out
    from kanatui.dataset.recipe import Recipe
    from kanatui.training.config import config_of_layout

    checking = functools.partial(report, text="checking faces")
    layout = lay_out(Recipe.from_dict(arguments["recipe"]), context.registry, checking)
    return Answer(config_of_layout(layout, context.registry, options, parameters, observers))


def _of_dataset(
    name: str, options: Any, parameters: Mapping[str, Any], observers: Mapping[str, Mapping[str, Any]]
) -> dict[str, Any]:
    from kanatui.dataset.read import find_dataset, open_dataset
    from kanatui.dataset.recipe import read_recipe
    from kanatui.training.config import make_config

    data = open_dataset(find_dataset(name))
    recipe = read_recipe(data.folder / "recipe.toml")
    return make_config(data.spec(), data.characters, data.face_ids, options, parameters, recipe.name, observers)


def adapt(context: Context, arguments: Mapping[str, Any], report: Reporter) -> Answer:
    """Make a run that adapts a ``model`` to the drawings that were kept, for ``minutes``: {"run": its id}."""
    from kanatui.evaluation.adapt import create

    preparing = functools.partial(report, text="preparing samples")
    run, _ = create(arguments["model"], minutes=arguments["minutes"], on_progress=preparing)
    try:
        report(1, 1)
    except BaseException:  # cancelled meanwhile: nobody would train it
        run.discard()
        raise
    return Answer({"run": run.id})

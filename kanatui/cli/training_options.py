"""Options of the commands that train: made from the parameters that are declared, merged with recipe and defaults."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

import click

from kanatui.core.errors import KanatuiError, ParameterError, UsageError
from kanatui.core.params import Choice, Parameter
from kanatui.training.options import TrainingOptions, merge

if TYPE_CHECKING:
    from kanatui.dataset.recipe import Recipe

F = TypeVar("F", bound=Callable[..., Any])

_SHARED = ("seed",)
"""Training options that are also recipe options: one `--seed` sets both."""


def training_options(command: F) -> F:
    """Add an option to a command for each training parameter, from its declaration."""
    declared = [item for item in TrainingOptions.parameters().items() if item[0] not in _SHARED]
    options = [_option(name, parameter) for name, parameter in declared]
    return functools.reduce(lambda decorated, option: option(decorated), reversed(options), command)


def _option(name: str, parameter: Parameter[Any]) -> Callable[[F], F]:
    shown = f"{parameter.help} ({parameter.format(parameter.default) or 'none'})"
    if isinstance(parameter, Choice):
        return click.option(_flag(name), name, type=click.Choice(parameter.choices), help=shown)
    return click.option(_flag(name), name, metavar=parameter.kind.upper(), help=shown)


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def recipe_keys(options: Mapping[str, Any]) -> list[str]:
    """Return the names of the options that :func:`.build_recipe` takes."""
    return [key for key in options if key not in TrainingOptions.parameters() or key in _SHARED]


def settle(
    recipe: Recipe, options: Mapping[str, Any], assignments: tuple[str, ...]
) -> tuple[TrainingOptions, dict[str, Any]]:
    """Merge the options: the command line wins over the recipe's [train] table, which wins over the defaults.

    Returns:
        the training options, and the model's parameters (in a recipe: [train.parameters]).

    Raises:
        UsageError: an option on the command line is out of range.
        ParameterError, PluginError: the recipe's [train] is invalid, or there is no such model.
    """
    from kanatui.plugins.registry import load

    typed = {
        name: _parse(name, options[name]) for name in TrainingOptions.parameters() if options.get(name) is not None
    }
    if typed.get("epochs") and typed.get("minutes"):
        raise UsageError("--epochs and --minutes cannot be combined")
    chosen, parameters = merge(recipe.train, typed)
    model = load().model(chosen.model)
    try:
        for assignment in assignments:
            name, equals, text = assignment.partition("=")
            if not equals:
                raise UsageError(f"--model-set {assignment}: not of the form param=value")
            parameters = {**parameters, name.strip(): model.parse(name.strip(), text)}
    except ParameterError as error:
        raise UsageError(f"--model-set {assignment}: {error}") from None
    model(**parameters)
    return chosen, parameters


def observer_settings(assignments: tuple[str, ...]) -> dict[str, dict[str, Any]]:
    """Return the parameters given by ``--observer-set``, by observer. UsageError if one is unknown or out of range."""
    from kanatui.plugins.registry import load, problem_of

    found: dict[str, dict[str, Any]] = {}
    for assignment in assignments:
        target, equals, text = assignment.partition("=")
        id, dot, name = target.strip().partition(".")
        try:
            if not equals or not dot:
                raise UsageError("not of the form id.param=value")
            observer = load().observer(id)
            found.setdefault(id, {})[name] = observer.parse(name, text)
            if problem := problem_of(observer):
                raise UsageError(problem)
        except KanatuiError as error:
            raise UsageError(f"--observer-set {assignment}: {error}") from None
    return found


def _parse(name: str, typed: Any) -> Any:
    """Parse an option as typed; those shared with the recipe are numbers already."""
    parameter = TrainingOptions.parameters()[name]
    try:
        return parameter.parse(typed) if isinstance(typed, str) else parameter.check(typed)
    except ValueError as error:
        raise UsageError(f"{_flag(name)}: {error}") from None

"""What all checks use: how a rule is demanded, pictures and settings to try, and the time that something takes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from kanatui.core.params import Parameter
from kanatui.core.rng import Keys, mix64
from kanatui.plugins.bases import Plugin
from kanatui.plugins.contained import reason_of
from kanatui.plugins.registry import description

if TYPE_CHECKING:
    import torch

COUNT = 12
"""Images or rows in a batch that is checked."""

CHARACTERS = "あいうかがさしくへやゃアイウハ漢A1"

Check = Callable[[Any], Iterator[str]]
"""Raises :class:`CheckFailedError` or anything else if a rule is broken; yields figures worth knowing.

The first sentence of its docstring is its name.
"""


class CheckFailedError(AssertionError):
    """A plugin breaks a rule; the text has a line for each one."""


def why(error: BaseException, plugin: type[Plugin]) -> str:
    """Return in one line what a check found: the rule that is broken, or what the plugin raised and where."""
    return str(error) if isinstance(error, CheckFailedError) else reason_of(error, plugin.__module__)


def demand(condition: object, text: str) -> None:
    """Raise CheckFailedError with a text unless a condition holds."""
    if not condition:
        raise CheckFailedError(text)


def says_what_it_is(plugin: type[Plugin]) -> Iterator[str]:
    """Description."""
    demand(description(plugin), "neither the class nor its module has a docstring to describe it")
    yield description(plugin)


def parameters_round_trip(plugin: type[Plugin]) -> Iterator[str]:
    """Parameters."""
    for name, parameter in plugin.parameters().items():
        demand(parameter.help, f"{name} has no help")
        try:
            parameter.check(parameter.default)
        except ValueError as error:
            raise CheckFailedError(f"the default of {name}: {error}") from None
        for value in values_of(parameter):
            text = parameter.format(value)
            demand(parameter.parse(text) == value, f"{name}: {value!r} is written as {text!r}, which reads differently")
    yield ", ".join(plugin.parameters())


def values_of(parameter: Parameter[Any]) -> list[Any]:
    """Return the default and, where there are bounds, the lowest and highest value."""
    ends = [end for end in (parameter.min, parameter.max) if end is not None]
    if isinstance(parameter.default, tuple):
        many = [(end, end) if parameter.kind == "range" else (end,) for end in ends]
        return [parameter.check(value) for value in (parameter.default, *many)]
    return [parameter.check(value) for value in (parameter.default, *ends)]


def settings_of(plugin: type[Plugin]) -> list[dict[str, Any]]:
    """Return the defaults, and each parameter with bounds at its lowest and highest value, all others at theirs."""
    single = [{name: value} for name, each in plugin.parameters().items() for value in values_of(each)[1:]]
    return [{}, *single]


def keys_of(count: int, first: int = 0) -> npt.NDArray[np.uint64]:
    """Return the keys of so many images, uint64 [count]."""
    return mix64(np.arange(first, first + count, dtype=np.uint64))


def strokes(count: int, size: int) -> torch.Tensor:
    """Return images of two strokes each, float32 [count, 1, size, size], ink 1 on paper 0: the same at each call."""
    import torch

    keys = Keys(keys_of(count), "strokes")
    y, x = np.mgrid[:size, :size] + 0.5
    images = np.zeros((count, size, size), dtype=np.float32)
    for _ in range(2):
        ends = keys.uniform(0.15 * size, 0.85 * size, (2, 2))
        widths = keys.uniform(0.02 * size, 0.06 * size)
        for image, (start, end), width in zip(images, ends, widths, strict=True):
            way = end - start
            share = np.clip(((x - start[0]) * way[0] + (y - start[1]) * way[1]) / max(float(way @ way), 1e-6), 0, 1)
            distance = np.hypot(x - start[0] - share * way[0], y - start[1] - share * way[1])
            np.maximum(image, np.clip(width + 0.5 - distance, 0, 1), out=image)
    return torch.from_numpy(images)[:, None]


def fastest(work: Callable[[], object], times: int = 3) -> float:
    """Return the shortest time of a few in seconds: others measure what else the machine does."""
    taken = []
    for _ in range(times):
        started = time.perf_counter()
        work()
        taken.append(time.perf_counter() - started)
    return min(taken)

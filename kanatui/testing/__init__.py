"""Checks that a plugin keeps the rules of docs/PLUGINS.md; `kanatui plugins check FILE` prints what they find.

::

    from kanatui.testing import assert_sound
    from shade import Shade

    def test_shade():
        assert_sound(Shade)

Each check is a function of one plugin class that yields :class:`Finding` objects, good and bad.
"""

from __future__ import annotations

import contextlib
import dataclasses
import random
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kanatui.core.errors import PluginError
from kanatui.plugins.bases import GlyphSource, Model, Observer, Pixel, Placement, Plugin
from kanatui.plugins.registry import PluginModule, Registry, load_alone
from kanatui.testing import augmentations, others
from kanatui.testing.common import Check, CheckFailedError, parameters_round_trip, says_what_it_is, strokes, why
from kanatui.testing.others import run_events, watch

if TYPE_CHECKING:
    from kanatui.model.metrics import Metric

__all__ = [
    "CheckFailedError",
    "Finding",
    "assert_sound",
    "assert_sound_file",
    "check_file",
    "check_plugin",
    "run_events",
    "strokes",
    "watch",
]

_CHECKS: dict[type[Plugin], tuple[Check, ...]] = {
    Pixel: augmentations.PIXEL,
    Placement: augmentations.PLACEMENT,
    Model: others.MODEL,
    GlyphSource: others.SOURCE,
    Observer: others.OBSERVER,
}


@dataclasses.dataclass(frozen=True)
class Finding:
    """What one check found out about one plugin."""

    plugin: str
    check: str
    ok: bool
    detail: str = ""
    """What is wrong, or a figure worth knowing."""


def assert_sound(plugin: type[Plugin]) -> None:
    """Check a plugin class. :class:`CheckFailedError` lists every rule that it breaks."""
    _assert_good(check_plugin(plugin))


def assert_sound_file(path: Path | str) -> None:
    """Check everything that a plugin file provides. :class:`CheckFailedError` lists every rule that it breaks."""
    _assert_good(check_file(Path(path)))


def _assert_good(findings: Iterator[Finding]) -> None:
    broken = [f"{finding.plugin}: {finding.check}: {finding.detail}" for finding in findings if not finding.ok]
    if broken:
        raise CheckFailedError("\n".join(broken))


def check_file(path: Path) -> Iterator[Finding]:
    """Run a plugin file and check what it provides. PluginError if there is no such file."""
    registry, module = load_alone(path)
    yield Finding(module.name, "loads", module.state == "loaded", module.error)
    if module.state == "loaded":
        yield from _check_module(registry, module)


def _check_module(registry: Registry, module: PluginModule) -> Iterator[Finding]:
    for id in module.provides:
        if id in registry.classes:
            yield from check_plugin(registry.classes[id])
        if id in registry.metrics:
            yield _check_metric(registry.metrics[id])
    if idle := registry.why_idle(module):
        yield Finding(module.name, "hooks", False, idle)


def _check_metric(metric: Metric) -> Finding:
    """Compute a metric of made-up readings."""
    check = "A share from 0 to 1 of any readings"
    try:
        return Finding(metric.key, check, True, ", ".join(metric.text(value) for value in others.metric_values(metric)))
    except (CheckFailedError, PluginError) as error:
        return Finding(metric.key, check, False, str(error))


def check_plugin(plugin: type[Plugin]) -> Iterator[Finding]:
    """Check a plugin class by the rules of its kind, and yield what was found, in order."""
    own = next((checks for base, checks in _CHECKS.items() if issubclass(plugin, base)), ())
    for check in (says_what_it_is, parameters_round_trip, *own):
        name = (check.__doc__ or "").partition(".")[0]
        try:
            with _untouched_randomness() as touched:
                details = [detail for detail in check(plugin) if detail]
        except Exception as error:  # noqa: BLE001  # whatever a plugin raises is a finding
            yield Finding(plugin.id, name, False, why(error, plugin))
            continue
        yield Finding(plugin.id, name, True, "; ".join(details))
        if touched:
            yield Finding(plugin.id, "no global randomness", False, f"{' and '.join(touched)} was used; draw from keys")


@contextlib.contextmanager
def _untouched_randomness() -> Iterator[list[str]]:
    """Yield a list that names, afterwards, the global generators of random numbers that were used."""
    import torch

    def states() -> dict[str, Any]:
        numbers = np.random.get_state()  # noqa: NPY002  # whether it was used is the question
        return {
            "random": random.getstate(),
            "numpy.random": [np.asarray(part).tobytes() for part in numbers],
            "torch's generator (torch.rand …)": torch.get_rng_state().numpy().tobytes(),
        }

    touched: list[str] = []
    before = states()
    yield touched
    touched += [name for name, state in states().items() if state != before[name]]

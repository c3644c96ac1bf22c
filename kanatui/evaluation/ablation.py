"""Ablations: short trainings that differ in one thing, with several seeds each, all scored in the same way.

Each training is an ordinary run directory under ``ablations/``, named by a hash of what determines its outcome. So no
training is repeated, whichever comparison asks for it, and an interrupted one continues where it stopped.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import statistics
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import tomlkit

from kanatui.core import paths, storage
from kanatui.dataset.recipe import Recipe
from kanatui.kana.alphabet import SETS
from kanatui.training.options import TrainingOptions

if TYPE_CHECKING:
    from kanatui.dataset.source import OnStage
    from kanatui.evaluation.store import Evaluation
    from kanatui.training.events import Event
    from kanatui.training.runs import Run

BASE = "as it is"
"""The name of the variant that changes nothing."""

_SCRIPTS = ("hiragana", "katakana")
_PREFIX = 16  # hexadecimal digits of a hash: enough for any number of trainings that a person starts


@dataclasses.dataclass(frozen=True)
class Variant:
    """One way to train."""

    name: str
    recipe: Recipe
    options: TrainingOptions
    parameters: Mapping[str, Any]
    """The model's parameters that differ from its defaults."""

    def seeded(self, seed: int) -> Variant:
        """Return the variant with other images, initial weights and order, but the same choice of held-out images."""
        options = TrainingOptions(**self.options.values | {"seed": seed})
        return dataclasses.replace(self, recipe=self.recipe.but(seed=seed), options=options)

    def config(self) -> dict[str, Any]:
        """Return the configuration of its run. KanatuiError if the recipe cannot be used on this machine."""
        from kanatui.dataset.layout import lay_out
        from kanatui.plugins.registry import load
        from kanatui.training.config import config_of_layout

        registry = load()
        return config_of_layout(lay_out(self.recipe, registry), registry, self.options, self.parameters)


@dataclasses.dataclass(frozen=True)
class Trial:
    """The result of one training. Scores are shares of images, 0 … 1."""

    seed: int
    rate: float
    """Images per second during training."""
    scores: Mapping[str, float]
    """By column (:func:`columns`)."""


def columns(pictures: Path | None) -> list[str]:
    """Return the names of the scores: on the variant's own held-out images, and on labelled pictures if given."""
    if pictures is None:
        return ["held out, strict", "held out, folded"]
    return ["held out, folded", "strict", "folded", *_SCRIPTS, "script given"]


def train(variant: Variant, seed: int, observers: Sequence[Callable[[Event], None]] = ()) -> Run:
    """Return the finished run of a variant, after training whatever is missing.

    Raises:
        KeyboardInterrupt: it was stopped by Ctrl-C; the next call continues it.
        RunError: it was stopped in another way, or another process is training it.
        KanatuiError: it failed.
    """
    from kanatui.core.errors import RunError
    from kanatui.training.runs import Run
    from kanatui.training.session import train_run

    seeded = variant.seeded(seed)
    config = seeded.config()
    run = Run(paths.home() / "ablations" / f"{seeded.recipe.name or 'recipe'}-{_key(seeded.recipe, config)}")
    if not (run.path / "config.toml").exists():
        storage.make_folder(run.path)
        storage.write_bytes(run.path / "config.toml", tomlkit.dumps({"name": variant.name, **config}).encode())
    elif run.status().state == "finished":
        return run
    run.require_idle()
    ended = train_run(run, observers)
    if ended.interrupted:
        raise KeyboardInterrupt
    if ended.state != "finished":
        raise RunError(f"run {run.path}: {ended.state} {ended.reason}; the same command continues it")
    return run


def _key(recipe: Recipe, config: Mapping[str, Any]) -> str:
    """Return a hash of everything that determines the outcome of a training."""
    from kanatui.dataset.manifest import plugin_versions
    from kanatui.plugins.registry import load

    what = {**config, "plugins": plugin_versions(recipe, load())}
    return hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()[:_PREFIX]


def judge(run: Run, seed: int, pictures: Path | None, report: OnStage) -> Trial:
    """Score a finished run. Its evaluations are saved with it and reused.

    Args:
        run: the run.
        seed: its seed.
        pictures: labelled pictures, LABEL/*.png, or None.
        report: called with the progress (:data:`kanatui.dataset.source.OnStage`).

    Raises:
        KanatuiError: the images cannot be opened.
    """
    status = run.status()
    rate = status.step * int(run.config["train"]["batch_size"]) / max(status.elapsed, 1e-9)
    held = _evaluation(run, {"kind": "held_out"}, "", report).total.to_dict()
    if pictures is None:
        values = [held["strict"], held["folded"]]
    else:
        folder = {"kind": "folder", "path": str(pictures.resolve())}
        free = _evaluation(run, folder, "", report)
        scripts = {name: score["folded"] for name, score in free.by_script.items()}
        given = [_evaluation(run, folder, SETS[name], report).total.to_dict() for name in _SCRIPTS if name in scripts]
        total = free.total.to_dict()
        values = [
            held["folded"],
            total["strict"],
            total["folded"],
            *(scripts.get(name, float("nan")) for name in _SCRIPTS),
            sum(score["images"] * score["folded"] for score in given) / max(sum(s["images"] for s in given), 1),
        ]
    return Trial(seed, rate, dict(zip(columns(pictures), values, strict=True)))


def _evaluation(run: Run, source: Mapping[str, Any], candidates: str, report: OnStage) -> Evaluation:
    """Return an evaluation of the run's best weights: a saved one if there is one, otherwise a new one."""
    from kanatui.evaluation.evaluate import evaluate
    from kanatui.evaluation.store import list_evaluations

    where = source.get("path", run.id)
    for found in list_evaluations(run.path / "evaluations"):
        if (found.kind, found.where, found.candidates, found.limit) == (source["kind"], where, candidates, 0):
            return found
    return evaluate(str(run.weights()), source, candidates or None, None, report)


def one_out(base: Variant) -> list[Variant]:
    """Return, for each augmentation of a variant's recipe, the variant without it."""
    ids = dict.fromkeys(step.plugin for step in base.recipe.augments)
    return [dataclasses.replace(base, name=f"without {id}", recipe=base.recipe.without([id])) for id in ids]


def spread(values: Sequence[float]) -> tuple[float, float]:
    """Return the mean and the standard deviation (0 for a single value)."""
    return statistics.fmean(values), statistics.stdev(values) if len(values) > 1 else 0.0

"""Benchmark of training: speed, the cost of making the images, and the time to the article's score."""

from __future__ import annotations

import dataclasses
import itertools
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from kanatui.cli.bench.figures import Figure
from kanatui.cli.bench.process import own_home, run_kanatui
from kanatui.cli.bench.render import article, one_by_one
from kanatui.cli.bench.rounds import alternate
from kanatui.cli.bench.watching import measure_watching
from kanatui.dataset.recipe import DEFAULT, Recipe, find_recipe
from kanatui.dataset.source import OnStage
from kanatui.dataset.stream import GlyphStream
from kanatui.model.building import build_model
from kanatui.plugins.registry import load
from kanatui.training.device import prepare_device
from kanatui.training.distributed import Alone
from kanatui.training.feed import Batch, open_feed
from kanatui.training.learner import Learner
from kanatui.training.options import TrainingOptions
from kanatui.training.order import EpochOrder
from kanatui.training.splits import split_source

ROUNDS = 3

_SECONDS = 2.0  # of training in each round
_WARM = 3  # steps
_BARE = 4  # prepared batches that are reused where none are made

_MINUTES = 1.0
_VALIDATIONS = 30
_SCORE = 0.714  # the article's, strict
_EPOCHS = 2  # the article's
_HELD_OUT = 0.05
_DRAWN_ONE_BY_ONE = 24


def measure_train(rounds: int, on_stage: OnStage) -> list[Figure]:
    """Measure the speed, the time to the article's score, and the memory of training and of watching.

    Raises:
        KanatuiError: a measured process failed.
    """
    prepare_device(torch.device("cpu"))
    figures, rates = _speeds(rounds, on_stage)
    return [*figures, *_to_the_score(rates["article_cnn, 256 px"], on_stage), *measure_watching(on_stage)]


def _speeds(rounds: int, on_stage: OnStage) -> tuple[list[Figure], dict[str, float]]:
    """Alternate training on streamed and on prepared images, one network after the other."""
    plain, usual = find_recipe("article"), find_recipe(DEFAULT)
    recipes = {
        "article_cnn, 256 px": plain,
        "article_cnn, 64 px": plain.but(image_size=64),
        f"compact_cnn, {usual.image_size} px": usual,
        "compact_cnn, 64 px": usual.but(image_size=64),
    }
    figures: list[Figure] = []
    rates = {}
    for name, recipe in recipes.items():
        training = _Training(recipe)
        try:
            ways = {"streamed": training.streamed, "ready": training.ready}
            streamed, ready = alternate(ways, rounds, on_stage, name).values()
        finally:
            training.feed.close()
        rates[name] = statistics.median(streamed)
        shares = [100 * (1 - slow / fast) for slow, fast in zip(streamed, ready, strict=True)]
        note = f"streamed; {training.learner.precision}, batches of {training.options.batch_size}"
        figures += [
            Figure.median(f"train {name}", streamed, "images/s", note=note),
            Figure.median(
                f"limit: {name}, forward and backward", ready, "images/s", note="batches prepared beforehand"
            ),
            Figure.median("share of the time that streaming costs", shares, "%", most=15.0, note=name),
            Figure("share of the time spent waiting", 100 * training.waiting, "%", note=name),
        ]
    return figures, rates


class _Training:
    """A training whose steps are taken as the trainer takes them."""

    def __init__(self, recipe: Recipe) -> None:
        registry = load()
        self.options = TrainingOptions(**{key: value for key, value in recipe.train.items() if key != "parameters"})
        stream = GlyphStream(recipe, registry)
        stream.prepare()
        parameters = recipe.train.get("parameters", {})
        model, _ = build_model(
            registry, self.options.model, parameters, stream.image_size, len(stream.characters), self.options.seed
        )
        split = split_source(stream, self.options.hold_out, (), self.options.split_seed)
        order = EpochOrder(split.train, self.options.batch_size, 0, by_number=self.options.order == "numbers")
        self.learner = Learner(model, self.options, torch.device("cpu"), Alone())
        self.feed = open_feed(stream, order, 0)
        self._batches = [self.feed.next(_nothing) for _ in range(_BARE)]
        self.learner.precision = self.learner.probe(self._batches[0].images, self._batches[0].labels).chosen
        model.train()
        self._steps = itertools.count()
        self._waited = self._spent = 0.0

    @property
    def waiting(self) -> float:
        """Share of the time in which the network waited for a batch, 0 … 1."""
        return self._waited / max(self._spent, 1e-9)

    def streamed(self) -> float:
        """Train on images made as needed; return images/s."""
        return self._train(lambda: self.feed.next(_nothing), count=True)

    def ready(self) -> float:
        """Train on prepared batches; return images/s."""
        coming = itertools.cycle(self._batches)
        return self._train(lambda: dataclasses.replace(next(coming), waited=0.0))

    def _train(self, next_batch: Callable[[], Batch], count: bool = False) -> float:
        for _ in range(_WARM):  # batches made ahead during the other way's turn do not count
            self._learn(next_batch())
        images, started = 0, time.perf_counter()
        while (seconds := time.perf_counter() - started) < _SECONDS:
            batch = next_batch()
            self._learn(batch)
            images += len(batch.labels)
            self._waited += batch.waited * count
        self._spent += seconds * count
        return images / seconds

    def _learn(self, batch: Batch) -> None:
        self.learner.learn(batch.images, batch.labels, 1e-4, next(self._steps))


def _nothing() -> None:
    """Ignore the report."""


def _to_the_score(images_per_second: float, on_stage: OnStage) -> list[Figure]:
    """Measure the time from an empty directory to the article's score, against the article's way at measured rates."""
    on_stage(0, 2, "to the article's score")
    stream = article(256)
    drawn_per_second = one_by_one(stream, _DRAWN_ONE_BY_ONE)()
    with own_home(cached=False) as home:
        arguments = ["train", "article", "--image-size", "64", "--minutes", str(_MINUTES)]
        done = run_kanatui([*arguments, "--validations", str(_VALIDATIONS)], home)
        reached = _first_validation(home)
    on_stage(2, 2, "to the article's score")
    memory = Figure(
        "training the article's set, peak memory", done.peak / 1e9, "GB", 1.5, note="resident, 64 px, streamed"
    )
    title = f"empty directory to {100 * _SCORE:.1f} % strict"
    if reached is None:
        late = f"not reached in {_MINUTES:g} min of training: the machine is too busy or too slow"
        return [Figure(title, done.seconds, "s", 60.0, note=late), memory]
    seconds = reached["time"] - done.started
    scored = f"{100 * reached['held_out']['strict']:.1f} % of {reached['held_out']['images']:,} held-out images, 64 px"
    trained = _EPOCHS * (1 - _HELD_OUT) * len(stream)
    theirs = len(stream) / drawn_per_second + trained / images_per_second
    note = (
        f"{len(stream):,} images at {drawn_per_second:.0f} images/s with one convert each, "
        f"{_EPOCHS} epochs at {images_per_second:,.0f} images/s"
    )
    return [
        Figure(title, seconds, "s", 60.0, note=f"{scored}; includes drawing masters"),
        Figure("the article's way by these rates", theirs / 3600, "h", note=note),
        Figure("the article's way / ours", theirs / seconds, "×", least=1000.0),
        memory,
    ]


def _first_validation(home: Path) -> dict[str, Any] | None:
    """Return the first validation event with at least the article's score, or None."""
    (events,) = home.glob("runs/*/events.jsonl")
    for event in map(json.loads, events.read_text("utf-8").splitlines()):
        if event["event"] == "validation" and event["held_out"]["strict"] >= _SCORE:
            return dict(event)
    return None

"""Repeating a run exactly: what its configuration does not say, from its events.

Batches, dropout and first weights follow from the seeds. Three things happened while it trained: which number format
was the faster, which augmentations were changed and when, and, in a time budget, how the learning rate followed the
clock. On the same processor, with as many threads and the same torch, the same tensors come out, bit for bit. A GPU's
libraries choose among algorithms that round differently, so there they only come close.
"""

from __future__ import annotations

import bisect
import dataclasses
import functools
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import safetensors
import safetensors.numpy

from kanatui.core import storage
from kanatui.core.errors import RunError, WeightsError
from kanatui.model.card import read_card
from kanatui.training.events import Event
from kanatui.training.provenance import config_of
from kanatui.training.runs import Run

_FILE = "replay.json"


@dataclasses.dataclass(frozen=True)
class Replay:
    """What a run did. Steps are counted from 1."""

    run: str
    """The id of the run that is repeated."""
    steps: int
    """How many it took."""
    precision: str
    rates: list[tuple[int, float]]
    """Learning rates, each with the last step of a stretch that had it, in order."""
    augments: list[tuple[int, list[dict[str, Any]]]]
    """Augmentations, each with the first step that used them, in order."""
    validations: list[int]
    """The steps after which it was judged."""

    def rate(self, step: int) -> float:
        """Return the learning rate of the step that follows the first ``step``."""
        place = bisect.bisect_left(self._ends, step + 1)
        return self.rates[min(place, len(self.rates) - 1)][1]

    def augments_at(self, step: int) -> list[dict[str, Any]] | None:
        """Return the augmentations that were in force at a step, None for those of the recipe."""
        place = bisect.bisect_right([first for first, _ in self.augments], step)
        return self.augments[place - 1][1] if place else None

    @functools.cached_property
    def _ends(self) -> list[int]:
        return [last for last, _ in self.rates]

    def save(self, run: Run) -> None:
        """Have a new run repeat this. StorageError if it cannot be written."""
        storage.write_bytes(run.path / _FILE, json.dumps(dataclasses.asdict(self), ensure_ascii=False).encode())


def replay_of(run: Run) -> Replay:
    """Return what repeats a run, up to its last step. RunError if it is still at work, or cannot be repeated."""
    run.require_idle()
    done = _Done()
    reader = run.events()
    try:
        while events := reader.read():
            done.add(events)
    except (KeyError, TypeError, ValueError) as error:
        raise RunError(f"run {run.id} cannot be repeated: events.jsonl makes no sense ({error!r})") from None
    if not done.rates:
        raise RunError(f"run {run.id} took no step; there is nothing to repeat")
    if done.processes > 1:
        raise RunError(f"run {run.id} was trained by {done.processes} processes; only one process can be repeated")
    repeated = read_replay(run.path)
    if repeated:  # its own events tell the rates at its own reports, which fall between the changes
        done.rates = repeated.rates
    return Replay(run.id, done.step, done.precision, done.rates, done.augments, done.validations)


def create_replay(run: Run, name: str | None = None) -> Run:
    """Make a new run that repeats another: the same configuration, and what its events tell (:func:`replay_of`).

    Raises:
        RunError: it cannot be repeated, or the name (by default the other's) makes no sense.
        StorageError: it cannot be written.
    """
    replay = replay_of(run)
    config = {key: value for key, value in config_of(run).items() if key not in ("name", "created")}
    repeating = Run.create(name or run.name, config | {"replay": run.id})
    replay.save(repeating)
    return repeating


def read_replay(folder: Path) -> Replay | None:
    """Return what a run's folder says that it repeats, None if it repeats nothing. RunError if that is damaged."""
    path = folder / _FILE
    try:
        data = json.loads(path.read_bytes())
        pairs = {name: [(int(step), value) for step, value in data[name]] for name in ("rates", "augments")}
        return Replay(**data | pairs)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RunError(f"{path}: cannot be read ({error}); replay the run again") from None


def same_weights(run: Run) -> bool | None:
    """Say whether a replay ended with the very weights of the run that it repeats, None if that cannot be told.

    (That run may be gone, or have been killed between its last checkpoint and its last step.)
    """
    replay = read_replay(run.path)
    if replay is None:
        return None
    one, other = (_weights(each, replay.steps) for each in (run, Run(run.path.with_name(replay.run))))
    if one is None or other is None:
        return None
    return one.keys() == other.keys() and all(np.array_equal(one[name], other[name]) for name in one)


def _weights(run: Run, step: int) -> dict[str, npt.NDArray[Any]] | None:
    """Return a run's last weights, None if there are none or they are not those after ``step``."""
    file = run.checkpoint("last")
    try:
        if read_card(file)["scores"]["step"] != step:
            return None
        tensors: dict[str, npt.NDArray[Any]] = safetensors.numpy.load_file(file)
    except (WeightsError, OSError, safetensors.SafetensorError, KeyError, TypeError):
        return None
    return tensors


class _Done:
    """Events added up."""

    def __init__(self) -> None:
        self.step, self.precision, self.processes = 0, "", 1
        self.rates: list[tuple[int, float]] = []
        self.augments: list[tuple[int, list[dict[str, Any]]]] = []
        self.validations: list[int] = []

    def add(self, events: Iterable[Event]) -> None:
        for event in events:
            kind = event["event"]
            if kind == "start":
                self._begin(event)
            elif kind == "step":
                self.step = int(event["step"])
                self._extend(self.step, float(event["rate"]))
            elif kind == "validation":
                self.validations.append(int(event["step"]))
            elif kind == "augment":
                self.augments.append((int(event["step"]), list(event["augments"])))

    def _begin(self, event: Event) -> None:
        """A run that was continued began again at a checkpoint; what had come after that is not part of it."""
        self.step = int(event["step"])
        self.precision, self.processes = str(event["precision"]), int(event.get("processes", 1))
        before = bisect.bisect_left([last for last, _ in self.rates], self.step)
        cut = self.rates[before : before + 1]
        self.rates = self.rates[:before] + [(self.step, rate) for _, rate in cut if self.step]
        self.augments = [(step, steps) for step, steps in self.augments if step <= self.step]
        self.validations = [step for step in self.validations if step <= self.step]

    def _extend(self, step: int, rate: float) -> None:
        if self.rates and self.rates[-1][1] == rate:
            self.rates.pop()
        self.rates.append((step, rate))

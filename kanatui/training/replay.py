"""Repeats a run exactly: reads from its events what its configuration does not contain.

Batches, dropout and initial weights follow from the seeds. Four things were decided while it trained: which number
format was faster, which augmentations were changed and when, how many threads left room for other processes, and, in a
time budget, how the learning rate followed the clock. On the same processor with the same torch, the tensors are the
same, bit for bit. A GPU's libraries choose among algorithms that round differently, so there they are only close.
"""

from __future__ import annotations

import bisect
import dataclasses
import functools
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import safetensors
import safetensors.numpy

from kanatui.core import checked, storage
from kanatui.core.checked import Count
from kanatui.core.errors import RunError, WeightsError
from kanatui.core.units import counted
from kanatui.model import seal
from kanatui.model.card import read_card
from kanatui.training.events import Event
from kanatui.training.provenance import config_of
from kanatui.training.runs import Run

T = TypeVar("T")

_FILE = "replay.json"


@dataclasses.dataclass(frozen=True)
class Replay:
    """The course of a run. Steps are counted from 1."""

    run: str
    """The id of the run that is repeated."""
    steps: Count
    """The number of steps."""
    precision: str
    rates: list[tuple[Count, float]]
    """Learning rates in order, each with the last step that had it."""
    augments: list[tuple[Count, list[dict[str, Any]]]]
    """Augmentations in order, each with the first step that used them."""
    validations: list[Count]
    """The steps after which it was validated."""
    threads: list[tuple[Count, Count]] = dataclasses.field(default_factory=list)
    """Numbers of threads in order, each with the first step that used them; empty if that is not known."""

    def rate(self, step: int) -> float:
        """Return the learning rate after ``step`` steps."""
        place = bisect.bisect_left(self._ends, step + 1)
        return self.rates[min(place, len(self.rates) - 1)][1]

    def augments_at(self, step: int) -> list[dict[str, Any]] | None:
        """Return the augmentations of a step, None for those of the recipe."""
        return _at(self.augments, step)

    def threads_at(self, step: int) -> int | None:
        """Return the number of threads of a step, None if that is not known."""
        return _at(self.threads, step)

    @functools.cached_property
    def _ends(self) -> list[int]:
        return [last for last, _ in self.rates]

    def save(self, run: Run) -> None:
        """Write this into a new run, which will repeat it. StorageError if it cannot be written."""
        storage.write_bytes(run.path / _FILE, json.dumps(dataclasses.asdict(self), ensure_ascii=False).encode())


def _at(changes: Sequence[tuple[int, T]], step: int) -> T | None:
    """Return what was in force at a step, None before the first change."""
    place = bisect.bisect_right([first for first, _ in changes], step)
    return changes[place - 1][1] if place else None


def replay_of(run: Run) -> Replay:
    """Return the replay of a run up to its last step. RunError if it is still running or cannot be repeated."""
    run.require_idle()
    done = _Done()
    reader = run.events()
    while events := reader.read():
        done.add(events)
    if reader.invalid:
        found = counted(reader.invalid, "event")
        raise RunError(f"run {run.id} cannot be repeated: {found} in its events.jsonl cannot be understood")
    if not done.rates:
        raise RunError(f"run {run.id} has no steps; there is nothing to repeat")
    if done.processes > 1:
        raise RunError(
            f"run {run.id} was trained by {done.processes} processes; only runs of one process can be repeated"
        )
    repeated = read_replay(run.path)
    if repeated:  # its own events have the rates only at its reports, which fall between the changes
        done.rates = repeated.rates
    return Replay(run.id, done.step, done.precision, done.rates, done.augments, done.validations, done.threads)


def create_replay(run: Run, name: str | None = None) -> Run:
    """Make a new run that repeats another: the same configuration, and a replay of its events (:func:`replay_of`).

    Raises:
        RunError: it cannot be repeated, or the name (by default the other's) is invalid.
        StorageError: it cannot be written.
    """
    replay = replay_of(run)
    config = {key: value for key, value in config_of(run).items() if key not in ("name", "created")}
    repeating = Run.create(name or run.name, config | {"replay": run.id})
    replay.save(repeating)
    return repeating


def read_replay(folder: Path) -> Replay | None:
    """Return the replay in a run's folder, None if it repeats nothing. RunError if the file is damaged."""
    path = folder / _FILE
    try:
        return checked.parse(storage.read_bytes(path), Replay)
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise RunError(f"{path}: cannot be read ({error}); replay the run again") from None


def same_weights(run: Run) -> bool | None:
    """Return whether a replay ended with exactly the weights of the run it repeats, None if that is unknown.

    (That run may have been deleted, or killed between its last checkpoint and its last step.)
    """
    replay = read_replay(run.path)
    if replay is None:
        return None
    one, other = (_weights(each, replay.steps) for each in (run, Run(run.path.with_name(replay.run))))
    if one is None or other is None:
        return None
    return one.keys() == other.keys() and all(np.array_equal(one[name], other[name]) for name in one)


def _weights(run: Run, step: int) -> dict[str, npt.NDArray[Any]] | None:
    """Return a run's last weights, None if there are none or they are from another step."""
    file = run.checkpoint("last")
    try:
        if read_card(file)["scores"]["step"] != step:
            return None
        seal.check(file)
        tensors: dict[str, npt.NDArray[Any]] = safetensors.numpy.load_file(file)
    except (WeightsError, OSError, ValueError, safetensors.SafetensorError, KeyError):
        return None
    return tensors


class _Done:
    """Collects the course of a run from its events."""

    def __init__(self) -> None:
        self.step, self.precision, self.processes = 0, "", 1
        self.rates: list[tuple[int, float]] = []
        self.augments: list[tuple[int, list[dict[str, Any]]]] = []
        self.validations: list[int] = []
        self.threads: list[tuple[int, int]] = []

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
            elif kind == "threads":
                self.threads.append((int(event["step"]), int(event["threads"])))

    def _begin(self, event: Event) -> None:
        """Drop the steps after the checkpoint from which a run was continued."""
        self.step = int(event["step"])
        self.precision, self.processes = str(event["precision"]), int(event.get("processes", 1))
        before = bisect.bisect_left([last for last, _ in self.rates], self.step)
        cut = self.rates[before : before + 1]
        self.rates = self.rates[:before] + [(self.step, rate) for _, rate in cut if self.step]
        self.augments = [(step, steps) for step, steps in self.augments if step <= self.step]
        self.validations = [step for step in self.validations if step <= self.step]
        self.threads = [(step, threads) for step, threads in self.threads if step <= self.step]
        if "threads" in event:
            self.threads.append((self.step + 1, int(event["threads"])))

    def _extend(self, step: int, rate: float) -> None:
        if self.rates and self.rates[-1][1] == rate:
            self.rates.pop()
        self.rates.append((step, rate))

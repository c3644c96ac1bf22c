"""`events.jsonl`: the append-only log of a run, one JSON object per line.

Every event has ``time`` (seconds since 1970) and ``event``, its kind:

==============  ===============================================================================================
start           ``step`` (above 0 if a run is continued), ``device``, ``precision``, ``batches`` per epoch, …
preparing       ``done total`` of a ``stage`` of the work before the first step; ``total`` 0 if it is not counted
probe           ``seconds`` per step of so many ``images`` in each number format, ``chosen``
step            ``step epoch progress elapsed seconds_left loss rate images_per_second``, ``waiting`` (share of time),
                ``memory`` (bytes), ``cpu`` (per cent of a core) and ``gpu_memory`` (bytes) of all its processes
epoch           ``epoch`` (how many are complete) and ``step``
validation      ``step``; ``held_out`` and/or ``faces``: ``images``, ``loss`` and the metrics; ``best`` so far or not
checkpoint      ``step``
augment         ``step`` (the first that uses them) and ``augments``, all of them, as ``[[augment]]`` of a recipe
threads         ``step`` (the first with so many), ``threads``, and ``busy``: cores that other processes use
command         ``sequence command accepted note``: the answer to a file in `control/`
paused resumed  ``step``
warning         ``message``
end             ``state reason step elapsed``
==============  ===============================================================================================

Steps are counted from 1: ``step`` is the last one taken, except in ``augment`` and ``threads``. ``rate`` is the
learning rate of that step, and in a time budget of all steps since the previous ``step`` event; it is exact, so that
the run can be repeated (:mod:`kanatui.training.replay`).

A run that crashed and is continued repeats the steps after its last checkpoint; its ``start`` has the step after
which it continues; earlier events of later steps are void. Augmentations changed before that checkpoint are repeated
after ``start``.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, NotRequired, TypedDict

from kanatui.core import checked
from kanatui.core.checked import Count, Finite
from kanatui.core.storage import open_to_read, open_to_write, storing
from kanatui.model.metrics import VALIDATED

Event = dict[str, Any]


class _AtStep(TypedDict):
    step: Count


class _Start(TypedDict):
    step: Count
    device: str
    precision: str
    processes: NotRequired[Count]
    batches: NotRequired[Count]
    weights: Count
    threads: NotRequired[Count]


class _Preparing(TypedDict):
    done: Count
    total: Count
    stage: NotRequired[str]


class _Probe(TypedDict):
    seconds: dict[str, Finite]
    chosen: str


class _Step(TypedDict):
    step: Count
    epoch: Count
    progress: Finite
    elapsed: NotRequired[Finite]
    seconds_left: NotRequired[Finite | None]
    loss: float
    rate: float
    images_per_second: Finite
    waiting: NotRequired[Finite]
    memory: NotRequired[Finite]
    cpu: NotRequired[Finite]
    gpu_memory: NotRequired[Finite | None]


class _Epoch(TypedDict):
    epoch: Count
    step: Count


class _Validation(TypedDict):
    step: Count
    best: NotRequired[bool]
    held_out: NotRequired[dict[str, float]]
    faces: NotRequired[dict[str, float]]
    samples: NotRequired[dict[str, float]]


class _Augment(TypedDict):
    step: Count
    augments: list[dict[str, Any]]


class _Threads(TypedDict):
    step: Count
    threads: Count
    busy: NotRequired[Finite | None]


class _Command(TypedDict):
    command: str
    accepted: bool
    note: NotRequired[str]
    step: NotRequired[Count]


class _Warning(TypedDict):
    message: str


class _End(TypedDict):
    state: Literal["finished", "stopped", "failed", "crashed"]
    reason: NotRequired[str]


_FIELDS: Mapping[str, type] = {
    "start": _Start,
    "preparing": _Preparing,
    "probe": _Probe,
    "step": _Step,
    "epoch": _Epoch,
    "validation": _Validation,
    "checkpoint": _AtStep,
    "augment": _Augment,
    "threads": _Threads,
    "command": _Command,
    "paused": _AtStep,
    "resumed": _AtStep,
    "warning": _Warning,
    "end": _End,
}
"""What those who show a run may rely on. Events of other kinds, and other fields, are passed on as they are."""

_SETS = ("held_out", "faces", "samples")
"""What a validation scores a model on."""

_MEASURED = ("loss", "rate", "images_per_second", "memory")

_READ = 1 << 22
"""Bytes read at once: the app reads a long run in parts and repaints in between."""


class EventWriter:
    """Appends events, each with a single write, so that a crash can truncate only the last one."""

    def __init__(self, path: Path) -> None:
        """Open the log; a truncated last line is terminated. StorageError if it cannot be written."""
        self.path = path
        with storing(path):
            self._file = open_to_write(path, os.O_RDWR | os.O_APPEND)
            size = os.fstat(self._file).st_size
            if size and os.pread(self._file, 1, size - 1) != b"\n":
                os.write(self._file, b"\n")

    def write(self, kind: str, **fields: Any) -> Event:
        """Append one event and return it as written. StorageError if it cannot be written."""
        event: Event = {"time": round(time.time(), 3), "event": kind, **fields}
        line = json.dumps(event, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
        with storing(self.path):
            written = os.write(self._file, line)
            while written < len(line):  # a full disk may take a part; the rest then raises ENOSPC
                written += os.write(self._file, line[written:])
        return event

    def close(self) -> None:
        """Close the log."""
        os.close(self._file)


class EventReader:
    """Reads a growing log: each :meth:`read` returns the events added since the last."""

    def __init__(self, path: Path, offset: int = 0) -> None:
        self.path = path
        self.offset = offset
        """Bytes read so far; never inside a line."""
        self.invalid = 0
        """How many events lacked a field or had one of another type. They were left out."""

    def read(self, most: int = _READ) -> list[Event]:
        """Return the next complete events, [] if there are none yet; unreadable lines and invalid events are skipped.

        It reads about ``most`` bytes at most, so call it again until it returns [].
        """
        try:
            with open_to_read(self.path) as file:
                file.seek(self.offset)
                data = file.read(most)
                while data and b"\n" not in data and (more := file.read(most)):
                    data += more
        except FileNotFoundError:
            return []
        complete = data[: data.rfind(b"\n") + 1]
        self.offset += len(complete)
        parsed = [event for line in complete.split(b"\n") if (event := _parse(line)) is not None]
        valid = [event for event in parsed if _fits(event)]
        self.invalid += len(parsed) - len(valid)
        return valid


def figures(event: Event) -> dict[str, float]:
    """Return the numbers that a step or a validation measured: ``training/loss``, ``held_out/strict``; {} of others."""
    if event["event"] == "step":
        return {f"training/{name}": event[name] for name in _MEASURED if event.get(name) is not None}
    if event["event"] == "validation":
        scores = [(images, name, value) for images in _SETS for name, value in event.get(images, {}).items()]
        return {f"{images}/{name}": value for images, name, value in scores if name != "images"}
    return {}


def parse_event(line: bytes) -> Event | None:
    """Return the event in a line of the log, None if it is invalid."""
    event = _parse(line)
    return event if event is not None and _fits(event) else None


def _parse(line: bytes) -> Event | None:
    try:
        event = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return event if isinstance(event, dict) and isinstance(event.get("event"), str) else None


def _fits(event: Event) -> bool:
    kind = event["event"]
    try:
        checked.check(event.get("time", 0.0), Finite)
        checked.check(event, _FIELDS.get(kind, dict[str, Any]))
    except ValueError:
        return False
    return kind != "validation" or _is_scored(event)


def _is_scored(event: Event) -> bool:
    """Return whether a validation has scores, each with the metrics that are shown."""
    found = [event[name] for name in _SETS if name in event]
    return bool(found) and all(metric.key in scores for scores in found for metric in VALIDATED)

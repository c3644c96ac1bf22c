"""Follows a run by its events alone, in small parts; any process may be training it."""

from __future__ import annotations

import asyncio
import dataclasses
import time
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from kanatui.model.metrics import VALIDATED
from kanatui.training.commands import TAKEN_BACK
from kanatui.training.control import STOP_AFTER_EPOCH
from kanatui.training.event_text import describe, ranking, scored_on
from kanatui.training.events import Event
from kanatui.training.runs import Run
from kanatui.tui.train.series import Series

BITE = 1 << 16
"""Bytes read at once: about 350 events, which take 2 ms to process. The event loop may wait that long."""

_MOST_LINES = 400
_MOST_MARKS = 200
_MOST_ANSWERS = 50

MEASURED = ("loss", "rate", "images_per_second", "memory", "elapsed")
"""The values of step events that have a curve."""

VALIDATION_LOSS = "validation loss"
"""The curve of the validations' loss."""

SCORES = tuple(metric.key for metric in VALIDATED)
"""The scores of validations that have a curve, in percent."""


AXES = {"step": "steps", "epoch": "epochs", "time": "time trained"}
"""What curves can be drawn over, and what the axis is called."""

_MOST_TIMES = 1000
"""Points between which the time of a step is interpolated."""

_FAR = 1e15


@dataclasses.dataclass(frozen=True)
class Mark:
    """Something that happened at a step: ``augment``, ``paused`` or ``resumed``."""

    step: int
    kind: str


class History:
    """A summary of a run's events, in bounded memory however many there are."""

    def __init__(self) -> None:
        self.curves: dict[str, Series] = {name: Series() for name in (*MEASURED, VALIDATION_LOSS, *SCORES)}
        """By name; x is the step."""
        self.marks: list[Mark] = []
        self.lines: deque[str] = deque(maxlen=_MOST_LINES)
        """The latest events as text, each with its time of day."""
        self.written = 0
        """The number of lines so far, including dropped ones."""
        self.answers: dict[int, Event] = {}
        """The last answers to commands, by sequence."""
        self.step: Event = {}
        """The last step event."""
        self.stops_after_epoch = False
        """Whether the training is to stop at the end of its epoch."""
        self.start: Event = {}
        self.end: Event = {}
        self.preparing: Event = {}
        """The last report on the work before the first step, {} once that is finished."""
        self.scores: dict[str, float] = {}
        """The last validation: ``step`` and :data:`SCORES`."""
        self.scored_on = ""
        """What they are of, if it is not held-out images."""
        self.held_out: dict[str, float] = {}
        """The scores of held-out images in the last validation, if :attr:`scores` are of something else."""
        self.best: dict[str, float] = {}
        """The best validation so far, in the same form."""
        self.augment: Event = {}
        """The last change of augmentations."""
        self.events = 0

    def add(self, events: Sequence[Event]) -> None:
        """Add the next events. Invalid ones, and those of a later version, are ignored."""
        for event in events:
            self.events += 1
            try:
                self._add(event)
            except (KeyError, TypeError, ValueError, AttributeError):  # a file may hold anything
                continue

    def _add(self, event: Event) -> None:
        kind = event["event"]
        if kind == "step":
            self._measure(event)
            return
        if kind == "preparing":
            self.preparing = event
            return
        if kind == "start":
            self._begin(event)
        elif kind == "validation":
            self._take_scores(event)
        elif kind == "command":
            self.answers[event["sequence"]] = event
            if event["command"] == STOP_AFTER_EPOCH and event["accepted"]:
                self.stops_after_epoch = event.get("note") != TAKEN_BACK
            while len(self.answers) > _MOST_ANSWERS:
                del self.answers[next(iter(self.answers))]
        elif kind == "augment":
            if self.augment.get("augments") != event["augments"]:  # a continued run repeats the current ones
                self._mark(Mark(int(event["step"]), kind))
            self.augment = event
        elif kind in ("paused", "resumed"):
            self._mark(Mark(int(event["step"]), kind))
        elif kind == "end":
            self.end, self.preparing = event, {}
        self._tell(event)

    def _measure(self, event: Event) -> None:
        step = int(event["step"])
        for name in MEASURED:
            if name in event:
                self.curves[name].add(step, float(event[name]))
        self.step, self.preparing = event, {}

    def _begin(self, event: Event) -> None:
        """A run that is continued drops what came after the checkpoint from which it continues."""
        step = int(event.get("step", 0))
        self.start, self.end, self.preparing = event, {}, {}
        self.stops_after_epoch = False
        for curve in self.curves.values():
            curve.cut(step)
        self.marks = [mark for mark in self.marks if mark.step <= step]
        if self.step and int(self.step["step"]) > step:
            self.step = {}
        if self.augment and int(self.augment["step"]) > step:
            self.augment = {}

    def _take_scores(self, event: Event) -> None:
        kind, ranked = ranking(event)
        self.scored_on = scored_on(kind, ranked.get("images"))
        others = event.get("held_out", {}) if kind != "held_out" else {}
        self.held_out = {name: float(others[name]) for name in SCORES if name in others}
        self.scores = {name: float(ranked[name]) for name in SCORES} | {"step": float(event["step"])}
        if event.get("best"):
            self.best = self.scores
        for name in SCORES:
            self.curves[name].add(int(event["step"]), 100 * self.scores[name])
        if "loss" in ranked:
            self.curves[VALIDATION_LOSS].add(int(event["step"]), float(ranked["loss"]))

    # ── along which axis ──────────────────────────────────────────────────────────────────────────────────────────

    @property
    def last_step(self) -> float:
        """The last step that anything is known of."""
        return max(float(self.step.get("step", 0)), self.scores.get("step", 0.0))

    def along(self, axis: str, steps: Sequence[float]) -> list[float]:
        """Return where steps are on an axis of :data:`AXES`; [] if the events do not tell."""
        return self._mapped(axis, steps, back=False)

    def steps_at(self, axis: str, values: Sequence[float]) -> list[float]:
        """Return the steps at values of an axis, the reverse of :meth:`along`."""
        return self._mapped(axis, values, back=True)

    def _mapped(self, axis: str, values: Sequence[float], back: bool) -> list[float]:
        if axis == "step":
            return list(values)
        if axis == "epoch":
            batches = float(self.start.get("batches") or 0)
            return [value * batches if back else value / batches for value in values] if batches else []
        steps, seconds = self.curves["elapsed"].drawn(most=_MOST_TIMES)
        if not steps:
            return []
        known = [0.0, *steps], [0.0, *seconds]
        wanted = [min(max(value, -_FAR), _FAR) for value in values]
        return [float(value) for value in np.interp(wanted, *(known[::-1] if back else known))]

    def _mark(self, mark: Mark) -> None:
        self.marks = [*self.marks, mark][-_MOST_MARKS:]

    def _tell(self, event: Event) -> None:
        text = describe(event)
        if text:
            self.lines.append(f"{_time_of_day(event)}  {text}")
            self.written += 1


def _time_of_day(event: Mapping[str, Any]) -> str:
    try:
        return time.strftime("%H:%M:%S", time.localtime(float(event["time"])))
    except (KeyError, TypeError, ValueError, OverflowError, OSError):
        return "        "


class Follower:
    """Reads a run's events as they come. A thread reads and parses them, the event loop adds them to the history."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.history = History()
        self._reader = run.events()
        self._size = _size(run)

    @property
    def share(self) -> float:
        """How much of the events that existed at the start has been read, 0 … 1."""
        return min(1.0, self._reader.offset / self._size) if self._size else 1.0

    async def advance(self) -> bool:
        """Read the next part; False if there is nothing new."""
        before = self._reader.offset
        events = await asyncio.to_thread(self._reader.read, BITE)
        self.history.add(events)
        return self._reader.offset != before


def _size(run: Run) -> int:
    try:
        return (run.path / "events.jsonl").stat().st_size
    except OSError:
        return 0

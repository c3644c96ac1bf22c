"""Finds the trainings and generations that run outside the app, each in its own process."""

from __future__ import annotations

import contextlib
import time

from kanatui.core.errors import KanatuiError
from kanatui.core.units import clock
from kanatui.dataset import generation
from kanatui.dataset.catalogue import Catalogue
from kanatui.training.control import STOP, Mailbox
from kanatui.training.event_text import time_left
from kanatui.training.runs import Run, Status, list_runs

LONGEST_STOP = 60.0
"""Seconds to wait for checkpoints when everything is stopped; slower processes stop later on their own."""


class Activity:
    """Describes the newest active training."""

    def __init__(self) -> None:
        self._ended: dict[str, int] = {}

    def describe(self) -> str:
        """Return a short text: ``● run 7 · 63 % · 1:12 left``; "" if no training is active."""
        with contextlib.suppress(KanatuiError):
            for run in reversed(list_runs()):
                if self._may_be_active(run):
                    status = run.status()
                    if status.active:
                        return _in_words(run.number, status)
                    self._ended[run.id] = _changed(run)
        return ""

    def _may_be_active(self, run: Run) -> bool:
        """Return whether to read the run's status: an ended run is active again only if its status file has changed."""
        return self._ended.get(run.id) != _changed(run)


def _in_words(number: int, status: Status) -> str:
    if status.state == "starting":
        return f"● run {number} · starting"
    parts = [f"● run {number}" if status.state == "running" else f"‖ run {number} · {status.state}"]
    parts.append(f"{100 * status.progress:.0f} %")
    if left := time_left(status.seconds_left, status.doing, clock):
        parts.append(left)
    return " · ".join(parts)


def _changed(run: Run) -> int:
    try:
        return (run.path / "status.json").stat().st_mtime_ns
    except OSError:
        return 0


def _generations() -> list[str]:
    return [entry.name for entry in Catalogue().look() if entry.active]


def work_under_way() -> list[str]:
    """Return a name for each active training and generation: ``run 7``, ``data set NAME``."""
    runs = [f"run {run.id}" for run in list_runs() if run.status().active]
    return [*runs, *(f"data set {name}" for name in _generations())]


def stop_everything() -> None:
    """Stop all trainings (after a checkpoint) and all generations (resumable), and wait until they have ended."""
    runs = [run for run in list_runs() if run.status().active]
    for run in runs:
        with contextlib.suppress(KanatuiError):
            Mailbox(run.control).send(STOP)
    for name in _generations():
        with contextlib.suppress(KanatuiError):
            generation.stop(name)
    deadline = time.monotonic() + LONGEST_STOP
    while time.monotonic() < deadline and (any(run.alive() for run in runs) or _generations()):
        time.sleep(0.1)

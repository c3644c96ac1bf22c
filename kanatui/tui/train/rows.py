"""The rows of the list of runs: only files that changed since the last update are read again."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path

from kanatui.training.columns import app_texts
from kanatui.training.event_text import ranking_scores
from kanatui.training.runs import Run, Status, list_runs

_BITE = 1 << 20
_VALIDATION = b'"event":"validation"'
_BARS = "▁▂▃▄▅▆▇█"
_PLAIN_BARS = "_.-=+*%#"

SYMBOLS = {
    "starting": "○",
    "running": "●",
    "paused": "‖",
    "finished": "✓",
    "stopped": "■",
    "failed": "✗",
    "crashed": "✗",
}
"""A symbol for each state, readable without colour."""

COLOURS = {
    "starting": "$text-accent",
    "running": "$text-accent",
    "paused": "$text-warning",
    "finished": "$text-success",
    "stopped": "$text-muted",
    "failed": "$text-error",
    "crashed": "$text-error",
}


@dataclasses.dataclass(frozen=True)
class Row:
    """One run in the list."""

    run: Run
    title: str
    note: str
    status: Status
    folded: tuple[float, ...]
    """The folded score of each validation, 0 … 1."""
    details: tuple[str, ...] = ()
    """The other values in the list (:mod:`kanatui.training.columns`)."""

    @property
    def state(self) -> str:
        """The state's name."""
        return self.status.state

    @property
    def resumable(self) -> bool:
        """Whether it can be continued where it stopped."""
        return self.state in ("stopped", "failed", "crashed")

    def standing(self) -> str:
        """Return the state as text: ``running 63 %``; ``crashed: REASON``.

        Without the time left: that would repaint the whole list each second, which is 10 kB.
        """
        status = self.status
        if status.state in ("running", "paused", "stopped"):
            return f"{status.state} {100 * status.progress:.0f} %"
        return f"{status.state}: {status.reason}" if status.reason else status.state


class Gatherer:
    """Makes the rows of all runs, at every update."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[tuple[int, ...], Row]] = {}
        self._curves: dict[str, _Curve] = {}

    def look(self) -> list[Row]:
        """Return a row for each run, newest first. StorageError if the folder of runs cannot be read."""
        rows = [self._row(run) for run in reversed(list_runs())]
        kept = {row.run.id for row in rows}
        self._known = {id: known for id, known in self._known.items() if id in kept}
        self._curves = {id: curve for id, curve in self._curves.items() if id in kept}
        return rows

    def _row(self, run: Run) -> Row:
        stamp = tuple(_changed(run.path / name) for name in ("status.json", "about.toml"))
        known = self._known.get(run.id)
        # Whether an active run is still alive depends on its lock, not on a file's time.
        if known and known[0] == stamp and not known[1].status.active:
            return known[1]
        curve = self._curves.setdefault(run.id, _Curve(run.path / "events.jsonl"))
        status = run.status()
        row = Row(run, run.title, run.note, status, curve.read(), app_texts(run, status))
        self._known[run.id] = (stamp, row)
        return row


class _Curve:
    """The scores of a run's validations; every update reads only the new events."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0
        self._scores: tuple[tuple[int, float], ...] = ()

    def read(self) -> tuple[float, ...]:
        """Return all folded scores so far; steps that a continued run repeats count once."""
        try:
            with open(self._path, "rb") as file:
                file.seek(self._offset)
                while data := file.read(_BITE):
                    complete = data[: data.rfind(b"\n") + 1]
                    if not complete:
                        break
                    self._offset += len(complete)
                    file.seek(self._offset)
                    self._take(complete)
        except OSError:
            pass  # not begun yet, or just deleted
        return tuple(score for _, score in self._scores)

    def _take(self, data: bytes) -> None:
        for line in data.splitlines():
            if _VALIDATION in line and (found := _folded(line)):
                self._scores = (*(known for known in self._scores if known[0] < found[0]), found)


def _folded(line: bytes) -> tuple[int, float] | None:
    try:
        event = json.loads(line)
        return int(event["step"]), float(ranking_scores(event)["folded"])
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


def _changed(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0


def spark(values: Sequence[float], width: int = 8, plain: bool = False) -> str:
    """Draw a curve in one line of at most ``width`` cells, scaled from its minimum to its maximum."""
    bars = _PLAIN_BARS if plain else _BARS
    if len(values) > width:
        values = [values[round(i * (len(values) - 1) / (width - 1))] for i in range(width)]
    if not values:
        return ""
    low, high = min(values), max(values)
    return "".join(bars[round((value - low) / (high - low) * 7) if high > low else 7] for value in values)

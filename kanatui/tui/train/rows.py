"""The rows of the list of runs: only files that changed since the last update are read again."""

from __future__ import annotations

import dataclasses
import functools
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from rich.cells import cell_len

from kanatui.core import storage
from kanatui.core.units import counted
from kanatui.evaluation.store import look_at
from kanatui.training.columns import APP, Facts, first_line
from kanatui.training.event_text import ranking_scores
from kanatui.training.events import parse_event
from kanatui.training.runs import Run, Status, list_runs
from kanatui.tui.widgets.filter import searchable

_BITE = 1 << 20
_VALIDATION = b'"event":"validation"'
_BARS = "▁▂▃▄▅▆▇█"
_PLAIN_BARS = "_.-=+*%#"
_CURVE = 8
"""Cells of a curve in the list."""

_SHOWN_EVERY = 0.25
"""Seconds of reading after which what is known so far is shown."""

SYMBOLS = {
    "starting": "○",
    "running": "●",
    "paused": "‖",
    "finished": "✓",
    "stopped": "■",
    "failed": "✗",
    "crashed": "✗",
    "damaged": "?",
}
"""A symbol for each state, readable without colour."""

KINDS = {
    "starting": "active",
    "running": "active",
    "paused": "warning",
    "finished": "good",
    "stopped": "muted",
    "failed": "bad",
    "crashed": "bad",
    "damaged": "bad",
}
"""How each state looks in a table (:data:`kanatui.tui.widgets.table.KINDS`)."""


@dataclasses.dataclass(frozen=True)
class Row:
    """One run in the list."""

    facts: Facts

    @property
    def run(self) -> Run:
        """The run."""
        return self.facts.run

    @property
    def title(self) -> str:
        """Its title."""
        return self.facts.title

    @property
    def note(self) -> str:
        """Its note."""
        return self.facts.note

    @property
    def status(self) -> Status:
        """Its status."""
        return self.facts.status

    @property
    def folded(self) -> tuple[float, ...]:
        """The folded score of each validation, 0 … 1."""
        return self.facts.curve

    @property
    def state(self) -> str:
        """The state's name."""
        return self.status.state

    @property
    def resumable(self) -> bool:
        """Whether it can be continued where it stopped."""
        return self.state in ("stopped", "failed", "crashed")

    @functools.cached_property
    def texts(self) -> dict[str, str]:
        """The text in each column, with dots for the curve, which depends on the terminal, and no age, which grows."""
        texts = {column.name: column.text(self.facts) for column in APP if column.name != "age"}
        if self.facts.scored_on:
            texts |= {name: f"{texts[name]}*" for name in ("strict", "folded") if texts[name]}
        return texts | {"curve": "·" * min(len(self.folded), _CURVE)}

    @functools.cached_property
    def widths(self) -> dict[str, int]:
        """How many cells each text takes."""
        return {name: cell_len(text) for name, text in self.texts.items()}

    @functools.cached_property
    def search(self) -> str:
        """What words are looked for in."""
        return searchable([*self.texts.values(), self.status.reason, self.note])

    def about(self) -> list[str]:
        """Return what the table has no room for: why it ended, what its scores are of, the note."""
        facts, lines = self.facts, []
        if self.status.reason and self.state != "finished":
            lines.append(f"{SYMBOLS[self.state]} {self.state}: {self.status.reason}")
        if facts.scored_on:
            lines.append(f"* of {facts.scored_on}, held out while it adapted")
        if facts.pictures:
            lines.append(f"real: {facts.pictures.in_words()}")
        if note := first_line(self.note):
            more = len(self.note.splitlines()) - 1
            lines.append(f"note: {note}" + (f" (and {counted(more, 'line')} more)" if more else ""))
        return lines


class Gatherer:
    """Makes the rows of all runs, at every update."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[tuple[int, ...], Row]] = {}
        self._curves: dict[str, _Curve] = {}

    def look(self) -> list[Row]:
        """Return a row for each run, newest first. StorageError if the folder of runs cannot be read."""
        *_, rows = self.looks()
        return rows

    def looks(self) -> Iterator[list[Row]]:
        """Yield the rows of :meth:`look`, before that what is known so far, so that a first page need not wait for all.

        StorageError if the folder of runs cannot be read.
        """
        runs = list_runs()[::-1]
        before = {id: row for id, (_, row) in self._known.items()}
        known: dict[str, Row] = {}
        shown = time.monotonic()
        for run in runs:
            known[run.id] = self._facts(run)
            if time.monotonic() - shown > _SHOWN_EVERY:
                yield [row for run in runs if (row := known.get(run.id) or before.get(run.id))]
                shown = time.monotonic()
        # The curves come last: the events of a long training have many megabytes.
        for run in runs:
            known[run.id] = self._with_curve(known[run.id])
            if time.monotonic() - shown > _SHOWN_EVERY:
                yield [known[run.id] for run in runs]
                shown = time.monotonic()
        self._known = {id: (self._known[id][0], row) for id, row in known.items()}
        self._curves = {id: curve for id, curve in self._curves.items() if id in known}
        yield [known[run.id] for run in runs]

    def _facts(self, run: Run) -> Row:
        names = ("status.json", "about.toml", "config.toml", "evaluations")
        stamp = tuple(_changed(run.path / name) for name in names)
        known = self._known.get(run.id)
        # Whether an active run is still alive depends on its lock, not on a file's time.
        if known and known[0] == stamp and not known[1].status.active:
            return known[1]
        facts = look_at(known[1].run if known else run)
        if known:
            facts = dataclasses.replace(facts, curve=known[1].folded)
        row = known[1] if known and known[1].facts == facts else Row(facts)
        self._known[run.id] = (stamp, row)
        return row

    def _with_curve(self, row: Row) -> Row:
        curve = self._curves.setdefault(row.run.id, _Curve(row.run.path / "events.jsonl"))
        if curve.begun and not row.status.active and curve.state == row.status:
            return row
        curve.state = row.status
        scores = curve.read()
        return row if scores == row.folded else Row(dataclasses.replace(row.facts, curve=scores))


class _Curve:
    """The scores of a run's validations; every update reads only the new events."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0
        self._scores: tuple[tuple[int, float], ...] = ()
        self.state: Status | None = None
        """The run's status when it was read."""

    @property
    def begun(self) -> bool:
        """Whether it was read before."""
        return self.state is not None

    def read(self) -> tuple[float, ...]:
        """Return all folded scores so far; steps that a continued run repeats count once."""
        try:
            with storage.open_to_read(self._path) as file:
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
        place = data.find(_VALIDATION)
        while place >= 0:
            end = data.find(b"\n", place)
            if found := _folded(data[data.rfind(b"\n", 0, place) + 1 : end]):
                self._scores = (*(known for known in self._scores if known[0] < found[0]), found)
            place = data.find(_VALIDATION, end)


def _folded(line: bytes) -> tuple[int, float] | None:
    event = parse_event(line)
    return (event["step"], ranking_scores(event)["folded"]) if event and event["event"] == "validation" else None


def _changed(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0


def spark(values: Sequence[float], width: int = _CURVE, plain: bool = False) -> str:
    """Draw a curve in one line of at most ``width`` cells, scaled from its minimum to its maximum."""
    bars = _PLAIN_BARS if plain else _BARS
    if len(values) > width:
        values = [values[round(i * (len(values) - 1) / (width - 1))] for i in range(width)]
    if not values:
        return ""
    low, high = min(values), max(values)
    return "".join(bars[round((value - low) / (high - low) * 7) if high > low else 7] for value in values)

"""Defines the columns of lists of runs, in one table for `kanatui runs`, its --json and the app."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from typing import Any

from kanatui.core.errors import RunError
from kanatui.core.units import duration
from kanatui.model.metrics import VALIDATED, Metric
from kanatui.training.runs import Run, Status


@dataclasses.dataclass(frozen=True)
class Column:
    """A field of every run."""

    name: str
    """Its key in JSON."""
    value: Callable[[Run, Status], Any]
    """Returns plain data for JSON; None if there is no value yet."""
    heading: str = ""
    """Its heading in the command line's table; "" leaves it out."""
    show: Callable[[Any], str] = str
    """Formats a value other than None."""
    json: bool = True
    """Whether JSON includes it."""
    app: bool = False
    """Whether the app's narrow list shows it under the run."""
    optional: bool = False
    """Whether the table leaves it out if it is empty for all runs."""

    def plain(self, run: Run, status: Status) -> Any:
        """Return the value; None if a damaged configuration lacks it."""
        try:
            return self.value(run, status)
        except RunError:
            return None

    def text(self, run: Run, status: Status) -> str:
        """Return the value as text; "" if there is none."""
        value = self.plain(run, status)
        return "" if value is None else self.show(value)


def _of_run(name: str, **options: Any) -> Column:
    return Column(name, lambda run, status: getattr(run, name), **options)


def _of_status(name: str, **options: Any) -> Column:
    return Column(name, lambda run, status: getattr(status, name), **options)


def _best(metric: Metric) -> Column:
    return Column(
        metric.key,
        lambda run, status: (status.best or {}).get(metric.key),
        heading=metric.heading,
        show=metric.text,
        json=False,
    )


COLUMNS = (
    _of_run("id", heading="run"),
    _of_run("title"),
    _of_run("note"),
    Column("path", lambda run, status: str(run.path)),
    _of_status("state", heading="state"),
    _of_status("reason"),
    _of_status("pid"),
    _of_status("heartbeat"),
    _of_status("progress", heading="done", show=lambda share: f"{100 * share:.0f} %"),
    *map(_best, VALIDATED),
    _of_status("epoch"),
    _of_status("step"),
    _of_status("elapsed", heading="trained", show=duration),
    _of_status("seconds_left"),
    Column(
        "best",
        lambda run, status: dict(status.best) if status.best else None,
        show=lambda best: " / ".join(metric.text(best[metric.key]) for metric in VALIDATED),
        app=True,
    ),
    Column(
        "scored_on",
        lambda run, status: run.scored_on(status.best) or None,
        heading="scored on",
        show=lambda what: f"of {what}",
        json=False,
        app=True,
        optional=True,
    ),
    Column("age", lambda run, status: max(0.0, time.time() - run.created), heading="age", show=duration, json=False),
    Column(
        "given_title",
        lambda run, status: None if run.title == run.name else run.title,
        heading="title",
        json=False,
        optional=True,
    ),
)


def plain(run: Run, status: Status) -> dict[str, Any]:
    """Return a run's fields for JSON."""
    return {column.name: column.plain(run, status) for column in COLUMNS if column.json}


def table(runs: list[tuple[Run, Status]]) -> tuple[list[str], list[list[str]]]:
    """Return the headings of the command line's table, and a list of texts for each run."""
    shown = [column for column in COLUMNS if column.heading]
    texts = {column.name: [column.text(run, status) for run, status in runs] for column in shown}
    kept = [column for column in shown if not column.optional or any(texts[column.name])]
    return [column.heading for column in kept], [list(row) for row in zip(*(texts[c.name] for c in kept), strict=True)]


def app_texts(run: Run, status: Status) -> tuple[str, ...]:
    """Return the texts that the app's list shows under a run, besides its state; none is empty."""
    return tuple(text for column in COLUMNS if column.app and (text := column.text(run, status)))

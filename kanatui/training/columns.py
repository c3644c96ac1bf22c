"""What a list of runs tells of each: one table, from which `kanatui runs`, its --json and the app are made."""

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
    """One thing that is told of every run."""

    name: str
    """Its key for programs."""
    value: Callable[[Run, Status], Any]
    """Plain data that JSON can hold; None where there is nothing to tell yet."""
    heading: str = ""
    """Over it in the table of the command line; "" leaves it out there."""
    show: Callable[[Any], str] = str
    """Writes a value other than None for people."""
    json: bool = True
    """Whether programs are told."""
    app: bool = False
    """Whether the app's list, which is narrow, shows it under the run."""
    optional: bool = False
    """Whether the table leaves it out where it is empty for all runs."""

    def plain(self, run: Run, status: Status) -> Any:
        """Return the value; None where a damaged configuration does not tell it."""
        try:
            return self.value(run, status)
        except RunError:
            return None

    def text(self, run: Run, status: Status) -> str:
        """Return what people read; "" where there is nothing to tell."""
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
    """Return a run for programs."""
    return {column.name: column.plain(run, status) for column in COLUMNS if column.json}


def table(runs: list[tuple[Run, Status]]) -> tuple[list[str], list[list[str]]]:
    """Return the headings of the command line's table, and the texts under them, a list for each run."""
    shown = [column for column in COLUMNS if column.heading]
    texts = {column.name: [column.text(run, status) for run, status in runs] for column in shown}
    kept = [column for column in shown if not column.optional or any(texts[column.name])]
    return [column.heading for column in kept], [list(row) for row in zip(*(texts[c.name] for c in kept), strict=True)]


def app_texts(run: Run, status: Status) -> tuple[str, ...]:
    """Return what the app's list shows under a run, apart from how it stands; texts are not empty."""
    return tuple(text for column in COLUMNS if column.app and (text := column.text(run, status)))

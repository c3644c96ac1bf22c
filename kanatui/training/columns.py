"""Defines the columns of lists of runs, in one table for `kanatui runs`, its --json and the app."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from kanatui.core.errors import RunError
from kanatui.core.harmless import harmless
from kanatui.core.units import age, clock, percent, rounded
from kanatui.model.metrics import VALIDATED, Metric
from kanatui.training.events import EventReader
from kanatui.training.runs import STATES, Run, Status, created_in

_LONGEST = 200
"""Characters of a cell; most tables cut it further."""

_HEAD = 1 << 16
"""Bytes of a run's events that hold its start: only the progress of preparing it comes before."""


@dataclasses.dataclass(frozen=True)
class PictureScore:
    """How well a run's model read pictures from outside, as its newest evaluation of a folder says."""

    strict: float
    folded: float
    """Both 0 … 1."""
    images: int
    where: str
    """The folder, or the file of arrays."""
    made: str
    """When, ISO 8601."""

    def in_words(self) -> str:
        """Return the scores, and of what they are, in one line."""
        of = f"{self.images:,} pictures in {Path(self.where).name}"
        return f"{percent(self.folded)} folded, {percent(self.strict)} strict of {of}, {self.made[:10]}"


@dataclasses.dataclass(frozen=True)
class Facts:
    """All that lists tell of a run, read once from its files."""

    run: Run
    status: Status
    title: str
    note: str
    config: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    """Empty if it is damaged."""
    start: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    """The event of its first start; empty if there was none yet."""
    created: float = 0.0
    """Seconds since 1970, 0 if unknown."""
    pictures: PictureScore | None = None
    curve: tuple[float, ...] = ()
    """The folded score of each validation, 0 … 1, if they were read."""

    @classmethod
    def of(cls, run: Run, pictures: PictureScore | None = None) -> Facts:
        """Read a run's files. One that cannot be read makes it a damaged run, and the reason names the file."""
        status = run.status()
        try:
            config = run.config
        except RunError as error:
            config = {}
            if not status.active:
                status = dataclasses.replace(status, state="damaged", reason=str(error))
        title, note = run.about()
        return cls(run, status, title, note, config, _start(run), created_in(config), pictures)

    def setting(self, *path: str) -> Any:
        """Return a value of the configuration by its path, None if it has none."""
        value: Any = self.config
        for name in path:
            value = value.get(name) if isinstance(value, Mapping) else None
        return value

    @property
    def recipe(self) -> str:
        """The name of the recipe or data set that it trains on, "" if unknown."""
        if isinstance(dataset := self.setting("source", "dataset"), str):
            return Path(dataset).name
        return str(self.setting("recipe") or self.setting("source", "recipe", "name") or "")

    @property
    def images(self) -> int | None:
        """How many images it was trained on so far, None if unknown; an image counts as often as it was seen."""
        size = self.setting("train", "batch_size")
        processes = self.start.get("processes", 1)
        if not isinstance(size, int) or not isinstance(processes, int):
            return None
        return self.status.step * size * processes or None

    @property
    def scored_on(self) -> str:
        """What its scores are of, if not of held-out images: an adapted model's are of the user's samples."""
        return self.run.scored_on(self.status.best)


def _start(run: Run) -> Mapping[str, Any]:
    events = EventReader(run.path / "events.jsonl")
    try:
        return next((event for event in events.read(_HEAD) if event["event"] == "start"), {})
    except OSError:
        return {}


@dataclasses.dataclass(frozen=True)
class Column:
    """A field of every run."""

    name: str
    """Its key in JSON, in the app's settings and on the command line."""
    value: Callable[[Facts], Any]
    """Returns plain data for JSON; None if there is no value yet."""
    heading: str = ""
    """Its heading in tables; "" leaves it out."""
    show: Callable[[Any], str] = str
    """Formats a value other than None."""
    json: bool = True
    """Whether JSON includes it."""
    help: str = ""
    """What it says, for the choice of columns; "" if it is always shown."""
    rank: int = 0
    """Tables with little room keep the columns of lower rank."""
    most: int = 16
    """The most cells that it takes in the app; longer texts are cut."""
    right: bool = False
    """Whether it holds figures: these are right-aligned, and sorted with the largest first."""
    app: bool = True
    cli: bool = True
    """Whether the app's table and the command line's show it."""

    def text(self, facts: Facts) -> str:
        """Return the value as text in one line; "" if there is none."""
        value = self.value(facts)
        return "" if value is None else harmless(self.show(value), _LONGEST)

    def order(self, facts: Facts) -> tuple[int, Any]:
        """Return a key to sort by; runs without a value come last, whichever way the others are ordered."""
        value = self.value(facts)
        if self.name == "name":
            value = facts.run.number
        elif self.name == "standing":
            value = STATES.index(facts.status.state)
        if isinstance(value, int | float):
            return 0, value
        return (1, "") if value in (None, "") else (0, str(value).casefold())


def _of_status(name: str, **options: Any) -> Column:
    return Column(name, lambda facts: getattr(facts.status, name), **options)


def _best(metric: Metric, help: str, rank: int) -> Column:
    def score(facts: Facts) -> float | None:
        return (facts.status.best or {}).get(metric.key)

    return Column(metric.key, score, metric.heading, metric.text, json=False, help=help, rank=rank, right=True, most=9)


def _state(facts: Facts) -> str:
    status = facts.status
    if status.state in ("running", "paused", "stopped"):
        return f"{status.state} {100 * status.progress:.0f} %"
    return status.state


COLUMNS = (
    Column("id", lambda facts: facts.run.id, heading="run", app=False),
    Column("name", lambda facts: f"{facts.run.number} {facts.title}", heading="run", json=False, cli=False, most=40),
    Column("title", lambda facts: facts.title),
    Column("path", lambda facts: str(facts.run.path)),
    Column("created", lambda facts: facts.created or None),
    _of_status("state"),
    Column("standing", _state, heading="state", json=False, help="running, finished, stopped …", rank=2, most=14),
    _of_status("reason"),
    _of_status("pid"),
    _of_status("heartbeat"),
    _of_status("progress"),
    Column(
        "recipe",
        lambda facts: facts.recipe or None,
        heading="recipe",
        help="recipe or data set that it trains on",
        rank=6,
    ),
    Column(
        "model", lambda facts: facts.setting("train", "model"), heading="model", help="model plugin", rank=7, most=14
    ),
    Column(
        "images",
        lambda facts: facts.images,
        heading="images",
        help="images that it was trained on so far",
        show=rounded,
        rank=8,
        right=True,
    ),
    *(
        _best(metric, help, rank)
        for metric, (help, rank) in zip(
            VALIDATED,
            (("best share read as the very character", 3), ("best share, look-alikes counted as one", 1)),
            strict=True,
        )
    ),
    Column(
        "pictures",
        lambda facts: dataclasses.asdict(facts.pictures) if facts.pictures else None,
    ),
    Column(
        "real",
        lambda facts: facts.pictures.folded if facts.pictures else None,
        heading="real",
        show=percent,
        json=False,
        help="folded score on real pictures",
        rank=4,
        right=True,
    ),
    Column(
        "curve",
        lambda facts: list(facts.curve) or None,
        heading="curve",
        json=False,
        cli=False,
        help="folded score of each validation",
        rank=9,
        most=8,
    ),
    _of_status("epoch"),
    _of_status("step"),
    _of_status("elapsed", heading="time", help="time trained, without pauses", show=clock, rank=5, right=True),
    _of_status("seconds_left"),
    _of_status("doing"),
    Column("best", lambda facts: dict(facts.status.best) if facts.status.best else None),
    Column("device", lambda facts: facts.start.get("device"), heading="device", help="what computed it", rank=11),
    Column(
        "age",
        lambda facts: max(0.0, time.time() - facts.created) if facts.created else None,
        heading="age",
        show=age,
        json=False,
        help="time since it was made",
        rank=12,
        right=True,
    ),
    Column(
        "given_title",
        lambda facts: None if facts.title == facts.run.name else facts.title,
        heading="title",
        json=False,
        rank=13,
        app=False,
    ),
    Column("note", lambda facts: facts.note),
    Column(
        "remark",
        lambda facts: first_line(facts.note),
        heading="note",
        json=False,
        help="first line of your note",
        rank=10,
        most=60,
    ),
)

APP = tuple(column for column in COLUMNS if column.heading and column.app)
"""The columns of the app's table."""

CLI = tuple(column for column in COLUMNS if column.heading and column.cli)
"""The columns of the command line's table."""


def first_line(text: str) -> str | None:
    """Return the first line of a text, None if there is none."""
    return next(iter(text.splitlines()), None)


def plain(facts: Facts) -> dict[str, Any]:
    """Return a run's fields for JSON."""
    return {column.name: column.value(facts) for column in COLUMNS if column.json}


def table(
    runs: Sequence[Facts], room: int | None = None, gap: int = 1, measure: Callable[[str], int] = len
) -> tuple[list[str], list[list[str]]]:
    """Return the headings of the command line's table, and a list of texts for each run.

    Columns that are empty for all runs are left out.

    Args:
        runs: what they tell.
        room: the width of the table in cells; columns that do not fit are left out, too. None for any width.
        gap: cells between two columns.
        measure: says how many cells a text takes.
    """
    texts = {column.name: [column.text(facts) for facts in runs] for column in CLI}
    widths = {c.name: max(map(measure, (c.heading, *texts[c.name]))) for c in CLI if any(texts[c.name])}
    kept = CLI if room is None else fitting(CLI, widths, room, gap)
    shown = [column for column in kept if column.name in widths]
    rows = zip(*(texts[column.name] for column in shown), strict=True)
    return [column.heading for column in shown], [list(row) for row in rows]


def fitting(columns: Iterable[Column], widths: Mapping[str, int], room: int, gap: int) -> list[Column]:
    """Return the columns that fit side by side, those of lower rank first, in their usual order.

    Args:
        columns: to choose from; those without a width are left out.
        widths: how many cells each takes, by its name.
        room: all cells.
        gap: cells between two columns.
    """
    columns = [column for column in columns if column.name in widths]
    chosen: list[Column] = []
    left = room + gap
    for column in sorted(columns, key=lambda column: column.rank):
        if (needed := widths[column.name] + gap) <= left or not chosen:
            left -= needed
            chosen.append(column)
    return [column for column in columns if column in chosen]

"""The table of runs: how each stands, sorted and narrowed; marked ones are compared and laid over each other."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.message import Message
from textual.widgets import Static
from textual.worker import get_current_worker
from typing_extensions import override

from kanatui.core.errors import KanatuiError
from kanatui.training.columns import APP, Column, fitting
from kanatui.tui.host import host
from kanatui.tui.train.picker import ColumnPicker
from kanatui.tui.train.rows import KINDS, SYMBOLS, Gatherer, Row, spark
from kanatui.tui.widgets.filter import Filterable, FilterLine
from kanatui.tui.widgets.table import GAP, Heading, Line, Table

_LOOK_EVERY = 1.0
_MOST_MARKED = 4
_SIGN = Heading("", "", 1, gap=1)
"""The column of the state's symbol, which is always shown."""

_NAME, _REMARK = "name", "remark"
"""The columns that take what room is left."""
_SHORT_NAME, _SHORT_REMARK = 18, 14
"""Cells of these that are kept while other columns could still be shown."""

_COLUMNS = {column.name: column for column in APP}


class RunTable(Table):
    """The table of runs. Enter shows one live, space marks it."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("space", "mark", "Mark", tooltip="Mark a run to compare its settings and curves with those of others"),
        Binding("right", "sort(1)", "Sort", key_display="←→", tooltip="Sort by the next column to the right or left"),
        Binding("left", "sort(-1)", "Sort by the column to the left", show=False),
        Binding("r", "reverse", "Reverse", show=False, tooltip="Reverse the order"),
        Binding("f", "columns", "Columns", show=False, tooltip="Choose the columns"),
        Binding("u", "unmark", "Unmark", show=False, tooltip="Remove all marks"),
    ]

    class Wanted(Message):
        """The user wants to change what the table shows: ``mark``, ``unmark``, ``sort``, ``reverse``, ``columns``."""

        def __init__(self, what: str, by: int = 0) -> None:
            super().__init__()
            self.what, self.by = what, by

    def action_mark(self) -> None:
        """Mark the run under the cursor, or remove its mark."""
        self.post_message(self.Wanted("mark"))

    def action_unmark(self) -> None:
        self.post_message(self.Wanted("unmark"))

    def action_sort(self, by: int) -> None:
        self.post_message(self.Wanted("sort", by))

    def action_reverse(self) -> None:
        self.post_message(self.Wanted("reverse"))

    def action_columns(self) -> None:
        self.post_message(self.Wanted("columns"))


@dataclasses.dataclass(frozen=True)
class Order:
    """By which column the runs are sorted, and whether from the largest or last on."""

    column: str = _NAME
    reverse: bool = True

    def sorted(self, rows: Sequence[Row]) -> list[Row]:
        """Return rows in this order; those without a value come last."""
        by = _COLUMNS[self.column].order
        keyed = [(by(row.facts), row) for row in rows]
        known = [pair for pair in keyed if pair[0][0] == 0]
        known.sort(key=lambda pair: pair[0], reverse=self.reverse)
        return [row for _, row in [*known, *(pair for pair in keyed if pair[0][0])]]

    def by(self, column: str) -> Order:
        """Return the order after a column was chosen: figures from the largest on; once more, the other way round."""
        if column == self.column:
            return dataclasses.replace(self, reverse=not self.reverse)
        return Order(column, _COLUMNS[column].right or column == _NAME)


class RunsPanel(Vertical, Filterable):
    """The list of runs. It is read again once a second while this screen is shown."""

    class Chosen(Message):
        """The user wants to see a run."""

        def __init__(self, row: Row) -> None:
            super().__init__()
            self.row = row

    class Changed(Message):
        """The rows, the marks or the cursor have changed."""

    def __init__(self, id: str) -> None:
        super().__init__(id=id)
        self.rows: list[Row] = []
        """All runs, the newest first."""
        self.marked: list[str] = []
        """Ids of the marked runs, in the order of marking."""
        self.loaded = False
        self._gatherer = Gatherer()
        self._order = Order()
        self._widths: dict[str, int] = {}

    @override
    def compose(self) -> ComposeResult:
        """Yield the table, and the text that is shown while it is empty."""
        yield Static("looking for runs …", id="no-runs", markup=False)
        yield RunTable(id="run-table")
        yield Static("", id="run-about", markup=False)
        yield FilterLine(id="run-filter")

    def on_mount(self) -> None:
        """Start updating the list."""
        self.table.display = False
        self.set_interval(_LOOK_EVERY, self._look_again)
        self.look()

    def on_resize(self) -> None:
        self._paint()

    @property
    def table(self) -> RunTable:
        """The table."""
        return self.query_one(RunTable)

    @property
    def current(self) -> Row | None:
        """The run under the cursor."""
        return self.row(self.table.key)

    def row(self, id: str) -> Row | None:
        """Return a run's row."""
        return next((row for row in self.rows if row.run.id == id), None)

    def compared(self) -> list[Row]:
        """Return the runs whose settings are to be seen: the marked ones, else the one under the cursor."""
        marked = [row for row in map(self.row, self.marked) if row]
        current = self.current
        return marked if len(marked) > 1 else [current] if current else []

    def go_to(self, id: str) -> None:
        """Move the cursor to a run; if words hide it, they are forgotten."""
        if not self.table.go_to(id) and self.row(id):
            self.filter_line.clear()
            self._paint()
            self.table.go_to(id)

    # ── reading ───────────────────────────────────────────────────────────────────────────────────────────────────

    def _look_again(self) -> None:
        if self.screen.is_current:
            self.look()

    @work(thread=True, exclusive=True, group="runs")
    def look(self) -> None:
        """Read the runs in a thread and show what changed."""
        try:
            for rows in self._gatherer.looks():
                if get_current_worker().is_cancelled:
                    return
                self.app.call_from_thread(self._show, rows)
        except KanatuiError as error:
            self.app.call_from_thread(self._say, str(error))

    def _say(self, text: str) -> None:
        for line in self.query("#no-runs").results(Static):
            line.update(text)

    def _show(self, rows: Sequence[Row]) -> None:
        if not self.is_attached or not self.query(RunTable):
            return  # the app is being closed, and takes the table away before the panel
        first = not self.loaded
        self.loaded = True
        if not first and list(rows) == self.rows:
            return
        self.rows = list(rows)
        self.marked = [id for id in self.marked if self.row(id)]
        self._widths = _widths(self.rows)
        self._paint()
        self.post_message(self.Changed())

    # ── painting ──────────────────────────────────────────────────────────────────────────────────────────────────

    def _paint(self) -> None:
        """Show the runs that have the words looked for, in order; only rows that differ are painted."""
        table = self.table
        if not self.rows:
            self._say("No runs yet: press n for a new one." if self.loaded else "looking for runs …")
        self.query_one("#no-runs").display = not self.rows
        table.display = bool(self.rows)
        room = table.scrollable_content_region.width or self.size.width
        if not self.rows or room < 1:
            self._tell()
            return
        terms = self.terms
        rows = self._order.sorted([row for row in self.rows if terms.match(row.search)])
        self.filter_line.count(len(rows), len(self.rows))
        headings = self._headings(room)
        columns = [_COLUMNS[heading.key] for heading in headings[1:]]
        table.show(headings, [self._line(row, columns) for row in rows])
        self._tell()

    def _headings(self, room: int) -> list[Heading]:
        chosen = set(host(self).settings.run_columns) or set(_COLUMNS)
        widths = {name: width for name, width in self._widths.items() if name == _NAME or name in chosen}
        wanted = dict(widths)
        widths[_NAME] = min(widths[_NAME], max(_SHORT_NAME, room // 4))
        if _REMARK in widths:
            widths[_REMARK] = min(widths[_REMARK], _SHORT_REMARK)
        room -= _SIGN.width + _SIGN.gap
        shown = fitting(APP, widths, room, GAP)
        left = room - sum(widths[column.name] + GAP for column in shown) + GAP
        for name in (_NAME, _REMARK):
            if any(column.name == name for column in shown):
                more = max(0, min(left, wanted[name] - widths[name]))
                widths[name] = min(room, widths[name] + more)
                left -= more
        return [_SIGN, *(self._heading(column, min(room, widths[column.name])) for column in shown)]

    def _heading(self, column: Column, width: int) -> Heading:
        chosen = column.name == self._order.column
        sign = ("▾" if self._order.reverse else "▴") if chosen else ""
        if host(self).ascii:
            sign = sign.replace("▾", "v").replace("▴", "^")
        return Heading(column.name, f"{column.heading}{sign}", width, column.right, chosen)

    def _line(self, row: Row, columns: Sequence[Column]) -> Line:
        texts = row.texts
        kind = KINDS[row.state]
        cells, kinds = [SYMBOLS[row.state]], [kind]
        for column in columns:
            name = column.name
            text, look = texts.get(name, ""), ""
            if name == _NAME and row.run.id in self.marked:
                text, look = f"+{self.marked.index(row.run.id) + 1} {text}", "mark"
            elif name == "standing":
                look = kind
            elif name == "curve":
                text = spark(row.folded, plain=host(self).ascii)
            elif name == "age":
                text = column.text(row.facts)
            elif name not in (_NAME, "strict", "folded", "real"):
                look = "muted"
            cells.append(text)
            kinds.append(look)
        return Line(row.run.id, tuple(cells), tuple(kinds))

    def _tell(self) -> None:
        """Say of the run under the cursor what the table has no room for."""
        row = self.current
        about = self.query_one("#run-about", Static)
        text = "\n".join(row.about()) if row else ""
        if self.rows and self.terms and not self.table.lines:
            text = f"No run has all of these words: {self.filter_line.text.strip()}. Esc shows all."
        if str(about.content) != text:
            about.update(text)
            about.display = bool(text)

    # ── what the user does ────────────────────────────────────────────────────────────────────────────────────────

    @on(FilterLine.Changed)
    def _narrow(self, event: FilterLine.Changed) -> None:
        event.stop()
        self._paint()
        self.post_message(self.Changed())

    @on(RunTable.Wanted)
    def _do(self, event: RunTable.Wanted) -> None:
        event.stop()
        if event.what == "mark":
            self._mark()
        elif event.what == "unmark":
            self.marked.clear()
        elif event.what == "columns":
            self._choose_columns()
        elif event.what == "reverse":
            self._order = self._order.by(self._order.column)
        else:
            self._sort_by_next(event.by)
        self._paint()
        self.post_message(self.Changed())

    def _mark(self) -> None:
        row = self.current
        if row is None:
            return
        if row.run.id in self.marked:
            self.marked.remove(row.run.id)
        elif len(self.marked) >= _MOST_MARKED:
            self.notify(f"{_MOST_MARKED} runs are marked already: more cannot be told apart", severity="warning")
        else:
            self.marked.append(row.run.id)

    def _sort_by_next(self, by: int) -> None:
        shown = [heading.key for heading in self.table.headings[1:] if heading.key != "curve"]
        if shown:
            place = shown.index(self._order.column) + by if self._order.column in shown else 0
            self._order = self._order.by(shown[place % len(shown)])

    @on(Table.HeadingClicked)
    def _sort(self, event: Table.HeadingClicked) -> None:
        event.stop()
        if event.key in _COLUMNS and event.key != "curve":
            self._order = self._order.by(event.key)
            self._paint()

    @work
    async def _choose_columns(self) -> None:
        settings = host(self).settings
        chosen = await self.app.push_screen_wait(ColumnPicker(settings.run_columns))
        if chosen is not None:
            settings.run_columns = chosen
            settings.save()
            self._paint()

    @on(Table.Selected)
    def _choose(self, event: Table.Selected) -> None:
        event.stop()
        if self.current:
            self.post_message(self.Chosen(self.current))

    @on(Table.Highlighted)
    def _moved(self, event: Table.Highlighted) -> None:
        event.stop()
        self._tell()
        self.post_message(self.Changed())


def _widths(rows: Sequence[Row]) -> dict[str, int]:
    """Return how many cells each column takes; those that are empty for all runs are left out."""
    widths: dict[str, int] = {}
    for column in APP:
        widest = max((row.widths.get(column.name, 0) for row in rows), default=0)
        if column.name == "age":
            widest = len("100 min")
        if column.name == _NAME:
            widest += len("+1 ")
        if widest:
            widths[column.name] = min(column.most, max(widest, len(column.heading) + 1))
    return widths

"""The list of runs: how each stands, marked ones to lay over each other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.message import Message
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option
from textual.worker import get_current_worker
from typing_extensions import override

from kanatui.core.errors import KanatuiError
from kanatui.tui.train.rows import COLOURS, SYMBOLS, Gatherer, Row, spark

_LOOK_EVERY = 1.0
_MOST_MARKED = 4


class RunOptionList(OptionList, can_focus=True):
    """The runs. Enter shows one live, space marks it."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("space", "mark", "Mark", tooltip="Mark a run to lay its curves over those of the one shown"),
    ]

    class Marked(Message):
        """The user wants to mark a run, or to remove its mark."""

    def action_mark(self) -> None:
        """Mark the run under the cursor, or remove its mark."""
        self.post_message(self.Marked())


class RunsPanel(Vertical):
    """All runs, newest first, looked at once a second while this screen is shown."""

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
        self.marked: list[str] = []
        """Ids of the marked runs, in the order of marking."""
        self.loaded = False
        self._gatherer = Gatherer()
        self._shown: list[tuple[str, str]] = []

    @override
    def compose(self) -> ComposeResult:
        """Yield the list, and the text that is shown while it is empty."""
        yield Static("looking for runs …", id="no-runs")
        yield RunOptionList(id="run-options")

    def on_mount(self) -> None:
        """Start updating the list."""
        self.query_one(RunOptionList).display = False
        self.set_interval(_LOOK_EVERY, self._look_again)
        self.look()

    @property
    def current(self) -> Row | None:
        """The run under the cursor."""
        index = self.query_one(RunOptionList).highlighted
        return self.rows[index] if index is not None and index < len(self.rows) else None

    def row(self, id: str) -> Row | None:
        """Return a run's row."""
        return next((row for row in self.rows if row.run.id == id), None)

    def go_to(self, id: str) -> None:
        """Move the cursor to a run."""
        for index, row in enumerate(self.rows):
            if row.run.id == id:
                self.query_one(RunOptionList).highlighted = index

    def _look_again(self) -> None:
        if self.screen.is_current:
            self.look()

    @work(thread=True, exclusive=True, group="runs")
    def look(self) -> None:
        """Read the runs in a thread and show what changed."""
        try:
            rows = self._gatherer.look()
        except KanatuiError as error:
            self.app.call_from_thread(self._say, str(error))
            return
        if not get_current_worker().is_cancelled:
            self.app.call_from_thread(self._show, rows)

    def _say(self, text: str) -> None:
        self.query_one("#no-runs", Static).update(text)

    def _show(self, rows: Sequence[Row]) -> None:
        if not self.is_attached:
            return
        first = not self.loaded
        self.loaded = True
        if not first and list(rows) == self.rows:
            return
        here = self.current
        self.rows = list(rows)
        self.marked = [id for id in self.marked if self.row(id)]
        self._refill()
        if here:
            self.go_to(here.run.id)
        self.post_message(self.Changed())

    def _refill(self) -> None:
        """Repaint the lines that differ; the list is filled again only if there are other runs."""
        options = self.query_one(RunOptionList)
        if not self.rows:
            self._say("No runs yet: press n for a new one.")
        self.query_one("#no-runs").display = not self.rows
        options.display = bool(self.rows)
        ids = [row.run.id for row in self.rows]
        shown = [(row.run.id, self._line(row)) for row in self.rows]
        if ids != [id for id, _ in self._shown]:
            options.clear_options()
            options.add_options([Option(Content.from_markup(line), id=f"run-{id}") for id, line in shown])
            if self.rows and options.highlighted is None:
                options.highlighted = 0
        else:
            for index, (line, before) in enumerate(zip(shown, self._shown, strict=True)):
                if line != before:
                    options.replace_option_prompt_at_index(index, Content.from_markup(line[1]))
        self._shown = shown

    def _line(self, row: Row) -> str:
        """Return a run as two lines of markup."""
        plain = bool(getattr(self.app, "ascii", False))
        place = self.marked.index(row.run.id) + 1 if row.run.id in self.marked else 0
        mark = f"[b]+{place}[/] " if place else ""
        note = f" · {row.note.splitlines()[0]}" if row.note else ""
        head = Content(f"{row.run.number} {row.title}{note}").markup
        state = Content(row.standing()).markup
        curve = spark(row.folded, plain=plain)
        details = "  ".join(part for part in (curve, *row.details) if part)
        sign = SYMBOLS[row.state]
        first = f"[{COLOURS[row.state]}]{sign}[/] {mark}[b]{head}[/]"
        second = f"   [{COLOURS[row.state]}]{state}[/]" + (f"\n   {Content(details).markup}" if details else "")
        return f"{first}\n{second}"

    @on(RunOptionList.Marked)
    def _mark(self) -> None:
        row = self.current
        if row is None:
            return
        if row.run.id in self.marked:
            self.marked.remove(row.run.id)
        elif len(self.marked) >= _MOST_MARKED:
            self.notify(f"{_MOST_MARKED} runs are marked already: more cannot be told apart", severity="warning")
            return
        else:
            self.marked.append(row.run.id)
        self._refill()
        self.post_message(self.Changed())

    @on(OptionList.OptionSelected)
    def _choose(self, event: OptionList.OptionSelected) -> None:
        event.stop()
        if self.current:
            self.post_message(self.Chosen(self.current))

    @on(OptionList.OptionHighlighted)
    def _moved(self, event: OptionList.OptionHighlighted) -> None:
        event.stop()
        self.post_message(self.Changed())

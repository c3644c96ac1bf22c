"""The configuration of the run under the cursor; or how the marked runs went, and which settings differ."""

from __future__ import annotations

from collections.abc import Sequence

from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.reactive import reactive
from textual.widgets import Static
from typing_extensions import override

from kanatui.training.difference import Setting, compare, different
from kanatui.tui.train.rows import SYMBOLS, Row
from kanatui.tui.widgets.dialogs import Details
from kanatui.tui.widgets.filter import Filterable, FilterLine, searchable
from kanatui.tui.widgets.table import GAP, Heading, Line, Table

_NAMES = 24
"""Most cells of the settings' names, unless there is more room than the values need."""
_NARROW = 46
"""Cells below which names take no more than two fifths."""


class SettingsTable(Table):
    """The settings. Enter shows one in full."""


class SettingsPane(Vertical, Filterable):
    """The settings of one run, or of several side by side."""

    whole: reactive[bool] = reactive(False)
    """Whether settings that do not differ are shown, too."""

    def __init__(self, id: str) -> None:
        super().__init__(id=id)
        self._rows: list[Row] = []
        self._settings: list[Setting] = []
        self._search: list[str] = []

    @override
    def compose(self) -> ComposeResult:
        yield Static("", id="settings-title", markup=False)
        yield SettingsTable(id="settings-table")
        yield FilterLine(id="settings-filter")

    def on_resize(self) -> None:
        self.paint()

    def watch_whole(self) -> None:
        if self.is_mounted:
            self.paint()

    @property
    def compares(self) -> bool:
        """Whether several runs are shown."""
        return len(self._rows) > 1

    def show(self, rows: Sequence[Row]) -> None:
        """Show the settings of these runs; hidden, it only takes note of them."""
        if list(rows) != self._rows:
            self._rows = list(rows)
            self._settings, self._search = [], []
            self.paint()

    def paint(self) -> None:
        """Show the settings that differ, or all, if there is room for the pane."""
        table = self.query_one(SettingsTable)
        room = table.size.width
        if not self.display or room < 1:
            return
        if not self._settings and self._rows:
            self._settings = compare([row.facts for row in self._rows])
            self._search = [searchable([setting.name, *setting.texts]) for setting in self._settings]
        several = self.compares
        shown = self._settings if self.whole or not several else different(self._settings)
        terms = self.terms
        found = [each for each, search in zip(self._settings, self._search, strict=True) if terms.match(search)]
        found = [setting for setting in found if setting in shown]
        self.filter_line.count(len(found), len(shown))
        table.show(self._headings(found, room), [_line(setting, several and self.whole) for setting in found])
        self._tell(several, len(self._settings) - len(shown))

    def _tell(self, several: bool, hidden: int) -> None:
        if not self._rows:
            text = "The settings of the run under the cursor are shown here."
        elif not several:
            text = "Mark two runs (space) to compare them."
        elif self.whole:
            text = "All settings · w: only what differs"
        else:
            text = f"What differs · w: also the {hidden} settings that are the same"
        title = self.query_one("#settings-title", Static)
        if str(title.content) != text:
            title.update(text)

    def _headings(self, settings: Sequence[Setting], room: int) -> list[Heading]:
        longest = max((len(setting.name) for setting in settings), default=0)
        names = min(longest, _NAMES if room >= _NARROW else room * 2 // 5)
        count = max(1, len(self._rows))
        each = max(4, (room - names) // count - GAP)
        if count == 1:  # values are short, as a rule: then whole names need no room of theirs
            widest = max((len(setting.texts[0]) for setting in settings), default=0)
            names = max(names, min(longest, room - GAP - widest))
            each = max(4, room - names - GAP)
        runs = [
            Heading(row.run.id, f"{SYMBOLS[row.state]} {row.run.number} {row.title}", each, chosen=True)
            for row in self._rows
        ]
        return [Heading("", "", names), *runs]

    @on(FilterLine.Changed)
    def _narrow(self, event: FilterLine.Changed) -> None:
        event.stop()
        self.paint()

    @on(Table.Highlighted)
    def _moved(self, event: Table.Highlighted) -> None:
        event.stop()

    @on(Table.Selected)
    def _show_whole(self, event: Table.Selected) -> None:
        event.stop()
        setting = next((each for each in self._settings if each.name == event.key), None)
        if setting:
            parts = [f"{row.run.id}\n  {text}" for row, text in zip(self._rows, setting.texts, strict=True)]
            self.app.push_screen(Details(setting.name, "\n\n".join(parts)))


def _line(setting: Setting, mark_differences: bool) -> Line:
    kind = "strong" if mark_differences and setting.differs else ""
    name = "group" if setting.result else "muted"
    return Line(setting.name, (setting.name, *setting.texts), (name, *(kind for _ in setting.texts)))

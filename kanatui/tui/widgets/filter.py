"""A line below a list that narrows it: `/` opens it, and each letter shows fewer lines at once."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

from rich.text import Text
from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.message import Message
from textual.widget import Widget
from textual.widgets import DataTable, Input, Static
from typing_extensions import override

from kanatui.kana.romaji import NAMES, spellings


def searchable(texts: Iterable[str]) -> str:
    """Return the text in which :meth:`Terms.match` looks for terms.

    Args:
        texts: all that a line shows. Kana are found by their romanised names, too.
    """
    plain = _plain("\0".join(texts))
    return plain + _romanised(plain)


def _plain(text: str) -> str:
    return unicodedata.normalize("NFKC", text).casefold()


def _romanised(text: str) -> str:
    """Return the names of all kana in a text: of a single one each of its names, of a word its letters."""
    words: list[str] = []
    word = ""
    for character in text + "\0":
        if character in NAMES:
            word += character
        elif word:
            words += spellings(word) if len(word) == 1 else ["".join(NAMES[kana] for kana in word)]
            word = ""
    return "".join(f"\0{name}" for name in words)


class Terms:
    """Words that a line must have, all of them, in any order and anywhere."""

    def __init__(self, text: str = "") -> None:
        self.words = tuple(_plain(text).split())

    def __bool__(self) -> bool:
        return bool(self.words)

    def match(self, line: str) -> bool:
        """Return whether a line has all words; ``line`` comes from :func:`searchable`."""
        return all(word in line for word in self.words)

    def among(self, lines: Sequence[str]) -> list[int]:
        """Return the indices of the lines that have all words."""
        return [index for index, line in enumerate(lines) if self.match(line)]


class FilterLine(Horizontal):
    """The words to look for, and how many lines have them. It is hidden while there are none."""

    class Changed(Message):
        """There are other words to look for."""

        def __init__(self, line: FilterLine, terms: Terms) -> None:
            super().__init__()
            self.line, self.terms = line, terms

        @property
        @override
        def control(self) -> FilterLine:
            return self.line

    def __init__(self, id: str | None = None) -> None:
        super().__init__(id=id)
        self.display = False
        self._input = _FilterInput(
            compact=True, select_on_focus=False, placeholder="words · enter keeps them · esc shows all"
        )
        self._count = Static("", classes="filter-count", markup=False)
        self._back: Widget | None = None
        self._told = ""

    @override
    def compose(self) -> ComposeResult:
        yield Static("/", classes="filter-sign")
        yield self._input
        yield self._count

    @property
    def text(self) -> str:
        """The words as they were typed."""
        return self._input.value

    @property
    def terms(self) -> Terms:
        """The words to look for."""
        return Terms(self._input.value)

    def open(self) -> None:
        """Take the keys, from the very next one on."""
        focused = self.screen.focused
        if focused is not self._input:
            self._back = focused
        self.display = True
        self._input.listens = True
        # Not `focus()`, which waits for a message: by then the next letters of a burst would be keys of the screen.
        self.screen.set_focus(self._input)

    def close(self) -> None:
        """Give the keys back to the list; the words stay, and hide what they do not match."""
        self.display = bool(self.text.strip())
        if self._back is not None and self._back.is_attached and self.screen.focused is self._input:
            self.screen.set_focus(self._back)

    def clear(self) -> None:
        """Show all lines again."""
        self._input.value = ""
        self._input.listens = False
        self._change()
        self.close()

    def count(self, shown: int, total: int) -> None:
        """Show how many lines there are: ``7 of 71``."""
        text = f"{shown:,} of {total:,}"
        if text != str(self._count.content):
            self._count.update(text)
        self._count.set_class(shown == 0, "none")

    def _change(self) -> None:
        if self.text != self._told:
            self._told = self.text
            self.post_message(self.Changed(self, self.terms))

    @on(Input.Changed)
    def _typed(self, event: Input.Changed) -> None:
        event.stop()
        # The last letters of a burst may come after the enter that closed the line.
        self.display = bool(self.text.strip()) or self.screen.focused is self._input
        self._change()


class _FilterInput(Input):
    """The field of a filter. Enter keeps its words, escape shows all lines again."""

    BINDINGS: ClassVar[list[BindingType]] = [
        # Before all other keys, because a burst may hold keys of the list after it.
        Binding("enter", "keep", "Keep", priority=True, tooltip="Back to the list, which stays narrowed"),
        Binding("down,up,tab", "keep", show=False, priority=True),
        Binding("escape", "drop", "Show all", tooltip="Show all lines again"),
    ]

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.listens = False
        """False once escape was pressed: what was typed behind it is no part of the words."""

    def on_key(self, event: events.Key) -> None:
        """Take keys in their order, and none that arrives after escape, until the list has the keys.

        A key that is bound to an action comes back here only after the letters behind it.
        """
        if self.listens and event.key == "escape":
            self.action_drop()
        elif self.listens and event.key == "backspace":
            self.action_delete_left()
        elif self.listens:
            return
        event.stop()
        event.prevent_default()

    def _line(self) -> FilterLine:
        line = self.parent
        assert isinstance(line, FilterLine)
        return line

    def action_keep(self) -> None:
        self._line().close()

    def action_drop(self) -> None:
        self._line().clear()


class Filterable(Widget):
    """What holds a list and a :class:`FilterLine`. A subclass shows fewer lines when there are other words.

    It comes after a container among the bases: Textual takes the styles of the first base only.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        # Before the focused widget's own keys: the next letter of a burst must find the line open.
        Binding("slash", "filter", "Filter", key_display="/", priority=True, tooltip="Show only lines with some words"),
        Binding("escape", "show_all", "Show all", show=False, tooltip="Show all lines of the list again"),
    ]

    @property
    def filter_line(self) -> FilterLine:
        """Where the words are typed."""
        return self.query_one(FilterLine)

    @property
    def terms(self) -> Terms:
        """The words to look for; none before the line is composed."""
        for line in self.query(FilterLine):
            return line.terms
        return Terms()

    def action_filter(self) -> None:
        """Type words that lines must have."""
        self.filter_line.open()

    def action_show_all(self) -> None:
        """Forget the words."""
        self.filter_line.clear()

    @override
    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Leave `/` to fields that are being typed in, and escape to the screen while nothing is hidden."""
        if action == "filter":
            return not isinstance(self.screen.focused, Input)
        if action == "show_all":
            return bool(self.terms)
        return super().check_action(action, parameters)


class FilteredTable(DataTable[Text]):
    """A table with a cursor on a row, which shows only the rows that have some words."""

    def __init__(self, **options: Any) -> None:
        super().__init__(cursor_type="row", **options)
        self._rows: list[tuple[str, list[Text], str]] = []
        self._kept = ""
        self._terms = Terms()

    @property
    def row_key(self) -> str:
        """The key of the row under the cursor, "" if there is none."""
        row = self.ordered_rows[self.cursor_row] if self.row_count else None
        return row.key.value or "" if row else ""

    @property
    def counts(self) -> tuple[int, int]:
        """How many rows are shown, and how many there are, both without the one that is always shown."""
        always = any(key == self._kept for key, *_ in self._rows)
        return self.row_count - always, len(self._rows) - always

    def fill(self, rows: Iterable[tuple[str, Sequence[Text]]], kept: str = "") -> None:
        """Show other rows, of those columns that are there.

        Args:
            rows: the key and the cells of each.
            kept: the key of a row that is always shown.
        """
        self._kept = kept
        self._rows = [(key, list(cells), searchable(cell.plain for cell in cells)) for key, cells in rows]
        self._refill("")

    def narrow(self, terms: Terms) -> None:
        """Show only rows that have these words; the cursor stays on the same one where possible."""
        self._terms = terms
        self._refill(self.row_key)

    def _refill(self, here: str) -> None:
        self.clear()
        for key, cells, search in self._rows:
            if key == self._kept or self._terms.match(search):
                self.add_row(*cells, key=key)
        if here and here in self.rows:
            self.move_cursor(row=self.get_row_index(here))

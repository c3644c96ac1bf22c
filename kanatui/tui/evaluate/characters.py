"""The table of each character's scores, worst first, or sorted by any column."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.widgets import DataTable
from typing_extensions import override

from kanatui.kana.romaji import NAMES
from kanatui.model.metrics import PER_CHARACTER
from kanatui.tui.evaluate.results import whole_percent
from kanatui.tui.widgets.filter import Filterable, FilteredTable, FilterLine

if TYPE_CHECKING:
    from kanatui.evaluation.scores import Score, Scores

_COLUMNS = ("character", "images", *(metric.heading for metric in PER_CHARACTER), "misread as")

EVERY = "all"
"""The name of the row for all characters."""


def named(character: str) -> str:
    """Return a character with its romanised name, if it has one; "" stands for all characters."""
    return f"{character} {NAMES.get(character, '')}".rstrip() if character else EVERY


class CharacterTable(FilteredTable):
    """The table of characters. The worst is first; enter shows the misread images."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("right", "sort(1)", "Sort", key_display="←→", tooltip="Sort by the next column to the right or left"),
        Binding("left", "sort(-1)", "Sort by the column to the left", show=False),
        Binding("o", "reverse", "Reverse", show=False, tooltip="Reverse the order"),
    ]

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._by = ""
        """The column that the user sorts by, "" for the score that counts."""
        self._reversed = False
        self._shown: tuple[Scores, bool] | None = None

    @property
    def character(self) -> str:
        """The character under the cursor, "" for all."""
        return self.row_key

    def show(self, scores: Scores, folded: bool) -> None:
        """Show scores, with the cursor on the row of all characters; another order that the user chose stays.

        Args:
            scores: the scores.
            folded: order by the folded scores, and leave out misreadings between look-alikes.
        """
        self._shown = scores, folded
        self.clear(columns=True)
        ordered_by = self._by or ("folded" if folded else "strict")
        mark = "▾" if self._reversed else "▴"
        for label in _COLUMNS:
            self.add_column(f"{label} {mark}" if label == ordered_by else label, key=label)
        worst: dict[str, str] = {}
        for confusion in scores.confusions:
            if not (folded and confusion.folded):
                among = scores.per_character[confusion.truth].images
                worst.setdefault(
                    confusion.truth,
                    f"{confusion.read or 'nothing'} {confusion.count:,} ({whole_percent(confusion.count / among)})",
                )
        rows = [("", _cells("", scores.total, ""))]
        ordered = self._in_order(scores, folded, worst)
        rows += [(c, _cells(c, scores.per_character[c], worst.get(c, ""))) for c in ordered]
        self.fill(rows)

    def _in_order(self, scores: Scores, folded: bool, worst: Mapping[str, str]) -> list[str]:
        found = scores.per_character
        keys: dict[str, Callable[[str], Any]] = {
            "character": lambda character: list(found).index(character),
            "images": lambda character: found[character].images,
            "misread as": lambda character: worst.get(character, ""),
        } | {metric.heading: lambda character, key=metric.key: found[character][key] for metric in PER_CHARACTER}
        merit = sorted(found, key=lambda character: _merit(found[character], folded))
        ordered = sorted(merit, key=keys[self._by]) if self._by else merit
        return ordered[::-1] if self._reversed else ordered

    def action_sort(self, by: int) -> None:
        """Sort by the next column to the right (1) or left (-1)."""
        if self._shown:
            folded = self._shown[1]
            place = _COLUMNS.index(self._by or ("folded" if folded else "strict"))
            self._sort(_COLUMNS[(place + by) % len(_COLUMNS)])

    def action_reverse(self) -> None:
        """Reverse the order."""
        self._reversed = not self._reversed
        self._sort(self._by)

    def on_data_table_header_selected(self, event: DataTable.HeaderSelected) -> None:
        """Sort by the column that was clicked; in reverse if it is sorted by that already."""
        event.stop()
        chosen = event.column_key.value or ""
        if chosen == self._by:
            self._reversed = not self._reversed
        self._sort(chosen)

    def _sort(self, by: str) -> None:
        """Show the same scores in another order, with the cursor on the same character."""
        self._by = by
        if self._shown:
            character = self.character
            self.show(*self._shown)
            self.go_to(character)

    def go_to(self, character: str) -> None:
        """Move the cursor to a character, if it is there."""
        if character in self.rows:
            self.move_cursor(row=self.get_row_index(character))


class CharacterPane(Vertical, Filterable):
    """The list of characters. Words narrow it."""

    @override
    def compose(self) -> ComposeResult:
        yield CharacterTable(id="character-table")
        yield FilterLine(id="character-filter")

    def show(self, scores: Scores, folded: bool) -> None:
        """Show scores (:meth:`CharacterTable.show`)."""
        table = self.query_one(CharacterTable)
        table.show(scores, folded)
        self.filter_line.count(*table.counts)

    @on(FilterLine.Changed)
    def _narrow(self, event: FilterLine.Changed) -> None:
        event.stop()
        table = self.query_one(CharacterTable)
        table.narrow(event.terms)
        self.filter_line.count(*table.counts)


def _cells(character: str, score: Score, misread: str) -> list[Text]:
    figures = [Text(text, justify="right") for text in (f"{score.images:,}", *score.texts(PER_CHARACTER))]
    return [Text(named(character)), *figures, Text(misread)]


def _merit(score: Score, folded: bool) -> tuple[float, ...]:
    """Return a sort key that puts the worst first; ties are ordered by more images first."""
    first, second = ("folded", "strict") if folded else ("strict", "folded")
    return score[first], score[second], -score.images

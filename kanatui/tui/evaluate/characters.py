"""The table of each character's scores, worst first."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical
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
    """Scores of each character, the worst first. Enter shows the misread images."""

    @property
    def character(self) -> str:
        """The character under the cursor, "" for all."""
        return self.row_key

    def show(self, scores: Scores, folded: bool) -> None:
        """Show scores, with the cursor on the row of all characters.

        Args:
            scores: the scores.
            folded: order by the folded scores, and leave out misreadings between look-alikes.
        """
        self.clear(columns=True)
        ordered_by = "folded" if folded else "strict"
        for label in _COLUMNS:
            self.add_column(f"{label} ▴" if label == ordered_by else label)
        worst: dict[str, str] = {}
        for confusion in scores.confusions:
            if not (folded and confusion.folded):
                among = scores.per_character[confusion.truth].images
                worst.setdefault(
                    confusion.truth,
                    f"{confusion.read or 'nothing'} {confusion.count:,} ({whole_percent(confusion.count / among)})",
                )
        ranked = sorted(scores.per_character, key=lambda c: _merit(scores.per_character[c], folded))
        rows = [("", _cells("", scores.total, ""))]
        rows += [(c, _cells(c, scores.per_character[c], worst.get(c, ""))) for c in ranked]
        self.fill(rows)


class CharacterPane(Vertical, Filterable):
    """The table of characters, which words narrow."""

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

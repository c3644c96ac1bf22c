"""The table of each character's scores, worst first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.text import Text
from textual.widgets import DataTable

from kanatui.kana.romaji import NAMES
from kanatui.model.metrics import PER_CHARACTER
from kanatui.tui.evaluate.results import whole_percent

if TYPE_CHECKING:
    from kanatui.evaluation.scores import Score, Scores

_COLUMNS = ("character", "images", *(metric.heading for metric in PER_CHARACTER), "misread as")

EVERY = "all"
"""The name of the row for all characters."""


def named(character: str) -> str:
    """Return a character with its romanised name, if it has one; "" stands for all characters."""
    return f"{character} {NAMES.get(character, '')}".rstrip() if character else EVERY


class CharacterTable(DataTable[Text]):
    """Scores of each character, the worst first. Enter shows the misread images."""

    def __init__(self, **options: Any) -> None:
        super().__init__(cursor_type="row", **options)

    @property
    def character(self) -> str:
        """The character under the cursor, "" for all."""
        row = self.ordered_rows[self.cursor_row] if self.row_count else None
        return row.key.value or "" if row else ""

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
        self._add("", scores.total, "")
        for character in sorted(scores.per_character, key=lambda c: _merit(scores.per_character[c], folded)):
            self._add(character, scores.per_character[character], worst.get(character, ""))

    def go_to(self, character: str) -> None:
        """Move the cursor to a character, if it is there."""
        if character in self.rows:
            self.move_cursor(row=self.get_row_index(character))

    def _add(self, character: str, score: Score, misread: str) -> None:
        figures = [Text(text, justify="right") for text in (f"{score.images:,}", *score.texts(PER_CHARACTER))]
        self.add_row(Text(named(character)), *figures, Text(misread), key=character)


def _merit(score: Score, folded: bool) -> tuple[float, ...]:
    """Return a sort key that puts the worst first; ties are ordered by more images first."""
    first, second = ("folded", "strict") if folded else ("strict", "folded")
    return score[first], score[second], -score.images

"""The confusion map: a row for each true character, a column for each character read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from rich.cells import set_cell_size
from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Region, Size, Spacing
from textual.message import Message
from textual.reactive import reactive
from textual.scroll_view import ScrollView
from textual.strip import Strip
from typing_extensions import override

from kanatui.tui.evaluate.results import share_of
from kanatui.tui.taking import tabbed

if TYPE_CHECKING:
    from kanatui.evaluation.scores import Scores

_CELL = 3
"""Width of a cell in columns: a percentage, or a gap and a character two columns wide."""
_LABEL = 9
"""Columns for the row's character and its number of images."""
_HEATS = (50, 25, 10, 5, 1)
"""Per cent of a row's images from which a cell takes each shade; more than five could not be distinguished."""


class Confusions:
    """The data of the map, with the characters ordered so that the worst confusions come first, side by side."""

    def __init__(self, scores: Scores, folded: bool) -> None:
        """Order the confusions; ``folded`` counts look-alikes as the same."""
        self.images = {character: score.images for character, score in scores.per_character.items()}
        self.counts = {(confusion.truth, confusion.read): confusion.count for confusion in scores.confusions}
        self.counts |= {(character, character): images for character, images in self.images.items()}
        for confusion in scores.confusions:
            self.counts[confusion.truth, confusion.truth] -= confusion.count
        self.alike = {(confusion.truth, confusion.read) for confusion in scores.confusions if confusion.folded}
        self.ranked = [
            (confusion.truth, confusion.read) for confusion in scores.confusions if not (folded and confusion.folded)
        ]
        """The confusions that count as errors, most frequent first."""
        read = {confusion.read for confusion in scores.confusions}
        worst_first = [character for pair in self.ranked for character in pair if character]
        order = list(dict.fromkeys([*worst_first, *self.images, *(character for character in read if character)]))
        self.rows = [character for character in order if character in self.images]
        self.columns = [*order, *([""] if "" in read else [])]
        self.folded = folded

    def percent(self, truth: str, read: str) -> int:
        """Return how many per cent of ``truth``'s images were read as ``read``; at least 1 if any were."""
        count = self.counts.get((truth, read), 0)
        return max(1, round(100 * count / self.images[truth])) if count else 0

    def is_error(self, truth: str, read: str) -> bool:
        """Return whether a cell counts as wrong."""
        return truth != read and not (self.folded and (truth, read) in self.alike)

    def describe(self, truth: str, read: str) -> str:
        """Return a cell's meaning in words."""
        how = share_of(self.counts.get((truth, read), 0), self.images[truth])
        if truth == read:
            return f"{truth} read correctly: {how}"
        return f"{truth} read as {read or 'nothing'}: {how}" + (
            " · look-alikes, ~" if (truth, read) in self.alike else ""
        )


class ConfusionMap(ScrollView, can_focus=True):
    """The confusion map. Arrows move, n and p go to the next and previous worst confusion, enter shows the images."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left", "move(0, -1)", "Left", show=False),
        Binding("right", "move(0, 1)", "Right", show=False),
        Binding("up", "move(-1, 0)", "Up", show=False),
        Binding("down", "move(1, 0)", "Down", show=False),
        Binding("pageup", "page(-1)", "Page up", show=False),
        Binding("pagedown", "page(1)", "Page down", show=False),
        Binding("home", "edge(0)", "First column", show=False),
        Binding("end", "edge(-1)", "Last column", show=False),
        Binding("n", "worst(1)", "Next worst", tooltip="Go to the next most frequent confusion"),
        Binding("p", "worst(-1)", "Previous worst", show=False, tooltip="Go back to a more frequent confusion"),
        Binding("enter", "choose", "Images", tooltip="Show the images of this cell"),
    ]
    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "map--label",
        "map--here",
        "map--cursor",
        "map--none",
        "map--right",
        "map--alike",
        *(f"map--heat{heat}" for heat in _HEATS),
    }

    cursor: reactive[tuple[int, int]] = reactive((0, 0), always_update=True)
    """Row and column of the cell under the cursor."""

    class Highlighted(Message):
        """The cursor moved to another cell."""

        def __init__(self, truth: str, read: str, text: str) -> None:
            super().__init__()
            self.truth, self.read, self.text = truth, read, text

    class Selected(Message):
        """The user asked for the images of the cell under the cursor."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.confusions: Confusions | None = None
        """What is shown, None while the map is empty."""

    def show(self, data: Confusions | None) -> None:
        """Show confusions, with the cursor on the most frequent one."""
        self.confusions = data
        if data is None:
            self.virtual_size = Size(0, 0)
        else:
            self.virtual_size = Size(_LABEL + _CELL * len(data.columns), 1 + len(data.rows))
            self.cursor = self._place(*data.ranked[0]) if data.ranked else (0, 0)
        self.refresh()

    @property
    def cell(self) -> tuple[str, str] | None:
        """The true character and the reading under the cursor, None while the map is empty."""
        if self.confusions is None or not self.confusions.rows:
            return None
        row, column = self.cursor
        return self.confusions.rows[row], self.confusions.columns[column]

    @property
    def description(self) -> str:
        """The meaning of the cell under the cursor, in words."""
        return self.confusions.describe(*self.cell) if self.confusions and self.cell else ""

    def copied(self) -> str:
        """Return the confusions as a table, the most frequent first."""
        if self.confusions is None:
            return ""
        data = self.confusions
        rows = [["truth", "read as", "images", "of"]]
        for truth, read in data.ranked:
            rows.append([truth, read or "nothing", str(data.counts[truth, read]), str(data.images[truth])])
        return tabbed(rows)

    def go_to(self, cell: tuple[str, str] | None) -> None:
        """Move the cursor to a cell, by its true character and its reading, if it is there."""
        if cell and self.confusions and cell[0] in self.confusions.rows and cell[1] in self.confusions.columns:
            self.cursor = self._place(*cell)

    def _place(self, truth: str, read: str) -> tuple[int, int]:
        assert self.confusions
        return self.confusions.rows.index(truth), self.confusions.columns.index(read)

    # ── drawing ───────────────────────────────────────────────────────────────────────────────────────────────────

    @override
    def render_line(self, y: int) -> Strip:
        """Return the heading (fixed at the top) or a row, with its label fixed at the left."""
        width, data = self.size.width, self.confusions
        row = self.scroll_offset.y + y - 1
        if data is None or row >= len(data.rows):
            return Strip.blank(width, self.rich_style)
        first, offset = divmod(self.scroll_offset.x, _CELL)
        shown = range(first, min(len(data.columns), first + width // _CELL + 2))
        if y == 0:
            label, cells = self._segment("read as →", "map--label"), [self._heading(column) for column in shown]
        else:
            label, cells = self._row_label(row), [self._cell(row, column) for column in shown]
        cells_seen = Strip(cells).crop(offset, offset + max(0, width - _LABEL))
        return Strip([label, *cells_seen]).adjust_cell_length(width, self.rich_style)

    def _segment(self, text: str, kind: str) -> Segment:
        return Segment(text, self._style(kind))

    def _style(self, kind: str) -> Style:
        return self.get_component_rich_style(kind)

    def _heading(self, column: int) -> Segment:
        assert self.confusions
        text = set_cell_size(self.confusions.columns[column] or "–", _CELL - 1)
        return self._segment(f" {text}", "map--here" if column == self.cursor[1] else "map--label")

    def _row_label(self, row: int) -> Segment:
        assert self.confusions
        character = self.confusions.rows[row]
        mark = ">" if row == self.cursor[0] else " "
        text = f"{mark}{set_cell_size(character, 2)}{self.confusions.images[character]:>5,} "
        return self._segment(set_cell_size(text, _LABEL), "map--here" if row == self.cursor[0] else "map--label")

    def _cell(self, row: int, column: int) -> Segment:
        assert self.confusions
        data = self.confusions
        truth, read = data.rows[row], data.columns[column]
        share = data.percent(truth, read)
        alike = (truth, read) in data.alike
        # The number says as much as the shade, and ~ marks look-alikes, so nothing depends on colour.
        text = f"~{min(share, 99):>2}" if alike else f"{share:>3}" if share else "  ·"
        if (row, column) == self.cursor:
            return self._segment(text if share else " []", "map--cursor")
        if not share:
            return self._segment(text, "map--none")
        if not data.is_error(truth, read):
            return self._segment(text, "map--alike" if alike else "map--right")
        return self._segment(text, f"map--heat{next(heat for heat in _HEATS if share >= heat)}")

    # ── moving ────────────────────────────────────────────────────────────────────────────────────────────────────

    def watch_cursor(self, old: tuple[int, int], new: tuple[int, int]) -> None:
        """Repaint the lines that changed, keep the cursor visible and post :class:`Highlighted`."""
        if self.confusions is None or not self.confusions.rows:
            return
        for line in (0, old[0] + 1 - self.scroll_offset.y, new[0] + 1 - self.scroll_offset.y):
            if 0 <= line < self.size.height:
                self.refresh(Region(0, line, self.size.width, 1))
        self._keep_in_sight()
        row, column = new
        truth, read = self.confusions.rows[row], self.confusions.columns[column]
        self.post_message(self.Highlighted(truth, read, self.confusions.describe(truth, read)))

    def _keep_in_sight(self) -> None:
        # Without a size, the map would scroll away from its start.
        if self.size.width > _LABEL:
            row, column = self.cursor
            here = Region(_LABEL + column * _CELL, row + 1, _CELL, 1)
            self.scroll_to_region(here, spacing=Spacing(1, 0, 0, _LABEL), animate=False, force=True)

    def on_resize(self) -> None:
        self._keep_in_sight()

    def action_move(self, down: int, across: int) -> None:
        """Move the cursor within the map."""
        if self.confusions and self.confusions.rows:
            row, column = self.cursor[0] + down, self.cursor[1] + across
            self.cursor = (
                max(0, min(row, len(self.confusions.rows) - 1)),
                max(0, min(column, len(self.confusions.columns) - 1)),
            )

    def action_page(self, direction: int) -> None:
        """Move the cursor by the number of visible rows."""
        self.action_move(direction * max(1, self.size.height - 2), 0)

    def action_edge(self, place: int) -> None:
        """Go to the row's first (0) or last (-1) cell."""
        if self.confusions and self.confusions.rows:
            self.cursor = (self.cursor[0], place % len(self.confusions.columns))

    def action_worst(self, direction: int) -> None:
        """Go to the confusion next in frequency; from a cell that is no confusion, to the most frequent one."""
        if self.confusions and self.confusions.ranked and self.cell:
            ranked = self.confusions.ranked
            at = ranked.index(self.cell) + direction if self.cell in ranked else 0
            self.cursor = self._place(*ranked[max(0, min(at, len(ranked) - 1))])

    def action_choose(self) -> None:
        if self.cell:
            self.post_message(self.Selected())

    def on_click(self, event: events.Click) -> None:
        if self.confusions is None or event.y < 1 or event.x < _LABEL:
            return
        row = event.y - 1 + self.scroll_offset.y
        column = (event.x - _LABEL + self.scroll_offset.x) // _CELL
        if row < len(self.confusions.rows) and column < len(self.confusions.columns):
            self.cursor = (row, column)

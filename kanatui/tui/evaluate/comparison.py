"""The panel that compares two runs: which images only one of them reads correctly."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.message import Message
from textual.widgets import DataTable, Label, Select, Static
from typing_extensions import override

from kanatui.core.units import percent
from kanatui.tui.evaluate.characters import named
from kanatui.tui.evaluate.results import MOST_SHOWN, LoadedEvaluation, Selection, SheetImage, opinion, surely
from kanatui.tui.widgets.filter import Filterable, FilteredTable, FilterLine
from kanatui.tui.widgets.picklist import PickList

if TYPE_CHECKING:
    from kanatui.evaluation.compare import Comparison


class ComparePanel(Vertical, Filterable):
    """The second run, and how the two differ for each character."""

    class Chosen(Message):
        """The user chose another second run, "" for none."""

        def __init__(self, run: str) -> None:
            super().__init__()
            self.run = run

    class Highlighted(Message):
        """The cursor moved to another character, "" for all."""

        def __init__(self, character: str) -> None:
            super().__init__()
            self.character = character

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.comparison: Comparison | None = None
        self._pair: tuple[LoadedEvaluation, LoadedEvaluation] | None = None
        self._options: list[tuple[str, str]] = []

    @override
    def compose(self) -> ComposeResult:
        second = PickList[str]([], prompt="choose a second run", id="second", compact=True)
        second.tooltip = "with: the run to compare with, on the same images; typing narrows the list · no default"
        with Horizontal(classes="choices"):
            yield Label("With", classes="label")
            yield second
        yield Static("", id="difference", markup=False)
        table = FilteredTable(id="differences")
        for label in ("character", "images", "only A", "only B", "A right", "B right"):
            table.add_column(label)
        yield table
        yield FilterLine(id="differences-filter")

    @property
    def table(self) -> FilteredTable:
        """The table of how the runs differ for each character."""
        return self.query_one("#differences", FilteredTable)

    @property
    def character(self) -> str:
        """The character under the cursor, "" for all."""
        return self.table.row_key

    @property
    def second(self) -> str:
        """The second run, "" if none is chosen."""
        value = self.query_one("#second", Select).value
        return value if isinstance(value, str) else ""

    @property
    def at_choice(self) -> bool:
        """Whether the choice of the second run has the focus and its list is closed."""
        select = self.query_one("#second", Select)
        return select.has_focus and not select.expanded

    def offer(self, options: list[tuple[str, str]]) -> None:
        """Offer runs as (text, id); keep the choice if it is still offered."""
        if options == self._options:
            return
        select, chosen = self.query_one("#second", Select), self.second
        self._options = options
        select.set_options(options)
        if chosen in [id for _, id in options]:
            select.value = chosen

    def say(self, text: str) -> None:
        """Show a text instead of a comparison."""
        self.comparison = self._pair = None
        self.table.fill([])
        self.query_one("#difference", Static).update(text)

    def show(self, comparison: Comparison, first: LoadedEvaluation, second: LoadedEvaluation, folded: bool) -> None:
        """Show a comparison, with the characters that differ most first."""
        self.comparison, self._pair = comparison, (first, second)
        shares = comparison.shares(folded)
        whole = shares.pop("")
        self.query_one("#difference", Static).update(
            f"A = {first.evaluation.run}, B = {second.evaluation.run}, {'folded' if folded else 'strict'}: "
            f"both right {whole.both:,} · only A {whole.only_first:,} · only B {whole.only_second:,} · "
            f"neither {whole.neither:,}"
        )
        here = self.character
        ranked = sorted(
            shares.items(),
            key=lambda item: (
                -abs(item[1].only_first - item[1].only_second),
                -item[1].only_first - item[1].only_second,
            ),
        )
        rows: list[tuple[str, list[Text]]] = []
        for character, share in [("", whole), *ranked]:
            right = [share.both + only for only in (share.only_first, share.only_second)]
            figures = (f"{share.images:,}", f"{share.only_first:,}", f"{share.only_second:,}")
            shares_right = [percent(count / max(share.images, 1)) for count in right]
            cells = [Text(text, justify="right") for text in (*figures, *shares_right)]
            rows.append((character, [Text(named(character)), *cells]))
        self.table.fill(rows)
        if here in self.table.rows:
            self.table.move_cursor(row=self.table.get_row_index(here))
        self.filter_line.count(*self.table.counts)

    @on(FilterLine.Changed)
    def _narrow(self, event: FilterLine.Changed) -> None:
        event.stop()
        self.table.narrow(event.terms)
        self.filter_line.count(*self.table.counts)

    def differing(self, character: str, folded: bool) -> Selection:
        """Select the images of a character, "" for all, that only one run reads correctly."""
        if self.comparison is None or self._pair is None:
            return Selection("", [], 0)
        pairs = self.comparison.differing(character, folded)
        share = self.comparison.shares(folded)[character]
        about = f"{named(character)}: only A right {share.only_first:,}, only B right {share.only_second:,}"
        images = [self._sheet_image(*pair, folded) for pair in pairs[:MOST_SHOWN]]
        return Selection(f"{about} of {share.images:,}", images, len(pairs))

    def _sheet_image(self, one: int, other: int, folded: bool) -> SheetImage:
        assert self._pair
        first, second = self._pair
        truth, first_right = first.predictions.truth(one), first.predictions.right(folded)[one]
        wrong = ("B", second.predictions, other) if first_right else ("A", first.predictions, one)
        caption = f"{truth} {wrong[0]}:{surely(*wrong[1].reading(wrong[2], folded))}"
        opinions = (
            opinion(first.predictions, one, f"A, {first.evaluation.run},"),
            opinion(second.predictions, other, f"B, {second.evaluation.run},"),
        )
        return SheetImage(one, truth, caption, first.origin(one), opinions)

    def on_select_changed(self, event: Select.Changed) -> None:
        event.stop()
        self.post_message(self.Chosen(self.second))

    def on_data_table_row_highlighted(self, event: DataTable.RowHighlighted) -> None:
        event.stop()
        if self.comparison:
            self.post_message(self.Highlighted(event.row_key.value or ""))

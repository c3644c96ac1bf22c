"""The reliability diagram: how often the model was right at each of its probabilities."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from rich.text import Text
from textual import events
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.message import Message
from textual.widgets import DataTable, Static
from typing_extensions import override

from kanatui.tui.evaluate.results import whole_percent
from kanatui.tui.host import host
from kanatui.tui.widgets.axis import Axis
from kanatui.tui.widgets.figure import Curve
from kanatui.tui.widgets.plot import Plot

if TYPE_CHECKING:
    from kanatui.model.metrics import Bin

_BAR = 20
"""Width of the bar for 100 %, in columns."""

_HIGH_ENOUGH = 28
"""Lines from which there is room for the diagram above its table."""

_PERCENT = Axis(0.0, 100.0)
_COLUMNS = ("probability", "images", "mean", "right", "gap", "right (|: mean)")


class ReliabilityPanel(Vertical):
    """The reliability diagram, and its bins as a table."""

    class Highlighted(Message):
        """The cursor moved to another bin."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._bins: Sequence[Bin] = ()

    @override
    def compose(self) -> ComposeResult:
        yield Plot(id="diagram")
        table: DataTable[Text] = DataTable(id="bins", cursor_type="row")
        for label in _COLUMNS:
            table.add_column(label)
        yield table
        yield Static("Above the line it is right more often than it says, below it less often.", id="reading")

    @property
    def table(self) -> DataTable[Text]:
        """The table of the bins."""
        return self.query_one("#bins", DataTable)

    @property
    def bin(self) -> int | None:
        """Which bin is under the cursor, None while there is none."""
        row = self.table.ordered_rows[self.table.cursor_row] if self.table.row_count else None
        return int(row.key.value or 0) if row else None

    def show(self, bins: Sequence[Bin]) -> None:
        """Show other bins, the surest first; those without images are left out."""
        self._bins = bins
        self._draw()
        self.table.clear()
        for place, each in reversed(list(enumerate(bins))):
            if each.images:
                figures = (
                    f"{100 * each.low:.0f} … {100 * each.high:.0f} %",
                    f"{each.images:,}",
                    whole_percent(each.confidence),
                    whole_percent(each.accuracy),
                    f"{100 * each.gap:+.0f}",
                )
                cells = [Text(text, justify="right") for text in figures]
                self.table.add_row(*cells, Text(self._bar(each)), key=str(place))

    def on_resize(self, event: events.Resize) -> None:
        self.query_one(Plot).display = event.size.height >= _HIGH_ENOUGH

    def _bar(self, each: Bin) -> str:
        """Draw the share that was right, with a mark at the mean probability."""
        full, mark = ("#", "|") if host(self).ascii else ("█", "│")
        cells = (full * round(_BAR * each.accuracy)).ljust(_BAR)
        place = min(_BAR - 1, round(_BAR * each.confidence))
        return f"{cells[:place]}{mark}{cells[place + 1 :]}"

    def _draw(self) -> None:
        """Draw the outline of a bar for each bin, and the line on which probabilities hold."""
        dark = self.app.current_theme.dark
        xs, ys = [], []
        for each in self._bins:
            xs += [100 * each.low, 100 * each.low, 100 * each.high, 100 * each.high]
            ys += [0.0, 100 * each.accuracy, 100 * each.accuracy, 0.0]
        diagonal = Curve([0.0, 100.0], [0.0, 100.0], "#888888", trail=".", pattern=(2, 2))
        bars = Curve(xs, ys, "#56B4E9" if dark else "#0A6A9E")
        self.query_one(Plot).show([bars, diagonal], [], _PERCENT, _PERCENT, host(self).ascii)

    def on_data_table_row_highlighted(self, event: DataTable.RowHighlighted) -> None:
        event.stop()
        self.post_message(self.Highlighted())

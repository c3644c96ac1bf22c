"""What stands beside the board: what was asked for, and the five likeliest characters with bar and picture."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.message import Message
from textual.widgets import Static
from typing_extensions import override

from kanatui.core.units import percent
from kanatui.kana.alphabet import FOLD
from kanatui.kana.romaji import name_of
from kanatui.tui.draw.picture import Picture

if TYPE_CHECKING:
    from kanatui.evaluation.samples import Tally
    from kanatui.pictures.drawing import Pixels
    from kanatui.tui.draw.practice import Practice

PLACES = 5
"""How many readings there is room for."""

_BAR = 20


@dataclasses.dataclass(frozen=True)
class Reading:
    """One reading, as the engine gives it (:class:`kanatui.evaluation.recognize.Reading`, whose module needs torch)."""

    character: str
    probability: float
    folded: float


class ReadingRow(Horizontal):
    """One reading: its picture, and beside it number, character, name, probability and bar."""

    class Clicked(Message):
        """The reading was clicked."""

        def __init__(self, place: int) -> None:
            super().__init__()
            self.place = place
            """Its number, from 1."""

    def __init__(self, place: int) -> None:
        super().__init__()
        self._place = place

    @override
    def compose(self) -> ComposeResult:
        yield Picture()
        yield Static("", classes="text")

    def on_click(self) -> None:
        self.post_message(self.Clicked(self._place))

    def show(self, read: Reading | None, picture: Pixels | None, alike: str, joined: bool) -> None:
        """Show a reading, or none.

        Args:
            read: the reading.
            picture: its glyph, uint8 [H, W].
            alike: the characters that look the same.
            joined: whether the row above looks the same too.
        """
        self.query_one(Picture).show(picture)
        self.query_one(".text", Static).update(self._text(read, alike, joined) if read else "")

    def _text(self, read: Reading, alike: str, joined: bool) -> Content:
        cells = _BAR * read.probability
        bar = "█" * int(cells) + ("▌" if cells % 1 >= 0.5 else "") or "▏"
        together = f"≈ {alike}, together {percent(read.folded)}" if alike and not joined else ""
        first = Content.assemble(
            (f"{self._place} ", "bold $accent"),
            (read.character, "bold"),
            f" {name_of(read.character)}  {percent(read.probability)}",
        )
        second = Content.assemble((bar, "$primary"))
        third = Content.styled("↑ looks the same" if joined else together, "$text-muted")
        return Content("\n").join([first, second, third])


class ReadingsPanel(Vertical):
    """The five likeliest characters."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.shown: list[Reading] = []
        """The readings on show, the likeliest first."""
        self.pictures: Mapping[str, Pixels] = {}
        """A picture of each character that has one."""
        self.known = ""
        """The characters of the model."""

    @override
    def compose(self) -> ComposeResult:
        """Give a line for what is to be said, and a row for each place."""
        yield Static("", id="note", markup=False)
        for place in range(1, PLACES + 1):
            yield ReadingRow(place)

    @property
    def look_alike(self) -> str:
        """The character that looks like the first reading, "" if there is none."""
        return self._alike(self.shown[0].character)[:1] if self.shown else ""

    def show(self, readings: Sequence[Reading]) -> None:
        """Show other readings."""
        self.shown = list(readings)
        shapes = [_shape(read.character) for read in self.shown]
        for place, row in enumerate(self.query(ReadingRow)):
            read = self.shown[place] if place < len(self.shown) else None
            picture = self.pictures.get(read.character) if read else None
            joined = 0 < place < len(shapes) and shapes[place] == shapes[place - 1]
            row.show(read, picture, self._alike(read.character) if read else "", joined)

    def say(self, text: str) -> None:
        """Say something above the readings; "" for nothing."""
        note = self.query_one("#note", Static)
        note.update(text)
        note.display = bool(text)

    def _alike(self, character: str) -> str:
        return "".join(c for c in self.known if c != character and _shape(c) == _shape(character))


def _shape(character: str) -> str:
    return FOLD.get(character, character)


class PracticePrompt(Horizontal):
    """The character that practice asks for."""

    @override
    def compose(self) -> ComposeResult:
        yield Picture()
        yield Static("", classes="text", markup=False)

    def show(self, character: str, picture: Pixels | None, tally: Tally, practice: Practice) -> None:
        """Ask for a character; "" for none."""
        self.display = bool(character)
        self.query_one(Picture).show(picture)
        kept = f"{tally.kept} kept" + (f", {tally.misread} misread" if tally.misread else "")
        text = f"Draw {character} {name_of(character)}\n{kept}\n{practice.value}\nenter keeps · n next"
        self.query_one(".text", Static).update(text)

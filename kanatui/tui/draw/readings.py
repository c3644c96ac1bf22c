"""The panel beside the board: practice's prompt, and the five most likely characters with bar and picture."""

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
"""The number of readings shown."""

_BAR = 20


@dataclasses.dataclass(frozen=True)
class Reading:
    """One reading from the engine; like :class:`kanatui.evaluation.recognize.Reading`, whose module imports torch."""

    character: str
    probability: float
    folded: float


class ReadingRow(Horizontal):
    """One reading: its picture, number, character, name, probability and bar."""

    class Clicked(Message):
        """The user clicked the reading."""

        def __init__(self, place: int) -> None:
            super().__init__()
            self.place = place
            """The reading's number, from 1."""

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
        """Show a reading, or nothing.

        Args:
            read: the reading; None empties the row.
            picture: its glyph, uint8 [H, W].
            alike: the reading's look-alikes.
            joined: whether the row above shows a look-alike.
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
    """The five most likely characters."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.shown: list[Reading] = []
        """The readings shown, best first."""
        self.pictures: Mapping[str, Pixels] = {}
        """The pictures by character, uint8 [H, W] each."""
        self.known = ""
        """The model's characters."""

    @override
    def compose(self) -> ComposeResult:
        yield Static("", id="note", markup=False)
        for place in range(1, PLACES + 1):
            yield ReadingRow(place)

    @property
    def look_alike(self) -> str:
        """The first reading's look-alike, "" if there is none."""
        return self._alike(self.shown[0].character)[:1] if self.shown else ""

    def show(self, readings: Sequence[Reading]) -> None:
        """Show readings, best first, and empty the remaining rows."""
        self.shown = list(readings)
        shapes = [_shape(read.character) for read in self.shown]
        for place, row in enumerate(self.query(ReadingRow)):
            read = self.shown[place] if place < len(self.shown) else None
            picture = self.pictures.get(read.character) if read else None
            joined = 0 < place < len(shapes) and shapes[place] == shapes[place - 1]
            row.show(read, picture, self._alike(read.character) if read else "", joined)

    def say(self, text: str) -> None:
        """Show a text above the readings; "" for none."""
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
        """Ask for a character; "" hides the prompt."""
        self.display = bool(character)
        self.query_one(Picture).show(picture)
        kept = f"{tally.kept} kept" + (f", {tally.misread} misread" if tally.misread else "")
        keys = "enter keeps · n next\ng traces · p switches"
        self.query_one(".text", Static).update(
            f"Draw {character} {name_of(character)}\n{kept}\n{practice.value}\n{keys}"
        )

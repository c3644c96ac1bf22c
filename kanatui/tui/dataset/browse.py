"""The dialog that shows many images page by page: those of a data set, or all glyphs of a face."""

from __future__ import annotations

import dataclasses
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Label, Static
from typing_extensions import override

from kanatui.core.errors import KanatuiError, Superseded
from kanatui.kana.romaji import parse_typed
from kanatui.tui.dataset.zoom import GlyphZoom
from kanatui.tui.widgets.dialogs import Ask
from kanatui.tui.widgets.glyphs import GlyphSheet
from kanatui.tui.widgets.keybar import KeyBar

if TYPE_CHECKING:
    from kanatui.dataset.read import Dataset


@dataclasses.dataclass(frozen=True)
class Page:
    """Some images in a row."""

    images: Any
    """uint8 [n, H, W]."""
    captions: Sequence[str]
    titles: Sequence[str]
    """One line about each image."""


@dataclasses.dataclass(frozen=True)
class Album:
    """Images to look through, in order of their characters."""

    title: str
    characters: str
    starts: Sequence[int]
    """The number of each character's first image, and how many images there are."""
    page: Callable[[int, int], Awaitable[Page]]
    """Returns the images from one number up to another, exclusive."""

    def __len__(self) -> int:
        return self.starts[-1]


class Browser(ModalScreen[None]):
    """An album's images, a page at a time."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("pagedown,n", "turn(1)", "Next page", key_display="n", priority=True),
        Binding("pageup,p", "turn(-1)", "Previous page", key_display="p", priority=True),
        Binding("right_square_bracket", "character(1)", "Next character", key_display="]"),
        Binding("left_square_bracket", "character(-1)", "Previous", key_display="[", show=False),
        Binding("j", "jump", "Jump", tooltip="Go to a character: か, ka, KA, U+304B"),
        Binding("escape,q", "dismiss(None)", "Close", key_display="esc"),
    ]

    def __init__(self, album: Album) -> None:
        super().__init__()
        self._album = album
        self._first = 0
        """The number of the first image on this page."""
        self._page: Page | None = None

    @override
    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog wide"):
            yield Label(self._album.title, classes="title", markup=False)
            yield GlyphSheet("…")
            yield Static("", id="browse-about", markup=False)
            yield KeyBar()

    def on_mount(self) -> None:
        self.query_one(GlyphSheet).focus()

    @on(GlyphSheet.Resized)
    def _load(self) -> None:
        self._go(self._first)

    @work(exclusive=True, group="page")
    async def _go(self, first: int) -> None:
        """Show the page that begins with an image, and put the cursor on it."""
        sheet = self.query_one(GlyphSheet)
        first = max(0, min(first, len(self._album) - 1))
        end = min(first + max(1, sheet.fitting), len(self._album))
        try:
            page = await self._album.page(first, end)
        except Superseded:
            return
        except KanatuiError as error:
            sheet.say(str(error))
            return
        self._first, self._page = first, page
        sheet.show(page.images, page.captions)
        sheet.cursor = 0
        self._tell()

    @on(GlyphSheet.Highlighted)
    def _tell(self) -> None:
        if self._page is None or not len(self._page.titles):
            return
        place = min(self.query_one(GlyphSheet).cursor, len(self._page.titles) - 1)
        number = f"{self._first + place + 1:,} of {len(self._album):,}"
        self.query_one("#browse-about", Static).update(f"{number} · {self._page.titles[place]}")

    def action_turn(self, by: int) -> None:
        """Go to the next page, or back."""
        fitting = max(1, self.query_one(GlyphSheet).fitting)
        wanted = self._first + by * fitting
        if -fitting < wanted < len(self._album):
            self._go(wanted)

    def _label(self) -> int:
        number = self._first + self.query_one(GlyphSheet).cursor
        return max(0, sum(start <= number for start in self._album.starts[:-1]) - 1)

    def action_character(self, by: int) -> None:
        """Go to the first image of the next character, or of the one before."""
        label = self._label() + by
        if 0 <= label < len(self._album.characters):
            self._go(self._album.starts[label])

    @work
    async def action_jump(self) -> None:
        """Ask for a character and go to its first image."""
        typed = await self.app.push_screen_wait(Ask("Which character? (か, ka, KA, U+304B)", check=self._wrong))
        if typed is not None:
            self._go(self._album.starts[self._album.characters.index(parse_typed(typed))])

    def _wrong(self, text: str) -> str:
        try:
            character = parse_typed(text)
        except ValueError as error:
            return str(error)
        return "" if character in self._album.characters else f"{character} is not in {self._album.title}"

    @on(GlyphSheet.Selected)
    @work
    async def _zoom(self, event: GlyphSheet.Selected) -> None:
        if self._page is not None:
            last = await self.app.push_screen_wait(GlyphZoom(self._page.images, self._page.titles, event.index))
            event.sheet.cursor = last if last is not None else event.index


def stored(name: str, data: Dataset) -> Album:
    """Return an album of a written data set; only the images of a page are read."""
    import asyncio

    async def page(first: int, end: int) -> Page:
        return await asyncio.to_thread(_read, data, first, end)

    return Album(f"data set {name}", data.characters, data.offsets.tolist(), page)


def _read(data: Dataset, first: int, end: int) -> Page:
    import numpy as np

    indices = np.arange(first, end)
    characters = [data.characters[label] for label in data.labels(indices)]
    faces = [data.face_ids[face] for face in data.faces(indices)]
    titles = [
        f"{_named(character)} · {face} · {placed}"
        for character, face, placed in zip(characters, faces, data.placements(indices), strict=True)
    ]
    return Page(data.images(indices), [f"{c} {face}" for c, face in zip(characters, faces, strict=True)], titles)


def of_face(face: str, characters: str, images: Any) -> Album:
    """Return an album of one face's glyphs.

    Args:
        face: its id.
        characters: what is drawn.
        images: uint8 [n, H, W], one for each character.
    """

    async def page(first: int, end: int) -> Page:
        shown = characters[first:end]
        return Page(images[first:end], [_named(c) for c in shown], [f"{_named(c)} · {face}" for c in shown])

    return Album(face, characters, range(len(characters) + 1), page)


def _named(character: str) -> str:
    return f"{character}  U+{ord(character):04X}"

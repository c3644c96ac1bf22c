"""Pictures of lines and pages: read them, walk the characters, correct them and keep them as samples."""

from __future__ import annotations

import asyncio
import dataclasses
import os
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
from rich.segment import Segment
from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.strip import Strip
from textual.widget import Widget
from textual.widgets import Static
from typing_extensions import override

from kanatui.core import paths
from kanatui.core.errors import KanatuiError, Superseded
from kanatui.core.units import counted
from kanatui.evaluation import samples
from kanatui.kana.romaji import name_of, parse_typed
from kanatui.pictures.drawing import Pixels
from kanatui.tui.draw.readings import PLACES
from kanatui.tui.draw.samples import Samples
from kanatui.tui.host import host
from kanatui.tui.keys import asks
from kanatui.tui.models import NONE_YET
from kanatui.tui.pictures import Lines
from kanatui.tui.screen import pane
from kanatui.tui.widgets.dialogs import Ask, AskPath
from kanatui.tui.widgets.glyphs import GlyphSheet

_DIRECTIONS = ("auto", "horizontal", "vertical")
_EMPTY = "No picture yet: press o to open a photo or scan of handwriting."
_FRAME = 128  # grey of the boxes
_LINE = 2  # pixels of their sides
_FINE = 4  # pixels of a cell from left to right; the finest way shows two

Box = tuple[float, float, float, float]
"""Left, top, right, bottom as shares of the picture."""


@dataclasses.dataclass
class Found:
    """A character that was found in a picture."""

    box: Box
    readings: list[tuple[str, float]]
    """What it may be, with probabilities, the likeliest first."""
    doubtful: bool
    kept: str = ""
    """The character that it was kept as, "" if it was not."""

    @property
    def caption(self) -> str:
        """What stands below it: its reading, and the correction if it is kept."""
        first = self.readings[0][0]
        if self.kept:
            return f"{self.kept} kept" if self.kept == first else f"{first}→{self.kept}"
        return f"{first}?" if self.doubtful else first


class PageView(Widget):
    """A picture with a box around each character; the one under the cursor is inverted."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._page: Pixels | None = None
        self._boxes: Sequence[Box] = ()
        self._current = 0
        self._lines: Lines | None = None
        self._look: tuple[str, bool] | None = None

    def show(self, page: Pixels | None, boxes: Sequence[Box] = ()) -> None:
        """Show another picture, uint8 [H, W], or none."""
        self._page, self._boxes, self._current = page, boxes, 0
        self._draw_anew()

    def point_at(self, current: int) -> None:
        """Invert another character."""
        self._current = current
        self._draw_anew()

    def on_resize(self) -> None:
        self._draw_anew()

    def _draw_anew(self) -> None:
        self._lines = None
        self.refresh()

    @override
    def render_line(self, y: int) -> Strip:
        """Give one line, the picture in the middle."""
        width, height = self.size
        if self._page is None or width < 2 or height < 1:
            return Strip.blank(width, self.rich_style)
        pictures = host(self).pictures
        if self._lines is None or self._look != pictures.look:
            self._look = pictures.look
            pixels = self._fitted(width * _FINE, 2 * height * _FINE)
            columns, lines = max(1, pixels.shape[1] // _FINE), max(1, pixels.shape[0] // _FINE // 2)
            self._lines = pictures.draw(pixels, columns, lines, self.rich_style)
        top = (height - len(self._lines)) // 2
        if not top <= y < top + len(self._lines):
            return Strip.blank(width, self.rich_style)
        line = self._lines[y - top]
        left = (width - sum(segment.cell_length for segment in line)) // 2
        return Strip([Segment(" " * left, self.rich_style), *line]).adjust_cell_length(width, self.rich_style)

    def _fitted(self, width: int, height: int) -> Pixels:
        """Return the picture as large as fits into some pixels, with its boxes."""
        from PIL import Image

        assert self._page is not None
        rows, columns = self._page.shape
        scale = min(width / columns, height / rows)
        # Whole cells, each of _FINE pixels by twice as many.
        shape = (
            max(1, int(columns * scale) // _FINE) * _FINE,
            max(1, int(rows * scale) // (2 * _FINE)) * 2 * _FINE,
        )
        pixels = np.array(Image.fromarray(self._page).resize(shape, Image.Resampling.BOX))
        for number, box in enumerate(self._boxes):
            ends = (np.array(box) * (shape * 2)).round().astype(int)
            left, top = np.clip(ends[:2], 0, np.array(shape) - 1)
            right, bottom = np.clip(ends[2:], (left + 1, top + 1), shape)
            part = pixels[top:bottom, left:right]
            if number == self._current:
                part[:] = 255 - part
            part[:_LINE], part[-_LINE:], part[:, :_LINE], part[:, -_LINE:] = _FRAME, _FRAME, _FRAME, _FRAME
        return pixels


class Pages(Vertical):
    """A picture of handwriting, and the characters in it."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("o", "open", "Open", tooltip="Open a picture of lines or a page: a photo, a scan"),
        Binding("enter", "accept", "Keep", tooltip="Keep the character under the cursor as a sample of what was read"),
        Binding("1", "pick(1)", "Pick", key_display="1–5", tooltip="Keep it as the reading with this number"),
        *(Binding(str(number), f"pick({number})", show=False) for number in range(2, PLACES + 1)),
        Binding("t", "type", "Correct", tooltip="Say which character it is, and keep it: か, ka, KA, U+304B"),
        Binding("v", "direction", "Direction", tooltip="Read again: direction found, horizontal, vertical"),
    ]

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.model = ""
        """Reference of the model to read with, "" if there is none."""
        self.found: list[Found] = []
        """The characters of the picture, in order."""
        self._pictures: Sequence[Pixels] = ()
        self._path = ""
        self._direction = _DIRECTIONS[0]

    @override
    def compose(self) -> ComposeResult:
        with pane(Vertical(id="page"), "Picture"):
            yield PageView()
        with pane(Vertical(id="page-characters"), "Its characters"):
            yield GlyphSheet(empty=_EMPTY)
            yield Static("", id="page-about", markup=False)

    # ── reading ───────────────────────────────────────────────────────────────────────────────────────────────────

    @asks
    @work(exclusive=True, group="open")
    async def action_open(self) -> None:
        """Ask for a picture, and read it."""
        if not self.model:
            self.notify(NONE_YET)
            return
        question = "Read which picture of handwriting? (a PNG, JPEG … file)"
        path = await self.app.push_screen_wait(AskPath(question, self._path, _missing))
        if path:
            self._path = str(paths.user_path(path))
            self._read()

    def action_direction(self) -> None:
        """Read the picture in the next direction: found, horizontal, vertical."""
        self._direction = _DIRECTIONS[(_DIRECTIONS.index(self._direction) + 1) % len(_DIRECTIONS)]
        self._read()

    @work(exclusive=True, group="read")
    async def _read(self) -> None:
        self._say("reading …")
        try:
            answer = (
                await host(self)
                .engine("draw")
                .ask(
                    "read",
                    slot="read",
                    on_progress=lambda done, total, text: self._say(f"reading · {done:,}/{total:,} candidates"),
                    model=self.model,
                    path=self._path,
                    direction=self._direction,
                )
            )
        except Superseded:
            return
        except KanatuiError as error:
            self._say("")
            host(self).tell_problem(error)
            return
        self.found = [
            Found(
                tuple(each["box"]),
                [(reading["character"], reading["probability"]) for reading in each["readings"]],
                each["doubtful"],
            )
            for line in answer.data["lines"]
            for each in line
        ]
        self._pictures = list(answer.arrays["characters"])
        self.add_class("with-picture")
        self.query_one(PageView).show(answer.arrays["page"], [each.box for each in self.found])
        self._list()
        self.query_one(GlyphSheet).focus()
        lines = counted(len(answer.data["lines"]), "vertical line" if answer.data["vertical"] else "line")
        self._say(f"{counted(len(self.found), 'character')} in {lines} · arrows walk, enter keeps, t corrects")
        self.refresh_bindings()

    def _list(self) -> None:
        captions = [each.caption for each in self.found]
        self.query_one(GlyphSheet).show(self._pictures, captions, [each.doubtful for each in self.found])

    def _say(self, text: str) -> None:
        self.query_one("#page-about", Static).update(text)

    # ── the character under the cursor ────────────────────────────────────────────────────────────────────────────

    @property
    def _place(self) -> int | None:
        cursor = self.query_one(GlyphSheet).cursor
        return cursor if cursor < len(self.found) else None

    @on(GlyphSheet.Highlighted)
    def _tell(self) -> None:
        place = self._place
        if place is None:
            return
        self.query_one(PageView).point_at(place)
        each = self.found[place]
        readings = "  ".join(f"{n} {c} {100 * p:.0f} %" for n, (c, p) in enumerate(each.readings[:PLACES], start=1))
        doubt = " · not a kana?" if each.doubtful else ""
        self._say(f"{place + 1}/{len(self.found)} {name_of(each.readings[0][0])} · {readings}{doubt}")

    @on(GlyphSheet.Selected)
    def action_accept(self) -> None:
        """Keep the character as what it was read as."""
        self.action_pick(1)

    def action_pick(self, number: int) -> None:
        """Keep the character as one of its readings, counted from 1."""
        place = self._place
        if place is not None and number <= len(self.found[place].readings):
            self._keep(place, self.found[place].readings[number - 1][0])

    @asks
    @work(exclusive=True, group="type")
    async def action_type(self) -> None:
        """Ask which character it is, and keep it as that."""
        place = self._place
        if place is None:
            return
        question = f"Which character is this, read as {self.found[place].readings[0][0]}? (か, ka, KA, U+304B)"
        text = await self.app.push_screen_wait(Ask(question, check=_wrong))
        if text is not None:
            self._keep(place, parse_typed(text))

    @work(group="keep")
    async def _keep(self, place: int, character: str) -> None:
        each = self.found[place]
        if each.kept == character:
            self._say(f"it is kept as {character} already")
            return
        readings = [(read, round(probability, 4)) for read, probability in each.readings]
        try:
            await asyncio.to_thread(samples.keep_picture, self._pictures[place], character, readings, self.model)
        except KanatuiError as error:
            host(self).tell_problem(error)
            return
        each.kept = character
        self._list()
        self._say(f"kept as {character} {name_of(character)}")
        self.post_message(Samples.Changed())

    @override
    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Offer what needs a picture once there is one."""
        if action == "direction":
            return bool(self._path)
        if action in ("accept", "pick", "type"):
            return bool(self.found) and self.query_one(GlyphSheet).has_focus
        return True


def _missing(text: str) -> str:
    return "" if not text or os.path.isfile(paths.user_path(text)) else "there is no such file"


def _wrong(text: str) -> str:
    try:
        parse_typed(text)
    except ValueError as error:
        return str(error)
    return ""

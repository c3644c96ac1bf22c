"""How the app shows pictures: one object of this kind for the whole app, which every widget with a picture draws by."""

from __future__ import annotations

import collections
import contextlib
import functools
import os
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from rich.segment import Segment
from rich.style import Style

from kanatui.tui import inline, kitty
from kanatui.tui.terminal import cell_of
from kanatui.tui.ways import GRAPHICS, ITERM, KITTY, SIXEL, Choice

if TYPE_CHECKING:
    from kanatui.core.blocks import Pixels
    from kanatui.core.mosaic import Mosaic

Lines = list[list[Segment]]
"""The segments of each line of a picture."""

_KEPT = 1000
"""Pictures that the terminal keeps: more than fit on any screen, since others must not lose theirs."""

_ANYWHERE = "quadrants"
"""The way for pictures too large for graphics, and outside the terminal: most fonts have its characters."""

_USUAL_CELL = 10, 20
"""Pixels of a VT340's cell, for terminals that do not tell."""

COMFORTABLE = {
    "octants": 12, "mosaics": 12, "sextants": 12, "quadrants": 12, "halves": 16, "braille": 12, "ascii": 20,
    **dict.fromkeys(GRAPHICS, 10),
}  # fmt: skip
"""The columns from which a kana can be recognised at a glance, for each way (`kanatui bench glyphs`)."""


class Pictures:
    """Draws pictures as text, or as placeholders of pictures that the terminal has been sent."""

    def __init__(
        self,
        choice: Choice,
        write: Callable[[str], None],
        is_dark: Callable[[], bool] = lambda: True,
        window: Callable[[], tuple[int, int, int, int]] = lambda: (0, 0, 0, 0),
    ) -> None:
        """Set up.

        Args:
            choice: the way, and what is known of the terminal.
            write: writes to the terminal, ahead of what is painted next.
            is_dark: whether ink is light on dark, as in the images themselves; with a light theme it is dark on light.
            window: returns the terminal's size, as :func:`~kanatui.tui.terminal.window` does.
        """
        self.choice = choice
        self._is_dark = is_dark
        self._write = write
        self._window = window
        self._sent: collections.OrderedDict[inline.Key, int] = collections.OrderedDict()
        self._numbers = _numbers()
        self._inline = inline.Inline()
        self._only_text = False

    @property
    def way(self) -> str:
        """The name of the way."""
        return self.choice.way

    @property
    def look(self) -> tuple[str, bool]:
        """What pictures look like; those that were drawn with another look have to be drawn again."""
        return self.way if not self._only_text else _ANYWHERE, self._is_dark()

    @contextlib.contextmanager
    def only_text(self) -> Iterator[None]:
        """Draw pictures of text within the block, for what is no terminal and cannot be sent graphics."""
        self._only_text = self.way in GRAPHICS
        try:
            yield
        finally:
            self._only_text = False

    @property
    def comfortable(self) -> int:
        """Columns from which a kana can be recognised at a glance."""
        return COMFORTABLE[self.way]

    def draw(self, image: Pixels, columns: int, lines: int, style: Style) -> Lines:
        """Draw uint8 [H, W], light ink on dark, on some cells.

        Args:
            style: of the cells where the picture has no colours of its own.
        """
        way = self.look[0]
        if way in GRAPHICS and max(columns, lines) <= kitty.MOST:
            return self._by_kitty(image, columns, lines) if way == KITTY else self._over(image, columns, lines)
        from kanatui.core.mosaic import WAYS, fit

        cells = WAYS[_ANYWHERE if way in GRAPHICS else way]
        mosaic = fit(image if self._is_dark() or not cells.greys else 255 - image, cells, columns, lines)
        return [[Segment(text, _style(ink, paper) or style) for text, ink, paper in line] for line in mosaic.lines()]

    def bytes_of(self, image: Pixels, columns: int, lines: int) -> int:
        """Return the bytes that painting uint8 [H, W] on some cells of a row takes the first time.

        Textual paints lines from the left edge of a widget up to what has changed. Pictures over cells that stand there
        are sent again: in a training's batches about two for each new one.
        """
        if self.way in GRAPHICS:
            times = 1 if self.way == KITTY else 3
            return times * graphics_bytes(image, columns, lines, self.way, self._cell)
        from kanatui.core.mosaic import WAYS, fit

        return bytes_of(fit(image, WAYS[self.way], columns, lines))

    # ── pictures over cells ───────────────────────────────────────────────────────────────────────────────────────

    def painted(self, frame: str) -> str:
        """Return what to write to the terminal instead of a frame, so that pictures appear over their cells."""
        if self.way not in (ITERM, SIXEL):
            return frame
        return self._inline.painted(frame, self.way, self._cell, self._window()[1])

    def _over(self, image: Pixels, columns: int, lines: int) -> Lines:
        shown, paper = (image, 0) if self._is_dark() else (255 - image, 255)
        cells = self._inline.cells(shown, columns, lines)
        return [[Segment(line, _style(-1, paper))] for line in cells]

    @property
    def _cell(self) -> tuple[int, int]:
        """Width and height of a cell in pixels; they change when the user zooms."""
        for cell in cell_of(self._window()), self.choice.terminal.cell:
            if all(cell):
                return cell
        return _USUAL_CELL

    # ── Kitty's graphics ──────────────────────────────────────────────────────────────────────────────────────────

    def _by_kitty(self, image: Pixels, columns: int, lines: int) -> Lines:
        shown = image if self._is_dark() else 255 - image
        key = inline.key(shown, columns, lines)
        number = self._sent.get(key)
        if number is None:
            number = next(self._numbers)
            self._sent[key] = number
            self._write(kitty.transmission(shown, number, columns, lines, self.choice.terminal.tmux))
            if len(self._sent) > _KEPT:
                self._forget(self._sent.popitem(last=False)[1])
        self._sent.move_to_end(key)
        red, green, blue = kitty.colour(number)
        style = Style.parse(f"rgb({red},{green},{blue})")
        return [[Segment(line, style)] for line in kitty.placeholders(columns, lines)]

    def _forget(self, number: int) -> None:
        self._write(kitty.deletion(number, self.choice.terminal.tmux))

    def close(self) -> None:
        """Make the terminal forget all pictures."""
        for number in self._sent.values():
            self._forget(number)
        self._sent.clear()


def _numbers() -> Iterator[int]:
    """Yield numbers of pictures that other programs in the same terminal hardly use."""
    first = (os.getpid() % 0xFFF + 1) << 12
    while True:
        yield from range(first, first + 0x1000)


@functools.cache
def _style(ink: int, paper: int) -> Style | None:
    """Return the style of a run of cells; there are few, because greys are rounded. None if it has no greys."""
    if paper < 0:
        return None
    over = "" if ink < 0 else f"rgb({ink},{ink},{ink}) "
    return Style.parse(f"{over}on rgb({paper},{paper},{paper})")


def bytes_of(mosaic: Mosaic) -> int:
    """Return the bytes that a terminal with 16 million colours is sent for a picture, without the cursor's moves."""
    total = 0
    for line in mosaic.lines():
        for text, ink, paper in line:
            style = _style(ink, paper)
            total += len((style.render(text) if style else text).encode())
    return total


def graphics_bytes(image: Pixels, columns: int, lines: int, way: str, cell: tuple[int, int] = _USUAL_CELL) -> int:
    """Return the bytes that a picture by one of :data:`.GRAPHICS` takes the first time, without the cursor's moves."""
    if way == KITTY:
        cells = sum(len(line.encode()) for line in kitty.placeholders(columns, lines))
        return len(kitty.transmission(image, 1 << 12, columns, lines)) + cells
    return columns * lines + len(inline.ENCODERS[way](image, (columns, lines), inline.whole(columns, lines), cell))

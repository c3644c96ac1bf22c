"""Pictures that a terminal paints over its cells where the cursor is: Sixel, and iTerm2's inline images.

Textual knows nothing of them. So widgets paint placeholders: cells of text that name a picture and their place in it,
and which Textual scrolls, overlaps and cuts off like any other. On the way to the terminal (:meth:`Inline.painted`)
they become blanks, followed by just those parts of the pictures whose cells the frame paints. What is written over a
cell later erases the picture there, so nothing has to be remembered, and nothing can be left behind. This holds for
terminals in which text replaces a picture cell by cell (:data:`.terminal.REPLACED_BY_TEXT`).
"""

from __future__ import annotations

import base64
import collections
import dataclasses
import itertools
import re
from collections.abc import Callable, Iterator

import numpy as np
from rich.cells import cell_len

from kanatui.core.blocks import Pixels
from kanatui.tui.kitty import MOST, NUMERALS, png
from kanatui.tui.sixel import MOST_GREYS, sixel
from kanatui.tui.ways import ITERM, SIXEL

_MARK = "\U0010eeef"
"""A character for private use; no terminal ever gets it."""

NUMBERS = MOST * MOST
"""How many pictures can be told apart."""

_SMALL = 200
"""Pixels of a picture, each way, that is shown in :data:`FEW_GREYS`."""

FEW_GREYS = 8
"""A glyph of 120 px takes 2.8 kB in 8 greys, 4.7 in 16, and looks the same; a large one would have visible bands."""

_KEPT = 1000
"""Pictures, and encoded parts of pictures, that are kept: more than fit on any screen."""

_LARGEST = 1000
"""Pixels of the largest picture, each way, that xterm shows (its resource maxGraphicSize)."""

_TOKEN = re.compile(
    r"\x1b\[(\d+);(\d+)H"  # the cursor goes to a line and a column
    r"|\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|.)"  # colours, links …
    rf"|{_MARK}([{NUMERALS}]{{4}})"
    rf"|[^\x1b{_MARK}]+"
)
_VALUES = {numeral: value for value, numeral in enumerate(NUMERALS)}
_PLACEHOLDER = re.compile(rf"{_MARK}[{NUMERALS}]{{0,4}}")


@dataclasses.dataclass(frozen=True)
class Part:
    """A rectangle of a picture's cells, and where it is on the screen; everything is counted in cells from 0."""

    number: int
    column: int
    line: int
    columns: int
    lines: int
    x: int
    y: int


Key = tuple[bytes, tuple[int, ...], int, int]
"""What tells pictures apart."""


def key(image: Pixels, columns: int, lines: int) -> Key:
    """Return what tells uint8 [H, W] on some cells apart from other pictures."""
    return image.tobytes(), image.shape, columns, lines


def whole(columns: int, lines: int) -> Part:
    """Return all of a picture."""
    return Part(0, 0, 0, columns, lines, 0, 0)


def placeholders(number: int, columns: int, lines: int) -> list[str]:
    """Return the cells of a picture, line by line; each names the picture (0 … ``NUMBERS`` - 1), its row and column."""
    which = NUMERALS[number // MOST] + NUMERALS[number % MOST]
    return [
        "".join(f"{_MARK}{which}{NUMERALS[line]}{NUMERALS[column]}" for column in range(columns))
        for line in range(lines)
    ]


class Inline:
    """The pictures whose placeholders may be on the screen."""

    def __init__(self) -> None:
        self._numbers: collections.OrderedDict[Key, int] = collections.OrderedDict()
        self._shown: dict[int, tuple[Pixels, tuple[int, int]]] = {}
        self._next = itertools.cycle(range(NUMBERS))
        self._encoded: collections.OrderedDict[object, str] = collections.OrderedDict()

    def cells(self, image: Pixels, columns: int, lines: int) -> list[str]:
        """Return the placeholders of uint8 [H, W], line by line."""
        which = key(image, columns, lines)
        if which not in self._numbers:
            number = self._numbers[which] = next(self._next)
            self._shown[number] = image.copy(), (columns, lines)
            if len(self._numbers) > _KEPT:
                del self._shown[self._numbers.popitem(last=False)[1]]
        self._numbers.move_to_end(which)
        return placeholders(self._numbers[which], columns, lines)

    def painted(self, frame: str, way: str, cell: tuple[int, int], lines: int) -> str:
        """Return a frame with blanks in place of placeholders, and the pictures after it.

        Args:
            frame: what is about to be written to the terminal.
            way: a key of :data:`ENCODERS`.
            cell: width and height of a cell in pixels.
            lines: of the screen. The last one gets no picture: some terminals scroll after one that ends there.
        """
        if _MARK not in frame:
            return frame
        most = max(1, _LARGEST // cell[0]), max(1, _LARGEST // cell[1])
        pictures = "".join(
            f"\x1b[{part.y + 1};{part.x + 1}H{self._sent(part, way, cell)}"
            for part in _parts(frame, lines - 1, *most)
            if part.number in self._shown
        )
        blank = _PLACEHOLDER.sub(" ", frame)
        return f"{blank}\x1b7{pictures}\x1b8" if pictures else blank

    def _sent(self, part: Part, way: str, cell: tuple[int, int]) -> str:
        which = dataclasses.replace(part, x=0, y=0), way, cell
        if which not in self._encoded:
            self._encoded[which] = ENCODERS[way](*self._shown[part.number], part, cell)
            if len(self._encoded) > _KEPT:
                self._encoded.popitem(last=False)
        self._encoded.move_to_end(which)
        return self._encoded[which]


def _parts(frame: str, end: int, columns: int, lines: int) -> Iterator[Part]:
    """Yield all parts that a frame paints above line ``end``, each of at most so many columns and lines."""
    cells: dict[tuple[int, int, int], set[tuple[int, int]]] = collections.defaultdict(set)
    for y, x, (high, low, line, column) in _named(frame):
        if y < end:
            cells[high * MOST + low, y - line, x - column].add((line, column))
    for (number, y, x), places in cells.items():
        for top, left, height, width in _rectangles(places):
            for line in range(top, top + height, lines):
                for column in range(left, left + width, columns):
                    size = min(columns, left + width - column), min(lines, top + height - line)
                    yield Part(number, column, line, *size, x + column, y + line)


def _named(frame: str) -> Iterator[tuple[int, int, list[int]]]:
    """Yield line and column of each placeholder in a frame, and the four numbers in it."""
    y = x = 0
    for token in _TOKEN.finditer(frame):
        line, column, named = token.groups()
        if named:
            yield y, x, [_VALUES[numeral] for numeral in named]
            x += 1
        elif line:
            y, x = int(line) - 1, int(column) - 1
        elif token[0][0] != "\x1b":
            x += cell_len(token[0])


def _rectangles(places: set[tuple[int, int]]) -> Iterator[tuple[int, int, int, int]]:
    """Yield rectangles, as line, column, height and width, that together cover just these lines and columns."""
    lines = [line for line, _ in places]
    open_since: dict[tuple[int, int], int] = {}
    for line in range(min(lines), max(lines) + 2):
        runs = list(_runs(sorted(column for at, column in places if at == line)))
        for run in open_since.keys() - runs:
            start = open_since.pop(run)
            yield start, run[0], line - start, run[1] - run[0]
        for run in runs:
            open_since.setdefault(run, line)


def _runs(columns: list[int]) -> Iterator[tuple[int, int]]:
    """Yield start and end of each run of neighbours."""
    for column in columns:
        if column - 1 not in columns:
            start = column
        if column + 1 not in columns:
            yield start, column + 1


def as_sixel(image: Pixels, whole: tuple[int, int], part: Part, cell: tuple[int, int]) -> str:
    """Return what paints a part of uint8 [H, W] as Sixel.

    Args:
        image: the whole picture, of any size.
        whole: the columns and lines of the whole picture.
        part: what to paint of it.
        cell: width and height of a cell in pixels.
    """
    small = max(whole[0] * cell[0], whole[1] * cell[1]) <= _SMALL
    return sixel(_cut(image, whole, part, cell), FEW_GREYS if small else MOST_GREYS)


def as_iterm(image: Pixels, whole: tuple[int, int], part: Part, cell: tuple[int, int]) -> str:
    """Return what paints a part of uint8 [H, W] by iTerm2's protocol; see :func:`as_sixel`.

    (https://iterm2.com/documentation-images.html; ``doNotMoveCursor`` is WezTerm's.)
    """
    # The terminal scales a whole picture itself, and better than we could without knowing its pixels.
    shown = image if (part.columns, part.lines) == whole else _cut(image, whole, part, cell)
    data = png(shown)
    size = f"size={len(data)};width={part.columns};height={part.lines};preserveAspectRatio=0"
    encoded = base64.standard_b64encode(data).decode("ascii")
    return f"\x1b]1337;File=inline=1;{size};doNotMoveCursor=1:{encoded}\x07"


def _cut(image: Pixels, whole: tuple[int, int], part: Part, cell: tuple[int, int]) -> Pixels:
    """Return a part of a picture, one pixel for each of the terminal's."""
    from PIL import Image

    width, height = cell
    resized = Image.fromarray(image).resize((whole[0] * width, whole[1] * height), Image.Resampling.BICUBIC)
    left, top = part.column * width, part.line * height
    return np.asarray(resized.crop((left, top, left + part.columns * width, top + part.lines * height)))


ENCODERS: dict[str, Callable[[Pixels, tuple[int, int], Part, tuple[int, int]], str]] = {
    SIXEL: as_sixel,
    ITERM: as_iterm,
}
"""What paints a part of a picture, for each way."""

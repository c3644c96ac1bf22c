"""The layout of a sheet: where its boxes are, what belongs into each, and how its codes say so (docs/SHEETS.md).

All lengths are millimetres from the top left corner of the paper, x to the right and y downwards.
"""

from __future__ import annotations

import dataclasses
import struct
import zlib
from collections.abc import Sequence
from typing import NamedTuple

from kanatui.core.errors import UsageError
from kanatui.kana.alphabet import KANA

BOX = 18.0
"""Side of a box."""
LABEL = 6.0
"""Height of the strip above each box, which holds the printed character and the square that takes a box out."""
PITCH = (21.0, 25.2)
"""From box to box, across and down."""
CODE = 22.0
"""Side of a code."""
MARGIN = 10.0
"""Of the paper, which many printers leave white."""
TICK = 4.0
"""Side of the square that takes a box out."""

TICK_INSET = 0.4
"""From the edge of that square to where ticks are looked for: inside its line."""

_APART = 3.0  # between the codes and the boxes
MOST_COPIES = 50
MOST_PAGES = 99

CORNERS = ("top left", "top right", "bottom right", "bottom left")
"""The places of the codes, in the order of their numbers."""


class Paper(NamedTuple):
    """A size of paper."""

    name: str
    width: float
    height: float


PAPERS = {paper.name: paper for paper in (Paper("a4", 210.0, 297.0), Paper("letter", 215.9, 279.4))}

Rectangle = tuple[float, float, float, float]
"""Left, top, right, bottom."""


@dataclasses.dataclass(frozen=True)
class Page:
    """One page of a sheet: all that is needed to print it, and to read it back."""

    paper: Paper
    number: int
    """Of the sheet, 24 bits: it tells sheets apart."""
    page: int
    """From 1."""
    characters: str
    """What belongs into each box, in reading order: from left to right, then downwards."""

    @property
    def name(self) -> str:
        """The sheet's number as it is printed: six hexadecimal digits."""
        return f"{self.number:06X}"

    def box(self, place: int) -> Rectangle:
        """Return where a box is; places count from 0."""
        columns = grid(self.paper)[0]
        row, column = divmod(place, columns)
        left = (self.paper.width - (columns - 1) * PITCH[0] - BOX) / 2 + column * PITCH[0]
        top = MARGIN + CODE + _APART + LABEL + row * PITCH[1]
        return left, top, left + BOX, top + BOX

    def label(self, place: int) -> Rectangle:
        """Return the strip above a box."""
        left, top, right, _ = self.box(place)
        return left, top - LABEL, right, top

    def tick(self, place: int) -> Rectangle:
        """Return the square above a box whose tick takes the box out."""
        _, top, right, _ = self.box(place)
        return right - TICK, top - 1.0 - TICK, right, top - 1.0

    def code(self, corner: int) -> Rectangle:
        """Return where the code of a corner is, in the order of :data:`CORNERS`."""
        left = MARGIN if corner in (0, 3) else self.paper.width - MARGIN - CODE
        top = MARGIN if corner in (0, 1) else self.paper.height - MARGIN - CODE
        return left, top, left + CODE, top + CODE


def grid(paper: Paper) -> tuple[int, int]:
    """Return how many columns and rows of boxes fit."""
    across = int((paper.width - 2 * MARGIN - BOX) / PITCH[0]) + 1
    free = paper.height - 2 * (MARGIN + CODE + _APART)
    return across, int((free - BOX - LABEL) / PITCH[1]) + 1


def capacity(paper: Paper) -> int:
    """Return how many boxes a page has."""
    columns, rows = grid(paper)
    return columns * rows


def pages(characters: str, copies: int, paper: Paper, number: int) -> list[Page]:
    """Lay out a sheet.

    Args:
        characters: what is to be written, each once, in the order of the boxes.
        copies: boxes for each character, side by side.
        paper: the size.
        number: of the sheet, 24 bits.

    Raises:
        UsageError: there are no characters, or they need more than :data:`MOST_PAGES` pages.
    """
    boxes = "".join(character * copies for character in characters)
    room = capacity(paper)
    if not boxes:
        raise UsageError("--characters: a sheet needs at least one character")
    if len(boxes) > MOST_PAGES * room or copies > MOST_COPIES:
        raise UsageError(
            f"{len(boxes):,} boxes: a sheet has at most {MOST_PAGES} pages of {room} boxes, and {MOST_COPIES} copies; "
            "name fewer --characters or --copies"
        )
    parts = [boxes[first : first + room] for first in range(0, len(boxes), room)]
    return [Page(paper, number, place, part) for place, part in enumerate(parts, start=1)]


# --- Codes

_MAGIC = 0x6B53  # kS
_VERSION = 1
_HEAD = struct.Struct(">HBBHB")  # magic; version and paper; corner and kind; number, first 16 bits; number, last 8 bits
_MASK, _PLACES, _TEXT = range(3)
_LONGEST_TEXT = 4 * 256  # bytes of UTF-8: more than a page has boxes
_MASK_BYTES = -(-len(KANA) // 8)


class Code(NamedTuple):
    """What a code says."""

    page: Page
    corner: int
    """Its place in :data:`CORNERS`."""


def encode(page: Page, corner: int) -> bytes:
    """Return what the code in a corner of a page holds: the whole page, so that one code is enough to know it."""
    runs = _runs(page.characters)
    kind, body = min(_bodies(runs), key=lambda option: len(option[1]))
    paper = list(PAPERS).index(page.paper.name)
    head = _HEAD.pack(_MAGIC, _VERSION << 4 | paper, corner << 4 | kind, page.number >> 8, page.number & 0xFF)
    # All runs are as long as the longest, except the first and last, which go on on other pages.
    longest = max(length for _, length in runs)
    skipped = longest - runs[0][1] if len(runs) > 1 else 0
    data = head + bytes([page.page, longest, skipped, len(page.characters)]) + body
    return data + struct.pack(">I", zlib.crc32(data))


def decode(data: bytes) -> Code | None:
    """Return what a code says; None if it is not a sheet's, or damaged."""
    if len(data) < _HEAD.size + 8 or struct.unpack(">I", data[-4:])[0] != zlib.crc32(data[:-4]):
        return None
    magic, version_paper, corner_kind, high, low = _HEAD.unpack_from(data)
    version, paper = divmod(version_paper, 16)
    corner, kind = divmod(corner_kind, 16)
    if magic != _MAGIC or version != _VERSION or paper >= len(PAPERS) or corner >= len(CORNERS):
        return None
    place, longest, skipped, count = data[_HEAD.size : _HEAD.size + 4]
    needed = -(-(skipped + count) // max(longest, 1))
    characters = _characters(kind, data[_HEAD.size + 4 : -4])[:needed]
    boxes = "".join(character * longest for character in characters)[skipped : skipped + count]
    size = list(PAPERS.values())[paper]
    if not boxes or len(boxes) != count or count > capacity(size):
        return None
    return Code(Page(size, high << 8 | low, place, boxes), corner)


def _runs(text: str) -> list[tuple[str, int]]:
    runs: list[tuple[str, int]] = []
    for character in text:
        if runs and runs[-1][0] == character:
            runs[-1] = (character, runs[-1][1] + 1)
        else:
            runs.append((character, 1))
    return runs


def _bodies(runs: Sequence[tuple[str, int]]) -> list[tuple[int, bytes]]:
    """Return every way to write down the characters of runs."""
    characters = "".join(character for character, _ in runs)
    packed = zlib.compressobj(9, zlib.DEFLATED, -15)
    bodies = [(_TEXT, packed.compress(characters.encode()) + packed.flush())]
    if all(character in KANA for character in characters):
        places = [KANA.index(character) for character in characters]
        bodies.append((_PLACES, bytes(places)))
        if places == sorted(places):
            mask = sum(1 << place for place in places)
            bodies.append((_MASK, mask.to_bytes(_MASK_BYTES, "big")))
    return bodies


def _characters(kind: int, body: bytes) -> str:
    """Read what :func:`_bodies` wrote; "" if it is none of these."""
    try:
        if kind == _MASK:
            mask = int.from_bytes(body, "big")
            return "".join(character for place, character in enumerate(KANA) if mask >> place & 1)
        if kind == _PLACES:
            return "".join(KANA[place] for place in body)
        # A hostile code may hold much more; cut off there, it has another count than it says.
        return zlib.decompressobj(-15).decompress(body, _LONGEST_TEXT).decode() if kind == _TEXT else ""
    except (zlib.error, UnicodeDecodeError, IndexError):
        return ""

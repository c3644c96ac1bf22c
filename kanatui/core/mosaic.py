"""Pictures as text: each cell shows two greys, and the character whose shape parts them best.

A cell is divided into equal parts. A character paints some of them in the first grey (its ink) and the others in the
second (its paper). :func:`fit` chooses character and greys by least squares, for all cells at once. This is what chafa
does too (https://hpjansson.org/chafa/). A picture of 12 columns has 12×12 parts in half blocks, 24×36 in sextants.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from kanatui.core.blocks import Pixels

_Floats = npt.NDArray[np.float32]

LEVELS = 16
"""Number of greys: cells merge into longer runs, with no visible difference at the size of a cell."""

_RAMP = " .:-=+*#%@"
_GAIN = 1.4
"""Plain characters are chosen as if ink were so much brighter: strokes are thinner than a cell."""

_DOT = 88
"""The grey from which a braille dot is set; below the middle, so that strokes thinner than a dot show."""

FULL, EMPTY = "█", " "


@dataclasses.dataclass(frozen=True)
class Way:
    """A way to show a picture in cells."""

    name: str
    across: int
    """Parts of a cell from left to right."""
    down: int
    """Parts of a cell from top to bottom."""
    characters: str
    """The character of each mask. Bit i of a mask stands for part i, in reading order."""
    greys: int = 2
    """2: a cell has greys of its own; 0: characters are drawn in the text's colour."""

    @functools.cached_property
    def masks(self) -> _Floats:
        """Which parts each mask paints in ink, float32 [masks, parts] of 0 and 1."""
        parts = self.across * self.down
        return (np.arange(len(self.characters))[:, None] >> np.arange(parts) & 1).astype(np.float32)


def _sextants() -> str:
    # U+1FB00 … hold all masks in order, except those that Unicode had before.
    before = {0: EMPTY, 0b010101: "▌", 0b101010: "▐", 63: FULL}
    rest = iter(range(0x1FB00, 0x1FB3C))
    return "".join(before[mask] if mask in before else chr(next(rest)) for mask in range(64))


def _octants() -> str:
    # U+1CD00 … hold all masks in order, except those that Unicode has elsewhere.
    elsewhere = {
        0x00: 0x20, 0x01: 0x1CEA8, 0x02: 0x1CEAB, 0x03: 0x1FB82, 0x05: 0x2598, 0x0A: 0x259D, 0x0F: 0x2580,
        0x14: 0x1FBE6, 0x28: 0x1FBE7, 0x3F: 0x1FB85, 0x40: 0x1CEA3, 0x50: 0x2596, 0x55: 0x258C, 0x5A: 0x259E,
        0x5F: 0x259B, 0x80: 0x1CEA0, 0xA0: 0x2597, 0xA5: 0x259A, 0xAA: 0x2590, 0xAF: 0x259C, 0xC0: 0x2582,
        0xF0: 0x2584, 0xF5: 0x2599, 0xFA: 0x259F, 0xFC: 0x2586, 0xFF: 0x2588,
    }  # fmt: skip
    rest = iter(range(0x1CD00, 0x1CDE6))
    return "".join(chr(elsewhere[mask] if mask in elsewhere else next(rest)) for mask in range(256))


def _braille() -> str:
    # Unicode counts the first three rows of dots column by column, then the fourth.
    bits = (0x01, 0x08, 0x02, 0x10, 0x04, 0x20, 0x40, 0x80)
    return "".join(chr(0x2800 + sum(bit for i, bit in enumerate(bits) if mask >> i & 1)) for mask in range(256))


WAYS = {
    way.name: way
    for way in (
        Way("octants", 2, 4, _octants()),
        Way("sextants", 2, 3, _sextants()),
        Way("quadrants", 2, 2, " ▘▝▀▖▌▞▛▗▚▐▜▄▙▟█"),
        Way("halves", 1, 2, " ▀▄█"),
        Way("braille", 2, 4, _braille(), greys=0),
        Way("ascii", 1, 1, _RAMP, greys=0),
    )
}
"""The ways to show a picture as text, by name, from the finest to the one that every terminal can."""

Run = tuple[str, int, int]
"""Some equal cells: the text, the grey of its ink (0 … 255), and that of its paper; -1 where either does not matter."""


@dataclasses.dataclass(frozen=True)
class Mosaic:
    """A picture in cells; arrays are [lines, columns]."""

    way: Way
    masks: npt.NDArray[np.int64]
    ink: Pixels
    paper: Pixels

    def lines(self) -> list[list[Run]]:
        """Return each line in as few runs as possible; an empty or full cell joins its neighbours' greys."""
        rows = zip(self.masks.tolist(), self.ink.tolist(), self.paper.tolist(), strict=True)
        if not self.way.greys:
            return [[("".join(self.way.characters[mask] for mask in masks), -1, -1)] for masks, _, _ in rows]
        return [list(_runs(self.way.characters, *row)) for row in rows]

    def pixels(self) -> Pixels:
        """Return what the cells show, one pixel for each part: uint8 [lines * down, columns * across]."""
        lines, columns = self.masks.shape
        if self.way.name == "ascii":
            grey: Pixels = np.rint(self.masks * (255 / (len(_RAMP) - 1))).astype(np.uint8)
            return grey
        parts = np.where(self.way.masks[self.masks] > 0, self.ink[..., None], self.paper[..., None])
        shaped = parts.reshape(lines, columns, self.way.down, self.way.across).transpose(0, 2, 1, 3)
        pixels: Pixels = shaped.reshape(lines * self.way.down, columns * self.way.across)
        return pixels


def _runs(characters: str, masks: list[int], inks: list[int], papers: list[int]) -> Iterator[Run]:
    text, ink, paper = "", -1, -1
    for mask, over, under in zip(masks, inks, papers, strict=True):
        character = characters[mask]
        if over == under:  # one grey: it may be the paper of an empty cell or the ink of a full one
            if under == paper:
                text += EMPTY
            elif under == ink or (ink < 0 and text):
                text, ink = text + FULL, under
            else:
                if text:
                    yield text, ink, paper
                text, ink, paper = EMPTY, -1, under
        elif (over, under) == (ink, paper):
            text += character
        elif ink < 0 and paper == under:  # only empty cells so far, whose ink could be any
            text, ink = text + character, over
        elif ink < 0 and paper == over:
            text, ink, paper = FULL * len(text) + character, over, under
        else:
            if text:
                yield text, ink, paper
            text, ink, paper = character, over, under
    if text:
        yield text, ink, paper


def fit(image: Pixels, way: Way, columns: int, lines: int) -> Mosaic:
    """Show uint8 [H, W] on some cells.

    The squared error over a cell's pixels is that over its parts' means, plus a constant. So means are enough, and for
    a mask the best greys are the means of the parts inside and outside.
    """
    parts = _parts(resample(image, lines * way.down, columns * way.across), way)
    if way.name == "ascii":
        index = np.minimum((parts[..., 0] / 256 * len(_RAMP) * _GAIN).astype(np.int64), len(_RAMP) - 1)
        return Mosaic(way, index, np.full(index.shape, 255, np.uint8), np.zeros(index.shape, np.uint8))
    if not way.greys:
        index = (parts >= _DOT) @ (1 << np.arange(parts.shape[-1]))
        return Mosaic(way, index, np.full(index.shape, 255, np.uint8), np.zeros(index.shape, np.uint8))
    return _fitted(parts, way)


def _parts(values: _Floats, way: Way) -> _Floats:
    """Return float32 [lines, columns, parts] from the means of all parts, [lines * down, columns * across]."""
    height, width = values.shape
    cells = values.reshape(height // way.down, way.down, width // way.across, way.across).transpose(0, 2, 1, 3)
    return cells.reshape(*cells.shape[:2], -1)


def _fitted(parts: _Floats, way: Way) -> Mosaic:
    """Part each cell's values in two groups with the least squared error around their two means.

    Such groups are always neighbours in sorted order (Fisher, "On grouping for maximum homogeneity", 1958), so of all
    2ⁿ masks only n - 1 can be best.
    """
    count = parts.shape[-1]
    order = np.argsort(-parts, axis=-1, kind="stable")
    sums = np.cumsum(np.take_along_axis(parts, order, axis=-1), axis=-1)
    bright, total = sums[..., :-1], sums[..., -1:]
    size = np.arange(1, count)
    explained = bright**2 / size + (total - bright) ** 2 / (count - size)
    best = explained.argmax(axis=-1)[..., None]
    chosen = np.take_along_axis(bright, best, axis=-1)[..., 0]
    inside = best[..., 0] + 1
    masks = np.take_along_axis(np.cumsum(1 << order, axis=-1), best, axis=-1)[..., 0]
    # The ink is always the brighter one, so that neighbouring cells agree on which is which.
    ink, paper = chosen / inside, (total[..., 0] - chosen) / (count - inside)
    return Mosaic(way, masks, _quantised(ink), _quantised(paper))


def _quantised(values: _Floats) -> Pixels:
    steps = np.rint(values * ((LEVELS - 1) / 255))
    greys: Pixels = np.rint(steps * (255 / (LEVELS - 1))).astype(np.uint8)
    return greys


def resample(image: Pixels, height: int, width: int) -> _Floats:
    """Return float32 [height, width], each pixel the mean of the area of uint8 [H, W] that it covers."""
    means: _Floats = _area(height, image.shape[0]) @ image.astype(np.float32) @ _area(width, image.shape[1]).T
    return means


@functools.lru_cache(maxsize=256)
def _area(to: int, before: int) -> _Floats:
    """Return float32 [to, before]: the share of each of ``before`` pixels in each of ``to`` over the same length."""
    edges = np.arange(to + 1) * (before / to)
    start, end = edges[:-1, None], edges[1:, None]
    place = np.arange(before)
    overlap = np.minimum(end, place + 1) - np.maximum(start, place)
    shares: _Floats = (np.maximum(overlap, 0) * (to / before)).astype(np.float32)
    return shares

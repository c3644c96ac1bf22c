"""Pictures as text: each cell shows two greys, and the character whose shape parts them best.

A character paints a part of its cell in the first grey (its ink) and the rest in the second (its paper). :func:`fit`
chooses character and greys by least squares, for all cells at once. This is what chafa does too
(https://hpjansson.org/chafa/). A picture of 12 columns has 12×12 parts in half blocks, 24×36 in sextants.
"""

from __future__ import annotations

import dataclasses
import functools
import unicodedata
from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt

from kanatui.core.blocks import Pixels

_Floats = npt.NDArray[np.float32]

Shapes = dict[str, _Floats]

LEVELS = 16
"""Number of greys: cells merge into longer runs, with no visible difference at the size of a cell."""

_RAMP = " .:-=+*#%@"
_GAIN = 1.4
"""Plain characters are chosen as if ink were so much brighter: strokes are thinner than a cell."""

_DOT = 88
"""The grey from which a braille dot is set; below the middle, so that strokes thinner than a dot show."""

FULL, EMPTY = "█", " "

ACROSS, DOWN = 8, 24
"""Points of a cell in which shapes are drawn: eighths, thirds and quarters fall between them."""

_FITTED = 4, 8
"""Points of a cell, across and down, at which shapes are compared with a picture: a glyph of 48 px in 12 columns."""

_FINE = 8
"""Points in a point, each way, for edges that are not upright."""


@dataclasses.dataclass(frozen=True, eq=False)
class Way:
    """A way to show a picture in cells."""

    name: str
    make: Callable[[], Shapes]
    """Returns its :attr:`shapes`; drawing all takes 50 ms, which the app's first paint would have to wait for."""
    across: int
    """Points from left to right at which a picture is looked at for each cell."""
    down: int
    """Points from top to bottom."""
    greys: int = 2
    """2: a cell has greys of its own; 0: characters are drawn in the text's colour."""

    @functools.cached_property
    def shapes(self) -> Shapes:
        """The share of ink in each point of a cell, float32 [DOWN, ACROSS] of 0 … 1, by character."""
        return self.make()

    @functools.cached_property
    def characters(self) -> str:
        """All characters; masks are their places."""
        return "".join(self.shapes)

    @functools.cached_property
    def drawn(self) -> _Floats:
        """All shapes, float32 [masks, DOWN, ACROSS]."""
        return np.stack(list(self.shapes.values()))

    @functools.cached_property
    def compared(self) -> tuple[npt.NDArray[np.int64], _Floats, npt.NDArray[np.int64]]:
        """The masks to choose from, their shapes where the picture is looked at, the inverse of each or -1.

        Of a shape and its inverse only one is among them, since they differ in which grey is called the ink.
        """
        points = self.drawn.reshape(-1, self.down, DOWN // self.down, self.across, ACROSS // self.across).mean((2, 4))
        flat: _Floats = points.reshape(len(points), -1)
        places: dict[bytes, int] = {}
        inverse: dict[int, int] = {}
        for mask, shape in enumerate(np.round(flat * 255).astype(np.uint8)):
            other = places.get((255 - shape).tobytes())
            if other is None:
                places.setdefault(shape.tobytes(), mask)
            else:
                inverse.setdefault(other, mask)
        chosen = [mask for mask in places.values() if flat[mask].min() < flat[mask].max()]
        return np.array(chosen), flat[chosen], np.array([inverse.get(mask, -1) for mask in chosen])


def _grid(across: int, down: int, characters: str) -> Shapes:
    """Return shapes of equal parts; bit i of a character's place stands for part i, in reading order."""
    bits = (np.arange(len(characters))[:, None] >> np.arange(across * down) & 1).astype(np.float32)
    cells = bits.reshape(-1, down, across).repeat(DOWN // down, axis=1).repeat(ACROSS // across, axis=2)
    return dict(zip(characters, cells, strict=True))


def _box(left: int = 0, top: int = 0, right: int = 8, bottom: int = 8) -> _Floats:
    """Return the shape of a rectangle, in eighths of the cell."""
    shape = np.zeros((DOWN, ACROSS), np.float32)
    shape[top * DOWN // 8 : bottom * DOWN // 8, left * ACROSS // 8 : right * ACROSS // 8] = 1
    return shape


def _eighths() -> Shapes:
    """Return blocks that fill a cell from below or from the left (U+2581 …)."""
    lower = {chr(0x2580 + n): _box(top=8 - n) for n in range(1, 8)}
    return lower | {chr(0x2590 - n): _box(right=n) for n in range(1, 8)}


def _mosaics() -> Shapes:
    """Return the block elements and smooth mosaics of Unicode 13, those with straight diagonals (U+1FB3C … U+1FB8B)."""
    sizes = (2, 3, 5, 6, 7)
    upper = {chr(0x1FB82 + i): _box(bottom=n) for i, n in enumerate(sizes)} | {"▔": _box(bottom=1)}
    right = {chr(0x1FB87 + i): _box(left=8 - n) for i, n in enumerate(sizes)} | {"▕": _box(left=7)}
    upright = {chr(0x1FB6F + n): _box(left=n, right=n + 1) for n in range(1, 7)}
    level = {chr(0x1FB75 + n): _box(top=n, bottom=n + 1) for n in range(1, 7)}
    diagonal = {chr(code): _diagonal(chr(code)) for code in range(0x1FB3C, 0x1FB68)}
    triangles = {chr(code): _triangles(chr(code)) for code in range(0x1FB68, 0x1FB70)}
    return upper | right | upright | level | diagonal | triangles


def _positions() -> tuple[_Floats, _Floats]:
    """Return how far down and across fine points of a cell are, as shares of it."""
    down, across = (np.arange(n * _FINE) / (n * _FINE) + 0.5 / (n * _FINE) for n in (DOWN, ACROSS))
    return down[:, None].astype(np.float32), across[None].astype(np.float32)


def _shares(inside: npt.NDArray[np.floating | np.bool_]) -> _Floats:
    means: _Floats = inside.reshape(DOWN, _FINE, ACROSS, _FINE).mean((1, 3), dtype=np.float32)
    return means


def _diagonal(character: str) -> _Floats:
    """Return a shape as its name describes it: LOWER LEFT BLOCK DIAGONAL UPPER MIDDLE LEFT TO LOWER CENTRE."""
    corner, line = (part.split(" TO ") for part in unicodedata.name(character).split(" BLOCK DIAGONAL "))
    (start_y, start_x), (end_y, end_x) = map(_place, line)
    y, x = _positions()

    def side(y: _Floats | float, x: _Floats | float) -> _Floats | float:
        return (end_x - start_x) * (y - start_y) - (end_y - start_y) * (x - start_x)

    return _shares(np.sign(side(y, x) * side(*_place(corner[0]))) / 2 + 0.5)


def _place(words: str) -> tuple[float, float]:
    """Return how far down and across a place is that a character's name speaks of."""
    down = {"UPPER": 0.0, "UPPER MIDDLE": 1 / 3, "LOWER MIDDLE": 2 / 3, "LOWER": 1.0}
    vertical, _, horizontal = words.rpartition(" ")
    return down[vertical], {"LEFT": 0.0, "CENTRE": 0.5, "RIGHT": 1.0}[horizontal]


def _triangles(character: str) -> _Floats:
    """Return a shape as its name describes it: UPPER AND RIGHT AND LOWER TRIANGULAR THREE QUARTERS BLOCK."""
    y, x = _positions()
    nearest = {"UPPER": y, "LOWER": 1 - y, "LEFT": x, "RIGHT": 1 - x}
    least = np.minimum(np.minimum(y, 1 - y), np.minimum(x, 1 - x))
    sides = unicodedata.name(character).split(" TRIANGULAR ")[0].split(" AND ")
    return _shares(np.logical_or.reduce([nearest[side] + 0 * least == least for side in sides]))


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


def _quadrants() -> Shapes:
    return _grid(2, 2, " ▘▝▀▖▌▞▛▗▚▐▜▄▙▟█") | _eighths()


def _with_sextants() -> Shapes:
    return _grid(2, 3, _sextants()) | _quadrants()


@functools.cache
def _with_mosaics() -> Shapes:
    return _with_sextants() | _mosaics()


WAYS = {
    way.name: way
    for way in (
        Way("octants", lambda: _grid(2, 4, _octants()) | _with_mosaics(), *_FITTED),
        Way("mosaics", _with_mosaics, *_FITTED),
        Way("sextants", _with_sextants, *_FITTED),
        Way("quadrants", _quadrants, *_FITTED),
        Way("halves", lambda: _grid(1, 2, " ▀▄█"), 1, 2),
        Way("braille", lambda: _grid(2, 4, _braille()), 2, 4, greys=0),
        Way("ascii", lambda: dict.fromkeys(_RAMP, _box()), 1, 1, greys=0),
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
        """Return what the cells show: uint8 [lines * DOWN, columns * ACROSS]."""
        lines, columns = self.masks.shape
        if self.way.name == "ascii":
            grey: Pixels = np.rint(self.masks * (255 / (len(_RAMP) - 1))).astype(np.uint8)
            return grey.repeat(DOWN, axis=0).repeat(ACROSS, axis=1)
        ink, paper = (greys.astype(np.float32)[..., None, None] for greys in (self.ink, self.paper))
        shown = np.rint(paper + (ink - paper) * self.way.drawn[self.masks]).astype(np.uint8)
        pixels: Pixels = shown.transpose(0, 2, 1, 3).reshape(lines * DOWN, columns * ACROSS)
        return pixels


def _runs(characters: str, masks: list[int], inks: list[int], papers: list[int]) -> Iterator[Run]:
    """Yield runs. Full cells stand only for the brighter grey: gaps that a font leaves between them would show."""
    text, ink, paper = "", -1, -1
    for mask, over, under in zip(masks, inks, papers, strict=True):
        character = characters[mask]
        if over == under:  # one grey: it may be the paper of an empty cell or the ink of a full one
            if under == paper:
                text += EMPTY
            elif text and under > paper and ink in (-1, under):
                text, ink = text + FULL, under
            else:
                if text:
                    yield text, ink, paper
                text, ink, paper = EMPTY, -1, under
        elif (over, under) == (ink, paper):
            text += character
        elif ink < 0 and paper == under:  # only empty cells so far, whose ink could be any
            text, ink = text + character, over
        elif ink < 0 and paper == over and over > under:
            text, ink, paper = FULL * len(text) + character, over, under
        else:
            if text:
                yield text, ink, paper
            text, ink, paper = character, over, under
    if text:
        yield text, ink, paper


def fit(image: Pixels, way: Way, columns: int, lines: int) -> Mosaic:
    """Show uint8 [H, W] on some cells."""
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
    """Choose for each cell the shape, and its two greys, with the least squared error.

    For a shape these greys are the regression of the cell's values on the shares of ink, as far as there are such.
    """
    chosen, shapes, inverses = way.compared
    share = shapes.mean(axis=1)
    variance = ((shapes - share[:, None]) ** 2).sum(axis=1)
    mean = parts.mean(axis=-1, keepdims=True)
    along = (parts - mean) @ shapes.T
    slope = along / variance
    paper = mean - slope * share
    ink, paper = np.clip(paper + slope, 0, 255), np.clip(paper, 0, 255)
    slope = ink - paper
    error = slope * (slope * variance - 2 * along) + shapes.shape[1] * (mean - paper - slope * share) ** 2
    best = error.argmin(axis=-1)
    ink, paper = (np.take_along_axis(greys, best[..., None], axis=-1)[..., 0] for greys in (ink, paper))
    # The ink is the brighter one where possible, so that neighbouring cells agree on which is which.
    turned = (ink < paper) & (inverses[best] >= 0)
    masks = np.where(turned, inverses[best], chosen[best])
    return Mosaic(way, masks, _quantised(np.where(turned, paper, ink)), _quantised(np.where(turned, ink, paper)))


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

"""Composes lines and squared sheets of handwriting from single characters, seeded, for `kanatui bench read`.

A character is its ink and its place in an em box: from real drawings of one person, or from a face. Lines get spacing,
size and baseline as uneven as a careful hand's.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
from PIL import Image
from scipy import ndimage

from kanatui.kana.alphabet import SMALL
from kanatui.pictures.ink import box_of

Pixels = npt.NDArray[np.uint8]

_MEAN_SIDE = 0.75  # ems, of the longer side of a normal kana, as in fonts
_SMALL_SCALE = 0.66
_LEAST_GAP = 0.04  # ems of paper between the boxes of neighbours


@dataclasses.dataclass(frozen=True)
class Glyph:
    """One character's ink."""

    ink: Pixels
    """uint8 [h, w], white on black, cropped."""
    centre: tuple[float, float]
    """Of its box, in ems right of and below the middle of the em box."""
    em: float
    """Pixels of ``ink`` to an em."""


@dataclasses.dataclass(frozen=True)
class Composed:
    """A picture with what is written on it."""

    picture: Pixels
    """uint8 [H, W], dark on light."""
    lines: tuple[str, ...]
    boxes: tuple[tuple[int, int, int, int], ...]
    """Left, top, right, bottom of each character's ink, in pixels, line by line."""


@dataclasses.dataclass(frozen=True)
class Style:
    """How one writer fills one line or sheet."""

    em: float
    """Pixels."""
    pitch: float
    """Ems from character to character."""
    vertical: bool
    spacing: float = 0.06
    """Standard deviation of a character's place along the line, in ems."""
    drift: float = 0.04
    """Standard deviation of its place across the line, in ems."""
    sizes: float = 0.15
    """Its size varies by up to this share."""


def from_drawings(drawings: Mapping[str, npt.NDArray[np.bool_]]) -> dict[str, Glyph]:
    """Make glyphs of one person's drawings, bool [S, S] each, with small kana shrunk from the normal ones."""
    boxes = {character: box_of(ink) for character, ink in drawings.items()}
    longer = np.mean([max(right - left, bottom - top) for left, top, right, bottom in boxes.values()])
    em = float(longer) / _MEAN_SIDE
    middle = np.mean([((left + right) / 2, (top + bottom) / 2) for left, top, right, bottom in boxes.values()], axis=0)
    glyphs = {}
    for character, (left, top, right, bottom) in boxes.items():
        ink = drawings[character][top:bottom, left:right].astype(np.uint8) * 255
        x, y = (np.array([left + right, top + bottom]) / 2 - middle) / em
        glyphs[character] = Glyph(ink, (float(x), float(y)), em)
    small = {little: normal for little, normal in SMALL.items() if normal in glyphs}
    shrunk = {
        little: dataclasses.replace(
            glyphs[normal],
            centre=(glyphs[normal].centre[0] * _SMALL_SCALE, glyphs[normal].centre[1] * _SMALL_SCALE + 0.13),
            em=em / _SMALL_SCALE,
        )
        for little, normal in small.items()
    }
    return glyphs | shrunk


def random_style(rng: np.random.Generator, vertical: bool) -> Style:
    """Draw the style of one line."""
    return Style(float(rng.uniform(56, 112)), float(rng.uniform(0.95, 1.25)), vertical)


def random_text(rng: np.random.Generator, characters: str, least: int = 7, most: int = 13) -> str:
    """Draw ``least`` to ``most`` characters; a line never begins with a small kana."""
    small = set(SMALL)
    first = [character for character in characters if character not in small]
    length = int(rng.integers(least, most + 1))
    return str(rng.choice(first)) + "".join(rng.choice(list(characters), length - 1))


def compose_line(glyphs: Mapping[str, Glyph], text: str, style: Style, rng: np.random.Generator) -> Composed:
    """Write one line."""
    along_ends, placed = -np.inf, []
    for number, character in enumerate(text):
        ink, centre = _written(glyphs[character], character, style, rng)
        place = np.array([centre[0], centre[1] + number * style.pitch] if style.vertical else centre)
        if not style.vertical:
            place[0] += number * style.pitch
        place[int(style.vertical)] += rng.normal(0.0, style.spacing)
        place[int(not style.vertical)] += rng.normal(0.0, style.drift)
        half = ink.shape[0 if style.vertical else 1] / style.em / 2
        axis = int(style.vertical)
        place[axis] = max(place[axis], along_ends + _LEAST_GAP + half)
        along_ends = place[axis] + half
        placed.append((ink, place))
    ink, boxes = _laid(placed, style.em, rng)
    return Composed(255 - ink, (text,), boxes)


def _written(
    glyph: Glyph, character: str, style: Style, rng: np.random.Generator
) -> tuple[Pixels, tuple[float, float]]:
    """Return a glyph's ink at the style's size, and the middle of its box in ems."""
    factor = float(rng.uniform(1 - style.sizes, 1 + style.sizes))
    scale = factor * style.em / glyph.em
    height, width = (max(1, round(side * scale)) for side in glyph.ink.shape)
    ink = np.asarray(Image.fromarray(glyph.ink).resize((width, height), Image.Resampling.BOX), dtype=np.float32)
    # A thin pen fades where it is reduced; a written one does not.
    ink = np.clip(ink * max(1.0, 1.0 / max(scale, 0.35)), 0, 255)
    x, y = glyph.centre
    if style.vertical and (character in SMALL or character in "、。"):
        x, y = abs(y), -abs(y)  # in vertical writing they go to the upper right
    return ink.astype(np.uint8), (x * factor, y * factor)


def _laid(
    placed: Sequence[tuple[Pixels, npt.NDArray[np.float64]]], em: float, rng: np.random.Generator
) -> tuple[Pixels, tuple[tuple[int, int, int, int], ...]]:
    """Lay pieces of ink, with middles in ems, on a canvas with a margin: white on black; return their boxes too."""
    corners = np.array([place * em - np.array(ink.shape[::-1]) / 2 for ink, place in placed])
    ends = corners + np.array([ink.shape[::-1] for ink, _ in placed])
    margin = rng.uniform(0.3, 1.0, 2) * em
    offset = margin - corners.min(axis=0)
    width, height = np.ceil(ends.max(axis=0) + offset + margin).astype(int) + 2
    canvas = np.zeros((height, width), dtype=np.uint8)
    boxes = []
    for (ink, _), corner in zip(placed, corners, strict=True):
        x, y = np.round(corner + offset).astype(int)
        part = canvas[y : y + ink.shape[0], x : x + ink.shape[1]]
        np.maximum(part, ink, out=part)
        boxes.append((int(x), int(y), int(x) + ink.shape[1], int(y) + ink.shape[0]))
    return canvas, tuple(boxes)


def compose_sheet(
    glyphs: Mapping[str, Glyph], texts: Sequence[str], style: Style, rng: np.random.Generator
) -> Composed:
    """Write lines into printed squares, ``style.pitch`` ems wide.

    Columns have strips between them, as on genkō yōshi; rows sometimes.
    """
    cell = style.pitch * style.em
    gap = (0.3 if style.vertical else float(rng.choice([0.0, 0.3]))) * cell
    columns, rows = max(map(len, texts)), len(texts)
    shape = np.array([columns * cell, rows * (cell + gap) - gap])
    margin = float(rng.uniform(0.4, 1.0)) * cell
    width, height = np.ceil((shape[::-1] if style.vertical else shape) + 2 * margin).astype(int)
    ink = np.zeros((height, width), dtype=np.uint8)
    printed = np.zeros((height, width), dtype=bool)
    thick = int(rng.integers(1, 3))
    boxes = []
    for line, text in enumerate(texts):
        for number in range(columns):
            along, across = margin + number * cell, margin + line * (cell + gap)
            x, y = (width - across - cell, along) if style.vertical else (along, across)
            _frame(printed, round(x), round(y), round(cell), thick)
            if number < len(text):
                glyph, (right, down) = _written(glyphs[text[number]], text[number], style, rng)
                shift = rng.normal(0.0, style.drift, 2)
                left = x + cell / 2 + (right + shift[0]) * style.em - glyph.shape[1] / 2
                top = y + cell / 2 + (down + shift[1]) * style.em - glyph.shape[0] / 2
                _blend(ink, glyph, round(left), round(top))
                boxes.append((round(left), round(top), round(left) + glyph.shape[1], round(top) + glyph.shape[0]))
    paper = np.where(printed, float(rng.uniform(120, 200)), 255.0)
    return Composed((paper * (1 - ink / 255.0)).astype(np.uint8), tuple(texts), tuple(boxes))


def _frame(printed: npt.NDArray[np.bool_], x: int, y: int, side: int, thick: int) -> None:
    for row in (y, y + side):
        printed[row : row + thick, x : x + side + thick] = True
    for column in (x, x + side):
        printed[y : y + side + thick, column : column + thick] = True


def _blend(canvas: Pixels, ink: Pixels, x: int, y: int) -> None:
    top, left = max(y, 0), max(x, 0)
    part = canvas[top : y + ink.shape[0], left : x + ink.shape[1]]
    np.maximum(part, ink[top - y : top - y + part.shape[0], left - x : left - x + part.shape[1]], out=part)


# --- What a camera and a desk do to a picture


def skewed(picture: Pixels, degrees: float) -> Pixels:
    """Turn a picture on a larger sheet of white."""
    turned = Image.fromarray(picture).rotate(degrees, Image.Resampling.BICUBIC, expand=True, fillcolor=255)
    return np.asarray(turned)


def shadowed(picture: Pixels, rng: np.random.Generator) -> Pixels:
    """Dim a picture unevenly, with the soft edge of a shadow across it, and add the noise of a camera."""
    height, width = picture.shape
    y, x = np.mgrid[0:height, 0:width] / max(height, width)
    angle = rng.uniform(0, 2 * np.pi)
    across = x * np.cos(angle) + y * np.sin(angle)
    edge = across.min() + rng.uniform(0.3, 0.7) * np.ptp(across)
    light = 1.0 - 0.45 / (1.0 + np.exp(-(across - edge) / 0.02)) - 0.15 * across
    dimmed: Pixels = np.clip(picture * 0.85 * light + rng.normal(0, 4, picture.shape), 0, 255).astype(np.uint8)
    return dimmed


def tilted(picture: Pixels, rng: np.random.Generator, most: float = 0.06) -> Pixels:
    """Show a picture in mild perspective: each corner moves inwards by up to a share of the side."""
    height, width = picture.shape
    corners = np.array([(0, 0), (0, height), (width, height), (width, 0)], dtype=np.float64)
    moved = corners + rng.uniform(0, most, (4, 2)) * (width, height) * np.array([(1, 1), (1, -1), (-1, -1), (-1, 1)])
    rows = []
    for (x, y), (u, v) in zip(moved, corners, strict=True):
        rows += [[x, y, 1, 0, 0, 0, -u * x, -u * y], [0, 0, 0, x, y, 1, -v * x, -v * y]]
    data = np.linalg.solve(np.array(rows), corners.ravel()).tolist()
    shown = Image.fromarray(picture).transform(
        (width, height), Image.Transform.PERSPECTIVE, tuple(data), Image.Resampling.BICUBIC, fillcolor=255
    )
    return np.asarray(shown)


def jpeg(picture: Pixels, quality: int = 30) -> Pixels:
    """Blur a picture a little and save it as a poor JPEG."""
    import io

    data = io.BytesIO()
    Image.fromarray(ndimage.gaussian_filter(picture, 0.8)).save(data, "JPEG", quality=quality)
    return np.asarray(Image.open(data).convert("L"))

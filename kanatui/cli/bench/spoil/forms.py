"""Printed forms, practice paper, and other things on the sheet."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw
from scipy import ndimage

from kanatui.cli.bench.spoil.paper import (
    SIDE,
    Drawing,
    Kind,
    Picture,
    brightness,
    cloud,
    drawn_lines,
    grid,
    lay,
    noisy,
    printed,
)

# --- Printed forms and practice paper


def boxed(inset: tuple[float, float], width: float, tilt: float = 0.0, strength: float = 0.85, radius: int = 0) -> Kind:
    """Print a whole frame around the character: ``inset`` and ``width`` in shares of the side, ``tilt`` in degrees."""

    def kind(drawing: Drawing, rng: np.random.Generator) -> Picture:
        ink = lay(drawing, rng, share=(0.45, 0.65), centred=True)
        gap = rng.uniform(*inset)

        def frame(canvas: ImageDraw.ImageDraw, side: int) -> None:
            box = (gap * side, gap * side, (1 - gap) * side, (1 - gap) * side)
            canvas.rounded_rectangle(box, radius * 4, outline=255, width=max(1, round(width * side)))

        return printed(np.maximum(ink, tilted(drawn_lines(np.zeros_like(ink), frame, strength), rng, tilt)))

    return kind


def tilted(lines: Drawing, rng: np.random.Generator, most: float) -> Drawing:
    if not most:
        return lines
    return np.asarray(Image.fromarray(lines).rotate(rng.uniform(-most, most), Image.Resampling.BILINEAR))


def pieces_of_a_frame(tilt: float) -> Kind:
    """Leave pieces of a frame at two edges."""

    def kind(drawing: Drawing, rng: np.random.Generator) -> Picture:
        ink = lay(drawing, rng, share=(0.45, 0.65), centred=True)
        inset = rng.uniform(0.01, 0.06, 2)
        ends = np.sort(rng.uniform(0, 1, (2, 2)), axis=1)
        first, second = rng.permutation(4)[:2]

        def pieces(canvas: ImageDraw.ImageDraw, side: int) -> None:
            for edge, gap, (start, stop) in zip((first, second), inset, ends, strict=True):
                across = (gap if edge % 2 else 1 - gap) * side
                points = [(start * side, across), (min(stop + 0.25, 1.0) * side, across)]
                canvas.line(points if edge < 2 else [(y, x) for x, y in points], fill=255, width=round(0.03 * side))

        return printed(np.maximum(ink, tilted(drawn_lines(np.zeros_like(ink), pieces), rng, tilt)))

    return kind


def line_beside(drawing: Drawing, rng: np.random.Generator) -> Picture:
    """Print one line along one edge, from end to end."""
    ink = lay(drawing, rng, share=(0.5, 0.75), centred=True)
    place = int(rng.integers(1, 4))
    axis, far = rng.integers(2), rng.integers(2)
    lines = np.zeros_like(ink)
    chosen = slice(-place - 2, -place) if far else slice(place, place + 2)
    lines[(chosen, slice(None)) if axis else (slice(None), chosen)] = 0.8
    return printed(np.maximum(ink, lines))


def form(drawing: Drawing, rng: np.random.Generator) -> Picture:
    """Scan a form's field: frame, neighbours, uneven ink, noise, single pixels, 16 greys."""
    ink = lay(drawing, rng, share=(0.45, 0.65), centred=True)
    ink *= 0.6 + 0.4 * cloud(ink.shape, rng, 4)
    lines = np.zeros_like(ink)
    lines[[1, 2, -3, -2], :] = 0.7
    lines[:, [1, 2, -3, -2]] = 0.7
    picture = noisy(with_neighbour(np.maximum(ink, tilted(lines, rng, 1.0)), rng), rng, 10)
    picture[rng.random(picture.shape) < 0.005] = 30
    return picture // 16 * 17


def form_in_two_levels(drawing: Drawing, rng: np.random.Generator) -> Picture:
    return ((form(drawing, rng) > 140) * 255).astype(np.uint8)


def ruled_paper(drawing: Drawing, rng: np.random.Generator) -> Picture:
    ink = lay(drawing, rng, side=128)
    lines = np.zeros_like(ink)
    lines[int(rng.integers(4, 30)) :: 36] = 0.3
    return printed(np.maximum(ink, lines))


def squared_paper(drawing: Drawing, rng: np.random.Generator) -> Picture:
    ink = lay(drawing, rng, side=128)
    lines = np.zeros_like(ink)
    start = rng.integers(2, 14, 2)
    lines[start[0] :: 16] = 0.25
    lines[:, start[1] :: 16] = 0.25
    return printed(np.maximum(ink, lines))


def practice_square(drawing: Drawing, rng: np.random.Generator) -> Picture:
    """Print a box with a light dashed cross, as practice paper has it."""
    ink = lay(drawing, rng, side=128, share=(0.55, 0.7), centred=True)
    lines = np.zeros_like(ink)
    lines[[3, 4, -5, -4], 3:-3] = 0.6
    lines[3:-3, [3, 4, -5, -4]] = 0.6
    lines[63:65, 4:-4:6] = lines[63:65, 5:-4:6] = lines[63:65, 6:-4:6] = 0.25
    lines[4:-4:6, 63:65] = lines[5:-4:6, 63:65] = lines[6:-4:6, 63:65] = 0.25
    return printed(np.maximum(ink, lines))


def corner_marks(drawing: Drawing, rng: np.random.Generator) -> Picture:
    ink = lay(drawing, rng, share=(0.5, 0.65), centred=True)
    for rows, columns in ((slice(2, 10), slice(2, 4)), (slice(-10, -2), slice(-4, -2))):
        ink[rows, columns] = 0.8
        ink[columns, rows] = 0.8
    return printed(ink)


def dotted_frame(drawing: Drawing, rng: np.random.Generator) -> Picture:
    ink = lay(drawing, rng, share=(0.5, 0.65), centred=True)
    for step in (0, 1):
        ink[2:4, 2 + step : -2 : 5] = ink[-4:-2, 2 + step : -2 : 5] = 0.8
        ink[2 + step : -2 : 5, 2:4] = ink[2 + step : -2 : 5, -4:-2] = 0.8
    return printed(ink)


# --- Other things on the sheet


def with_neighbour(ink: Drawing, rng: np.random.Generator) -> Picture:
    ink = ink.copy()
    start = int(rng.integers(8, 40))
    if rng.random() < 0.5:
        ink[start : start + int(rng.integers(6, 18)), : int(rng.integers(2, 5))] = 0.9
    else:
        ink[start : start + int(rng.integers(6, 18)), -int(rng.integers(2, 5)) :] = 0.9
    return printed(ink)


def neighbours_stroke(drawing: Drawing, rng: np.random.Generator) -> Picture:
    return with_neighbour(lay(drawing, rng, share=(0.5, 0.65), centred=True), rng)


def specks(count: int, radius: float) -> Kind:
    """Scatter specks, ``radius`` in shares of the side; a pen of twice that is as wide."""

    def kind(drawing: Drawing, rng: np.random.Generator) -> Picture:
        ink = lay(drawing, rng, share=(0.5, 0.65))
        down, right = grid(ink.shape)
        for y, x in rng.uniform(0.03, 0.97, (count, 2)):
            ink = np.maximum(ink, np.clip((radius - np.hypot(down - y, right - x)) * SIDE + 0.5, 0, 1))
        return printed(ink)

    return kind


def punched_hole(drawing: Drawing, rng: np.random.Generator) -> Picture:
    ink = lay(drawing, rng, side=128, share=(0.45, 0.6), centred=True)
    down, right = grid(ink.shape)
    return printed(np.maximum(ink, np.hypot(down - rng.uniform(0.02, 0.1), right - rng.uniform(0.02, 0.98)) < 0.06))


def scanners_edge(drawing: Drawing, rng: np.random.Generator) -> Picture:
    picture = printed(lay(drawing, rng, share=(0.5, 0.65), centred=True))
    turn = int(rng.integers(4))
    np.rot90(picture, turn)[:6] = 0
    return picture


def sheet_on_a_table(drawing: Drawing, rng: np.random.Generator) -> Picture:
    sheet = printed(lay(drawing, rng, side=96, share=(0.55, 0.7)))
    table = np.full((160, 160), 60, dtype=np.uint8)
    top, left = rng.integers(20, 44, 2)
    table[top : top + 96, left : left + 96] = sheet
    return noisy(table, rng, 4)


def screenshot(drawing: Drawing, rng: np.random.Generator) -> Picture:
    """Put a dark bar at the top and the bottom, with light marks in it."""
    page = printed(lay(drawing, rng, side=160, share=(0.35, 0.45), centred=True), paper=255, dark=0)
    for bar in (page[:16], page[-16:]):
        bar[:] = 45
        bar[6:10, 8:24] = bar[6:10, -20:-8] = 220
    return page


def red_ring(drawing: Drawing, rng: np.random.Generator) -> Picture:
    ink = lay(drawing, rng, side=128, share=(0.4, 0.5), centred=True)
    picture = np.repeat(printed(ink)[..., None], 3, axis=2)
    down, right = grid(ink.shape)
    picture[np.abs(np.hypot(down - 0.5, right - 0.5) - 0.42) < 0.02] = (215, 40, 45)
    return picture


def coloured(paper: tuple[int, int, int], ink_colour: tuple[int, int, int]) -> Kind:
    def kind(drawing: Drawing, rng: np.random.Generator) -> Picture:
        ink = lay(drawing, rng)[..., None]
        return brightness(ink * np.array(ink_colour) + (1 - ink) * np.array(paper))

    return kind


def shows_through(drawing: Drawing, rng: np.random.Generator) -> Picture:
    """Show the back of the sheet faintly: another drawing, mirrored."""
    ink = lay(drawing, rng)
    back = ndimage.gaussian_filter(lay(drawing[:, ::-1].copy(), rng, share=(0.6, 0.9)), 1.0) * 0.2
    return printed(np.maximum(ink, back))


def textured_paper(drawing: Drawing, rng: np.random.Generator) -> Picture:
    ink = lay(drawing, rng, side=96)
    return brightness(printed(ink) - 45 * cloud(ink.shape, rng, 24) - 25 * cloud(ink.shape, rng, 60))

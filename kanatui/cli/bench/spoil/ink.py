"""Pens and ink, crops, and pictures of few grey levels."""

from __future__ import annotations

import numpy as np
from PIL import Image
from scipy import ndimage

from kanatui.cli.bench.spoil.paper import Drawing, Kind, Picture, cloud, cropped, lay, noisy, printed

# --- Pens and ink


def as_drawn(drawing: Drawing, rng: np.random.Generator) -> Picture:
    return printed(lay(drawing, rng))


def hair_line(drawing: Drawing, rng: np.random.Generator) -> Picture:
    return printed(lay(drawing, rng, pen=(0.02, 0.03)))


def felt_pen(drawing: Drawing, rng: np.random.Generator) -> Picture:
    return printed(lay(drawing, rng, pen=(0.11, 0.13)))


def broad_pen(drawing: Drawing, rng: np.random.Generator) -> Picture:
    return printed(lay(drawing, rng, pen=(0.16, 0.17)))


def fading_pen(drawing: Drawing, rng: np.random.Generator) -> Picture:
    ink = lay(drawing, rng, pen=(0.03, 0.06))
    return printed(ink * (0.35 + 0.65 * cloud(ink.shape, rng, 5)))


def broken_strokes(drawing: Drawing, rng: np.random.Generator) -> Picture:
    ink = lay(drawing, rng)
    return printed(ink * (cloud(ink.shape, rng, 12) > 0.3))


def pencil(drawing: Drawing, rng: np.random.Generator) -> Picture:
    ink = lay(drawing, rng, side=96)
    return printed(ink * rng.uniform(0.3, 1.0, ink.shape).astype(np.float32), dark=90)


def faint_pencil(drawing: Drawing, rng: np.random.Generator) -> Picture:
    return noisy(printed(lay(drawing, rng), paper=225, dark=190), rng, 3)


def bleeding_ink(drawing: Drawing, rng: np.random.Generator) -> Picture:
    ink = lay(drawing, rng, pen=(0.06, 0.09))
    return printed(np.clip(ndimage.gaussian_filter(ink, 1.2) * 1.6, 0, 1))


def faint_on_grain(drawing: Drawing, rng: np.random.Generator) -> Picture:
    ink = lay(drawing, rng, share=(0.4, 0.95)) * 0.8
    picture = printed(ink * (0.6 + 0.4 * cloud(ink.shape, rng, 4)), paper=190, dark=110)
    picture = noisy(picture, rng, 9)
    picture[rng.random(picture.shape) < rng.uniform(0, 0.02)] = 20
    return picture


# --- Crops


def crop(margin: int, share: tuple[float, float] = (0.9, 0.95), pen: tuple[float, float] = (0.06, 0.12)) -> Kind:
    def kind(drawing: Drawing, rng: np.random.Generator) -> Picture:
        return printed(cropped(lay(drawing, rng, share=share, pen=pen), margin))

    return kind


def two_level_crop(margin: int, pen: tuple[float, float]) -> Kind:
    def kind(drawing: Drawing, rng: np.random.Generator) -> Picture:
        ink = cropped(lay(drawing, rng, share=(0.9, 0.95), pen=pen), margin)
        return ((ink < 0.5) * 255).astype(np.uint8)

    return kind


def loosely_cropped(drawing: Drawing, rng: np.random.Generator) -> Picture:
    """Leave 0 to 6 px of paper on each side, as segmenting a form does; two grey levels."""
    ink = cropped(lay(drawing, rng, share=(0.85, 0.9), pen=(0.05, 0.1)), 6)
    top, left, bottom, right = rng.integers(0, 7, 4)
    return ((ink[top : len(ink) - bottom, left : ink.shape[1] - right] < 0.5) * 255).astype(np.uint8)


def one_side_cropped(drawing: Drawing, rng: np.random.Generator) -> Picture:
    ink = cropped(lay(drawing, rng), 14)
    sides = [slice(14, None), slice(None, -14)]
    axis, side = rng.integers(2), sides[rng.integers(2)]
    return printed(ink[side] if axis else ink[:, side])


def cut_by_the_edge(drawing: Drawing, rng: np.random.Generator) -> Picture:
    ink = cropped(lay(drawing, rng, pen=(0.06, 0.09)))
    cut = [max(1, round(0.04 * edge)) for edge in ink.shape]
    return printed(np.pad(ink[cut[0] :, cut[1] :], ((0, 6), (0, 6))))


def wide_margins(drawing: Drawing, rng: np.random.Generator) -> Picture:
    return printed(lay(drawing, rng, side=256, share=(0.15, 0.2), pen=(0.07, 0.1)))


def speck_on_a_page(drawing: Drawing, rng: np.random.Generator) -> Picture:
    return noisy(printed(lay(drawing, rng, side=900, share=(0.07, 0.09), pen=(0.07, 0.1))), rng, 4)


def icon(drawing: Drawing, rng: np.random.Generator) -> Picture:
    return printed(lay(drawing, rng, side=24, share=(0.7, 0.8), pen=(0.08, 0.1)))


def large(drawing: Drawing, rng: np.random.Generator) -> Picture:
    return printed(lay(drawing, rng, side=400))


# --- Few levels


def two_levels(drawing: Drawing, rng: np.random.Generator) -> Picture:
    return ((lay(drawing, rng) < rng.uniform(0.25, 0.75)) * 255).astype(np.uint8)


def two_levels_noisy(drawing: Drawing, rng: np.random.Generator) -> Picture:
    picture = noisy(printed(lay(drawing, rng)), rng, 40)
    return ((picture > 130) * 255).astype(np.uint8)


def dithered(drawing: Drawing, rng: np.random.Generator) -> Picture:
    picture = Image.fromarray(printed(lay(drawing, rng, side=128), paper=210, dark=60))
    return np.asarray(picture.convert("1")).astype(np.uint8) * 255


def sixteen_greys(drawing: Drawing, rng: np.random.Generator) -> Picture:
    return noisy(printed(lay(drawing, rng)), rng, 10) // 16 * 17

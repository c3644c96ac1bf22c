"""Light, lenses and compression."""

from __future__ import annotations

import numpy as np
from PIL import Image
from scipy import ndimage

from kanatui.cli.bench.spoil.paper import (
    Drawing,
    Kind,
    Picture,
    blurred,
    brightness,
    compressed,
    grid,
    lay,
    noisy,
    printed,
)

# --- Light


def side_light(drawing: Drawing, rng: np.random.Generator) -> Picture:
    picture = printed(lay(drawing, rng))
    return brightness(picture * (0.35 + 0.65 * grid(picture.shape)[rng.integers(2)]))


def hard_shadow(drawing: Drawing, rng: np.random.Generator) -> Picture:
    picture = printed(lay(drawing, rng, side=96))
    return brightness(picture * shadows_edge(picture.shape, rng, 0.004))


def soft_shadow(drawing: Drawing, rng: np.random.Generator) -> Picture:
    picture = printed(lay(drawing, rng, side=96))
    return brightness(picture * shadows_edge(picture.shape, rng, 0.06))


def shadows_edge(shape: tuple[int, ...], rng: np.random.Generator, soft: float) -> Drawing:
    """Return the light where a shadow's edge crosses the picture."""
    down, right = grid(shape)
    angle = rng.uniform(0, 2 * np.pi)
    along = (down - 0.5) * np.sin(angle) + (right - 0.5) * np.cos(angle) - rng.uniform(-0.2, 0.2)
    lit = 1 - rng.uniform(0.35, 0.5) / (1 + np.exp(-np.clip(along / soft, -50, 50)))
    return np.asarray(lit, dtype=np.float32)


def small_in_a_hard_shadow(drawing: Drawing, rng: np.random.Generator) -> Picture:
    picture = printed(lay(drawing, rng, side=160, share=(0.25, 0.35)))
    return compressed(brightness(picture * shadows_edge(picture.shape, rng, 0.02)), 80)


def lit_corner(drawing: Drawing, rng: np.random.Generator) -> Picture:
    picture = printed(lay(drawing, rng, side=96, centred=True))
    down, right = grid(picture.shape)
    corner = 1 / (1 + np.exp((1.5 - (1 - down) - right) / 0.03))
    return brightness(picture * (0.55 + 0.45 * corner) * shadows_edge(picture.shape, rng, 0.05))


def vignette(drawing: Drawing, rng: np.random.Generator) -> Picture:
    picture = printed(lay(drawing, rng))
    down, right = grid(picture.shape)
    return brightness(picture * (1 - 0.8 * ((down - 0.5) ** 2 + (right - 0.5) ** 2)))


def low_contrast(drawing: Drawing, rng: np.random.Generator) -> Picture:
    return printed(lay(drawing, rng), paper=140, dark=115)


def dim_and_noisy(drawing: Drawing, rng: np.random.Generator) -> Picture:
    return noisy(printed(lay(drawing, rng), paper=90, dark=40), rng, 8)


def noise(sigma: float) -> Kind:
    def kind(drawing: Drawing, rng: np.random.Generator) -> Picture:
        return noisy(printed(lay(drawing, rng)), rng, sigma)

    return kind


def salt_and_pepper(drawing: Drawing, rng: np.random.Generator) -> Picture:
    picture = printed(lay(drawing, rng))
    spots = rng.random(picture.shape)
    picture[spots < 0.015], picture[spots > 0.985] = 5, 250
    return picture


def out_of_focus(drawing: Drawing, rng: np.random.Generator) -> Picture:
    return blurred(printed(lay(drawing, rng)), rng.uniform(1.8, 2.4))


def shaken(drawing: Drawing, rng: np.random.Generator) -> Picture:
    picture = printed(lay(drawing, rng)).astype(np.float32)
    return brightness(ndimage.uniform_filter1d(picture, 6, axis=int(rng.integers(2)), mode="nearest"))


def jpeg(quality: int) -> Kind:
    def kind(drawing: Drawing, rng: np.random.Generator) -> Picture:
        return compressed(printed(lay(drawing, rng)), quality)

    return kind


def rotated_paper(drawing: Drawing, rng: np.random.Generator) -> Picture:
    image = Image.fromarray(printed(lay(drawing, rng, centred=True)))
    return np.asarray(image.rotate(rng.uniform(-8, 8), Image.Resampling.BILINEAR, fillcolor=235))

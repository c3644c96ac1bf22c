"""How alike two faces are: a second copy of the same shapes teaches a model nothing and doubles their share.

The likeness is the mean cosine between blurred 48 px images of up to 80 characters that both faces draw, each
stretched to one box. Of the 39 faces of ``fonts.toml`` no two are more than 0.989 alike (Noto Serif Bold and Black). Of
the fonts left out of it, Noto Sans DemiLight is 0.992 like Regular, and most others are 1.000 like one of the list.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from kanatui.fonts.faces import Face, coverage
from kanatui.fonts.masters import font_masters

DUPLICATE = 0.99
"""Faces more alike than this have the same shapes."""

SAME = 0.9995
"""More alike than this are copies of one face."""

BETWEEN = 0.97
"""A weight between two that are at least this like it adds nothing: the ``stroke_width`` augmentation covers it."""

_SAMPLE = 80
_EM, _SIDE, _BOX, _BLUR = 64, 48, 40, 1.25  # pixels


@dataclasses.dataclass(frozen=True)
class Look:
    """What a face looks like, for comparison."""

    characters: str
    """Those that it draws, of the sample."""
    glyphs: tuple[npt.NDArray[np.uint8], ...]
    """Each cropped to its ink, at 64 px per em, uint8 [h, w], white on black."""
    vectors: npt.NDArray[np.float32]
    """[n, 48 · 48] the blurred images, each of length 1."""
    ink: float
    """Mean area of a glyph's ink, in square ems."""


def look(face: Face, characters: str) -> Look:
    """Return the look of a face by a sample of ``characters``, evenly spread over them.

    Raises:
        FontError: the face is not installed, or its font cannot be read or drawn.
        ImageMagickError: ImageMagick is missing or failed.
    """
    step = max(1.0, len(characters) / _SAMPLE)
    sample = "".join(characters[int(place * step)] for place in range(min(_SAMPLE, len(characters))))
    drawn = "".join(c for c, has in zip(sample, coverage(face, sample), strict=True) if has)
    glyphs = font_masters(face, drawn, _EM).images
    ink = sum(int(glyph.sum(dtype=np.int64)) for glyph in glyphs) / 255 / _EM**2 / max(1, len(glyphs))
    return Look(drawn, tuple(glyphs), _vectors(glyphs), ink)


def likeness(one: Look, other: Look) -> float:
    """Return how alike two faces are, 0 … 1; 0 if one lacks half of what the other draws."""
    places = {c: place for place, c in enumerate(other.characters)}
    pairs = [(place, places[c]) for place, c in enumerate(one.characters) if c in places]
    if 2 * len(pairs) <= max(len(one.characters), len(other.characters)):
        return 0.0
    mine, theirs = (np.array(column) for column in zip(*pairs, strict=True))
    return float((one.vectors[mine] * other.vectors[theirs]).sum(axis=1).mean())


def nearest(new: Look, known: Mapping[str, Look]) -> tuple[float, str]:
    """Return how alike the most similar of the known faces is, and its id; (0, "") if there is none."""
    return max(((likeness(new, look), id) for id, look in known.items()), default=(0.0, ""))


def between(new: Look, known: Mapping[str, Look]) -> tuple[str, str] | None:
    """Return the ids of a lighter and a bolder known face between which this is a weight; None if it is not."""
    near = [id for id, look in known.items() if likeness(new, look) >= BETWEEN]
    lighter = next((id for id in near if known[id].ink < new.ink), "")
    bolder = next((id for id in near if known[id].ink > new.ink), "")
    return (lighter, bolder) if lighter and bolder else None


def _vectors(glyphs: list[npt.NDArray[np.uint8]]) -> npt.NDArray[np.float32]:
    from PIL import Image
    from scipy.ndimage import gaussian_filter

    images = np.zeros((len(glyphs), _SIDE, _SIDE), dtype=np.float32)
    inside = slice((_SIDE - _BOX) // 2, (_SIDE + _BOX) // 2)
    for image, glyph in zip(images, glyphs, strict=True):
        image[inside, inside] = np.asarray(Image.fromarray(glyph).resize((_BOX, _BOX), Image.Resampling.BILINEAR))
    vectors = gaussian_filter(images, (0, _BLUR, _BLUR)).reshape(len(glyphs), _SIDE**2)
    return np.asarray(vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9), dtype=np.float32)

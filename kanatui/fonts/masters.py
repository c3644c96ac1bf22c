"""Masters: large drawings of glyphs, cached on disk, from which all images are resampled."""

from __future__ import annotations

import concurrent.futures
import contextlib
import dataclasses
import io
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from kanatui.core import arrayfiles, paths, storage
from kanatui.core.errors import StorageError
from kanatui.fonts import imagemagick

if TYPE_CHECKING:
    from fontTools.ttLib import TTFont

    from kanatui.fonts.faces import Face

DRAWN_AT_ONCE = 256
"""Glyphs on their canvases: 85 MB at 384 pixels per em; 3,000 kanji at once would take a gigabyte."""

Written = tuple[Sequence[npt.NDArray[np.floating]], float]
"""A character written with a pen: the lines, and the pen's width."""

_USE_TYPO_METRICS = 128  # bit 7 of `fsSelection` in a font's OS/2 table


@dataclasses.dataclass(frozen=True)
class Masters:
    """Large glyphs of one face with the metrics by which ImageMagick places them."""

    images: list[npt.NDArray[np.uint8]]
    """Each glyph cropped to its ink, uint8 [h, w], white on black."""
    corners: npt.NDArray[np.int32]
    """[n, 2] top left corner of each crop, in pixels right of and below the text origin."""
    em: int
    """Pixels per em."""
    advance: npt.NDArray[np.float32]
    """[n] advance widths in ems."""
    right: npt.NDArray[np.float32]
    """[n] right edge of each outline, in ems from the text origin."""
    ascent: float
    """Of the face, in ems, upwards positive."""
    descent: float
    """Of the face, in ems, negative below the baseline."""


@dataclasses.dataclass(frozen=True)
class _Glyph:
    crop: npt.NDArray[np.uint8]
    corner: npt.NDArray[np.int32]
    advance: float
    right: float


_Drawn = tuple[dict[str, _Glyph], tuple[float, float]]
"""Glyphs, and their face's ascent and descent."""


def font_masters(face: Face, characters: str, em: int) -> Masters:
    """Return the masters of some characters of a face; missing ones are drawn and cached.

    Args:
        face: an installed face.
        characters: the glyphs, each drawable by the face.
        em: pixels per em, a multiple of 8.

    Raises:
        FontError: the font cannot be read.
        ImageMagickError: drawing failed.
    """
    magick = imagemagick.find()

    origin = _master_origin(em)

    def draw(absent: str) -> _Drawn:
        font = face.drawn_font()
        with concurrent.futures.ThreadPoolExecutor(1) as beside:
            measuring = beside.submit(_measure, face, absent)  # fontTools takes as long as ImageMagick on one core
            images = (image for part in _parts(absent) for image in magick.glyphs(font, part, em))
            crops = [_crop(image, origin) for image in images]
            measures, vertical = measuring.result()
        return {c: _Glyph(*crop, *measures[c]) for c, crop in zip(absent, crops, strict=True)}, vertical

    return _kept(face, characters, em, draw)


def stroke_masters(face: Face, characters: str, em: int, write: Callable[[str], Written], ascent: float) -> Masters:
    """Return the masters of some characters of a face that has strokes instead of a font; cached like a font's.

    Args:
        face: any face; its digest must change whenever its strokes change.
        characters: the glyphs.
        em: pixels per em, a multiple of 8.
        write: returns the lines of a character, float [n, 2] in ems right of and below the top left corner of the em
            box, and the width of the pen in ems.
        ascent: top of the em box above the baseline, in ems; the box is one em wide.

    Raises:
        ImageMagickError: drawing failed.
    """
    magick, origin = imagemagick.find(), _master_origin(em)

    def pictures(part: str) -> Iterator[tuple[list[npt.NDArray[np.floating]], float]]:
        corner = np.array(imagemagick.MASTER_ORIGIN) - (0.0, ascent)
        for lines, pen in map(write, part):
            yield [(line + corner) * em for line in lines], pen * em

    def draw(absent: str) -> _Drawn:
        canvas = round(imagemagick.MASTER_CANVAS * em)
        images = (image for part in _parts(absent) for image in magick.strokes(list(pictures(part)), canvas))
        glyphs = {c: _Glyph(*_crop(image, origin), 1.0, 1.0) for c, image in zip(absent, images, strict=True)}
        return glyphs, (ascent, ascent - 1.0)

    return _kept(face, characters, em, draw)


def picture_masters(
    face: Face, characters: str, em: int, picture: Callable[[str], npt.NDArray[np.uint8]], ascent: float
) -> Masters:
    """Return the masters of some characters of a face whose glyphs are pictures; cached like a font's.

    Args:
        face: any face; its digest must change whenever a picture does.
        characters: the glyphs.
        em: pixels per em.
        picture: returns the em box of a character, uint8 [em, em], white on black.
        ascent: top of the em box above the baseline, in ems; the box is one em wide.
    """

    def draw(absent: str) -> _Drawn:
        glyphs = {c: _Glyph(*_crop(picture(c), (0, round(ascent * em))), 1.0, 1.0) for c in absent}
        return glyphs, (ascent, ascent - 1.0)

    return _kept(face, characters, em, draw)


def _master_origin(em: int) -> tuple[int, int]:
    """Return where the text origin lies on ImageMagick's canvas, in pixels from the top left corner."""
    x, y = (round(share * em) for share in imagemagick.MASTER_ORIGIN)
    return x, y


def _parts(characters: str) -> Iterator[str]:
    """Cut a text into parts of at most :data:`_DRAWN_AT_ONCE` characters."""
    return (characters[start : start + DRAWN_AT_ONCE] for start in range(0, len(characters), DRAWN_AT_ONCE))


def _kept(face: Face, characters: str, em: int, draw: Callable[[str], _Drawn]) -> Masters:
    """Return masters from the cache; missing ones are drawn and added to it."""
    file = paths.cache() / "masters" / f"{face.key[:32]}-{em}-{imagemagick.find().version}.npz"
    known, vertical = _read_cache(file)
    absent = "".join(dict.fromkeys(c for c in characters if c not in known))
    if absent:
        drawn, vertical = draw(absent)
        known |= drawn
        # If two processes add glyphs at once, the later one wins; the other's glyphs are drawn again. Without the
        # cache the result is the same and only the next call slower, so a full disk is not an error here.
        with contextlib.suppress(StorageError):
            _write_cache(file, known, vertical)
    found = [known[c] for c in characters]
    return Masters(
        [glyph.crop for glyph in found],
        np.array([glyph.corner for glyph in found], dtype=np.int32).reshape(-1, 2),
        em,
        np.array([glyph.advance for glyph in found], dtype=np.float32),
        np.array([glyph.right for glyph in found], dtype=np.float32),
        *vertical,
    )


def _crop(image: npt.NDArray[np.uint8], origin: tuple[int, int]) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int32]]:
    """Crop a master to its ink; return the crop and its corner, in pixels from the text origin."""
    rows, columns = np.flatnonzero(image.any(axis=1)), np.flatnonzero(image.any(axis=0))
    if not len(rows):
        return np.zeros((1, 1), dtype=np.uint8), np.zeros(2, dtype=np.int32)
    crop = image[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    return crop.copy(), (np.array([columns[0], rows[0]]) - np.array(origin)).astype(np.int32)


def _read_cache(file: Path) -> tuple[dict[str, _Glyph], tuple[float, float]]:
    """Return a cached file's glyphs, and ascent and descent; no glyphs if it is missing or damaged."""
    try:
        names = ("characters", "corners", "shapes", "measures", "vertical", "pixels")
        characters, corners, shapes, measures, (ascent, descent), pixels = arrayfiles.read_arrays(
            file, names, sys.maxsize
        )
        crops = np.split(pixels, np.cumsum(shapes.prod(axis=1))[:-1])
        glyphs = {
            character: _Glyph(crop.reshape(shape), corner, float(advance), float(right))
            for character, crop, shape, corner, (advance, right) in zip(
                str(characters), crops, shapes, corners, measures, strict=True
            )
        }
    except (OSError, ValueError, TypeError, IndexError):
        return {}, (0.0, 0.0)
    return glyphs, (float(ascent), float(descent))


def _write_cache(file: Path, glyphs: dict[str, _Glyph], vertical: tuple[float, float]) -> None:
    buffer = io.BytesIO()
    np.savez_compressed(
        buffer,
        characters=np.array("".join(glyphs)),
        vertical=np.array(vertical),
        measures=np.array([[glyph.advance, glyph.right] for glyph in glyphs.values()]),
        corners=np.array([glyph.corner for glyph in glyphs.values()], dtype=np.int32),
        shapes=np.array([glyph.crop.shape for glyph in glyphs.values()], dtype=np.int32),
        pixels=np.concatenate([glyph.crop.ravel() for glyph in glyphs.values()]),
    )
    storage.make_folder(file.parent)
    storage.write_bytes(file, buffer.getvalue())


def _measure(face: Face, characters: str) -> tuple[dict[str, tuple[float, float]], tuple[float, float]]:
    """Return advance and right edge of each glyph, and the face's ascent and descent, all in ems.

    They come from the same tables as in FreeType (``sfnt_load_face``).
    """
    from fontTools.pens.boundsPen import BoundsPen

    from kanatui.fonts.ink import opened

    with opened(*face.outlines()) as font:
        em, cmap, widths, glyphs = font["head"].unitsPerEm, font.getBestCmap(), font["hmtx"], font.getGlyphSet()
        measures = {}
        for character in characters:
            pen = BoundsPen(glyphs)
            glyphs[cmap[ord(character)]].draw(pen)
            measures[character] = (widths[cmap[ord(character)]][0] / em, pen.bounds[2] / em if pen.bounds else 0.0)
        ascent, descent = _vertical(font)
        return measures, (ascent / em, descent / em)


def _vertical(font: TTFont) -> tuple[float, float]:
    """Return ascent and descent in font units: hhea's, unless that is empty or OS/2 claims precedence."""
    hhea, os2 = font["hhea"], font.get("OS/2")
    if os2 and (os2.fsSelection & _USE_TYPO_METRICS or hhea.ascent == hhea.descent == 0):
        return os2.sTypoAscender, os2.sTypoDescender
    return hhea.ascent, hhea.descent

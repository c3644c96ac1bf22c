"""Masters: each glyph drawn once, large, and kept on disk; every image is a resampling of one."""

from __future__ import annotations

import dataclasses
import io
import zipfile
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from kanatui import imagemagick, paths, storage
from kanatui.errors import FontError

if TYPE_CHECKING:
    from kanatui.fonts import Face

_USE_TYPO_METRICS = 128  # bit 7 of `fsSelection` in a font's OS/2 table


@dataclasses.dataclass(frozen=True)
class Masters:
    """Large glyphs of one face with the measures from which ImageMagick would place them."""

    images: list[npt.NDArray[np.uint8]]
    """Each glyph cropped to its ink, uint8 [h, w], white on black."""
    corners: npt.NDArray[np.int32]
    """[n, 2] where each crop's top left corner lies: pixels right of and below the text origin."""
    em: int
    """Pixels to the em."""
    advance: npt.NDArray[np.float32]
    """[n] advance widths in ems."""
    ascent: float
    """Of the face, in ems, upwards positive."""
    descent: float
    """Of the face, in ems, negative below the baseline."""


@dataclasses.dataclass(frozen=True)
class _Measures:
    advance: dict[str, float]
    ascent: float
    descent: float


_Glyphs = dict[str, tuple[npt.NDArray[np.uint8], npt.NDArray[np.int32]]]
"""Crop and corner by character."""


def font_masters(face: Face, characters: str, em: int) -> Masters:
    """Return the masters of some characters of a face; what is not in the cache is drawn and put there.

    Args:
        face: an installed face.
        characters: which glyphs, each drawable by the face.
        em: pixels to the em, a multiple of 8.

    Raises:
        FontError: the font cannot be read.
        ImageMagickError: drawing failed.
        StorageError: the cache cannot be written.
    """
    magick = imagemagick.find()
    file = paths.cache() / "masters" / f"{face.digest[:32]}-{em}-{magick.version}.npz"
    known = _read_cache(file)
    absent = "".join(dict.fromkeys(c for c in characters if c not in known))
    if absent:
        drawn = magick.glyphs(face.font, absent, em)
        known |= {c: _crop(image, em) for c, image in zip(absent, drawn, strict=True)}
        # Of two processes that add glyphs at once the later wins; what the other drew is merely drawn again.
        _write_cache(file, known)
    measures = _measure(face, characters)
    return Masters(
        [known[c][0] for c in characters],
        np.array([known[c][1] for c in characters], dtype=np.int32).reshape(-1, 2),
        em,
        np.array([measures.advance[c] for c in characters], dtype=np.float32),
        measures.ascent,
        measures.descent,
    )


def _crop(image: npt.NDArray[np.uint8], em: int) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int32]]:
    """Cut a master down to its ink and say where that lies."""
    rows, columns = np.flatnonzero(image.any(axis=1)), np.flatnonzero(image.any(axis=0))
    if not len(rows):
        return np.zeros((1, 1), dtype=np.uint8), np.zeros(2, dtype=np.int32)
    origin = np.array([round(share * em) for share in imagemagick.MASTER_ORIGIN])
    crop = image[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    return crop.copy(), (np.array([columns[0], rows[0]]) - origin).astype(np.int32)


def _read_cache(file: Path) -> _Glyphs:
    """Return the glyphs kept in a file; none if it is missing or damaged, so that they are drawn again."""
    try:
        with np.load(file, allow_pickle=False) as kept:
            characters, corners, shapes, pixels = (kept[k] for k in ("characters", "corners", "shapes", "pixels"))
        ends = np.cumsum(shapes.prod(axis=1))
        crops = [p.reshape(s) for p, s in zip(np.split(pixels, ends[:-1]), shapes, strict=True)]
        return dict(zip(str(characters), zip(crops, corners, strict=True), strict=True))
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error):
        return {}


def _write_cache(file: Path, glyphs: _Glyphs) -> None:
    buffer = io.BytesIO()
    np.savez_compressed(
        buffer,
        characters=np.array("".join(glyphs)),
        corners=np.array([corner for _, corner in glyphs.values()], dtype=np.int32),
        shapes=np.array([crop.shape for crop, _ in glyphs.values()], dtype=np.int32),
        pixels=np.concatenate([crop.ravel() for crop, _ in glyphs.values()]),
    )
    storage.make_folder(file.parent)
    storage.write_bytes(file, buffer.getvalue())


def _measure(face: Face, characters: str) -> _Measures:
    """Read ascent, descent and advances from the tables that FreeType takes them from (``sfnt_load_face``)."""
    from fontTools.ttLib import TTFont, TTLibError

    try:
        with TTFont(face.installed(), fontNumber=face.index, lazy=True) as font:
            em, cmap, widths = font["head"].unitsPerEm, font.getBestCmap(), font["hmtx"]
            ascent, descent = _vertical(font)
            advance = {c: widths[cmap[ord(c)]][0] / em for c in set(characters)}
    except (OSError, TTLibError, KeyError) as error:
        raise FontError(f"{face.path}: its measures cannot be read ({error})") from None
    return _Measures(advance, ascent / em, descent / em)


def _vertical(font: Any) -> tuple[float, float]:
    """Return ascent and descent in font units: hhea's, unless that is empty or OS/2 claims precedence."""
    hhea, os2 = font["hhea"], font["OS/2"] if "OS/2" in font else None
    if os2 and (os2.fsSelection & _USE_TYPO_METRICS or hhea.ascent == hhea.descent == 0):
        return os2.sTypoAscender, os2.sTypoDescender
    return hhea.ascent, hhea.descent

"""Finds what a font file actually draws: its cmap and outlines with fontTools, its ink with ImageMagick.

A font may list a character and draw nothing (SetoFont-ex lists all kana, each an empty glyph), or draw its box for
missing glyphs. The cmap shows neither, and ImageMagick alone does not show the box: version 6 draws a space for a
character that the cmap lacks, so the box has to be recognised by its outline.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kanatui.core import storage
from kanatui.core.errors import FontError, KanatuiError
from kanatui.core.units import counted
from kanatui.fonts import imagemagick

if TYPE_CHECKING:
    from fontTools.ttLib import TTFont

_EM = 32  # pixels; half the time of 64, and the faintest kana of the thinnest face still has 22 pixels' worth of ink
_LEAST_INK = 255.0  # one fully white pixel; a stray point of a broken outline leaves less
_LONGEST = 200  # characters of an error message: fontTools may quote the whole table
_ABSENT = "\U0010ffff"  # a noncharacter: no font has a glyph for it


def drawn(path: Path, index: int, font: str, characters: str) -> str:
    """Return the characters that the font has and draws with ink, other than its missing-glyph box.

    Args:
        path: the font file, for fontTools.
        index: index of the font in a collection.
        font: the same font for ImageMagick's ``-font``.
        characters: each once.

    Raises:
        FontError: the file is not a font, is damaged, or has no outlines.
        ImageMagickError: ImageMagick cannot draw with it.
    """
    outlined = _outlined(path, index, characters)
    if not outlined:
        return ""
    # The absent character is drawn too because other versions of ImageMagick draw the box for it.
    images = imagemagick.find().glyphs(font, outlined + _ABSENT, _EM)
    box = images[-1]
    inked = images[:-1].reshape(len(outlined), -1).sum(axis=1, dtype=np.float64) >= _LEAST_INK
    boxes = (images[:-1] == box).all(axis=(1, 2))
    return "".join(c for c, has_ink, is_box in zip(outlined, inked, boxes, strict=True) if has_ink and not is_box)


def _outlined(path: Path, index: int, characters: str) -> str:
    """Return the characters that the cmap has, with an outline that is not empty and not that of ``.notdef``."""
    from fontTools.pens.recordingPen import DecomposingRecordingPen

    with opened(path, index) as font:
        cmap, glyphs = font.getBestCmap() or {}, font.getGlyphSet()

        def outline(name: str) -> list[Any]:
            pen = DecomposingRecordingPen(glyphs)
            glyphs[name].draw(pen)
            return _at_origin(pen.value)

        present = [c for c in characters if ord(c) in cmap]
        missing: tuple[list[Any], ...] = ([], outline(font.getGlyphOrder()[0]))
        return "".join(c for c in present if outline(cmap[ord(c)]) not in missing)


def _at_origin(outline: list[Any]) -> list[Any]:
    """Shift an outline to start at (0, 0): a box copied from .notdef may have another side bearing."""
    starts = [point for _, points in outline for point in points if point is not None][:1]
    x, y = starts[0] if starts else (0, 0)
    return [(step, tuple(p and (p[0] - x, p[1] - y) for p in points)) for step, points in outline]


@contextlib.contextmanager
def opened(path: Path, index: int) -> Iterator[TTFont]:
    """Open one font of a file, a web font too. Any error in the block becomes a FontError."""
    from fontTools.ttLib import TTFont
    from fontTools.ttLib.ttCollection import TTCollection

    with font_errors():
        with storage.open_to_read(path) as file:
            count = len(TTCollection(file, lazy=True)) if file.read(4) == b"ttcf" and not file.seek(0) else 1
        if index >= count:
            raise FontError(f"it holds {counted(count, 'font')}, so there is no index {index}")
        with TTFont(path, fontNumber=index, lazy=True) as font:
            yield font


@contextlib.contextmanager
def font_errors() -> Iterator[None]:
    """Turn any error of fontTools into a FontError, and keep its warnings to itself."""
    # It warns about time stamps and glyph names that do not matter here, and reports each of a thousand broken records.
    logging.getLogger("fontTools").setLevel(logging.CRITICAL)
    try:
        yield
    except KanatuiError:
        raise
    except ImportError:
        raise FontError("WOFF2 needs the package brotli: pip install brotli") from None
    except OSError as error:
        raise FontError(f"cannot be read ({error.strerror or error})") from None
    except Exception as error:  # noqa: BLE001  # fontTools raises nearly anything for damaged fonts
        raise FontError(
            f"not a readable font ({type(error).__name__}: {error})".replace("\n", " ")[:_LONGEST]
        ) from None

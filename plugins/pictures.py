"""Take a folder of pictures as a face.

Each is named by its character: `U+3042.png`, `か.png`, `shi.png` … They are dark on white or transparent. Each is the
em box of its character, whatever its size in pixels.
"""

import dataclasses
import functools
import hashlib
from pathlib import Path

import numpy as np

from kanatui import Choice, Face, FilePath, GlyphSource, hookimpl
from kanatui.core.errors import FontError, ImageError
from kanatui.fonts.faces import STYLES
from kanatui.kana.labels import Labels

ASCENT = 0.88  # of Japanese fonts


@dataclasses.dataclass(frozen=True)
class Pictured(Face):
    files: tuple = ()
    """Path, size and time of each picture."""

    @property
    def digest(self):
        return _digest(self.files)


class Pictures(GlyphSource):
    id = "pictures"
    folder = FilePath("", help="folder of pictures, each named by its character")
    style = Choice("handwriting", choices=STYLES, help="style of this face")

    def faces(self):
        from kanatui.pictures.files import SUFFIXES

        if not self.folder:
            return []
        place = Path(self.folder)
        try:
            found = sorted(path for path in place.iterdir() if path.suffix.lower() in SUFFIXES)
            files = tuple((path, path.stat().st_size, path.stat().st_mtime_ns) for path in found)
            problem = "" if _named(files) else "no picture in it has a character's name, such as U+3042.png or か.png"
        except OSError as error:
            files, problem = (), (error.strerror or str(error)).lower()
        path, said = (None, f"pictures.folder: {place}: {problem}") if problem else (place, "")
        return [Pictured(self.id, self.style, "regular", "", "", path, 0, "", self.id, problem=said, files=files)]

    def coverage(self, face, characters):
        face.installed()  # raises what is wrong with it
        named = _named(face.files)
        return np.array([character in named and _has_ink(*named[character]) for character in characters], dtype=bool)

    def masters(self, face, characters, em):
        from kanatui.fonts.masters import picture_masters

        named = _named(face.files)
        return picture_masters(face, characters, em, lambda character: _em_box(named[character][0], em), ASCENT)


@functools.lru_cache(maxsize=8)
def _named(files):
    """Return the file of each character; the first by name if it has several."""
    labels = Labels([path.stem for path, *_ in files])
    named = {labels.character(file[0].stem): file for file in reversed(files)}
    return {character: named[character] for character in named if character}


@functools.lru_cache(maxsize=8)
def _digest(files):
    each = (path.name.encode() + hashlib.sha256(path.read_bytes()).digest() for path, *_ in files)
    return hashlib.sha256(b"".join(each)).hexdigest()


@functools.cache
def _has_ink(path, size, changed):
    """Whether a picture, of this size and time, is more than paper."""
    return _em_box(path, 64).max() > 127


def _em_box(path, em):
    """Return a picture as uint8 [em, em], white on black. FontError if it cannot be read."""
    from PIL import Image, ImageOps

    from kanatui.pictures.files import open_image

    try:
        picture = open_image(path).convert("RGBA")
    except ImageError as error:
        raise FontError(str(error)) from None
    paper = Image.new("RGBA", picture.size, "white")
    ink = ImageOps.invert(Image.alpha_composite(paper, picture).convert("L"))
    return np.asarray(ImageOps.pad(ink, (em, em), color=0))


@hookimpl
def kanatui_glyph_sources():
    return [Pictures]

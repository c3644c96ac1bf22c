"""Pictures from files: opening one, and finding the labelled ones in a folder.

A folder of labelled pictures holds ``LABEL/*.png|jpg|jpeg``, where LABEL is the character itself, ``3042`` or
``U+3042``.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import struct
import warnings
from pathlib import Path
from typing import IO

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps, UnidentifiedImageError

from kanatui.core.errors import ImageError
from kanatui.kana.sets import parse_label
from kanatui.pictures.prepare import prepare

MOST_PIXELS = 64_000_000
"""Larger pictures are refused: they would take gigabytes, and no camera's or scanner's page needs more."""

SUFFIXES = (".png", ".jpg", ".jpeg")
"""What counts as a picture in a labelled folder, in either case."""

# Not all that Pillow knows: it would start Ghostscript for EPS.
_FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF", "PPM")
# What Pillow's decoders raise for damaged files, besides OSError.
_DAMAGED = (SyntaxError, ValueError, EOFError, OverflowError, MemoryError, LookupError, struct.error)


def open_image(file: Path | IO[bytes], name: str = "") -> Image.Image:
    """Read a picture, all of it, upright as its EXIF orientation says.

    Args:
        file: its path, or one that is open.
        name: what to call it in errors; the path if not given.

    Raises:
        ImageError: it is missing, a folder, empty, no picture, truncated, or larger than :data:`MOST_PIXELS`.
    """
    name = name or str(file)
    try:
        # Opened here, not by Pillow, which leaves the file of a damaged picture to the garbage collector.
        with file.open("rb") if isinstance(file, Path) else contextlib.nullcontext(file) as opened:
            return _read(opened, name)
    except ImageError:
        raise
    except Image.DecompressionBombError:
        raise ImageError(_too_large(name, "it")) from None
    except UnidentifiedImageError:
        raise ImageError(f"{name}: {_what_it_is(file)}") from None
    except OSError as error:
        reason = error.strerror.lower() if error.strerror else f"damaged or truncated ({_one_line(error)})"
        raise ImageError(f"{name}: {reason}") from None
    except _DAMAGED as error:
        raise ImageError(f"{name}: damaged ({_one_line(error)})") from None


def _read(file: IO[bytes], name: str) -> Image.Image:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # judged below, by a limit of our own
        image = Image.open(file, formats=_FORMATS)
    if image.width * image.height > MOST_PIXELS:
        raise ImageError(_too_large(name, f"{image.width:,} × {image.height:,} pixels"))
    image.load()
    return _upright(image)


def _upright(image: Image.Image) -> Image.Image:
    # A picture whose EXIF block is broken is still a picture.
    with contextlib.suppress(OSError, *_DAMAGED):
        return ImageOps.exif_transpose(image)
    return image


def size_of(file: Path | IO[bytes]) -> tuple[int, int]:
    """Return a picture's width and height in pixels without reading it. ImageError if it is none."""
    try:
        with Image.open(file, formats=_FORMATS) as image:
            return image.size
    except (OSError, Image.DecompressionBombError, *_DAMAGED) as error:
        raise ImageError(f"{file}: not a picture that can be read ({_one_line(error)})") from None
    finally:
        if not isinstance(file, Path):
            file.seek(0)


def read_image(file: Path | IO[bytes], size: int, name: str = "") -> npt.NDArray[np.uint8]:
    """Open a picture and prepare it for a model (:func:`kanatui.pictures.prepare.prepare`): uint8 [size, size].

    ImageError, naming the file, if it cannot be opened; NoInkError if it holds no ink.
    """
    image = open_image(file, name)
    try:
        return prepare(image, size)
    except ImageError as error:
        raise type(error)(f"{name or file}: {error}") from None


def _too_large(name: str, what: str) -> str:
    return f"{name}: {what} is more than {MOST_PIXELS // 1_000_000} megapixels; scale it down first"


def _what_it_is(file: Path | IO[bytes]) -> str:
    if isinstance(file, Path) and file.stat().st_size == 0:
        return "the file is empty"
    return f"not a picture that can be read ({', '.join(_FORMATS)})"


def _one_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:120]


@dataclasses.dataclass(frozen=True)
class LabelledFolder:
    """Labelled pictures, found but not opened."""

    path: Path
    files: tuple[tuple[Path, str], ...]
    """Each file with its character, by character and then by name."""
    ignored: int
    """Files and folders that do not follow the layout."""

    def only(self, characters: str) -> LabelledFolder:
        """Return what shows one of ``characters``."""
        return dataclasses.replace(self, files=tuple(entry for entry in self.files if entry[1] in characters))

    def at_most(self, count: int) -> LabelledFolder:
        """Return at most ``count`` pictures, spread evenly over the characters: always the same ones."""
        seen: dict[str, int] = {}
        ranked = []
        for place, (_, character) in enumerate(self.files):
            seen[character] = seen.get(character, 0) + 1
            ranked.append((seen[character], place))
        chosen = sorted(place for _, place in sorted(ranked)[:count])
        return dataclasses.replace(self, files=tuple(self.files[place] for place in chosen))


def find_labelled(folder: Path) -> LabelledFolder:
    """Look for labelled pictures.

    Raises:
        ImageError: there is no such folder, it cannot be read, or it holds no labelled picture.
    """
    if not folder.is_dir():
        raise ImageError(f"{folder}: {'not a folder' if folder.exists() else 'no such folder'}")
    found: list[tuple[str, str, Path]] = []
    ignored = 0
    try:
        for inner in os.scandir(folder):
            label = parse_label(inner.name) if inner.is_dir() else None
            if label is None:
                ignored += not inner.name.startswith(".")
                continue
            for entry in os.scandir(inner.path):
                if entry.is_file() and entry.name.lower().endswith(SUFFIXES) and not entry.name.startswith("."):
                    found.append((label, entry.name, Path(entry.path)))
                else:
                    ignored += not entry.name.startswith(".")
    except OSError as error:
        raise ImageError(f"{error.filename or folder}: {(error.strerror or str(error)).lower()}") from None
    if not found:
        raise ImageError(
            f"{folder}: no labelled pictures; expected LABEL/*.png or *.jpg, where LABEL is a character, 3042 or U+3042"
        )
    return LabelledFolder(folder, tuple((path, label) for label, _, path in sorted(found)), ignored)

"""Pictures from files: opening one."""

from __future__ import annotations

import contextlib
import io
import struct
import warnings
from pathlib import Path
from typing import IO

from PIL import Image, ImageOps, PngImagePlugin, UnidentifiedImageError

from kanatui.core.errors import ImageError
from kanatui.core.units import printable
from kanatui.pictures.arrays import open_member
from kanatui.pictures.parquet import member_bytes
from kanatui.pictures.prepare import Hypotheses, hypotheses

MOST_PIXELS = 64_000_000
"""Larger pictures are refused: they would take gigabytes, and no camera's or scanner's page needs more."""

SUFFIXES = (
    ".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".pbm", ".pgm", ".ppm", ".pnm",
)  # fmt: skip
"""What counts as a picture in a labelled folder, in either case."""

# Not all formats that Pillow knows: it would start Ghostscript for EPS.
_FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF", "PPM")
# Pillow calls a PNG damaged if its metadata are larger than this when unpacked; editors write more than its own 1 MB.
PngImagePlugin.MAX_TEXT_CHUNK = 64 << 20

# What Pillow's decoders raise for damaged files, besides OSError.
_DAMAGED = (SyntaxError, ValueError, EOFError, OverflowError, MemoryError, LookupError, struct.error)


def open_image(file: Path | IO[bytes], name: str = "") -> Image.Image:
    """Read a whole picture, turned upright according to its EXIF orientation.

    Args:
        file: its path, that of one in an array file (:mod:`kanatui.pictures.arrays`), or a file that is open.
        name: what to call it in errors; the path if not given.

    Raises:
        ImageError: it is missing, a folder, empty, not a picture, truncated, or larger than :data:`MOST_PIXELS`.
    """
    name = name or printable(str(file))
    if isinstance(file, Path) and (data := member_bytes(file)) is not None:
        return open_image(io.BytesIO(data), name)
    if isinstance(file, Path) and (member := open_member(file)):
        return member
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
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # checked below, with a limit of our own
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


def read_image(file: Path | IO[bytes], size: int, name: str = "") -> Hypotheses:
    """Open a picture and prepare it for a model of ``size`` pixels (:func:`kanatui.pictures.prepare.hypotheses`).

    ImageError, naming the file, if it cannot be opened; NoInkError if it holds no ink.
    """
    image = open_image(file, name)
    try:
        return hypotheses(image, size)
    except ImageError as error:
        raise type(error)(f"{name or printable(str(file))}: {error}") from None


def picture_bytes(file: Path) -> bytes:
    """Return a picture's file as it is; of one in an array file, a PNG's. ImageError if it cannot be read."""
    if (packed := member_bytes(file)) is not None:
        return packed
    member = open_member(file)
    if member is None:
        try:
            return file.read_bytes()
        except OSError as error:
            raise ImageError(f"{printable(str(file))}: {(error.strerror or str(error)).lower()}") from None
    data = io.BytesIO()
    member.save(data, "PNG")
    return data.getvalue()


def _too_large(name: str, what: str) -> str:
    return f"{name}: {what} is more than {MOST_PIXELS // 1_000_000} megapixels; scale it down first"


def _what_it_is(file: Path | IO[bytes]) -> str:
    if isinstance(file, Path) and file.stat().st_size == 0:
        return "the file is empty"
    return f"not a picture that can be read ({', '.join(_FORMATS)})"


def _one_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:120]

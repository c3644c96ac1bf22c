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
from kanatui.core.harmless import harmless
from kanatui.core.machine import extra_command
from kanatui.core.storage import open_to_read
from kanatui.pictures.arrays import open_member
from kanatui.pictures.parquet import member_bytes
from kanatui.pictures.prepare import Hypotheses, hypotheses

MOST_PIXELS = 64_000_000
"""Larger pictures are refused: they would take gigabytes, and no camera's or scanner's page needs more."""

SUFFIXES = (
    ".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".pbm", ".pgm", ".ppm", ".pnm",
    ".heic", ".heif",
)  # fmt: skip
"""What counts as a picture in a labelled folder, in either case."""

# Not all formats that Pillow knows: it would start Ghostscript for EPS.
_FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF", "PPM")
_PAGED = ("GIF", "TIFF", "WEBP", "PNG")
_HEIF_BRANDS = (b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1")
_OTHERS = {
    b"ftypavif": "AVIF",
    b"ftypavis": "AVIF",
    b"%PDF": "PDF",
    b"JXL ": "JPEG XL",
    b"<svg": "SVG",
}
"""Formats that are not read, by what their files begin with."""
# Pillow calls a PNG damaged if its metadata are larger than this when unpacked; editors write more than its own 1 MB.
PngImagePlugin.MAX_TEXT_CHUNK = 64 << 20

# What Pillow's decoders and libheif raise for damaged files, besides OSError.
_DAMAGED = (SyntaxError, ValueError, EOFError, OverflowError, MemoryError, LookupError, RuntimeError, struct.error)


def open_image(file: Path | IO[bytes], name: str = "") -> Image.Image:
    """Read a whole picture, turned upright according to its EXIF orientation.

    Args:
        file: its path, that of one in an array file (:mod:`kanatui.pictures.arrays`), or a file that is open.
        name: what to call it in errors; the path if not given.

    Raises:
        ImageError: it is missing, a folder, empty, not a picture, truncated, or larger than :data:`MOST_PIXELS`.
    """
    name = name or harmless(str(file))
    if isinstance(file, Path) and (data := member_bytes(file)) is not None:
        return open_image(io.BytesIO(data), name)
    if isinstance(file, Path) and (member := open_member(file)):
        return member
    try:
        # Opened here, not by Pillow, which leaves the file of a damaged picture to the garbage collector.
        with open_to_read(file) if isinstance(file, Path) else contextlib.nullcontext(file) as opened:
            return _read(opened, name)
    except ImageError:
        raise
    except Image.DecompressionBombError:
        raise ImageError(_too_large(name, "it")) from None
    except UnidentifiedImageError:
        raise ImageError(f"{name}: {_what_it_is(file)}") from None
    except IsADirectoryError:
        raise ImageError(f"{name}: is a directory; name the pictures in it, as in {name.rstrip('/')}/*") from None
    except OSError as error:
        reason = error.strerror.lower() if error.strerror else f"damaged or truncated ({_one_line(error)})"
        raise ImageError(f"{name}: {reason}") from None
    except _DAMAGED as error:
        raise ImageError(f"{name}: damaged ({_one_line(error)})") from None


def _read(file: IO[bytes], name: str) -> Image.Image:
    with warnings.catch_warnings():
        # Of sizes, which are checked with a limit of our own, and of damaged metadata, which nothing here needs.
        warnings.simplefilter("ignore")
        image = Image.open(file, formats=_formats(file, name))
        if image.width * image.height > MOST_PIXELS:
            raise ImageError(_too_large(name, f"{image.width:,} × {image.height:,} pixels"))
        image.load()
        return _upright(image)


def _formats(file: IO[bytes], name: str) -> tuple[str, ...]:
    """Return the formats that a file can have; of photos as phones write them, that of the decoder that reads them."""
    head = file.read(12)
    file.seek(0)
    if not _is_heif(head):
        return _FORMATS
    try:
        import pillow_heif
    except ImportError:
        raise ImageError(
            f"{name}: HEIC needs more packages ({extra_command('sheets')}), or export it as JPEG"
        ) from None
    pillow_heif.register_heif_opener()
    return ("HEIF",)


def _is_heif(head: bytes) -> bool:
    return head[4:8] == b"ftyp" and head[8:12] in _HEIF_BRANDS


def _upright(image: Image.Image) -> Image.Image:
    # A picture whose EXIF block is broken is still a picture.
    with contextlib.suppress(OSError, *_DAMAGED):
        return ImageOps.exif_transpose(image)
    return image


def size_of(file: Path | IO[bytes]) -> tuple[int, int]:
    """Return a picture's width and height in pixels without reading it. ImageError if it is none."""
    name = harmless(str(file))
    try:
        with open_to_read(file) if isinstance(file, Path) else contextlib.nullcontext(file) as opened:
            return Image.open(opened, formats=_formats(opened, name)).size
    except (OSError, Image.DecompressionBombError, *_DAMAGED) as error:
        raise ImageError(f"{name}: not a picture that can be read ({_one_line(error)})") from None
    finally:
        if not isinstance(file, Path):
            file.seek(0)


def page_count(file: Path | IO[bytes]) -> int:
    """Return how many pages or frames a picture's file has, of which :func:`open_image` reads the first.

    1 if that cannot be told, and for photos, which may hold small copies of themselves.
    """
    try:
        with open_to_read(file) if isinstance(file, Path) else contextlib.nullcontext(file) as opened:
            opened.seek(0)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                return int(getattr(Image.open(opened, formats=_PAGED), "n_frames", 1))
    except (OSError, Image.DecompressionBombError, *_DAMAGED):
        return 1


def read_image(file: Path | IO[bytes], size: int, name: str = "") -> Hypotheses:
    """Open a picture and prepare it for a model of ``size`` pixels (:func:`kanatui.pictures.prepare.hypotheses`).

    ImageError, naming the file, if it cannot be opened; NoInkError if it holds no ink.
    """
    image = open_image(file, name)
    try:
        return hypotheses(image, size)
    except ImageError as error:
        raise type(error)(f"{name or harmless(str(file))}: {error}") from None


def picture_bytes(file: Path) -> bytes:
    """Return a picture's file as it is; of one in an array file, a PNG's. ImageError if it cannot be read."""
    if (packed := member_bytes(file)) is not None:
        return packed
    member = open_member(file)
    if member is None:
        try:
            with open_to_read(file) as opened:
                return opened.read()
        except OSError as error:
            raise ImageError(f"{harmless(str(file))}: {(error.strerror or str(error)).lower()}") from None
    data = io.BytesIO()
    member.save(data, "PNG")
    return data.getvalue()


def _too_large(name: str, what: str) -> str:
    return f"{name}: {what} is more than {MOST_PIXELS // 1_000_000} megapixels; scale it down first"


def _what_it_is(file: Path | IO[bytes]) -> str:
    if isinstance(file, Path) and file.stat().st_size == 0:
        return "the file is empty"
    with open_to_read(file) if isinstance(file, Path) else contextlib.nullcontext(file) as opened:
        opened.seek(0)
        head = opened.read(12)
    if _is_heif(head):
        return "damaged"
    other = next((kind for mark, kind in _OTHERS.items() if mark in head), "")
    if other:
        return f"{other} is not read; save it as PNG or JPEG"
    return f"not a picture that can be read ({', '.join(_FORMATS)})"


def _one_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:120]

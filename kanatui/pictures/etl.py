"""Records of the ETL character databases 8 and 9: handwriting of thousands of people on forms (AIST, 1973–1984).

The layouts are those of etlcdb.db.aist.go.jp/file-formats-and-sample-unpacking-code: records of one length, each with
a number of its sheet, a JIS X 0208 code and a picture. The G files have 128 × 127 pixels of 4 bits, the B files 64 × 63
of one; a B file begins with an empty record. A file is known by its name, ETL9G_01, since G files of both databases
have records of the same length.
"""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from kanatui.core.errors import ImageError

_NAME = re.compile(r"ETL(?P<kind>8G|9G|8B|9B)[\w-]*", re.IGNORECASE)
_MEMBER = re.compile(r"(?P<file>ETL[89][BG][\w-]*)#(?P<index>\d+)", re.IGNORECASE)


@dataclasses.dataclass(frozen=True)
class Layout:
    """The layout of one kind of file."""

    record: int
    """Bytes of a record."""
    start: int
    """Where in a record the picture begins."""
    width: int
    height: int
    bits: int
    """Of a pixel; the most significant ones come first, and more means more ink."""
    skip: int = 0
    """Records at the beginning that are empty."""


_LAYOUTS = {
    "8G": Layout(8199, 60, 128, 127, 4),
    "9G": Layout(8199, 64, 128, 127, 4),
    "8B": Layout(512, 8, 64, 63, 1, skip=1),
    "9B": Layout(576, 8, 64, 63, 1, skip=1),
}


def layout_of(file: Path) -> Layout | None:
    """Return the layout of a file by its name, None if it is none of these."""
    match = _NAME.fullmatch(file.name)
    return _LAYOUTS[match["kind"].upper()] if match else None


def codes(file: Path) -> list[str]:
    """Return the JIS X 0208 code of each picture in a file, four hexadecimal digits. ImageError if it is damaged."""
    records = _records(file)
    return [f"{high:02x}{low:02x}" for high, low in records[:, 2:4].tolist()]


def open_member(path: Path) -> Image.Image | None:
    """Open a picture of a file, ``ETL9G_01#17``: mode L, light ink on dark paper; None if the path names none.

    ImageError if it cannot be read.
    """
    match = _MEMBER.fullmatch(path.name)
    if match is None:
        return None
    file, index = path.with_name(match["file"]), int(match["index"])
    layout, records = _layout(file), _records(file)
    if index >= len(records):
        raise ImageError(f"{path}: there are only {len(records):,} pictures in the file")
    packed = records[index, layout.start : layout.start + layout.width * layout.height * layout.bits // 8]
    bits = np.unpackbits(packed).reshape(layout.height, layout.width, layout.bits)
    levels = bits @ (1 << np.arange(layout.bits)[::-1])
    return Image.fromarray((levels * (255 // (2**layout.bits - 1))).astype(np.uint8))


def sheet_of(path: Path) -> int | None:
    """Return the number of the sheet that a picture was written on, None if the path names no picture of these."""
    match = _MEMBER.fullmatch(path.name)
    if match is None:
        return None
    return int.from_bytes(_records(path.with_name(match["file"]))[int(match["index"]), :2].tobytes(), "big")


def _layout(file: Path) -> Layout:
    layout = layout_of(file)
    assert layout
    return layout


def _records(file: Path) -> npt.NDArray[np.uint8]:
    """Map a file into memory, uint8 [n, bytes of a record]. ImageError if it does not consist of whole records."""
    layout = _layout(file)
    try:
        size = file.stat().st_size
        if size < layout.record * (layout.skip + 1) or size % layout.record:
            raise ImageError(f"{file}: {size:,} bytes are not whole records of {layout.record:,}; it is damaged")
        return np.memmap(file, dtype=np.uint8, mode="r").reshape(-1, layout.record)[layout.skip :]
    except OSError as error:
        raise ImageError(f"{file}: {(error.strerror or str(error)).lower()}") from None

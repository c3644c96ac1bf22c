"""The glyph table: one row per image, made before any pixel exists.

All placement is given on a canvas of 256 units, the article's 256 pixels, whatever the final size of the images:
``point_size`` 192 fills three quarters of any image. Angles are degrees, clockwise positive, as in ImageMagick.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

CANVAS = 256
"""Units along the side of the canvas on which rows are placed."""

ROW = np.dtype(
    [
        ("number", "<u4"),  # the image's number within its character
        ("character", "<u4"),  # code point
        ("face", "<u2"),  # index into the plan's faces
        ("point_size", "<f4"),  # canvas units per em
        ("dx", "<f4"),  # shift to the right, canvas units
        ("dy", "<f4"),  # shift down, canvas units
        ("rotation", "<f4"),  # degrees, clockwise
        ("shear", "<f4"),  # tangent of the slant, positive leans to the right
        ("aspect", "<f4"),  # width over height, 1 as designed
        ("key", "<u8"),  # seeds everything random about the image
    ]
)

PLACED = ("point_size", "dx", "dy", "rotation", "shear", "aspect")
"""The columns that placement augmentations set."""
DEFAULT_POINT_SIZE = 192.0


_WORDS = {
    "point_size": ("size {:.0f}", ""),
    "dx": ("{:.1f} to the right", "{:.1f} to the left"),
    "dy": ("{:.1f} down", "{:.1f} up"),
    "rotation": ("{:.1f}° clockwise", "{:.1f}° anticlockwise"),
    "shear": ("slant {:.3f}", "slant -{:.3f}"),
    "aspect": ("{:.3f} times as wide", ""),
}
"""How a glyph's placement is put in words, and how if it is below zero; lengths are in 256ths of the image."""


def in_words(row: np.void, other: np.void) -> list[str]:
    """Put a row's placement in words, as far as it differs from another row's."""
    changed = {name: float(row[name]) for name in _WORDS if row[name] != other[name]}
    return [_WORDS[name][value < 0].format(abs(value)) for name, value in changed.items()]


class GlyphTable:
    """Rows of :data:`ROW`, never changed in place: every method returns a new table."""

    def __init__(self, rows: npt.NDArray[Any]) -> None:
        self.rows = rows

    @classmethod
    def blank(cls, count: int) -> GlyphTable:
        """Return ``count`` rows: centred, upright, three quarters of the canvas."""
        rows = np.zeros(count, dtype=ROW)
        rows["point_size"] = DEFAULT_POINT_SIZE
        rows["aspect"] = 1.0
        return cls(rows)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, column: str) -> npt.NDArray[Any]:
        return np.asarray(self.rows[column])

    def take(self, which: npt.NDArray[np.bool_] | npt.NDArray[np.integer[Any]]) -> GlyphTable:
        """Return some rows, by index or by mask."""
        return GlyphTable(self.rows[which])

    def replace(self, **columns: npt.ArrayLike) -> GlyphTable:
        """Return the table with placement columns overwritten by numbers or [n] arrays."""
        rows = self.rows.copy()
        for name, values in columns.items():
            _check_placed(name)
            rows[name] = values
        return GlyphTable(rows)

    def where(self, mask: npt.NDArray[np.bool_], other: GlyphTable) -> GlyphTable:
        """Return ``other``'s rows where ``mask`` is true and this table's elsewhere."""
        return GlyphTable(np.where(mask, other.rows, self.rows))

    def cross(self, **offers: npt.ArrayLike) -> GlyphTable:
        """Multiply every row by every combination of the values offered, as nested loops would.

        An offer is a list of k values for all rows, or an [n, k] array with one list for each row in which NaN stands
        for "not offered". The first keyword is the outermost loop.
        """
        table = self
        origin = np.arange(len(self))
        for name, values in offers.items():
            _check_placed(name)
            grid = np.asarray(values, dtype=np.float32)
            per_row = np.broadcast_to(grid, (len(self), grid.shape[-1]))[origin]
            row, column = np.nonzero(~np.isnan(per_row))
            table = table.take(row).replace(**{name: per_row[row, column]})
            origin = origin[row]
        return table


def _check_placed(name: str) -> None:
    if name not in PLACED:
        raise ValueError(f"{name!r} is not a placement column ({', '.join(PLACED)})")

"""The glyph table: one row for each image, made long before a pixel exists.

All placement is stated on a canvas of 256 units, the article's 256 pixels, whatever size the images have in the end:
``point_size`` 192 fills three quarters of any image. Angles are degrees, clockwise positive, as in ImageMagick.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from kanatui.rng import Keys, sample_keys

if TYPE_CHECKING:
    from kanatui.kinds import Placement

CANVAS = 256
"""Units along the side of the canvas on which rows are placed."""

ROW = np.dtype(
    [
        ("number", "<u4"),  # the image's number within its character
        ("character", "<u4"),  # code point
        ("face", "<u2"),  # index into the plan's faces
        ("point_size", "<f4"),  # canvas units to the em
        ("dx", "<f4"),  # shift to the right, canvas units
        ("dy", "<f4"),  # shift down, canvas units
        ("rotation", "<f4"),  # degrees, clockwise
        ("shear", "<f4"),  # tangent of the slant, positive leans to the right
        ("aspect", "<f4"),  # width over height, 1 as designed
        ("key", "<u8"),  # seeds everything random about the image
    ]
)

_PLACED = ("point_size", "dx", "dy", "rotation", "shear", "aspect")
DEFAULT_POINT_SIZE = 192.0


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
    if name not in _PLACED:
        raise KeyError(f"{name!r} is not a placement column ({', '.join(_PLACED)})")


class GlyphPlan:
    """Which image each index stands for. Indices run over characters first, then over each one's image numbers.

    A grid is expanded once, for all faces, and shared by all characters: image number n means the same face and
    placement for every character, and a character that a face cannot draw merely lacks those numbers. Random rows are
    computed when asked for. Either way memory does not grow with the number of images.
    """

    def __init__(
        self,
        characters: str,
        coverage: npt.NDArray[np.bool_],
        placements: Sequence[tuple[Placement, float]],
        *,
        mode: str,
        seed: int,
        images_per_character: int | None = None,
        face_weights: npt.ArrayLike | None = None,
    ) -> None:
        """Lay out a plan.

        Args:
            characters: the characters that are kept, each drawable by at least one face.
            coverage: [characters, faces], true where the face can draw the character.
            placements: placement augmentations in order, each with its probability (used in random mode only).
            mode: ``grid`` or ``random``.
            seed: the recipe's seed.
            images_per_character: how many in random mode; in grid mode a cap (a seeded choice of the grid's numbers).
            face_weights: [faces] relative frequency of each face in random mode; equal if not given.
        """
        self.characters = characters
        self.coverage = np.asarray(coverage, dtype=bool)
        self.placements = list(placements)
        self.mode = mode
        self.seed = seed
        self._codepoints = np.array([ord(c) for c in characters], dtype=np.uint32)
        self._template: GlyphTable | None = None
        if mode == "grid":
            self._template = self._expand_grid(images_per_character)
            patterns, self._pattern_of = np.unique(self.coverage, axis=0, return_inverse=True)
            faces = self._template["face"]
            self._numbers = [np.flatnonzero(pattern[faces]) for pattern in patterns]
            self.counts = np.array([len(self._numbers[p]) for p in self._pattern_of], dtype=np.int64)
        else:
            self.counts = np.full(len(characters), images_per_character or 0, dtype=np.int64)
            self._cumulative_weights = _cumulative(self.coverage, face_weights)
        self.offsets = np.concatenate([[0], np.cumsum(self.counts)])

    def with_placements(self, placements: Sequence[tuple[Placement, float]]) -> GlyphPlan:
        """Return the plan of the same random images placed otherwise. ValueError for a grid, which placements make."""
        if self._template is not None:
            raise ValueError("a grid's placements decide its images")
        changed = copy.copy(self)
        changed.placements = list(placements)
        return changed

    def _expand_grid(self, cap: int | None) -> GlyphTable:
        table = GlyphTable.blank(self.coverage.shape[1])
        table.rows["face"] = np.arange(len(table))
        for placement, _ in self.placements:
            table = placement.grid(table)
        table.rows["number"] = np.arange(len(table))
        if cap is not None and cap < len(table):
            order = np.random.Generator(np.random.Philox(self.seed)).permutation(len(table))
            table = table.take(np.sort(order[:cap]))
        return table

    def __len__(self) -> int:
        return int(self.offsets[-1])

    def labels(self, indices: npt.ArrayLike) -> npt.NDArray[np.int64]:
        """Return which of ``characters`` each image shows, [n] int64."""
        return np.searchsorted(self.offsets, np.asarray(indices, dtype=np.int64), side="right") - 1

    def numbers(self, label: int) -> npt.NDArray[np.int64]:
        """Return the image numbers of one character, in the order of its indices, [count] int64."""
        if self._template is None:
            return np.arange(self.counts[label])
        return np.asarray(self._template["number"][self._numbers[self._pattern_of[label]]], dtype=np.int64)

    def rows(self, indices: npt.ArrayLike) -> GlyphTable:
        """Return the rows of some images, in the order asked for. IndexError for an index out of range."""
        wanted = np.asarray(indices, dtype=np.int64)
        if wanted.size and (wanted.min() < 0 or wanted.max() >= len(self)):
            raise IndexError(f"image index out of range 0 … {len(self) - 1}")
        labels = self.labels(wanted)
        ranks = wanted - self.offsets[labels]
        table = self._grid_rows(labels, ranks) if self._template is not None else GlyphTable.blank(len(wanted))
        if self._template is None:
            table.rows["number"] = ranks
        table.rows["character"] = self._codepoints[labels]
        table.rows["key"] = sample_keys(self.seed, table["character"], table["number"])
        return table if self._template is not None else self._draw(table, labels)

    def table(self) -> GlyphTable:
        """Return every row (42 bytes each)."""
        return self.rows(np.arange(len(self)))

    def _grid_rows(self, labels: npt.NDArray[np.int64], ranks: npt.NDArray[np.int64]) -> GlyphTable:
        assert self._template is not None
        places = np.empty(len(labels), dtype=np.int64)
        patterns = self._pattern_of[labels]
        for pattern in np.unique(patterns):
            chosen = patterns == pattern
            places[chosen] = self._numbers[pattern][ranks[chosen]]
        return self._template.take(places)

    def _draw(self, table: GlyphTable, labels: npt.NDArray[np.int64]) -> GlyphTable:
        unit = Keys(table["key"], "face").uniform()
        table.rows["face"] = (self._cumulative_weights[labels] <= unit[:, None]).sum(axis=1)
        for place, (placement, probability) in enumerate(self.placements):
            keys = Keys(table["key"], f"{placement.id}#{place}")
            drawn = placement.draw(table, keys)
            if probability < 1.0:
                chance = Keys(table["key"], f"{placement.id}#{place}?").uniform()
                drawn = table.where(chance < probability, drawn)
            table = drawn
        return table


def _cumulative(coverage: npt.NDArray[np.bool_], weights: npt.ArrayLike | None) -> npt.NDArray[np.float32]:
    """Return, for each character, the cumulative share of each face among those that can draw it."""
    share = coverage * np.asarray(1.0 if weights is None else weights, dtype=np.float64)
    total = np.cumsum(share / np.maximum(share.sum(axis=1, keepdims=True), 1e-12), axis=1)
    # A draw just below one must land on the last face that has weight, whatever the rounding of the sum.
    total[total >= total[:, -1:] - 1e-9] = 1.0
    return total.astype(np.float32)

"""The plan of a data set: how many images there are, and the row of the glyph table that each index stands for."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from kanatui.core.errors import KanatuiError, PluginError
from kanatui.core.rng import Keys, sample_keys
from kanatui.plugins.contained import contained, reason_of
from kanatui.plugins.table import PLACED, ROW, GlyphTable

if TYPE_CHECKING:
    from kanatui.plugins.bases import Pixel, Placement


class GlyphPlan:
    """Which image each index stands for. Indices run over characters first, then over each one's image numbers.

    A grid is expanded once, for all faces, and shared by all characters: image number n means the same face and
    placement for every character, and a character that a face cannot draw lacks those numbers. Random rows are
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
        """Count the images of each character; rows are computed when asked for.

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
        """Return the plan of the same random images with other placements. ValueError for a grid."""
        if self._template is not None:
            raise ValueError("a grid's placements decide its images")
        changed = copy.copy(self)
        changed.placements = list(placements)
        return changed

    def _expand_grid(self, cap: int | None) -> GlyphTable:
        table = GlyphTable.blank(self.coverage.shape[1])
        table.rows["face"] = np.arange(len(table))
        for placement, _ in self.placements:
            table = placed_by(placement, table)
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
            drawn = placed_by(placement, table, keys)
            if probability < 1.0:
                chance = Keys(table["key"], f"{placement.id}#{place}?").uniform()
                drawn = table.where(chance < probability, drawn)
            table = drawn
        return table


def placed_by(placement: Placement, table: GlyphTable, keys: Keys | None = None) -> GlyphTable:
    """Apply a placement to rows, and check what comes back: to a grid, or with ``keys`` at random.

    Raises:
        PluginError: the plugin failed, changed the rows that it was given, or did not return such rows.
    """
    given = table.rows.view()
    given.flags.writeable = False
    try:
        with contained():
            placed = placement.grid(GlyphTable(given)) if keys is None else placement.draw(GlyphTable(given), keys)
        if wrong := _what_is_wrong(placed, table, random=keys is not None):
            raise ValueError(wrong)
    except KanatuiError:
        raise
    except (Exception, SystemExit) as error:  # a plugin may raise anything; leaving it out would falsify the data
        raise failed(placement, error, None if keys is None else table.rows) from error
    return placed if placed.rows.flags.writeable else GlyphTable(placed.rows.copy())


def failed(augmentation: Placement | Pixel, error: BaseException, rows: npt.NDArray[np.void] | None) -> PluginError:
    """Return the error that names an augmentation, its values, and the images that it failed on; None for a grid."""
    on = "the grid"
    if rows is not None:
        others = f" and {len(rows) - 1:,} more" if len(rows) > 1 else ""
        on = f"image {rows[0]['number']} of {chr(rows[0]['character'])}{others}"
    reason = reason_of(error, type(augmentation).__module__)
    return PluginError(f"augmentation {augmentation.id} {augmentation.values} failed on {on}: {reason}")


def _what_is_wrong(placed: object, given: GlyphTable, random: bool) -> str:
    """Return what is wrong with the rows that a placement returned, "" if nothing is."""
    if not isinstance(placed, GlyphTable) or placed.rows.dtype != ROW or placed.rows.ndim != 1:
        return f"returned a {type(placed).__name__}, not a table of rows"
    if random and len(placed) != len(given):
        return f"returned {len(placed)} rows for {len(given)}"
    if wrong := [column for column in PLACED if not np.isfinite(placed[column]).all()]:
        return f"returned NaN or infinity in {wrong[0]!r}"
    kept = [column for column in ROW.names or () if column not in PLACED]
    if random and not all((placed[column] == given[column]).all() for column in kept):
        return "changed more than the placement of its rows"
    return ""


def _cumulative(coverage: npt.NDArray[np.bool_], weights: npt.ArrayLike | None) -> npt.NDArray[np.float32]:
    """Return, for each character, the cumulative share of each face among those that can draw it."""
    share = coverage * np.asarray(1.0 if weights is None else weights, dtype=np.float64)
    total = np.cumsum(share / np.maximum(share.sum(axis=1, keepdims=True), 1e-12), axis=1)
    # A draw just below one must land on the last face that has weight, whatever the rounding of the sum.
    total[total >= total[:, -1:] - 1e-9] = 1.0
    return total.astype(np.float32)

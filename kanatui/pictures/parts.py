"""Which parts of the ink may not be the character's: frames, lines, neighbours' pieces, shadows, specks.

Nothing is decided here. A に cropped to its ink has a stroke along its edge just like the piece of a printed frame
beside a こ; only reading both can tell. So :func:`keepings` gives each possibility.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from kanatui.pictures.ink import Grey, Mask, Numbers, pen_width

_RING = 0.12  # share of the side in which printed lines are looked for

_Flags = npt.NDArray[np.bool_]


@dataclasses.dataclass(frozen=True)
class Keeping:
    """A part of the ink that may be all there is of the character."""

    mask: Mask
    """bool [H, W], not empty."""
    log_odds: float = 0.0
    """Natural logarithm of how likely that is before it is read, up to a constant of the picture."""


def keepings(mask: Mask, strength: Grey) -> Iterator[Keeping]:
    """Give all of the ink, then each part of it that may be the character alone.

    Straight lines along the edges, parts at the edges or all around the others, and specks are left out: each by
    itself and together.
    """
    for base, lines in ((mask, False), (_without_lines(mask), True)):
        if base is None:
            continue
        parts = _Parts(base)
        none = np.zeros(parts.count, dtype=bool)
        outer = parts.outer()
        for large in (none, outer) if outer.any() and not outer.all() else (none,):
            specks = parts.specks(~large)
            for dropped in (large, large | specks) if specks.any() else (large,):
                kept = parts.without(dropped)
                odds = _standing(kept) + _UNLIKE * _unlike(mask & ~kept, kept, strength)
                odds += _OUTER * (lines + bool(large.any())) + _SPECKS * (dropped is not large)
                yield Keeping(kept, odds)


# Logarithms of odds, fitted by conditional logistic regression to 150 glyphs of handwriting faces, each spoilt in all
# ways of `kanatui bench pictures`: which image of a picture is read correctly, given the logarithm of its reading's
# probability, with the weight 1, and these. Rounded. What did not help is in docs/MEASUREMENTS.md.
_OUTER = -1.4
_SPECKS = -0.4
_BORDER = -2.5
_CLEAR = 5.0
_OFF_MIDDLE = -0.5
_UNLIKE = 1.3


def _standing(kept: Mask) -> float:
    """Return what speaks for a part by where it stands: in the middle of the picture, clear of its edges."""
    rows, columns = np.flatnonzero(kept.any(axis=1)), np.flatnonzero(kept.any(axis=0))
    height, width = kept.shape
    top, bottom = rows[0] / height, 1 - (rows[-1] + 1) / height
    left, right = columns[0] / width, 1 - (columns[-1] + 1) / width
    clear = min(top, bottom, left, right, 0.25)
    off_middle = max(abs(top - bottom), abs(left - right))
    return float(_CLEAR * clear + _OFF_MIDDLE * off_middle + _BORDER * _on_border(kept))


def _on_border(kept: Mask) -> float:
    """Return the share of the picture's outermost pixels that is ink: much of a frame or of paper taken for ink."""
    return float(np.concatenate([kept[0], kept[-1], kept[:, 0], kept[:, -1]]).mean())


def _unlike(dropped: Mask, kept: Mask, strength: Grey) -> float:
    """Return how much parts differ in darkness, as one pen's strokes do not: the ratio's logarithm, at most 2."""
    if not dropped.any():
        return 0.0
    return float(min(abs(np.log(strength[dropped].mean() / strength[kept].mean())), 2.0))


def _encloses(dropped: Mask, kept: Mask) -> bool:
    """Return whether what is dropped goes all around what is kept, as a frame does and no stroke."""
    inside = ndimage.binary_fill_holes(dropped)
    return bool((inside & kept).sum() > 0.9 * kept.sum())


class _Parts:
    """The connected parts of a mask."""

    def __init__(self, mask: Mask) -> None:
        """Find them; ``mask`` is bool [H, W], not empty."""
        self.labels: Numbers
        self.labels, self.count = ndimage.label(mask, np.ones((3, 3), dtype=int))
        self.areas = np.bincount(self.labels.ravel(), minlength=self.count + 1)[1:]
        found = ndimage.find_objects(self.labels)
        self.boxes = np.array([(part[1].start, part[0].start, part[1].stop, part[0].stop) for part in found])

    def without(self, dropped: _Flags) -> Mask:
        """Return the mask without some parts, bool [n]."""
        return np.asarray(np.concatenate([[False], ~dropped])[self.labels])

    def outer(self) -> _Flags:
        """Return which parts touch the edge, lie along it, or go all around the others, bool [n]."""
        height, width = self.labels.shape
        boxes = self.boxes
        touching = (boxes[:, :2] == 0).any(axis=1) | (boxes[:, 2] == width) | (boxes[:, 3] == height)
        ring = np.ones(self.labels.shape, dtype=bool)
        inset = [max(1, round(side * _RING)) for side in self.labels.shape]
        ring[inset[0] : height - inset[0], inset[1] : width - inset[1]] = False
        along = np.bincount(self.labels[ring], minlength=self.count + 1)[1:] >= 0.95 * self.areas
        outer = touching | along
        largest = int((boxes[:, 2:] - boxes[:, :2]).prod(axis=1).argmax())
        if not outer[largest] and self.count > 1:
            frame = self.labels == largest + 1
            outer[largest] = _encloses(frame, (self.labels > 0) & ~frame)
        return np.asarray(outer)

    def specks(self, among: _Flags) -> _Flags:
        """Return which parts, ``among`` some, are too small for a stroke of the same pen, bool [n]."""
        body = among & (self.areas >= 0.25 * self.areas[among].max())
        pen = pen_width(np.concatenate([[False], body])[self.labels])
        extent = (self.boxes[:, 2:] - self.boxes[:, :2]).max(axis=1)
        share = self.areas / self.areas[among].sum()
        return np.asarray(among & ~body & ((share < 0.005) | ((share < 0.05) & (extent < 2.0 * pen))))


def _without_lines(mask: Mask) -> Mask | None:
    """Return the mask without straight lines along the edges, which may run into the character; None if it has none."""
    lines = np.zeros_like(mask)
    for axis in (0, 1):
        side = mask.shape[axis]
        reach = max(1, round(side * 0.02))
        # A slightly rotated line crosses several rows: count a column as covered if the line passes within reach.
        smeared = ndimage.maximum_filter1d(mask.view(np.uint8), 2 * reach + 1, axis=axis)
        covered = smeared.mean(axis=1 - axis) >= 0.7
        ring = max(1, round(side * _RING))
        for start, stop in ((0, ring), (side - ring, side)):
            found = np.flatnonzero(covered[start:stop]) + start
            if 0 < len(found) <= ring * 0.75:
                chosen: list[slice] = [slice(None), slice(None)]
                chosen[axis] = slice(max(found[0] - reach, 0), found[-1] + reach + 1)
                lines[tuple(chosen)] = True
    rest = mask & ~lines
    return rest if lines.any() and rest.any() else None

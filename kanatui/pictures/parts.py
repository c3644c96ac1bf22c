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

from kanatui.pictures.drawing import Box
from kanatui.pictures.ink import Grey, Mask, Numbers, box_of, pen_width

_RING = 0.12  # share of the side in which printed lines are looked for

_Flags = npt.NDArray[np.bool_]


@dataclasses.dataclass(frozen=True)
class Keeping:
    """A part of the ink that may be all there is of the character."""

    mask: Mask
    """bool [H, W], not empty."""
    box: Box
    log_odds: float = 0.0
    """Natural logarithm of how likely that is before it is read, up to a constant of the picture."""


def keepings(ink: Numbers, strength: Grey) -> Iterator[Keeping]:
    """Give all of the ink, then each part of it that may be the character alone.

    Straight lines along the edges, parts at the edges or all around the others, and specks are left out: each by
    itself and together. ``ink`` has its connected parts numbered from 1, ``strength`` each pixel's contrast, [H, W].
    """
    mask = ink > 0
    for labels, lines in ((ink, False), (_without_lines(mask), True)):
        if not labels.any():
            continue
        parts = _Parts(labels)
        none = np.zeros(parts.count, dtype=bool)
        outer = parts.outer()
        for large in (none, outer) if outer.any() and not outer.all() else (none,):
            specks = parts.specks(~large)
            for dropped in (large, large | specks) if specks.any() else (large,):
                kept = parts.without(dropped)
                box = box_of(kept)
                odds = _standing(kept, box) + _UNLIKE * _unlike(mask & ~kept, kept, strength)
                odds += _OUTER * (lines + bool(large.any())) + _SPECKS * (dropped is not large)
                yield Keeping(kept, box, odds)


# Logarithms of odds, fitted by conditional logistic regression to 150 glyphs of handwriting faces, each spoilt in all
# ways of `kanatui bench pictures`: which image of a picture is read correctly, given the logarithm of its reading's
# probability, with the weight 1, and these. Rounded. What did not help is in docs/MEASUREMENTS.md.
_OUTER = -1.4
_SPECKS = -0.4
_BORDER = -2.5
_CLEAR = 5.0
_OFF_MIDDLE = -0.5
_UNLIKE = 1.3


def _standing(kept: Mask, box: Box) -> float:
    """Return what speaks for a part by where it stands: in the middle of the picture, clear of its edges."""
    height, width = kept.shape
    left, right = box[0] / width, 1 - box[2] / width
    top, bottom = box[1] / height, 1 - box[3] / height
    clear = min(top, bottom, left, right, 0.25)
    off_middle = max(abs(top - bottom), abs(left - right))
    # A frame, or paper taken for ink, covers much of the border.
    on_border = np.concatenate([kept[0], kept[-1], kept[:, 0], kept[:, -1]]).mean()
    return float(_CLEAR * clear + _OFF_MIDDLE * off_middle + _BORDER * on_border)


def _unlike(dropped: Mask, kept: Mask, strength: Grey) -> float:
    """Return how much parts differ in darkness, as one pen's strokes do not: the ratio's logarithm, at most 2."""
    if not dropped.any():
        return 0.0
    return float(min(abs(np.log(strength[dropped].mean() / strength[kept].mean())), 2.0))


class _Parts:
    """The connected parts of some ink."""

    def __init__(self, labels: Numbers) -> None:
        """Measure them; they are numbered from 1, [H, W], at least one."""
        self.labels, self.count = labels, int(labels.max())
        self.areas = np.bincount(labels.ravel(), minlength=self.count + 1)[1:]
        self.slices = ndimage.find_objects(labels)
        self.boxes = np.array([(part[1].start, part[0].start, part[1].stop, part[0].stop) for part in self.slices])

    def without(self, dropped: _Flags) -> Mask:
        """Return the mask without some parts, bool [n]."""
        return np.asarray(np.concatenate([[False], ~dropped])[self.labels])

    def outer(self) -> _Flags:
        """Return which parts touch the edge, lie along it, or go all around the others, bool [n]."""
        height, width = self.labels.shape
        boxes = self.boxes
        touching = (boxes[:, :2] == 0).any(axis=1) | (boxes[:, 2] == width) | (boxes[:, 3] == height)
        down, right = (max(1, round(side * _RING)) for side in self.labels.shape)
        inner = self.labels[down : height - down, right : width - right]
        along = self.areas - np.bincount(inner.ravel(), minlength=self.count + 1)[1:] >= 0.95 * self.areas
        outer = touching | along
        largest = int((boxes[:, 2:] - boxes[:, :2]).prod(axis=1).argmax())
        outer[largest] = outer[largest] or self._encloses(largest)
        return np.asarray(outer)

    def _encloses(self, part: int) -> bool:
        """Return whether a part goes all around nine tenths of the others, as a frame does and no stroke."""
        near = self.labels[self.slices[part]]
        frame = near == part + 1
        others = (near > 0) & ~frame
        enough = 0.9 * (self.areas.sum() - self.areas[part])
        return bool(others.sum() > enough and (others & ndimage.binary_fill_holes(frame)).sum() > enough)

    def specks(self, among: _Flags) -> _Flags:
        """Return which parts, ``among`` some, are too small for a stroke of the same pen, bool [n]."""
        body = among & (self.areas >= 0.25 * self.areas[among].max())
        share = self.areas / self.areas[among].sum()
        light = among & ~body & (share < 0.05)
        if light.any():
            pen = pen_width(self.without(~body))
            extent = (self.boxes[:, 2:] - self.boxes[:, :2]).max(axis=1)
            light &= (share < 0.005) | (extent < 2.0 * pen)
        return np.asarray(light)


def _without_lines(mask: Mask) -> Numbers:
    """Leave out straight lines along the edges, which may run into the character.

    Returns:
        The connected parts of the rest, [H, W]; none if there are no lines, or nothing else.
    """
    lines = np.zeros_like(mask)
    for rows, lined in ((mask, lines), (mask.T, lines.T)):
        ring, reach = max(1, round(len(rows) * _RING)), max(1, round(len(rows) * 0.02))
        for start, stop in ((0, ring), (len(rows) - ring, len(rows))):
            first = max(start - reach, 0)
            near = rows[first : stop + reach]
            if near.any(axis=0).mean() < 0.7:
                continue
            # A slightly rotated line crosses several rows: count a column as covered if the line passes within reach.
            smeared = ndimage.maximum_filter1d(near, 2 * reach + 1, axis=0)
            found = np.flatnonzero(smeared[start - first : stop - first].mean(axis=1) >= 0.7) + start
            if 0 < len(found) <= ring * 0.75:
                lined[max(found[0] - reach, 0) : found[-1] + reach + 1] = True
    return ndimage.label(mask & ~lines & lines.any(), np.ones((3, 3), dtype=int))[0]

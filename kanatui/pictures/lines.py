"""Finds lines of writing on a page, and cuts them into segments: characters, or parts of which characters are made.

Each connected part of the ink lands in exactly one segment, unless it is so wide that it must be several characters
that touch; then it is cut where it is thin. Segments are too many rather than too few: which neighbours belong
together only reading them can tell (:mod:`kanatui.evaluation.lattice`).
"""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from kanatui.pictures.ink import Mask, Numbers, pen_width
from kanatui.pictures.page import Page
from kanatui.pictures.ruling import square_boxes

_SPECK = 0.07  # ems: smaller parts are grain
_FOREIGN = 2.6  # ems: larger parts that fill little of their box are frames and drawings
_NEAR = 0.15  # ems: parts nearer than this are taken for one character when the direction is sought
_LONG = 1.8  # longer side of a single line to its shorter one
_ONE_LINE = 1.5  # ems across: there is no room for two lines
_OVERLAP = 0.55  # of the shorter one, along the line: parts so much above one another are one segment
_WIDE = 1.3  # ems along the line: a part that is longer may be several characters that touch
_SHARE = 0.2  # of a part's ink in a second square, from which on the part is cut at the border

Boxes = npt.NDArray[np.int64]


@dataclasses.dataclass(frozen=True)
class Segment:
    """A part of a line: a character, or a piece of one."""

    label: int
    """Its number in :attr:`Layout.labels`."""
    box: tuple[int, int, int, int]
    """Left, top, right, bottom in pixels of the page; right and bottom exclusive."""
    square: int = 0
    """The number of the printed square that it is in, 0 if there are none."""


@dataclasses.dataclass(frozen=True)
class Line:
    """Segments in the order of writing."""

    segments: tuple[Segment, ...]
    em: float
    """Typical size of a character, pixels of the page."""
    slope: float
    """Pixels across the line to a pixel along it."""
    middle: float
    """Where the middle of the line lies across at the page's left or upper edge, in pixels."""


@dataclasses.dataclass(frozen=True)
class Layout:
    """What is written where on a page."""

    vertical: bool
    lines: tuple[Line, ...]
    labels: Numbers
    """int32 [H, W]: each pixel's segment from 1, 0 for paper and grain."""


def find_lines(page: Page, direction: str = "auto") -> Layout:
    """Find lines and their segments.

    Args:
        page: the ink.
        direction: ``horizontal``, ``vertical`` (from right to left), or ``auto``.
    """
    labels = _parts(page)
    boxes = _boxes(labels)
    if page.ruling.count:
        return _in_squares(page, labels, direction)
    vertical = direction == "vertical" or (direction == "auto" and _is_vertical(boxes, page.em))
    upright = labels.T.copy() if vertical else labels
    along = _boxes(upright)
    rows = _rows(along, page.em)
    lines, merged = [], np.zeros(len(along) + 1, dtype=np.int32)
    last = 0
    for members, slope, middle in rows:
        groups = _groups(along, members, page.em)
        for group in groups:
            last += 1
            merged[group + 1] = last
        lines.append((range(last - len(groups) + 1, last + 1), slope, middle))
    upright = merged[upright]
    numbers = _cut_wide(upright, page.em)
    found = _boxes(upright)
    chosen = []
    # Vertical lines run from right to left; transposed, from the bottom up.
    for own, slope, middle in reversed(lines) if vertical else lines:
        every = [piece for number in own for piece in numbers.get(number, [number])]
        every.sort(key=lambda number: found[number - 1][0] + found[number - 1][2])
        segments = tuple(Segment(number, _turned(found[number - 1], vertical)) for number in every)
        chosen.append(Line(segments, page.em, slope, middle))
    return Layout(vertical, tuple(chosen), upright.T.copy() if vertical else upright)


def _turned(box: Boxes, vertical: bool) -> tuple[int, int, int, int]:
    left, top, right, bottom = (int(value) for value in box)
    return (top, left, bottom, right) if vertical else (left, top, right, bottom)


def _parts(page: Page) -> Numbers:
    """Number the connected parts of the ink, without grain and what is too large to be writing: int32 [H, W]."""
    labels, count = ndimage.label(page.mask, np.ones((3, 3), dtype=int))
    boxes = _boxes(labels)
    sides = np.column_stack([boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]])
    areas = np.bincount(labels.ravel(), minlength=count + 1)[1:]
    grain = sides.max(axis=1) < max(2.0, _SPECK * page.em)
    # A frame, or the edge of a table: larger than characters in both directions, or along the edge of the picture.
    height, width = labels.shape
    edge = (boxes[:, 0] <= 1) | (boxes[:, 1] <= 1) | (boxes[:, 2] >= width - 1) | (boxes[:, 3] >= height - 1)
    large = sides.min(axis=1) > _FOREIGN * page.em
    foreign = (large & (areas < 0.15 * sides.prod(axis=1))) | (edge & (sides.max(axis=1) > _FOREIGN * page.em))
    keep = ~(grain | foreign)
    if not keep.any():
        keep = ~grain if (~grain).any() else np.ones(count, dtype=bool)
    number = np.zeros(count + 1, dtype=np.int32)
    number[1:][keep] = np.arange(1, keep.sum() + 1)
    return number[labels]


def _boxes(labels: Numbers) -> Boxes:
    """Return left, top, right, bottom of each part, int64 [n, 4]."""
    found = ndimage.find_objects(labels)
    return np.array(
        [(part[1].start, part[0].start, part[1].stop, part[0].stop) for part in found], dtype=np.int64
    ).reshape(-1, 4)


# --- Direction


def _is_vertical(boxes: Boxes, em: float) -> bool:
    """Say whether a single line is upright, or neighbours lie nearer to each other downwards than sideways."""
    # In a single line gaps may mislead: こ and ル have wide ones within the character.
    width, height = boxes[:, 2:].max(axis=0) - boxes[:, :2].min(axis=0)
    shorter, longer = sorted((width, height))
    if shorter <= _ONE_LINE * em and longer > _LONG * shorter:
        return bool(height > width)
    blobs = _blobs(boxes, _NEAR * em)
    if len(blobs) < 2:  # one character, or several that nearly touch
        return bool(height > _LONG * width)
    far = 3.0 * em
    gaps = [_nearest(blobs, axis, far) for axis in (0, 1)]
    return float(np.minimum(gaps[1], far).mean()) < 0.97 * float(np.minimum(gaps[0], far).mean())


def _blobs(boxes: Boxes, near: float) -> npt.NDArray[np.float64]:
    """Join boxes that are nearer than some pixels, again and again, until none is."""
    blobs = [box.astype(float) for box in boxes]
    done: list[npt.NDArray[np.float64]] = []
    while blobs:
        one = blobs.pop()
        others = np.array(blobs).reshape(-1, 4)
        gap = np.maximum.reduce(
            [one[0] - others[:, 2], others[:, 0] - one[2], one[1] - others[:, 3], others[:, 1] - one[3]]
        )
        close = np.flatnonzero(gap < near)
        if not len(close):
            done.append(one)
            continue
        every = np.vstack([one[None], others[close]])
        blobs = [box for number, box in enumerate(blobs) if number not in set(close.tolist())]
        blobs.append(np.concatenate([every[:, :2].min(axis=0), every[:, 2:].max(axis=0)]))
    return np.array(done)


def _nearest(blobs: npt.NDArray[np.floating], axis: int, far: float) -> npt.NDArray[np.float64]:
    """Return each blob's gap to the nearest one beside it along an axis (0 x, 1 y), in pixels, ``far`` if none."""
    low, high = blobs[:, axis], blobs[:, axis + 2]
    start, stop = blobs[:, 1 - axis], blobs[:, 3 - axis]
    shared = np.minimum(stop[:, None], stop) - np.maximum(start[:, None], start)
    shorter = np.minimum(stop - start, (stop - start)[:, None])
    gap = np.maximum(low[:, None] - high, low - high[:, None])
    gap = np.where((shared > 0.4 * shorter) & (gap > 0), gap, far)
    np.fill_diagonal(gap, far)
    return np.asarray(gap.min(axis=1))


# --- Lines


def _rows(boxes: Boxes, em: float) -> list[tuple[npt.NDArray[np.int64], float, float]]:
    """Share parts out among horizontal lines, from the top: for each its members, slope and middle."""
    middles = (boxes[:, 1] + boxes[:, 3]) / 2
    places = (boxes[:, 0] + boxes[:, 2]) / 2
    weights = (boxes[:, 3] - boxes[:, 1]).astype(float)
    centres = _peaks(boxes, em)
    slopes = np.zeros(len(centres))
    for _ in range(4):
        away = np.abs(centres[:, None] + slopes[:, None] * places - middles)
        owner = away.argmin(axis=0)
        for row in range(len(centres)):
            own = owner == row
            if own.any():
                slopes[row], centres[row] = _fitted(places[own], middles[own], weights[own], em)
    found = [(np.flatnonzero(owner == row), float(slopes[row]), float(centres[row])) for row in range(len(centres))]
    middle_of_page = float(places.mean())
    return sorted(
        ((own, slope, start) for own, slope, start in found if len(own)),
        key=lambda line: line[2] + line[1] * middle_of_page,
    )


def _peaks(boxes: Boxes, em: float) -> npt.NDArray[np.float64]:
    """Return the heights at which parts concentrate, with a clear valley between any two."""
    height = int(boxes[:, 3].max()) + 1
    profile = np.zeros(height + 1)
    # Each part counts with its width over its height: a box of ink, whose inner shape does not matter.
    np.add.at(profile, boxes[:, 1], boxes[:, 2] - boxes[:, 0])
    np.add.at(profile, boxes[:, 3], boxes[:, 0] - boxes[:, 2])
    profile = ndimage.gaussian_filter1d(np.cumsum(profile), 0.22 * em)
    tops = [
        y
        for y in range(height)
        if profile[y] >= profile[max(0, y - 1)] and profile[y] > (profile[y + 1] if y + 1 < height else -1)
    ]
    kept: list[int] = []
    for top in tops:
        while kept:
            lower = min(profile[kept[-1]], profile[top])
            valley = profile[kept[-1] : top + 1].min()
            if valley < 0.6 * lower and top - kept[-1] > 0.6 * em:
                kept.append(top)
                break
            if profile[top] <= profile[kept[-1]]:
                break
            kept.pop()
        else:
            kept.append(top)
    return np.array(kept, dtype=np.float64)


def _fitted(
    places: npt.NDArray[np.float64], middles: npt.NDArray[np.float64], weights: npt.NDArray[np.float64], em: float
) -> tuple[float, float]:
    """Fit a line's slope and height at 0, by weighted least squares; few characters say nothing about a slope."""
    mean = np.average(places, weights=weights)
    height = float(np.average(middles, weights=weights))
    spread = float(np.average((places - mean) ** 2, weights=weights))
    if np.ptp(places) < 3 * em:
        return 0.0, height
    slope = float(np.average((places - mean) * (middles - height), weights=weights)) / (spread + 4 * em**2)
    return slope, height - slope * float(mean)


def _groups(boxes: Boxes, members: npt.NDArray[np.int64], em: float) -> list[npt.NDArray[np.int64]]:
    """Join the parts of a line that lie above one another; return groups in order along the line."""
    order = members[np.argsort(boxes[members, 0] + boxes[members, 2])]
    groups: list[list[int]] = []
    spans: list[tuple[int, int]] = []
    for part in order:
        start, stop = int(boxes[part, 0]), int(boxes[part, 2])
        group = [int(part)]
        while spans:
            shared = min(stop, spans[-1][1]) - max(start, spans[-1][0])
            joined = max(stop, spans[-1][1]) - min(start, spans[-1][0])
            shorter = min(stop - start, spans[-1][1] - spans[-1][0])
            if shared < _OVERLAP * shorter or joined > 1.25 * em:
                break
            first, last = spans.pop()
            start, stop = min(start, first), max(stop, last)
            group = groups.pop() + group
        groups.append(group)
        spans.append((start, stop))
    return [np.array(group, dtype=np.int64) for group in groups]


def _cut_wide(labels: Numbers, em: float) -> dict[int, list[int]]:
    """Cut segments that are too long for one character, in place; return the numbers of the pieces of each."""
    boxes = _boxes(labels)
    last, pieces = len(boxes), {}
    for number, (left, top, right, bottom) in enumerate(boxes, start=1):
        if right - left <= _WIDE * em:
            continue
        part = labels[top:bottom, left:right]
        own = part == number
        cuts = _thin_places(own, em)
        numbers = [number]
        for start, stop in itertools.pairwise([*cuts, right - left]):
            last += 1
            part[:, start:stop][own[:, start:stop]] = last
            numbers.append(last)
        if len(numbers) > 1:
            pieces[number] = numbers
    return pieces


def _thin_places(own: Mask, em: float) -> list[int]:
    """Return the columns at which a long segment is thin enough to be cut, at least a third of a character apart."""
    counts = ndimage.gaussian_filter1d(own.sum(axis=0).astype(float), 0.04 * em)
    pen = pen_width(own)
    apart = max(2, round(0.3 * em))
    places = [
        x
        for x in range(apart, len(counts) - apart)
        if counts[x] <= 2.0 * pen and counts[x] == counts[x - apart // 2 : x + apart // 2 + 1].min()
    ]
    chosen: list[int] = []
    for x in places:
        if not chosen or x - chosen[-1] >= apart:
            chosen.append(x)
    return chosen


# --- Squared paper


def _in_squares(page: Page, labels: Numbers, direction: str) -> Layout:
    """Make each square's ink a segment; parts that reach far into a second square are cut at its border."""
    squares, count = _with_ink_outside(page, labels)
    boxes = square_boxes(squares, count)
    middles = np.column_stack([boxes[:, 0] + boxes[:, 2], boxes[:, 1] + boxes[:, 3]]) / 2
    side = float(np.median(np.concatenate([boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]])))
    parts = int(labels.max())
    inside = np.zeros((parts + 1, count + 1), dtype=np.int64)
    np.add.at(inside, (labels.ravel(), squares.ravel()), 1)
    total = np.maximum(inside.sum(axis=1), 1)
    best = np.where(inside[:, 1:].max(axis=1) > 0, inside[:, 1:].argmax(axis=1) + 1, 0)
    split = (np.sort(inside[:, 1:], axis=1)[:, -2] if count > 1 else np.zeros(parts + 1)) >= _SHARE * total
    owner = np.where(split[labels] & (squares > 0), squares, best[labels]).astype(np.int32)
    owner[labels == 0] = 0
    used = np.unique(owner[owner > 0])
    vertical = direction == "vertical" or (
        direction == "auto" and _in_columns(middles, np.isin(np.arange(1, count + 1), used), side)
    )
    lines = []
    for row in _square_rows(middles[used - 1], side, vertical):
        numbers = used[row]
        found = _boxes_of(owner, numbers)
        segments = tuple(Segment(int(n), found[int(n)], int(n)) for n in numbers)
        across = 0 if vertical else 1
        lines.append(Line(segments, page.em, 0.0, float(middles[numbers - 1, across].mean())))
    return Layout(vertical, tuple(lines), owner)


def _with_ink_outside(page: Page, labels: Numbers) -> tuple[Numbers, int]:
    """Return the squares, and one more around each piece of writing outside them: a heading, a name, a lost square."""
    squares, count = page.ruling.squares, page.ruling.count
    inside = np.zeros(int(labels.max()) + 1, dtype=bool)
    inside[labels[squares > 0]] = True
    outside = (labels > 0) & ~inside[labels]
    if not outside.any():
        return squares, count
    near = ndimage.maximum_filter(outside.view(np.uint8), 2 * max(1, round(_NEAR / 2 * page.em)) + 1)
    more, added = ndimage.label(near)
    return np.where((more > 0) & outside, more + count, squares), count + added


def _boxes_of(labels: Numbers, numbers: Numbers) -> dict[int, tuple[int, int, int, int]]:
    found = ndimage.find_objects(labels)
    return {
        int(n): (found[n - 1][1].start, found[n - 1][0].start, found[n - 1][1].stop, found[n - 1][0].stop)
        for n in numbers
    }


def _in_columns(middles: npt.NDArray[np.float64], used: npt.NDArray[np.bool_], side: float) -> bool:
    """Say whether squares are written on from top to bottom.

    Genkō yōshi has strips between its columns, other paper none; there, writing begins in the upper corner at the left
    or right, and its last line may be short.
    """
    across, down = (_pitch(middles, axis, side) for axis in (0, 1))
    if abs(across - down) > 0.08 * side:
        return down < across
    return _disorder(middles[used], side, vertical=True) < _disorder(middles[used], side, vertical=False)


def _pitch(middles: npt.NDArray[np.float64], axis: int, side: float) -> float:
    """Return the distance from square to square along an axis (0 x, 1 y), in pixels; ten squares if none is beside."""
    away = np.abs(middles[:, None, axis] - middles[:, axis])
    beside = (np.abs(middles[:, None, 1 - axis] - middles[:, 1 - axis]) < 0.4 * side) & (away > 0.5 * side)
    nearest = np.where(beside, away, 10 * side).min(axis=1)
    return float(np.median(nearest))


def _disorder(middles: npt.NDArray[np.float64], side: float, vertical: bool) -> int:
    """Return by how many squares lines begin late, or the first one is shorter than the last."""
    rows = _square_rows(middles, side, vertical)
    along = middles[:, 1] if vertical else middles[:, 0]
    late = sum(round(float(along[row].min() - along.min()) / side) for row in rows)
    return late + max(0, len(rows[-1]) - len(rows[0]))


def _square_rows(middles: npt.NDArray[np.float64], side: float, vertical: bool) -> list[npt.NDArray[np.int64]]:
    """Share squares out among lines, in the order of writing, each in that order too."""
    across, along = (-middles[:, 0], middles[:, 1]) if vertical else (middles[:, 1], middles[:, 0])
    order = np.argsort(across)
    ends = np.flatnonzero(np.diff(across[order]) > 0.5 * side) + 1
    return [row[np.argsort(along[row])] for row in np.split(order, ends)]

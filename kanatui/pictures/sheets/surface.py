"""Straightens a photographed page: where each point of the paper is in the photo, though the paper is curled.

Four codes give a projective map, which is right for flat paper and a lens without distortion. What is left is found by
matching what is printed in light colour (frames, crosses, small squares) and fitted by a smooth field, so that a frame
that is hidden or badly seen cannot move its own box.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from PIL import Image
from scipy import ndimage, signal

from kanatui.core.errors import SheetError
from kanatui.pictures.sheets.finding import Found, Points, corners_of, project
from kanatui.pictures.sheets.layout import Page, Rectangle
from kanatui.pictures.sheets.printing import FRAME_LINE, tints

Photo = npt.NDArray[np.uint8]
"""uint8 [H, W, 3]."""
Light = npt.NDArray[np.float32]
"""float32 [H, W], 0 … 1: what share of the paper's light is seen."""

PAPER_WINDOW = 8.0
"""Millimetres: strokes narrower than this are ink, not shadow."""

_SEARCHES = ((4.0, 3, 3.0), (2.5, 4, 3.0), (1.5, 5, 3.0), (1.2, 5, 6.0))
"""Rounds of matching: how far a box may be off in millimetres, the degree of the field that is fitted, and the pixels
per millimetre. In the first, how far off is guessed from the boxes around."""
_LAST = 2.0, 6.0  # mm and pixels per mm, of the round that checks the result
_NEIGHBOURHOOD = 25.0  # mm from which that guess is made
_MOST_ASTRAY = 2.5  # mm that the fitted field may miss a code by
_RIDGE = 0.03  # by how much a frame's line is darker than the paper on both sides of it
_BLOCK = 32  # px in which a curled page is taken for flat
_STEADY = 0.4  # mm: boxes that are farther from the field than this lose weight
_STIFFNESS = 0.02  # of terms of higher degree, so that few boxes bend the page little
_BENDING = 0.003  # the same when nothing but the codes is known
_TINT_CAP = 0.45  # ink is no darker than this when matching


@dataclasses.dataclass(frozen=True)
class Match:
    """How well one box was found where the surface says that it is."""

    off: float
    """Millimetres."""
    visible: float
    """How much of its frame is seen, on the three sides that are seen best: 0 … 1."""


@dataclasses.dataclass(frozen=True)
class Surface:
    """Where points of the page are in the photo."""

    page: Page
    matrix: Points
    """Projective map from millimetres to pixels, [3, 3]."""
    field: Points
    """Displacement in millimetres before that map: coefficients [terms, 2] of a polynomial of the page's x and y."""
    degree: int = 0

    def photo(self, points: Points) -> Points:
        """Return the pixels of points [n, 2] of the page."""
        return project(self.matrix, points + _terms(self.page, points, self.degree) @ self.field)

    def resolution(self) -> float:
        """Return how many pixels a millimetre has in the photo, in the middle of the page."""
        middle = np.array([self.page.paper.width, self.page.paper.height]) / 2
        ends = self.photo(middle + np.array([(-5, -5), (5, -5), (5, 5), (-5, 5)]))
        return float(np.linalg.norm(ends - np.roll(ends, 1, axis=0), axis=1).mean() / 10)

    def outline(self, box: Rectangle) -> Points:
        """Return the corners of a rectangle of the page in the photo, [4, 2], clockwise from the top left."""
        return self.photo(corners_of(box))

    def look(self, channel: npt.NDArray[np.uint8], area: Rectangle, scale: float) -> npt.NDArray[np.float32]:
        """Return a part of the page as if seen from straight above: float32 [H, W], 0 … 255.

        Args:
            channel: one channel of the photo, uint8 [H, W].
            area: the part in millimetres.
            scale: pixels per millimetre.
        """
        width, height = round((area[2] - area[0]) * scale), round((area[3] - area[1]) * scale)
        x, y = (np.append(np.arange(0, end, _BLOCK), end) for end in (width, height))
        points = np.stack(np.meshgrid(area[0] + x / scale, area[1] + y / scale), axis=-1)
        pixels = self.photo(points.reshape(-1, 2)).reshape(points.shape)
        # Pillow takes the corners of a block in the order top left, bottom left, bottom right, top right.
        blocks = [
            ((int(x[i]), int(y[j]), int(x[i + 1]), int(y[j + 1])), pixels[[j, j + 1, j + 1, j], [i, i, i + 1, i + 1]])
            for j in range(len(y) - 1)
            for i in range(len(x) - 1)
        ]
        seen = Image.fromarray(channel).transform(
            (width, height),
            Image.Transform.MESH,
            [(box, tuple(corners.ravel().tolist())) for box, corners in blocks],
            Image.Resampling.BILINEAR,
        )
        return np.asarray(seen, dtype=np.float32)


def _terms(page: Page, points: Points, degree: int) -> Points:
    """Return the terms of a polynomial of a degree at points, [n, terms]."""
    u, v = (2 * points[:, axis] / size - 1 for axis, size in enumerate(page.paper[1:]))
    return np.stack([u**i * v**j for i, j in _powers(degree)], axis=1)


def _powers(degree: int) -> list[tuple[int, int]]:
    return [(total - j, j) for total in range(degree + 1) for j in range(total + 1)]


def whole(page: Page) -> Rectangle:
    """Return the area of a whole page."""
    return 0.0, 0.0, page.paper.width, page.paper.height


def lit(seen: npt.NDArray[np.float32], scale: float) -> tuple[Light, npt.NDArray[np.float32]]:
    """Divide by the light that falls on the paper.

    A closing gives the paper's brightness: strokes are narrower than :data:`PAPER_WINDOW` and are filled, while a
    shadow's edge stays in its place.

    Args:
        seen: a part of the page, float32 [H, W].
        scale: its pixels per millimetre.

    Returns:
        The light, and the brightness of the paper.
    """
    window = round(PAPER_WINDOW * scale)
    calm = ndimage.median_filter(seen, 3)
    paper = ndimage.gaussian_filter(ndimage.grey_closing(calm, (window, window)), scale / 4)
    return np.clip(seen / np.maximum(paper, 1.0), 0.0, 1.0), paper


def fit_surface(photo: Photo, found: Found) -> tuple[Surface, list[Match]]:
    """Find out how the page lies in the photo.

    Returns:
        The surface, and a match for each box.

    Raises:
        SheetError: boxes and codes are not on one smooth surface.
    """
    surface = Surface(found.page, found.homography(), np.zeros((1, 2)))
    blue, surface, shrunk = _reduced(photo[..., 2], surface)
    anchors = np.concatenate([corners_of(found.page.code(corner)) for corner in found.corners])
    places = np.concatenate(list(found.corners.values())) * shrunk
    surface = _bent(surface, anchors, places)
    for number, (reach, degree, scale) in enumerate(_SEARCHES):
        dark = _darkness(blue, surface, scale)
        shifts, scores = (
            _grown(dark, surface, reach, scale, anchors, places)
            if number == 0
            else _match(dark, surface.page, reach, scale)
        )
        surface = _fitted(surface, shifts, scores, anchors, places, degree)
    # How far each box is from where the last field puts it, not from where the one before did.
    dark = _darkness(blue, surface, _LAST[1])
    shifts, _ = _match(dark, surface.page, *_LAST)
    seen = [_visible(dark, surface.page.box(place), _LAST[1]) for place in range(len(shifts))]
    matches = [Match(float(np.hypot(*shift)), visible) for shift, visible in zip(shifts, seen, strict=True)]
    astray = np.linalg.norm(surface.photo(anchors) - places, axis=1) / max(surface.resolution(), 1e-6)
    if float(np.median(astray)) > _MOST_ASTRAY:
        raise SheetError(
            f"sheet {found.page.name}, page {found.page.page}: boxes and markers do not fit together; lay the page flat"
        )
    grown = np.diag([1 / shrunk, 1 / shrunk, 1.0]) @ surface.matrix
    return dataclasses.replace(surface, matrix=grown), matches


def _reduced(channel: npt.NDArray[np.uint8], surface: Surface) -> tuple[npt.NDArray[np.uint8], Surface, float]:
    """Shrink a photo that is much finer than it is looked at, by averaging, so that sampling it leaves nothing out."""
    factor = max(1, int(surface.resolution() / _LAST[1]))
    if factor == 1:
        return channel, surface, 1.0
    smaller = np.asarray(Image.fromarray(channel).reduce(factor))
    shrink = np.diag([1 / factor, 1 / factor, 1.0])
    return smaller, dataclasses.replace(surface, matrix=shrink @ surface.matrix), 1 / factor


def _darkness(blue: npt.NDArray[np.uint8], surface: Surface, scale: float) -> Light:
    """Return how dark the page is, with ink no darker than print: float32 [H, W] of the whole page."""
    light, _ = lit(surface.look(blue, whole(surface.page), scale), scale)
    return np.asarray(ndimage.gaussian_filter(np.minimum(1.0 - light, _TINT_CAP), scale / 6))


def _match(dark: Light, page: Page, reach: float, scale: float) -> tuple[Points, npt.NDArray[np.float64]]:
    """Look for each box around where it should be: shifts [n, 2] in millimetres, and correlations [n]."""
    found = [_find(dark, page, place, np.zeros(2), reach, scale) for place in range(len(page.characters))]
    return np.array([shift for shift, _ in found]), np.array([score for _, score in found])


def _grown(
    dark: Light, surface: Surface, reach: float, scale: float, anchors: Points, places: Points
) -> tuple[Points, npt.NDArray[np.float64]]:
    """Match as :func:`_match` does, from the codes on, each box near where those around it lead one to expect it.

    In the middle of a page that is curled by a tenth of its length, boxes are a centimetre off; a search that far could
    take one box for another.
    """
    page = surface.page
    back = np.asarray(np.linalg.inv(surface.matrix), dtype=np.float64)
    middles = np.array([_middle(page.box(place)) for place in range(len(page.characters))])
    points, moved, weights = anchors, project(back, places) - anchors, np.full(len(anchors), 0.2)
    shifts, scores = np.zeros_like(middles), np.zeros(len(middles))
    left = set(range(len(middles)))
    while left:
        place = min(left, key=lambda one: float(np.linalg.norm(points - middles[one], axis=1).min()))
        left.remove(place)
        guess = _guessed(middles[place], points, moved, weights)
        shifts[place], scores[place] = _find(dark, page, place, guess, reach, scale)
        points = np.vstack([points, middles[place]])
        moved = np.vstack([moved, shifts[place]])
        weights = np.append(weights, max(0.0, scores[place]) ** 2)
    return shifts, scores


def _guessed(middle: Points, points: Points, moved: Points, weights: npt.NDArray[np.float64]) -> Points:
    """Continue displacements into a point, by a plane through those around it."""
    apart = points - middle
    near = weights * np.exp(-0.5 * (np.linalg.norm(apart, axis=1) / _NEIGHBOURHOOD) ** 2) + 1e-9
    root = np.sqrt(near / near.max())[:, None]
    plane = np.column_stack([np.ones(len(apart)), apart / _NEIGHBOURHOOD])
    stiff = np.diag([0.0, 0.2, 0.2])
    design = np.concatenate([plane * root, stiff])
    return np.asarray(np.linalg.lstsq(design, np.concatenate([moved * root, np.zeros((3, 2))]), rcond=None)[0][0])


def _find(dark: Light, page: Page, place: int, guess: Points, reach: float, scale: float) -> tuple[Points, float]:
    """Look for one box near where it should be and a ``guess`` of how far off it is; return that, and the score."""
    left, _top, right, bottom = page.box(place)
    cell = (left - 1.0, page.label(place)[1], right + 1.0, bottom + 1.0)
    x, y = round(cell[0] * scale), round(cell[1] * scale)
    width, height = round((cell[2] - cell[0]) * scale), round((cell[3] - cell[1]) * scale)
    drawn = (x / scale, y / scale, (x + width) / scale, (y + height) / scale)
    printed = ndimage.gaussian_filter(tints([page.box(place), page.tick(place)], scale, drawn), scale / 6)
    far = round(reach * scale)
    by_x, by_y = (round(float(part) * scale) for part in guess)
    first_x = int(np.clip(x + by_x - far, 0, dark.shape[1] - width - 1))
    first_y = int(np.clip(y + by_y - far, 0, dark.shape[0] - height - 1))
    shift, score = _shift(dark[first_y : y + by_y + height + far, first_x : x + by_x + width + far], printed)
    return (shift + np.array([first_x - x, first_y - y])) / scale, score


def _visible(dark: Light, box: Rectangle, scale: float) -> float:
    """Return how much of a box's frame is darker than the paper inside and outside of it, 0 … 1."""
    left, top, right, bottom = box
    half, beside = FRAME_LINE / 2, 0.8
    along = np.linspace(0.06, 0.94, 60)
    shares = []
    for (x0, y0), (x1, y1), inwards in (
        ((left, top + half), (right, top + half), (0.0, 1.0)),
        ((left, bottom - half), (right, bottom - half), (0.0, -1.0)),
        ((left + half, top), (left + half, bottom), (1.0, 0.0)),
        ((right - half, top), (right - half, bottom), (-1.0, 0.0)),
    ):
        line = np.stack([x0 + (x1 - x0) * along, y0 + (y1 - y0) * along])
        normal = np.array(inwards)[:, None]
        here, inside, outside = (_sampled(dark, line + by * normal, scale) for by in (0.0, beside, -beside))
        shares.append(float(np.mean(here > np.maximum(inside, outside) + _RIDGE)))
    return float(np.mean(sorted(shares)[1:]))


def _sampled(dark: Light, points: Points, scale: float) -> npt.NDArray[np.float32]:
    return np.asarray(ndimage.map_coordinates(dark, points[::-1] * scale - 0.5, order=1, mode="nearest"))


def _shift(around: npt.NDArray[np.float32], printed: npt.NDArray[np.float32]) -> tuple[Points, float]:
    """Find what is printed in a larger picture: its place [x, y] to a part of a pixel, and the correlation there."""
    pattern = printed - printed.mean()
    sums = signal.fftconvolve(around, pattern[::-1, ::-1], mode="valid")
    row, column = (int(place) for place in np.unravel_index(sums.argmax(), sums.shape))
    there = around[row : row + pattern.shape[0], column : column + pattern.shape[1]]
    score = float(sums[row, column] / np.sqrt(max(float(there.var()) * there.size * float((pattern**2).sum()), 1e-9)))
    x = column + _vertex(sums[row, max(0, column - 1) : column + 2])
    y = row + _vertex(sums[max(0, row - 1) : row + 2, column])
    return np.array([x, y]), score


def _vertex(three: npt.NDArray[np.floating]) -> float:
    """Return where the parabola through three neighbouring values is greatest, from the middle one."""
    if len(three) < 3:
        return 0.0
    before, here, after = (float(value) for value in three)
    bend = before - 2 * here + after
    return (before - after) / (2 * bend) if bend < 0 else 0.0


def _fitted(
    surface: Surface,
    shifts: Points,
    scores: npt.NDArray[np.float64],
    anchors: Points,
    places: Points,
    degree: int,
) -> Surface:
    """Fit a new field to where boxes and codes were seen: reweighted least squares, with Tukey's biweight."""
    page = surface.page
    boxes = np.array([_middle(page.box(place)) for place in range(len(page.characters))])
    # A box that should be at p is seen at p + shift: so the old map, taken there, gives its place in the photo.
    seen = boxes + shifts
    moved = seen + _terms(page, seen, surface.degree) @ surface.field - boxes
    wanted = np.concatenate(
        [moved, project(np.asarray(np.linalg.inv(surface.matrix), dtype=np.float64), places) - anchors]
    )
    terms = _terms(page, np.concatenate([boxes, anchors]), degree)
    base = np.concatenate([np.clip(scores, 0.0, 1.0) ** 2, np.full(len(anchors), 0.1)])
    weights = base
    for _ in range(12):
        field = _solved(terms, wanted, weights, degree, _STIFFNESS)
        error = np.linalg.norm(wanted - terms @ field, axis=1)
        width = 4.685 * max(_STEADY, 1.483 * float(np.median(error)))
        weights = base * np.clip(1 - (error / width) ** 2, 0.0, None) ** 2
    return Surface(page, surface.matrix, field, degree)


def _bent(surface: Surface, anchors: Points, places: Points) -> Surface:
    """Fit a first field to the codes alone: how they are distorted says how the paper between them is bent."""
    wanted = project(np.asarray(np.linalg.inv(surface.matrix), dtype=np.float64), places) - anchors
    terms = _terms(surface.page, anchors, 2)
    field = _solved(terms, wanted, np.ones(len(anchors)), 2, _BENDING)
    return Surface(surface.page, surface.matrix, field, 2)


def _solved(terms: Points, wanted: Points, weights: npt.NDArray[np.float64], degree: int, stiffness: float) -> Points:
    """Solve for the coefficients of a field, [terms, 2]; terms beyond the first degree are damped a little."""
    root = np.sqrt(weights)[:, None]
    stiff = np.sqrt([stiffness * max(0, i + j - 1) for i, j in _powers(degree)])
    design = np.concatenate([terms * root, np.diag(stiff)])
    return np.asarray(
        np.linalg.lstsq(design, np.concatenate([wanted * root, np.zeros((len(stiff), 2))]), rcond=None)[0]
    )


def _middle(box: Sequence[float]) -> tuple[float, float]:
    return (box[0] + box[2]) / 2, (box[1] + box[3]) / 2

"""Finds a sheet in a photo by the codes in its corners."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
from PIL import Image
from scipy import ndimage

from kanatui.core.errors import SheetError
from kanatui.pictures.sheets.layout import CORNERS, Page, Rectangle, decode
from kanatui.pictures.sheets.printing import INSTALL

Points = npt.NDArray[np.float64]
"""[n, 2], x and y."""

LEAST_CODES = 3
"""With two codes, a page that is not flat may be off by a whole box at its other end."""

_LONG_SIDES = (1800, 3200, 5000)  # px at which codes are looked for
_SMALL = 2000  # px: smaller pictures are enlarged, too
_SHADOW = 0.02  # of the long side: window of the brightness that is divided out


@dataclasses.dataclass(frozen=True)
class Found:
    """A page in a photo."""

    page: Page
    corners: dict[int, Points]
    """For each code that was read, its four corners in pixels, [4, 2], from its own top left clockwise."""

    def homography(self) -> Points:
        """Return the projective map from millimetres on the page to pixels in the photo, [3, 3]."""
        page = np.concatenate([corners_of(self.page.code(corner)) for corner in self.corners])
        return fit_homography(page, np.concatenate(list(self.corners.values())))


def find_pages(photo: npt.NDArray[np.uint8]) -> list[Found]:
    """Find the sheets' pages in a photo.

    Args:
        photo: uint8 [H, W, 3].

    Returns:
        At least one, in the order of their numbers.

    Raises:
        SheetError: no page has enough codes that can be read; says which are missing.
    """
    seen: dict[Page, dict[int, Points]] = {}
    for picture, scale in _looks(photo.min(axis=2)):
        for data, corners in _codes(picture):
            code = decode(data)
            if code is not None:
                _add(seen.setdefault(code.page, {}), code.corner, corners / scale)
        if seen and all(len(corners) == len(CORNERS) for corners in seen.values()):
            break
    if not seen:
        raise SheetError(
            "no sheet found: none of the four codes in its corners can be read; "
            "take the whole page into the picture, with more light, in focus"
        )
    whole = [Found(page, corners) for page, corners in seen.items() if len(corners) >= LEAST_CODES]
    if not whole:
        raise SheetError(_missing(max(seen.values(), key=len)))
    for found in whole:
        _require_upright(found)
    return sorted(whole, key=lambda found: (found.page.number, found.page.page))


def _missing(corners: dict[int, Points]) -> str:
    lost = [f"{place + 1} ({name})" for place, name in enumerate(CORNERS) if place not in corners]
    return (
        f"marker {' and '.join([', '.join(lost[:-1]), lost[-1]] if len(lost) > 1 else lost)} not found: "
        "more light, and the whole page in the picture"
    )


def _add(corners: dict[int, Points], corner: int, found: Points) -> None:
    """Add a code; SheetError if it is seen twice, for then two printed copies of a page are in the picture."""
    before = corners.setdefault(corner, found)
    if np.abs(before - found).max() > np.ptp(before, axis=0).max() / 2:
        raise SheetError("the same page is twice in the picture: photograph one at a time")


def _require_upright(found: Found) -> None:
    """Refuse a mirrored page, and codes that do not lie as on one page."""
    middles = np.array([found.corners[corner].mean(axis=0) for corner in sorted(found.corners)])
    if _turns(middles) <= 0:
        raise SheetError(f"sheet {found.page.name}: the picture is mirrored, or the page is cut into pieces")
    page = np.concatenate([corners_of(found.page.code(corner)) for corner in found.corners])
    corners = np.concatenate(list(found.corners.values()))
    error = np.linalg.norm(project(found.homography(), page) - corners, axis=1).max()
    side = np.mean([np.sqrt(abs(_turns(points))) for points in found.corners.values()])
    if not error < side / 2:
        raise SheetError(f"sheet {found.page.name}: the markers are not where they belong; lay the page flat")


def _turns(points: Points) -> float:
    """Return the signed area of a quadrangle: positive if it runs clockwise on the screen."""
    x, y = points.T
    return float(np.sum(x * np.roll(y, -1) - y * np.roll(x, -1)) / 2)


def _looks(grey: npt.NDArray[np.uint8]) -> Iterator[tuple[npt.NDArray[np.uint8], float]]:
    """Give the picture in the sizes and lights in which codes may be read, and the scale of each."""
    picture = Image.fromarray(grey)
    longer = max(picture.size)
    scales = [side / longer for side in _LONG_SIDES if side < longer]
    if longer <= _LONG_SIDES[-1]:
        scales.append(1.0)
    if longer < _SMALL:
        scales.append(2.0)
    for scale in scales:
        size = (round(picture.width * scale), round(picture.height * scale))
        scaled = picture if scale == 1.0 else picture.resize(size, Image.Resampling.BICUBIC, reducing_gap=2.0)
        pixels = np.asarray(scaled)
        yield pixels, scale
        yield _evened(pixels), scale


def _evened(grey: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Divide by the brightness of the neighbourhood: takes out shadows, and gives a dim picture contrast."""
    window = max(3, round(max(grey.shape) * _SHADOW))
    around = ndimage.uniform_filter(ndimage.maximum_filter(grey, window), window).astype(np.float32)
    return np.clip(grey / np.maximum(around, 1.0) * 255, 0, 255).astype(np.uint8)


def _codes(picture: npt.NDArray[np.uint8]) -> Iterator[tuple[bytes, Points]]:
    try:
        import zxingcpp
    except ImportError:
        raise SheetError(f"reading sheets needs more packages: {INSTALL}") from None
    formats = zxingcpp.BarcodeFormats([zxingcpp.BarcodeFormat.QRCode])
    for code in zxingcpp.read_barcodes(np.ascontiguousarray(picture), formats=formats, try_invert=False):
        place = code.position
        corners = (place.top_left, place.top_right, place.bottom_right, place.bottom_left)
        yield code.bytes, np.array([(corner.x, corner.y) for corner in corners], dtype=np.float64)


def corners_of(box: Rectangle) -> Points:
    """Return the corners of a rectangle, [4, 2], clockwise from the top left."""
    left, top, right, bottom = box
    return np.array([(left, top), (right, top), (right, bottom), (left, bottom)], dtype=np.float64)


def fit_homography(source: Points, target: Points) -> Points:
    """Return the projective map [3, 3] that takes points to others with least squared error (normalised DLT).

    Source: Hartley and Zisserman, Multiple View Geometry, algorithm 4.2.
    """
    (from_points, from_map), (to_points, to_map) = _normalised(source), _normalised(target)
    rows = []
    for (x, y), (u, v) in zip(from_points, to_points, strict=True):
        rows += [[x, y, 1, 0, 0, 0, -u * x, -u * y, -u], [0, 0, 0, x, y, 1, -v * x, -v * y, -v]]
    matrix = np.linalg.svd(np.array(rows))[2][-1].reshape(3, 3)
    fitted = np.linalg.inv(to_map) @ matrix @ from_map
    return np.asarray(fitted / fitted[2, 2])


def _normalised(points: Points) -> tuple[Points, Points]:
    """Shift and scale points to mean 0 and spread 1; return them and the map that did it."""
    centre, spread = points.mean(axis=0), max(float(points.std()), 1e-9)
    change = np.array([[1 / spread, 0, -centre[0] / spread], [0, 1 / spread, -centre[1] / spread], [0, 0, 1]])
    return (points - centre) / spread, change


def project(matrix: Points, points: Points) -> Points:
    """Apply a projective map [3, 3] to points [n, 2]."""
    mapped = np.concatenate([points, np.ones((len(points), 1))], axis=1) @ matrix.T
    return np.asarray(mapped[:, :2] / mapped[:, 2:])

"""From rows to pixels: *placed* resamples masters, *exact* has ImageMagick draw each row; the results are close.

Either way a row is drawn on a canvas of 256 pixels, as in the article, and the canvas is scaled to the image's size: an
image of 64 pixels is one of 256 pixels averaged down. Only images larger than the canvas are drawn at their own size.

What ImageMagick does (annotate.c, ``-gravity Center``): it computes the text origin from the width, ascent and descent,
rounded to whole pixels by FreeType; turns the outline about that origin; and puts the bitmap at the nearest whole
pixel. *placed* follows the same steps. It does not follow FreeType's light hinting, which moves horizontal edges to
the pixel grid: that is the remaining difference (docs/MEASUREMENTS.md has the figures).
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F

from kanatui.core.errors import FontError
from kanatui.dataset.source import Images, OnProgress
from kanatui.fonts import imagemagick
from kanatui.fonts.faces import Face
from kanatui.fonts.imagemagick import Annotation, matrix
from kanatui.fonts.masters import Masters
from kanatui.plugins.table import CANVAS, GlyphTable

MastersOf = Callable[[Face, str, int], Masters]
_Floats = npt.NDArray[np.float64]

_WINDOWS = ((1, 1), (2, 1), (3, 2), (4, 2), (5, 3), (6, 3), (8, 4))
"""How masters are averaged down: over windows of w pixels, every s pixels.

A bilinear sample of such a level weighs the master with variance w²/12 + s²/6; the area that a target pixel covers, r
master pixels wide, has r²/12. They match at r = √(w² + 2 s²), so the level with r nearest to that is sampled. Windows
that overlap come closer to a box than those that do not (s = w): 43.0 dB against 38.2 at 64 px if ImageMagick does
not hint, and 37.5 against 35.4 if it does, for twice the memory.
"""


_PIXELS_AT_ONCE = 2**17
"""Target pixels per pass and thread: with their masters they fit in a core's L2 cache. With one thread, all 256 rows of
a batch at once take a quarter longer at 64 px, and two thirds longer at 128 px."""


def drawing_side(image_size: int) -> int:
    """Return the side in pixels of the canvas that ImageMagick draws on for images of this size."""
    return max(CANVAS, image_size)


def master_em(image_size: int) -> int:
    """Return the pixels per em at which masters are drawn: three times the image's, within limits, a multiple of 8.

    Above 128 px it is the image's own size: 512 pixels for an image of 256 come 0.3 dB closer to ImageMagick, but
    the masters of 30 faces take 3.1 GB instead of 0.6.
    """
    wanted = 3 * image_size if image_size <= 128 else max(image_size, 256)
    return min(max(wanted, 128) // 8 * 8, 512)


@dataclasses.dataclass(frozen=True)
class _Level:
    """All masters at one resolution, each in the middle of a square of one size."""

    window: int
    stride: int
    pixels: torch.Tensor
    """uint8 [G, M, M]"""
    origin: _Floats
    """[G, 2] where the text origin lies, in this level's pixels from the top left corner."""

    @property
    def reach(self) -> float:
        """The width of a target pixel, in master pixels, for which this level is right."""
        return _reach(self.window, self.stride)


def _reach(window: int, stride: int) -> float:
    return math.sqrt(window**2 + 2 * stride**2)


class Renderer:
    """Draws rows by resampling masters; the same pixels for a row in any batch."""

    def __init__(
        self,
        faces: Sequence[Face],
        masters_of: MastersOf,
        characters: str,
        coverage: npt.NDArray[np.bool_],
        image_size: int,
        longest: int = 0,
    ) -> None:
        """Prepare to draw; masters are fetched by :meth:`load`, at the latest when the first row is drawn.

        Args:
            faces: those that the rows' ``face`` column refers to, in order.
            masters_of: returns the masters of a face.
            characters: all that rows may contain.
            coverage: [characters, faces], true where the face draws the character.
            image_size: pixels along each side.
            longest: the longest side of any master in pixels, if ``coverage`` has only some of a data set's glyphs: the
                rounding of sample positions depends on it.
        """
        self._longest = longest
        self._faces, self._masters_of, self._characters = list(faces), masters_of, characters
        self._coverage, self._size = np.asarray(coverage, dtype=bool), image_size
        self._em = master_em(image_size)
        self._levels: list[_Level] = []
        # The place of each (character, face) among all masters, which are ordered by face.
        self._slot = np.cumsum(self._coverage.T.ravel()).reshape(self._coverage.T.shape).T - 1
        self._label = np.zeros(max(map(ord, characters)) + 1, dtype=np.int64)
        self._label[[ord(c) for c in characters]] = np.arange(len(characters))

    def load(self, on_progress: OnProgress | None = None) -> None:
        """Fetch all masters, drawing those that are not in the cache; ``on_progress`` counts glyphs."""
        if self._levels:
            return
        faces: list[Masters] = []
        measures: list[_Floats] = []
        total, done = int(self._coverage.sum()), 0
        for place, face in enumerate(self._faces):
            wanted = "".join(c for c, has in zip(self._characters, self._coverage[:, place], strict=True) if has)
            if not wanted:
                continue
            masters = self._masters_of(face, wanted, self._em)
            faces.append(masters)
            vertical = np.full((len(wanted), 2), [masters.ascent, masters.descent])
            measures.append(np.column_stack([masters.advance, masters.right, vertical]))
            done += len(wanted)
            if on_progress:
                on_progress(done, total)
        self._measures = np.concatenate(measures)
        longest = max(self._longest, *(max(image.shape) for masters in faces for image in masters.images))
        self._levels = [_level(faces, *window, longest) for window in self._windows()]

    def _windows(self) -> list[tuple[int, int]]:
        """Return the levels for glyphs of 45 % to 100 % of the image; others use the nearest of these."""
        least, most = (self._em / (share * self._size) for share in (1.0, 0.45))
        return [level for level in _WINDOWS if least / 1.2 <= _reach(*level) <= most * 1.2]

    def placed(self, table: GlyphTable) -> torch.Tensor:
        """Draw rows: float32 [n, 1, H, W] in 0 … 1, white on black."""
        self.load()
        side = drawing_side(self._size)
        drawn_to_image = self._size / side
        slots = self._slot[self._label[table["character"]], table["face"]]
        forward = matrix(table["rotation"], table["shear"], table["aspect"])
        points = np.floor(table["point_size"].astype(np.float64) * (side / CANVAS) * 64) / 64  # FreeType counts in 1/64
        origin = _text_origin(self._measures[slots], points, forward, table, side) * drawn_to_image
        inverse = np.linalg.inv(forward)
        images = np.empty((len(table), 1, self._size, self._size), dtype=np.float32)
        reach = self._em / np.maximum(points * drawn_to_image, 1e-3)
        nearest = np.abs(np.log(reach / [[level.reach] for level in self._levels])).argmin(axis=0)
        at_once = _PIXELS_AT_ONCE * torch.get_num_threads() / self._size**2
        for place in np.unique(nearest):
            level, same = self._levels[place], np.flatnonzero(nearest == place)
            # Parts of equal size, because one of only a few rows takes nearly as long as a full one.
            for rows in np.array_split(same, min(len(same), round(len(same) / at_once)) or 1):
                step = inverse[rows] * (reach[rows] / level.stride)[:, None, None]
                images[rows] = _resample(level, slots[rows], step, origin[rows], self._size).numpy()
        return torch.from_numpy(images)


def _text_origin(measures: _Floats, points: _Floats, forward: _Floats, table: GlyphTable, side: int) -> _Floats:
    """Return the pixel corner of the canvas at which ImageMagick puts each text origin, [n, 2] (x, y)."""
    fixed = np.floor(measures * points[:, None] * 64 + 0.5) / 64
    # The width is the rounded advance, or the right end of the outline if that is larger.
    width = np.maximum(np.floor(fixed[:, 0] + 0.5), fixed[:, 1])
    ascent, descent = np.ceil(fixed[:, 2]), np.floor(fixed[:, 3])
    # From the canvas centre back by half the width along the text and down by half its height, both under the matrix.
    half = np.stack([-width / 2, (ascent + descent) / 2], axis=1)
    shift = np.stack([table["dx"], table["dy"]], axis=1).astype(np.float64) * (side / CANVAS)
    corner: _Floats = np.ceil(shift + side / 2 + np.einsum("nij,nj->ni", forward, half) - 0.5)
    return corner


def _resample(level: _Level, slots: npt.NDArray[np.int64], step: _Floats, origin: _Floats, size: int) -> torch.Tensor:
    """Sample one level for some rows: float32 [n, 1, size, size].

    Args:
        step: [n, 2, 2] level pixels for each target pixel.
        origin: [n, 2] text origins in the target.
    """
    side = level.pixels.shape[-1]
    # x_level = step · (x_target − origin) + origin_level, then to −1 … 1 as grid_sample counts.
    offset = level.origin[slots] - np.einsum("nij,nj->ni", step, origin)
    a = torch.from_numpy((step * (2.0 / side)).astype(np.float32))[..., None, None]
    b = torch.from_numpy((offset * (2.0 / side) - 1.0).astype(np.float32))[..., None, None]
    centres = torch.arange(size, dtype=torch.float32) + 0.5
    # Plain products and sums: a matrix product (as in affine_grid) would round differently from batch to batch. All x
    # in one plane and all y in another: as pairs, side by side, they take nine times as long to compute.
    places = a[:, :, 0] * centres + (a[:, :, 1] * centres[:, None] + b)
    # `index_select` copies whole masters, in a fifth of the time of indexing, which goes byte by byte.
    source = level.pixels.index_select(0, torch.from_numpy(slots)).unsqueeze(1).float()
    grid = places.permute(0, 2, 3, 1)
    sampled = F.grid_sample(source, grid, mode="bilinear", padding_mode="zeros", align_corners=False)
    return sampled.mul_(1.0 / 255.0)


def _level(faces: Sequence[Masters], window: int, stride: int, longest: int) -> _Level:
    """Average all faces' masters over windows, in squares that have room for one of side ``longest``."""
    margin = window + stride  # blank all around, for the windows' and the bilinear sample's edges
    side = -(-(longest + 2 * margin - window) // stride) + 1
    width = (side - 1) * stride + window
    # One tensor from the start: averaging face by face and joining took twice the memory, and most of it was kept.
    pixels = torch.empty((sum(len(masters.images) for masters in faces), side, side), dtype=torch.uint8)
    done = 0
    for masters in faces:
        wide = np.zeros((len(masters.images), width, width), dtype=np.uint8)
        for place, image in enumerate(masters.images):
            wide[place, margin : margin + image.shape[0], margin : margin + image.shape[1]] = image
        # Means are rounded to a byte: half a grey level of 255 at most.
        averaged = F.avg_pool2d(torch.from_numpy(wide).unsqueeze(1).float(), window, stride).round_()
        pixels[done : done + len(wide)] = averaged[:, 0]
        done += len(wide)
    # A level's pixel i has its centre at i · stride + window / 2 of the padded master; here it counts as i + 1 / 2.
    corners = np.concatenate([masters.corners for masters in faces])
    return _Level(window, stride, pixels, (margin - corners - window / 2) / stride + 0.5)


def exact(table: GlyphTable, faces: Sequence[Face], image_size: int) -> Images:
    """Have ImageMagick draw every row, uint8 [n, H, W].

    Raises:
        FontError: a face comes from a source that has no font.
        ImageMagickError: drawing failed.
    """
    magick, side = imagemagick.find(), drawing_side(image_size)
    images = np.empty((len(table), image_size, image_size), dtype=np.uint8)
    for place in np.unique(table["face"]):
        rows = np.flatnonzero(table["face"] == place)
        if not faces[place].font:
            raise FontError(f"face {faces[place].id}: has no font for ImageMagick to draw with; use placed rendering")
        annotations = [_annotation(table.rows[i], side / CANVAS) for i in rows]
        images[rows] = magick.annotate(faces[place].drawn_font(), annotations, side, image_size)
    return images


def _annotation(row: np.void, scale: float) -> Annotation:
    return Annotation(
        chr(row["character"]),
        float(row["point_size"]) * scale,
        float(row["dx"]) * scale,
        float(row["dy"]) * scale,
        float(row["rotation"]),
        float(row["shear"]),
        float(row["aspect"]),
    )

"""Turns a picture of one character, of any size and kind, into images like those trained on: white ink on black.

Much in a picture can be taken in two ways: a stroke along the edge may be the piece of a printed frame, a speck may be
a voicing mark, a cropped bold character may be light or dark. Nothing is decided here. Each way gives an image
(:func:`hypotheses`), and whoever has a model takes the one that it reads most surely. Most pictures leave no doubt and
give one image. Nothing is learnt or random: a picture always gives the same images.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from itertools import islice

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps
from scipy import ndimage

from kanatui.core.errors import NoInkError
from kanatui.pictures.drawing import Box
from kanatui.pictures.ink import (
    Grey,
    find_contrasts,
    find_paper,
    from_array,
    grey,
    pen_width,
    require_contrast,
    without_spikes,
)
from kanatui.pictures.parts import keepings

FILL = 0.68
"""Share of the frame that the longer side of the ink fills.

Measured on 950 real drawings with a first model of the handwriting recipe: 0.60 to 0.75 read equally well (92.3 to
92.7 % folded), 0.55 loses 1 %, 0.80 loses 2 % and 0.90 loses 6 %.
"""

LEAST_PEN = 0.04
"""Least width of a pen stroke as a share of the frame: thinner ones are thickened, or they would fade to grey.

Measured as above: up to 0.05 nothing changes, 0.07 loses 1 %.
"""

MOST = 12
"""Most images that a picture is turned into."""

_WORK = 192  # px: larger pictures are first reduced to this; twice what the ink gets in a 128 px frame
_DEEPEST = 3  # crops within crops, around a small character on a large page
_DOUBTFUL = 0.5  # of Paper.dark_ink: nearer to 0 both polarities are tried

# Logarithms of odds, fitted as those in kanatui.pictures.parts.
_NEGATIVE = -0.2
_MUCH = 3.0  # more than a ロ cropped to its ink has against it


@dataclasses.dataclass(frozen=True, eq=False)
class Hypotheses:
    """What a picture may show, the whole of its ink first."""

    images: npt.NDArray[np.uint8]
    """uint8 [K, S, S], white on black."""
    log_odds: npt.NDArray[np.float32]
    """Natural logarithm of how likely each is before it is read, up to a constant, [K]."""

    @property
    def likeliest(self) -> npt.NDArray[np.uint8]:
        """The image to take where no model decides, uint8 [S, S]: all of the ink, unless much speaks against it."""
        best = int(self.log_odds.argmax())
        return np.asarray(self.images[best if self.log_odds[best] > self.log_odds[0] + _MUCH else 0])


@dataclasses.dataclass(frozen=True)
class Ink:
    """Ink found in a picture."""

    alpha: Grey
    """float32 [H, W], 0 paper to 1 ink."""
    box: Box
    """Around the ink, apart from its soft edge of one pixel."""
    pen: float
    """Mean width of the strokes in pixels."""
    log_odds: float = 0.0
    """See :class:`Hypotheses`."""

    @property
    def length(self) -> int:
        """The longer side of the ink in pixels."""
        left, top, right, bottom = self.box
        return max(right - left, bottom - top)


def prepare(image: Image.Image | npt.NDArray[np.generic], size: int) -> npt.NDArray[np.uint8]:
    """Return the likeliest of a picture's :func:`hypotheses` without reading them: uint8 [size, size]."""
    return hypotheses(image, size).likeliest


def hypotheses(image: Image.Image | npt.NDArray[np.generic], size: int) -> Hypotheses:
    """Return what may be the picture's character, white on black, each centred in a frame of its own.

    Args:
        image: a Pillow image of any mode, or an array [H, W], [H, W, 3] or [H, W, 4]; dark on light or light on dark.
        size: side of the results in pixels.

    Returns:
        From 1 to :data:`MOST` images; the longer side of the ink fills :data:`FILL` of the frame, with its proportions
        kept. The first has all ink that the picture holds.

    Raises:
        NoInkError: the picture holds no ink.
    """
    picture = grey(image if isinstance(image, Image.Image) else from_array(image))
    found: dict[bytes, tuple[npt.NDArray[np.uint8], float]] = {}
    for ink in _zoomed(picture, (0.0, 0.0, float(picture.width), float(picture.height))):
        framed_ink = framed(ink, size)
        found.setdefault(framed_ink.tobytes(), (framed_ink, ink.log_odds))
        if len(found) == MOST:
            break
    if not found:
        raise NoInkError("no ink found")
    images, odds = zip(*found.values(), strict=True)
    return Hypotheses(np.stack(images), np.array(odds, dtype=np.float32))


_Box = tuple[float, float, float, float]


def _zoomed(picture: Image.Image, box: _Box, before: float = 0.0, depth: int = 0) -> Iterator[Ink]:
    """Find ink within a box; where it is small in a large picture, look again at a crop around it."""
    width, height = box[2] - box[0], box[3] - box[1]
    scale = min(1.0, _WORK / max(width, height))
    shape = (max(1, round(width * scale)), max(1, round(height * scale)))
    # Averaging keeps a thin pen's share of each pixel; its contrast is stretched again below.
    whole = scale == 1.0 and shape == picture.size
    work = np.asarray(picture if whole else picture.resize(shape, Image.Resampling.BOX, box=box), dtype=np.float32)
    for ink in find_inks(work):
        log_odds = before + ink.log_odds
        left, top, right, bottom = ink.box
        margin = 0.2 * ink.length
        nearer = (
            max(box[0], box[0] + (left - margin) / scale),
            max(box[1], box[1] + (top - margin) / scale),
            min(box[2], box[0] + (right + margin) / scale),
            min(box[3], box[1] + (bottom + margin) / scale),
        )
        if scale == 1.0 or ink.length >= _WORK / 2 or depth == _DEEPEST or nearer == box:
            yield dataclasses.replace(ink, log_odds=log_odds)
        else:
            yield from _zoomed(picture, nearer, log_odds, depth + 1)


def find_inks(work: Grey) -> Iterator[Ink]:
    """Separate ink from paper in a grey picture float32 [H, W], in every way that may be right: all of the ink first.

    Raises:
        NoInkError: the picture has only one colour, except single pixels, or is not finite.
    """
    require_contrast(work)
    smooth = without_spikes(work)
    require_contrast(smooth)
    spiky = bool((smooth != work).any())
    paper = find_paper(work)
    dark = paper.dark_ink > 0
    for negative in (False, True) if abs(paper.dark_ink) < _DOUBTFUL else (False,):
        for source in (work, smooth) if spiky else (work,):
            most = 1 if spiky and source is work else None
            for contrast in find_contrasts(source, paper, dark != negative):
                for keeping in islice(keepings(contrast.parts, contrast.values), most):
                    log_odds = _NEGATIVE * negative + keeping.log_odds
                    yield Ink(contrast.ink(keeping.mask), keeping.box, pen_width(keeping.mask), log_odds)


def framed(ink: Ink, size: int) -> npt.NDArray[np.uint8]:
    """Scale the ink to its share of the frame, thicken thin strokes, and centre it."""
    left, top, right, bottom = ink.box
    scale = FILL * size / ink.length
    alpha = ink.alpha
    missing = LEAST_PEN * size / scale - ink.pen  # px of the working picture
    if missing > 0.5:
        reach = 2 + int(missing)
        area = np.s_[max(top - reach, 0) : bottom + reach, max(left - reach, 0) : right + reach]
        alpha = alpha.copy()
        alpha[area] = _thickened(alpha[area], missing)
    # One affine map is enough: the box's centre goes to the frame's. Pillow's resize takes fractional boxes, with a
    # support that covers every source pixel, but only inside the picture; so it is padded with paper first.
    half = size / scale / 2
    margin = int(np.ceil(half)) + 1
    x, y = (left + right) / 2 + margin, (top + bottom) / 2 + margin
    frame = ImageOps.expand(Image.fromarray(alpha), margin).resize(
        (size, size), Image.Resampling.HAMMING, box=(x - half, y - half, x + half, y + half)
    )
    pixels: Grey = np.asarray(frame, dtype=np.float32)
    return np.round(np.clip(pixels, 0.0, 1.0) * 255).astype(np.uint8)


def _thickened(alpha: Grey, by: float) -> Grey:
    whole = int(by)
    side = whole + 1
    wide = ndimage.grey_dilation(alpha, size=(side, side)) if whole else alpha
    wider = ndimage.grey_dilation(alpha, size=(side + 1, side + 1))
    return np.asarray(wide + (wider - wide) * (by - whole), dtype=np.float32)

"""Cuts the boxes of a photographed page, without what is printed in them."""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from kanatui.core.errors import SheetError
from kanatui.pictures.drawing import Pixels
from kanatui.pictures.sheets.finding import Found, Points, find_pages
from kanatui.pictures.sheets.layout import BOX, TICK_INSET, Page, Rectangle
from kanatui.pictures.sheets.printing import tints
from kanatui.pictures.sheets.surface import Light, Match, Photo, Surface, fit_surface, lit, whole

SIDE = 256
"""Pixels along a box's picture."""

_SCALE = SIDE / BOX
_PAPER_SCALE = 4.0  # px per mm at which the paper's brightness is found
_LEAST_VISIBLE, _MOST_OFF = 0.5, 0.6  # of a box's match: share of its frame; mm
_MOST_LOST = 0.25  # share of the boxes: with more, the page is not understood
_FAINTEST = 0.14  # darkness of ink, as a share of the paper's light
_SPECK, _CHARACTER = 0.12, 1.5  # mm² of a spot that counts; mm of all ink of a character, or it is too small to be one
_TICKED, _PERHAPS_TICKED = 0.6, 0.25  # mm² of black that the ink in the small square would make
_GRAIN = 0.08  # darkness that paper and noise have
_NOISY = 5.0  # standard deviations of noise that ink is darker than
_RED, _MOSTLY = 1.5, 0.3  # mm² of ink that only the green channel sees; as a share of what the red one sees
_OVER = 1.0  # mm² of ink on the frame


class State(enum.Enum):
    """What became of a box."""

    WRITTEN = "written"
    EMPTY = "empty"
    TICKED = "taken out"
    DOUBTFUL = "not clear"


@dataclasses.dataclass(frozen=True, eq=False)
class Box:
    """One box of a page."""

    place: int
    """On the page, from 0, in reading order."""
    character: str
    state: State
    outline: Points
    """Its corners in the photo, [4, 2], clockwise from the top left."""
    picture: Pixels
    """What is written, white on black, uint8 [:data:`SIDE`, :data:`SIDE`]: the whole box, without what is printed."""
    remark: str = ""
    """Why it is not clear; or what is worth knowing about a written one."""


@dataclasses.dataclass(frozen=True)
class Sheet:
    """A page that was read."""

    page: Page
    boxes: tuple[Box, ...]


OnProgress = Callable[[int, int], None]


def read_sheets(photo: Photo, on_progress: OnProgress = lambda done, total: None) -> list[Sheet]:
    """Read the sheets in a photo, uint8 [H, W, 3].

    Args:
        photo: the photo.
        on_progress: called with how many boxes of a page are cut, and how many it has.

    Raises:
        SheetError: no sheet is found, or not all of its page can be made out; says why.
    """
    return [_read(photo, found, on_progress) for found in find_pages(photo)]


def _read(photo: Photo, found: Found, on_progress: OnProgress) -> Sheet:
    surface, matches = fit_surface(photo, found)
    page = found.page
    lost = [match.visible < _LEAST_VISIBLE or match.off > _MOST_OFF for match in matches]
    if np.mean(lost) > _MOST_LOST:
        raise SheetError(
            f"sheet {page.name}, page {page.page}: {sum(lost)} of {len(lost)} boxes cannot be made out; "
            "lay the page flat, with more light, in focus"
        )
    red, green = (_Channel(photo[..., number], surface) for number in (0, 1))
    boxes = []
    for place, match in enumerate(matches):
        boxes.append(_box(page, place, surface, match, red, green))
        on_progress(place + 1, len(matches))
    return Sheet(page, tuple(boxes))


class _Channel:
    """One colour of a photo, as shares of the light that falls on the paper."""

    def __init__(self, pixels: npt.NDArray[np.uint8], surface: Surface) -> None:
        self._pixels, self._surface = pixels, surface
        _, self._paper = lit(surface.look(pixels, whole(surface.page), _PAPER_SCALE), _PAPER_SCALE)

    def darkness(self, area: Rectangle, printed: Light) -> Light:
        """Return how dark ink is, without what is ``printed`` there: float32 [H, W], about 0 paper to 1 ink."""
        seen = self._surface.look(self._pixels, area, _SCALE)
        left, top = (edge * _PAPER_SCALE - 0.5 for edge in area[:2])
        rows, columns = (np.arange(count) * (_PAPER_SCALE / _SCALE) for count in seen.shape)
        grid = np.meshgrid(rows + top + 0.5, columns + left + 0.5, indexing="ij")
        paper = ndimage.map_coordinates(self._paper, grid, order=1, mode="nearest")
        light = seen / np.maximum(paper, 1.0)
        # A closing takes the brightest grains of noise for the paper, which is then a little darker everywhere.
        plain = light[printed < 0.05]
        light = light / max(float(np.median(plain)), 0.5) if plain.size else light
        # Ink on print lets through a share of the print's light; so the print is divided out, and no stroke is cut.
        core = printed > 0.9
        strength = float(np.clip(np.median(1.0 - light[core]), 0.0, 0.6)) if core.any() else 0.0
        near = ndimage.gaussian_filter(ndimage.maximum_filter(printed, 5), 1.0)
        return np.asarray(np.clip(1.0 - light / (1.0 - strength * near), -1.0, 1.0), dtype=np.float32)


def _box(page: Page, place: int, surface: Surface, match: Match, red: _Channel, green: _Channel) -> Box:
    area = page.box(place)
    printed = tints([area], _SCALE, area)
    dark = red.darkness(area, printed)
    ink = _spots(dark)
    state, remark = _judged(page, place, match, ink, red)
    if state in (State.EMPTY, State.WRITTEN):
        beside = _near(printed) < 0.05
        unseen = _area(_spots(green.darkness(area, printed)) & beside) - _area(ink & beside)
        if unseen > max(_RED, _MOSTLY * _area(ink)):
            state, remark = State.DOUBTFUL, "written in red or orange, like the frames: use a black or blue pen"
    if state is State.WRITTEN and _area(ink & (printed > 0.9)) > _OVER:
        remark = "runs over the frame"
    return Box(place, page.characters[place], state, surface.outline(area), _picture(dark, ink), remark)


def _judged(page: Page, place: int, match: Match, ink: npt.NDArray[np.bool_], red: _Channel) -> tuple[State, str]:
    if match.visible < _LEAST_VISIBLE or match.off > _MOST_OFF:
        return State.DOUBTFUL, "its frame cannot be made out"
    left, top, right, bottom = page.tick(place)
    square = (left - TICK_INSET, top - TICK_INSET, right + TICK_INSET, bottom + TICK_INSET)
    inset = round(2 * TICK_INSET * _SCALE)
    inside = red.darkness(square, tints([page.tick(place)], _SCALE, square))[inset:-inset, inset:-inset]
    ticked = float(np.clip(inside - _GRAIN, 0.0, None).sum()) / _SCALE**2
    if ticked > _TICKED:
        return State.TICKED, ""
    if not ink.any():
        return State.EMPTY, ""
    if ticked > _PERHAPS_TICKED:
        return State.DOUBTFUL, "there is a little ink in the small square: is it ticked?"
    rows, columns = np.flatnonzero(ink.any(axis=1)), np.flatnonzero(ink.any(axis=0))
    if max(np.ptp(rows), np.ptp(columns)) < _CHARACTER * _SCALE:
        return State.DOUBTFUL, "only a speck"
    return State.WRITTEN, ""


def _spots(dark: Light) -> npt.NDArray[np.bool_]:
    """Return which pixels are ink, without spots too small to be part of a character."""
    calm = ndimage.gaussian_filter(dark, 1.0)
    # Most of a box is paper, so the median tells how grainy it is.
    grain = 1.483 * float(np.median(np.abs(calm - np.median(calm))))
    mask = calm > max(_FAINTEST, _NOISY * grain)
    named, count = ndimage.label(mask, np.ones((3, 3)))
    sizes = ndimage.sum_labels(mask, named, np.arange(count + 1))
    return np.asarray((sizes >= _SPECK * _SCALE**2)[named] & mask)


def _area(mask: npt.NDArray[np.bool_]) -> float:
    return float(mask.sum()) / _SCALE**2


def _near(printed: Light) -> Light:
    return np.asarray(ndimage.maximum_filter(printed, round(0.5 * _SCALE) * 2 + 1))


def _picture(dark: Light, ink: npt.NDArray[np.bool_]) -> Pixels:
    """Stretch darkness, so that the ink is white and the paper's grain black."""
    full = max(float(np.percentile(dark[ink], 75)) if ink.any() else 1.0, 2 * _FAINTEST)
    low = _FAINTEST / 2
    return np.asarray((np.clip((dark - low) / (full - low), 0.0, 1.0) * 255).round(), dtype=np.uint8)

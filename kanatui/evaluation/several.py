"""Tells a picture that should show one character but plainly shows several."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from kanatui.evaluation.read import MARKS, PageReader, Text
from kanatui.pictures.lines import find_lines
from kanatui.pictures.page import find_page

if TYPE_CHECKING:
    from PIL import Image

    from kanatui.model.weights import Classifier

UNSURE = 0.95
"""Probability of the best reading as one character below which a picture may show two or three."""

_SURE = 0.6  # probability of characters that are plainly there
_MANY = 4  # characters: no kana falls into so many parts that each look like one
_APART = 1.6  # of the longest side of a character: two that do not touch are longer


def read_several(
    load: Callable[[], Classifier], image: Image.Image, alone: float, characters: str | None = None
) -> Text | None:
    """Read a picture that should show one character if it plainly shows several, else return None.

    Args:
        load: gives the model. Most pictures that are read with doubt do not need it: their ink is not long enough for
            two characters, however its parts are joined.
        image: as for :func:`~kanatui.evaluation.read.read_text`.
        alone: probability of the best reading as one character and its look-alikes.
        characters: the candidates; None for all that the model knows.

    Raises:
        NoInkError: the picture holds no ink.
    """
    page = find_page(image)
    layout = find_lines(page)
    boxes = np.array([segment.box for line in layout.lines for segment in line.segments])
    # Characters' boxes are rounded to pixels of the picture and cut at its edges; a turned page's are larger.
    if not page.degrees and not _apart(boxes, slack=2):
        return None
    text = PageReader(load(), characters, page, layout).read()
    return text if plainly_several(text, alone) else None


def plainly_several(text: Text, alone: float) -> bool:
    """Say whether a picture that should show one character shows several, surely read and clear of each other.

    い, ハ, ル and ミ can be read as two or three characters, too; but most are surely one, and their parts stand closer
    than characters do.

    Args:
        text: what was read.
        alone: probability of the best reading as one character and its look-alikes.
    """
    found = [character for line in text.lines for character in line]
    sure = [character for character in found if character.probability >= _SURE and character.character not in MARKS]
    least = 2 if alone < UNSURE else _MANY
    if len(sure) < least or np.mean([character.probability for character in found]) < _SURE:
        return False
    return _apart(np.array([character.box for character in found]))


def _apart(boxes: npt.NDArray[Any], slack: int = 0) -> bool:
    """Return whether all boxes together are longer, give or take ``slack`` pixels, than two that touch can be."""
    sides = boxes[:, 2:] - boxes[:, :2]
    whole = boxes[:, 2:].max(axis=0) - boxes[:, :2].min(axis=0)
    return bool(whole.max() + slack > _APART * (sides.max() - slack))

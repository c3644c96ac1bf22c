"""Readings: from probabilities to ranked characters, and from a drawing on the board.

The size that a character was meant to have cannot be seen in a free picture, nor whether へ is hiragana or katakana.
So readings are ranked by the probability of their look-alike group (:mod:`kanatui.kana.folding`), and within a
group by their own. A member that holds less than :data:`SERIOUS` of its group's probability ranks by its own alone, or
the list would fill up with small kana that nobody thought of.

On the drawing board the frame is known. There the model still judges the shape, from a picture prepared like any other,
but whether a kana is a small or a normal one is judged by size and place alone: see :func:`smallness`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from kanatui.evaluation.probabilities import Probabilities, candidates, classify_pictures
from kanatui.kana.alphabet import FOLD, SMALL
from kanatui.kana.folding import fold_groups, fold_probabilities

if TYPE_CHECKING:
    from kanatui.model.weights import Classifier
    from kanatui.pictures.drawing import Drawing

SERIOUS = 0.2
"""Share of its group's probability that lets a character rank with its group."""

BOARD = 192
"""Pixels to which a drawing is drawn for reading: all that :mod:`kanatui.pictures.prepare` looks at."""

_SMALL_SIDE, _SMALL_CENTRE, _SMALL_STEEPNESS = 0.54, 0.56, 25.0


@dataclasses.dataclass(frozen=True)
class Reading:
    """One character that a picture may show."""

    character: str
    probability: float
    """Of this very character, 0 … 1."""
    folded: float
    """Of this character or one that looks like it."""


def rank(probabilities: Probabilities, known: str, top: int = 5, characters: str | None = None) -> list[list[Reading]]:
    """Turn probabilities [n, C] over the characters ``known`` into the ``top`` readings of each image."""
    allowed = np.flatnonzero(candidates(known, characters))
    folded = fold_probabilities(probabilities, known)[:, fold_groups(known)[1]]
    weight = np.where(probabilities >= SERIOUS * folded, folded, probabilities)
    return [
        _readings(own[allowed], alike[allowed], key[allowed], [known[i] for i in allowed], top)
        for own, alike, key in zip(probabilities, folded, weight, strict=True)
    ]


def _readings(
    own: Probabilities, alike: Probabilities, key: Probabilities, names: Sequence[str], top: int
) -> list[Reading]:
    order = np.lexsort((-own, -key))[:top]
    return [Reading(names[i], float(own[i]), min(1.0, float(alike[i]))) for i in order]


def read_drawing(
    classifier: Classifier, drawing: Drawing, top: int = 5, characters: str | None = None
) -> tuple[list[Reading], bool]:
    """Read what is on the drawing board.

    Args:
        classifier: the model.
        drawing: the strokes; their size and place on the board tell small kana from normal ones.
        top: how many readings to give.
        characters: the candidates, where the script is known; None for all that the model knows.

    Returns:
        The readings, the likeliest first; those that look alike stand together. And whether the model refuses them: it
        doubts that the drawing is any of its characters.

    Raises:
        ImageError: nothing is drawn.
        UsageError: the model knows none of ``characters``.
    """
    board = drawing.raster(BOARD)
    prepared = prepare_board(board, classifier.image_size)
    probabilities, certainty = classify_pictures(classifier, prepared[None], characters)
    known = classifier.characters
    judged = judge_size(probabilities, known, smallness(board), candidates(known, characters))
    return _together(rank(judged, known, top, characters)[0]), bool(classifier.calibration.refuses(certainty)[0])


def prepare_board(board: npt.NDArray[np.uint8], size: int) -> npt.NDArray[np.uint8]:
    """Prepare a drawing board, uint8 [S, S], white ink on black, for a model: uint8 [size, size].

    ImageError if nothing is drawn.
    """
    from kanatui.pictures.prepare import prepare

    # With paper all about, no stroke along the board's edge can be taken for a border line.
    return prepare(np.pad(board, len(board) // 4), size)


def smallness(board: npt.NDArray[np.uint8]) -> float:
    """Say how surely a kana on the board was meant to be a small one, 0 … 1.

    A logistic function of two shares of the board: the longer side of the ink, and how far down its middle lies. Of
    210 drawings of kana that have a small form (Omniglot, in the frame in which they were drawn) it calls none small;
    of 858 small kana in 39 faces it calls 99.5 % small where an em is 0.7 of the board, 79 % where it is 0.8.

    Args:
        board: the whole board, uint8 [S, S], white ink on black.
    """
    ink = board > 127
    rows, columns = np.flatnonzero(ink.any(axis=1)), np.flatnonzero(ink.any(axis=0))
    if not len(rows):
        return 0.5
    longer = max(np.ptp(rows), np.ptp(columns)) + 1
    centre = (rows[0] + rows[-1] + 1) / 2
    score = (_SMALL_SIDE - longer / len(board)) + (centre / len(board) - _SMALL_CENTRE)
    return float(1.0 / (1.0 + np.exp(-_SMALL_STEEPNESS * score)))


def judge_size(
    probabilities: Probabilities, known: str, small: float, allowed: npt.NDArray[np.bool_] | None = None
) -> Probabilities:
    """Share out the probability of each small kana and its normal one anew.

    Args:
        probabilities: [n, C] over the characters ``known``.
        known: the model's characters.
        small: the share of the small one, 0 … 1.
        allowed: the candidates, bool [C]; a pair of which only one is allowed stays as it is.

    Returns:
        float32 [n, C]; each pair's sum is what it was.
    """
    judged = probabilities.copy()
    place = {character: index for index, character in enumerate(known) if allowed is None or allowed[index]}
    for little, normal in SMALL.items():
        if little in place and normal in place:
            both = probabilities[:, place[little]] + probabilities[:, place[normal]]
            judged[:, place[little]], judged[:, place[normal]] = both * small, both * (1.0 - small)
    return judged


def _together(readings: list[Reading]) -> list[Reading]:
    """Put readings that look alike next to each other, at the place of the likelier."""
    leaders = [FOLD.get(reading.character, reading.character) for reading in readings]
    return sorted(readings, key=lambda reading: leaders.index(FOLD.get(reading.character, reading.character)))

"""Readings: ranks characters by probability, and reads drawings from the board.

A cropped picture does not show how large a character was meant to be, nor whether へ is hiragana or katakana.
So readings are ranked by the probability of their look-alike group (:mod:`kanatui.kana.folding`), and within a
group by their own. A member with less than :data:`SERIOUS` of its group's probability is ranked by its own alone.
Otherwise the list would fill up with unlikely small kana.

On the drawing board the frame is known. There the model still reads the shape, from a picture prepared like any other,
but size and position alone decide whether a kana is small or normal: see :func:`smallness`.
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
"""The share of its group's probability that a character needs to be ranked with its group."""

BOARD = 192
"""Side in pixels at which a drawing is rasterised for reading: :mod:`kanatui.pictures.prepare` uses no more."""

SMALL_SIDE, SMALL_CENTRE, SMALL_STEEPNESS = 0.54, 0.56, 25.0
"""What :func:`smallness` computes with."""


@dataclasses.dataclass(frozen=True)
class Reading:
    """One character that a picture may show."""

    character: str
    probability: float
    """Of exactly this character, 0 … 1."""
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
        drawing: the strokes; their size and position on the board tell small kana from normal ones.
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
    probabilities, certainty, _ = classify_pictures(classifier, prepared[None], characters)
    known = classifier.characters
    judged = judge_size(probabilities, known, smallness(board), candidates(known, characters))
    return _together(rank(judged, known, top, characters)[0]), bool(classifier.calibration.refuses(certainty)[0])


def prepare_board(board: npt.NDArray[np.uint8], size: int) -> npt.NDArray[np.uint8]:
    """Prepare a drawing board, uint8 [S, S], white ink on black, for a model: uint8 [size, size].

    ImageError if nothing is drawn.
    """
    from kanatui.pictures.prepare import prepare

    # With a margin all round, no stroke along the board's edge can be mistaken for a border line.
    return prepare(np.pad(board, len(board) // 4), size)


def smallness(board: npt.NDArray[np.uint8]) -> float:
    """Return the probability that a kana on the board was meant to be small, 0 … 1.

    A logistic function of two shares of the board: the longer side of the ink, and how far down its middle lies. It
    calls none of 210 normal kana small (drawings from Omniglot, in the frame in which they were drawn, of kana that
    have a small form). Of 858 small kana in 39 faces it calls 99.5 % small when an em is 0.7 of the board, and 79 %
    when it is 0.8.

    Args:
        board: the whole board, uint8 [S, S], white ink on black.
    """
    ink = board > 127
    rows, columns = np.flatnonzero(ink.any(axis=1)), np.flatnonzero(ink.any(axis=0))
    if not len(rows):
        return 0.5
    longer = max(np.ptp(rows), np.ptp(columns)) + 1
    centre = (rows[0] + rows[-1] + 1) / 2
    score = (SMALL_SIDE - longer / len(board)) + (centre / len(board) - SMALL_CENTRE)
    return float(1.0 / (1.0 + np.exp(-SMALL_STEEPNESS * score)))


def judge_size(
    probabilities: Probabilities, known: str, small: float, allowed: npt.NDArray[np.bool_] | None = None
) -> Probabilities:
    """Divide the summed probability of each small kana and its normal form between the two.

    Args:
        probabilities: [n, C] over the characters ``known``.
        known: the model's characters.
        small: the share of the small one, 0 … 1.
        allowed: the candidates, bool [C]; a pair with only one candidate is not changed.

    Returns:
        float32 [n, C]; the sum of each pair is unchanged.
    """
    judged = probabilities.copy()
    place = {character: index for index, character in enumerate(known) if allowed is None or allowed[index]}
    for little, normal in SMALL.items():
        if little in place and normal in place:
            both = probabilities[:, place[little]] + probabilities[:, place[normal]]
            judged[:, place[little]], judged[:, place[normal]] = both * small, both * (1.0 - small)
    return judged


def _together(readings: list[Reading]) -> list[Reading]:
    """Put look-alikes next to each other, at the position of the likeliest."""
    leaders = [FOLD.get(reading.character, reading.character) for reading in readings]
    return sorted(readings, key=lambda reading: leaders.index(FOLD.get(reading.character, reading.character)))

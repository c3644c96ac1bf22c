"""From logits to probabilities, over all characters or over the candidates that are allowed."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

from kanatui.core.errors import UsageError
from kanatui.core.units import named
from kanatui.kana.folding import fold_probabilities
from kanatui.model.calibration import certainty
from kanatui.model.looks import mean_logits

if TYPE_CHECKING:
    from kanatui.model.weights import Classifier
    from kanatui.pictures.prepare import Hypotheses

Probabilities = npt.NDArray[np.float32]


class Classified(NamedTuple):
    """What a model makes of some images, or of one."""

    probabilities: Probabilities
    """float32 [n, C] over all of the model's classes, zero outside the candidates; of one image [C]."""
    certainty: npt.NDArray[np.float32]
    """How sure the model is that an image shows any of its characters, candidate or not, 0 … 1: float32 [n]; of one [].

    See :func:`kanatui.model.calibration.certainty`; :meth:`.Calibration.refuses` says what is too little.
    """
    hypothesis: npt.NDArray[np.uint8]
    """Which of a picture's :class:`~kanatui.pictures.prepare.Hypotheses` was read: uint8 [n]; of one []."""

    def each(self) -> Iterator[Classified]:
        """Give what it says of each image."""
        return (Classified(*of_one) for of_one in zip(*self, strict=True))


def classify(classifier: Classifier, prepared: npt.NDArray[np.uint8], characters: str | None = None) -> Classified:
    """Classify images that are as the model's training made them.

    Args:
        classifier: the model.
        prepared: uint8 [n, H, W] of the model's size, white on black.
        characters: the candidates, over which the probabilities are normalised.

    Raises:
        UsageError: the model knows none of ``characters``.
    """
    return _classified(classifier, classifier.logits(prepared).numpy(), characters)


def classify_pictures(
    classifier: Classifier, prepared: npt.NDArray[np.uint8], characters: str | None = None
) -> Classified:
    """Do as :func:`classify` for real pictures, each looked at several times (:mod:`kanatui.model.looks`)."""
    return _classified(classifier, mean_logits(classifier, prepared), characters)


def classify_hypotheses(
    classifier: Classifier, pictures: Sequence[Hypotheses], characters: str | None = None
) -> Classified:
    """Classify real pictures, each as what is read most surely of all that it may show.

    How surely is the probability of the likeliest group of look-alikes among the candidates, out of all characters,
    weighed by what was known before reading (:attr:`.Hypotheses.log_odds`).

    Args:
        classifier: the model.
        pictures: at least one, of the model's size.
        characters: the candidates.

    Raises:
        UsageError: the model knows none of ``characters``.
    """
    allowed = candidates(classifier.characters, characters)
    # No reading is surer than certain, so an image whose odds alone are below the best surety so far cannot be chosen.
    # Read in the order of their odds, a third of what generated pictures may show is never read.
    orders = [np.argsort(-picture.log_odds, kind="stable") for picture in pictures]
    chosen = np.zeros(len(pictures), dtype=np.uint8)
    surest = np.full(len(pictures), -np.inf)
    logits = np.empty((len(pictures), len(classifier.characters)), dtype=np.float32)
    for turn in range(max(map(len, orders))):
        coming = [(at, order[turn]) for at, order in enumerate(orders) if turn < len(order)]
        coming = [(at, index) for at, index in coming if turn == 0 or pictures[at].log_odds[index] >= surest[at]]
        if not coming:
            break
        read = mean_logits(classifier, np.stack([pictures[at].images[index] for at, index in coming]))
        alike = fold_probabilities(np.where(allowed, softmax(read), 0.0), classifier.characters).max(axis=1)
        for (at, index), own, likely in zip(coming, read, alike, strict=True):
            surety = math.log(max(float(likely), 1e-9)) + float(pictures[at].log_odds[index])
            if turn == 0 or (surety, chosen[at]) > (surest[at], index):
                chosen[at], surest[at], logits[at] = index, surety, own
    return _classified(classifier, logits, characters)._replace(hypothesis=chosen)


def _classified(classifier: Classifier, logits: npt.NDArray[np.float32], characters: str | None) -> Classified:
    """Turn logits [n, C] into calibrated probabilities: the one place where the temperature counts."""
    scaled = logits / np.float32(classifier.calibration.temperature)
    allowed = np.where(candidates(classifier.characters, characters), scaled, -np.inf)
    return Classified(softmax(allowed), certainty(logits), np.zeros(len(logits), dtype=np.uint8))


def softmax(logits: npt.NDArray[np.floating]) -> Probabilities:
    """Return the softmax of logits [n, C]; -inf gives 0."""
    likelihood = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(likelihood / likelihood.sum(axis=1, keepdims=True), dtype=np.float32)


def candidates(known: str, characters: str | None) -> npt.NDArray[np.bool_]:
    """Return which of the characters ``known`` to a model are allowed, bool [C]. UsageError if none is."""
    if characters is None:
        return np.ones(len(known), dtype=bool)
    allowed = np.isin(list(known), list(characters))
    if not allowed.any():
        raise UsageError(f"--characters: the model knows none of {characters[:12]!r}; it knows {known[:3]}…{known[-1]}")
    return allowed


def not_known(known: str, characters: str | None) -> str:
    """Say in one line which candidates the model does not know, "" if it knows them all."""
    unknown = "".join(c for c in characters or "" if c not in known)
    return f"the model does not know {named(unknown)}, so no picture is read as that" if unknown else ""

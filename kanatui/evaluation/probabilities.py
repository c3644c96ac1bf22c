"""From logits to probabilities, over all characters or over the candidates that are allowed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

from kanatui.core.errors import UsageError
from kanatui.core.units import named
from kanatui.model.calibration import certainty
from kanatui.model.looks import mean_logits

if TYPE_CHECKING:
    from kanatui.model.weights import Classifier

Probabilities = npt.NDArray[np.float32]


class Classified(NamedTuple):
    """What a model makes of some images, or of one."""

    probabilities: Probabilities
    """float32 [n, C] over all of the model's classes, zero outside the candidates; of one image [C]."""
    certainty: npt.NDArray[np.float32]
    """How sure the model is that an image shows any of its characters, candidate or not, 0 … 1: float32 [n]; of one [].

    See :func:`kanatui.model.calibration.certainty`; what is too little, :meth:`.Calibration.refuses` says.
    """

    def each(self) -> Iterator[Classified]:
        """Give what it says of each image."""
        return (Classified(*of_one) for of_one in zip(self.probabilities, self.certainty, strict=True))


def classify(classifier: Classifier, prepared: npt.NDArray[np.uint8], characters: str | None = None) -> Classified:
    """Classify images that are as the model's training made them.

    Args:
        classifier: the model.
        prepared: uint8 [n, H, W] of the model's size, white on black.
        characters: the candidates; the model's probabilities are shared out among them.

    Raises:
        UsageError: the model knows none of ``characters``.
    """
    return _classified(classifier, classifier.logits(prepared).numpy(), characters)


def classify_pictures(
    classifier: Classifier, prepared: npt.NDArray[np.uint8], characters: str | None = None
) -> Classified:
    """Do as :func:`classify` for real pictures, each looked at several times (:mod:`kanatui.model.looks`)."""
    return _classified(classifier, mean_logits(classifier, prepared), characters)


def _classified(classifier: Classifier, logits: npt.NDArray[np.float32], characters: str | None) -> Classified:
    """Turn logits [n, C] into calibrated probabilities: the one place where the temperature counts."""
    scaled = logits / np.float32(classifier.calibration.temperature)
    allowed = np.where(candidates(classifier.characters, characters), scaled, -np.inf)
    likelihood = np.exp(allowed - allowed.max(axis=1, keepdims=True))
    probabilities = np.asarray(likelihood / likelihood.sum(axis=1, keepdims=True), dtype=np.float32)
    return Classified(probabilities, certainty(logits))


def candidates(known: str, characters: str | None) -> npt.NDArray[np.bool_]:
    """Say which of the characters ``known`` to a model are allowed, bool [C]. UsageError if none is."""
    if characters is None:
        return np.ones(len(known), dtype=bool)
    allowed = np.isin(list(known), list(characters))
    if not allowed.any():
        raise UsageError(f"--characters: the model knows none of {characters[:12]!r}, but {known[:3]}…{known[-1]}")
    return allowed


def not_known(known: str, characters: str | None) -> str:
    """Say in one line which candidates the model does not know, "" if it knows them all."""
    unknown = "".join(c for c in characters or "" if c not in known)
    return f"the model does not know {named(unknown)}, so no picture is read as that" if unknown else ""

"""Holds an exported model against the original: on the same images, image by image, and by its scores."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from kanatui.core.errors import WeightsError
from kanatui.core.units import counted
from kanatui.evaluation.portable.graph import Floats, Runner
from kanatui.evaluation.probabilities import softmax
from kanatui.evaluation.scores import Score
from kanatui.model.metrics import VALIDATED
from kanatui.model.predictions import Predictions

if TYPE_CHECKING:
    from kanatui.model.weights import Classifier

MOST = 1e-3
"""The largest difference of a probability that is rounding; a larger one means another network."""

_AT_ONCE = 128


@dataclasses.dataclass(frozen=True)
class Labelled:
    """Images to check a model with."""

    images: npt.NDArray[np.uint8]
    """uint8 [n, S, S], as the model takes them."""
    labels: npt.NDArray[np.int64]
    """Which of the model's characters each shows, [n]."""
    of: str
    """What they are, in a few words."""

    def floats(self) -> Floats:
        """Return them as graphs take them: float32 [n, 1, S, S], 0 … 1."""
        return (self.images[:, None] / np.float32(255)).astype(np.float32)

    def divided(self, share: float) -> tuple[Labelled, Labelled]:
        """Return a share of them, evenly over all, and the others."""
        first = (np.arange(len(self.images)) * share) % 1.0 < share
        return self._only(first), self._only(~first)

    def _only(self, which: npt.NDArray[np.bool_]) -> Labelled:
        return Labelled(self.images[which], self.labels[which], self.of)


@dataclasses.dataclass(frozen=True)
class Comparison:
    """An exported model beside the original."""

    images: int
    of: str
    logits: float
    """The largest difference of a logit."""
    probabilities: float
    """The largest difference of a probability."""
    original: Score
    exported: Score

    def in_words(self) -> str:
        """Say it in one line."""
        what = f"{counted(self.images, 'image')} ({self.of})"
        same = f"differ by at most {self.logits:.1e}, probabilities by {self.probabilities:.1e}"
        return f"checked against torch on {what}: logits {same}; {_text(self.exported)}"

    def of_scores(self) -> str:
        """Say how the scores differ, in one line."""
        of = f"{counted(self.images, 'image')} ({self.of})"
        return f"{_text(self.exported)}, instead of {_text(self.original)}; of {of}"


def _text(score: Score) -> str:
    named = zip(VALIDATED, score.texts(VALIDATED), strict=True)
    return ", ".join(f"{metric.heading} {text}" for metric, text in named)


def compare(classifier: Classifier, run: Runner, labelled: Labelled) -> Comparison:
    """Read images with a model and with what was exported of it."""
    logits = classifier.logits(labelled.images).numpy()
    probabilities = softmax(logits / np.float32(classifier.calibration.temperature))
    found = [run(part) for part in np.array_split(labelled.floats(), -(-len(labelled.images) // _AT_ONCE))]
    own_logits, own = (np.concatenate(parts) for parts in zip(*found, strict=True))
    return Comparison(
        len(labelled.images),
        labelled.of,
        float(np.abs(own_logits - logits).max()),
        float(np.abs(own - probabilities).max()),
        _score(classifier.characters, probabilities, labelled),
        _score(classifier.characters, own, labelled),
    )


def require_same(comparison: Comparison, what: str) -> None:
    """Raise WeightsError if an exported model does not read as the original does."""
    if not comparison.probabilities <= MOST:  # also true of NaN
        raise WeightsError(
            f"{what} reads otherwise than the model: probabilities differ by up to {comparison.probabilities:.1e}; "
            "nothing was written, please report it"
        )


def _score(characters: str, probabilities: npt.NDArray[np.floating], labelled: Labelled) -> Score:
    predictions = Predictions(characters)
    predictions.add(probabilities, labelled.labels, np.arange(len(labelled.labels)))
    return Score.of(predictions, VALIDATED)

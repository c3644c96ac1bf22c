"""What a model's figures are worth: probabilities that hold, and how unsure it is of what it cannot read.

Both are fitted when a model is made, on generated images that it was not trained on, and lie in its card::

    "calibration": {"temperature": 0.61, "threshold": 0.17, "images": 4056, "of": "held_out"}
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from kanatui.core import checked
from kanatui.core.checked import Count
from kanatui.core.units import counted
from kanatui.kana.alphabet import KANA

_KEY = "calibration"
_IMAGES = {"faces": "of held-out faces", "held_out": "held out of training"}
_MOST = 8.0
"""Temperatures are looked for from an eighth to eight: beyond that the images, not the model, are the reason."""

LEFT_OUT = 0.02
"""The share of generated images of characters that the threshold refuses.

They are spoilt more than most pictures: at 0.02 a model kept 99.3 % of Omniglot's kana and refused 95 % of other
characters.
"""

Logits = npt.NDArray[np.floating]


@dataclasses.dataclass(frozen=True)
class Calibration:
    """What a card says; a card of an earlier version says nothing: probabilities as they are, and nothing refused."""

    temperature: float = 1.0
    """Logits are divided by it before they become probabilities."""
    threshold: float = 0.0
    """The least :func:`certainty` of a picture that shows one of the model's characters."""
    images: Count = 0
    """How many images it was fitted to."""
    of: str = ""
    """Which ones: ``faces`` held out of training, or ``held_out`` images of the others."""

    @classmethod
    def of_card(cls, card: Mapping[str, Any]) -> Self:
        """Read it from a card. ValueError if what is there makes no sense."""
        found = checked.check(card.get(_KEY, {}), cls)
        if not (0.0 < found.temperature < math.inf and 0.0 <= found.threshold <= 1.0):
            raise ValueError(f"{_KEY} is out of range")
        return found

    def in_card(self, card: Mapping[str, Any]) -> dict[str, Any]:
        """Return a copy of a card that says this."""
        return {**card, _KEY: dataclasses.asdict(self)}

    def in_words(self) -> str:
        """Say it in one line."""
        images = f"{counted(self.images, 'image')} ({_IMAGES.get(self.of, self.of)})"
        return f"temperature {self.temperature:.3g}, least certainty {self.threshold:.2f}, fitted to {images}"

    def refuses(self, certainty: npt.ArrayLike) -> npt.NDArray[np.bool_]:
        """Say of which pictures, by their certainty, a person is to be asked whether they show a character at all."""
        return np.asarray(np.asarray(certainty) < self.threshold)


def question(characters: str) -> str:
    """Return what to ask of a picture that a model of some characters refuses."""
    return "not a kana?" if set(characters) <= set(KANA) else "none of the model's characters?"


def certainty(logits: Logits) -> npt.NDArray[np.float32]:
    """Say how far from even the probabilities of logits [n, C] are, 0 … 1: float32 [n].

    It is 1 − H / ln C, with H the entropy of the softmax. A model that learnt to give outliers equal probabilities has
    hardly any certainty about them, but most of it where it hesitates between two characters: of 1,368 digits and
    letters it refused 94 % at the threshold at which the likeliest character's probability refused 79 %. The logits are
    those of all the model's characters, not divided by the temperature: below 1 that would hide differences between
    uncertain pictures (88 %).
    """
    if logits.shape[1] < 2:
        return np.ones(len(logits), dtype=np.float32)
    shifted = logits - logits.max(axis=1, keepdims=True)
    likelihood = np.exp(shifted)
    total = likelihood.sum(axis=1)
    entropy = np.log(total) - (likelihood * shifted).sum(axis=1) / total
    return np.asarray(np.clip(1.0 - entropy / math.log(logits.shape[1]), 0.0, 1.0), dtype=np.float32)


def fit(logits: Logits, truths: npt.ArrayLike, of: str) -> Calibration:
    """Fit a calibration to images of characters, which show what the model was to read.

    The temperature is that of the least cross entropy: Guo, Pleiss, Sun and Weinberger, "On Calibration of Modern
    Neural Networks", ICML 2017, section 4.2. The threshold is a quantile of the certainties.

    Args:
        logits: [n, C], n at least 1.
        truths: which class each shows, [n].
        of: what to say of the images.
    """
    from scipy.optimize import minimize_scalar

    wide, places = np.asarray(logits, dtype=np.float64), np.asarray(truths, dtype=np.int64)[:, None]

    def loss(log_temperature: float) -> float:
        scaled = wide / math.exp(log_temperature)
        scaled -= scaled.max(axis=1, keepdims=True)
        true = np.take_along_axis(scaled, places, axis=1)[:, 0]
        return float((np.log(np.exp(scaled).sum(axis=1)) - true).mean())

    found = minimize_scalar(loss, bounds=(-math.log(_MOST), math.log(_MOST)), method="bounded")
    threshold = float(np.quantile(certainty(wide), LEFT_OUT))
    return Calibration(round(math.exp(found.x), 4), round(threshold, 4), len(wide), of)

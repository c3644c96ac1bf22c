"""The metrics: their names and how they are computed, in one place for validation, evaluation, tables and charts.

To add a metric, add an entry to :data:`METRICS`, or return it from a plugin's hook ``kanatui_metrics``. This module
imports neither NumPy nor torch, because the command line and the app's first paint need only the names.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from typing import TYPE_CHECKING

import msgspec

from kanatui.core.checked import Count, Finite
from kanatui.core.errors import PluginError
from kanatui.core.units import percent
from kanatui.plugins.contained import reason_of

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from kanatui.model.predictions import Predictions

_BINS = 15  # of the expected calibration error, as in its paper


@dataclasses.dataclass(frozen=True)
class Metric:
    """A way to say how well images were read, as a share 0 … 1."""

    key: str
    """Its name in files, events and ``--json``."""
    heading: str
    """Its name in tables and charts."""
    compute: Callable[[Predictions], float]
    """Computes it for one or more images. It need not be a mean over images: every script and character gets its own
    call."""
    text: Callable[[float], str] = percent
    """Formats a value."""
    per_character: bool = True
    """Whether it is meaningful for the few images of a single character."""
    validated: bool = False
    """Whether a training run computes it too; it is then in events, status, charts and lists of runs."""


def _strict(predictions: Predictions) -> float:
    """Return the share whose likeliest character is the true one."""
    return float(predictions.right(folded=False).mean())


def _folded(predictions: Predictions) -> float:
    """Return the share whose likeliest group of look-alikes (:mod:`kanatui.kana.folding`) holds the true character."""
    return float(predictions.right(folded=True).mean())


def _top5(predictions: Predictions) -> float:
    """Return the share whose true character is among the five likeliest."""
    records = predictions.records
    return float((records["classes"] == records["truth"][:, None]).any(axis=1).mean())


def _calibration_error(predictions: Predictions) -> float:
    """Return the expected calibration error: how far probabilities are from the share read correctly; 0 is best.

    Images are put into 15 bins of equal width by the probability of their likeliest character, 0 if nothing could be
    read (:func:`reliability`). The result is the mean over bins, weighted by their numbers of images, of the
    difference between the mean probability and the share read correctly. From Guo,
    Pleiss, Sun and Weinberger, "On Calibration of Modern Neural Networks", ICML 2017, section 2.
    """
    gaps = (bin.images * abs(bin.gap) for bin in reliability(predictions))
    return float(sum(gaps) / len(predictions))


@dataclasses.dataclass(frozen=True)
class Bin:
    """Images whose likeliest character has a probability above ``low`` and up to ``high`` (0 … 1)."""

    low: float
    high: float
    images: int
    confidence: float
    """The mean of these probabilities; 0 if there are no images."""
    accuracy: float
    """The share that was read correctly, strictly; 0 if there are no images."""

    @property
    def gap(self) -> float:
        """How much the probabilities promise too little; too much if negative."""
        return self.accuracy - self.confidence


def bins_of(predictions: Predictions) -> npt.NDArray[np.int64]:
    """Return which of the bins of :func:`reliability` each image is in, [n]."""
    import numpy as np

    sure = predictions.records["probabilities"][:, 0].astype(np.float64)
    return np.clip(np.ceil(sure * _BINS).astype(np.int64) - 1, 0, _BINS - 1)


def reliability(predictions: Predictions) -> tuple[Bin, ...]:
    """Return the reliability diagram: 15 bins of equal width by probability, the least sure first.

    From Guo, Pleiss, Sun and Weinberger, "On Calibration of Modern Neural Networks", ICML 2017, section 2; and see
    DeGroot and Fienberg, "The Comparison and Evaluation of Forecasters", 1983.
    """
    import numpy as np

    bins, sure = bins_of(predictions), predictions.records["probabilities"][:, 0].astype(np.float64)
    images = np.bincount(bins, minlength=_BINS)
    sums = [np.bincount(bins, weights, _BINS) for weights in (sure, predictions.right(folded=False))]
    confidence, accuracy = (total / np.maximum(images, 1) for total in sums)
    return tuple(
        Bin(place / _BINS, (place + 1) / _BINS, int(images[place]), float(confidence[place]), float(accuracy[place]))
        for place in range(_BINS)
    )


def _refused(predictions: Predictions) -> float:
    """Return the share about which the model is too unsure to read it (:mod:`kanatui.model.calibration`)."""
    return float(predictions.records["refused"].mean())


def auroc(inside: npt.ArrayLike, outside: npt.ArrayLike) -> float:
    """Return the area under the receiver operating characteristic of scores that are to be higher inside.

    It is the probability that one of ``inside`` [n] has a higher score than one of ``outside`` [m], ties counting half
    (Hanley and McNeil, "The Meaning and Use of the Area under a Receiver Operating Characteristic (ROC) Curve", 1982).
    """
    import numpy as np
    from scipy.stats import rankdata

    high, low = np.asarray(inside), np.asarray(outside)
    ranks = rankdata(np.concatenate([high, low]))[: len(high)].sum()
    return float((ranks - len(high) * (len(high) + 1) / 2) / (len(high) * len(low)))


METRICS = (
    Metric("strict", "strict", _strict, validated=True),
    Metric("folded", "folded", _folded, validated=True),
    Metric("top5", "top 5", _top5),
    Metric("ece", "ECE", _calibration_error, per_character=False),
    Metric("refused", "refused", _refused, per_character=False),
)
"""kanatui's own metrics, in the order in which they are shown."""

PER_CHARACTER = tuple(metric for metric in METRICS if metric.per_character)
VALIDATED = tuple(metric for metric in METRICS if metric.validated)

BEST = msgspec.defstruct(
    "BEST", [("step", Count, 0), ("of", str, ""), ("images", Count, 0), *((m.key, Finite, 0.0) for m in VALIDATED)]
)
"""What files may say of the best validation of a training; earlier versions left some out."""


def all_metrics() -> tuple[Metric, ...]:
    """Return kanatui's metrics and those of plugins, which are computed of whole evaluations and of scripts."""
    from kanatui.plugins.registry import load

    return (*METRICS, *load().metrics.values())


def compute(predictions: Predictions, metrics: tuple[Metric, ...] = METRICS) -> dict[str, float]:
    """Return the metrics of some predictions by their keys (shares, 0 … 1); 0 where there are no images.

    PluginError, which names it, if a plugin's metric fails.
    """
    return {metric.key: _computed(metric, predictions) if len(predictions) else 0.0 for metric in metrics}


def _computed(metric: Metric, predictions: Predictions) -> float:
    try:
        value = float(metric.compute(predictions))
        if not math.isfinite(value):
            raise ValueError(f"returned {value}, not a share from 0 to 1")
        return value
    except Exception as error:  # a plugin may raise anything
        reason = reason_of(error, metric.compute.__module__)
        raise PluginError(f"metric {metric.key!r} failed on {len(predictions):,} images: {reason}") from error

"""The learning rate as a function of how much of the training is done."""

from __future__ import annotations

import math

_START = 1 / 25
_END = 1e-4


def learning_rate(schedule: str, highest: float, share: float, warm_up: float = 0.15) -> float:
    """Return the rate at ``share`` (0 … 1) of the training.

    ``one_cycle`` is Smith and Topin's ("Super-Convergence", 2018) with cosine flanks: from a 25th up to ``highest`` in
    the first ``warm_up`` of the training, then down to a ten-thousandth. ``constant`` stays at ``highest``.
    """
    if schedule == "constant":
        return highest
    if share < warm_up:
        return highest * _cosine(_START, 1.0, share / warm_up)
    return highest * _cosine(1.0, _END, min(1.0, (share - warm_up) / (1.0 - warm_up)))


def _cosine(start: float, end: float, share: float) -> float:
    return end + (start - end) * (1.0 + math.cos(math.pi * share)) / 2.0

"""Averaged weights: what is judged and kept is a moving average of the weights that are trained."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch.optim.swa_utils import AveragedModel


def average_of(model: torch.nn.Module, decay: float) -> AveragedModel:
    """Return an exponential moving average of a model, to be fed with ``update_parameters`` after each step.

    Buffers are averaged along with the weights: batch normalisation's running mean and variance belong to the weights
    that they were measured with, so the averaged weights want the same average of both. While the average is younger
    than its horizon, the decay is (1 + n) / (10 + n) at step n, as in TensorFlow's ExponentialMovingAverage, lest the
    first, untrained weights weigh in a short training.
    """

    def update(averaged: Sequence[torch.Tensor], current: Sequence[torch.Tensor], count: Any) -> None:
        if not averaged[0].is_floating_point():
            for mean, value in zip(averaged, current, strict=True):  # counters, such as BatchNorm's
                mean.copy_(value)
            return
        n = int(count)
        weight = 1.0 - min(decay, (1 + n) / (10 + n))
        torch._foreach_lerp_(list(averaged), list(current), weight)

    return AveragedModel(model, multi_avg_fn=update, use_buffers=True)

"""Trains a network step by step: the network, its averaged weights, the optimizer and the number format."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch.nn.functional import cross_entropy
from torch.optim.swa_utils import AveragedModel

from kanatui.core.errors import PluginError
from kanatui.core.rng import mix64, word_key
from kanatui.model.building import blaming
from kanatui.model.predictions import UNREAD
from kanatui.training.distributed import Alone
from kanatui.training.options import TrainingOptions
from kanatui.training.precision import Probe, probe_precision


class Learner:
    """A model that learns batch by batch. A step depends on the state, the batch, the rate and ``count`` alone."""

    def __init__(self, model: torch.nn.Module, options: TrainingOptions, device: torch.device, group: Alone) -> None:
        """Set up; ``model`` takes float32 [n, 1, H, W] in 0 … 1 and returns logits [n, C]."""
        self.options = options
        self.device = device
        self.precision = "float32"
        self.model = model.to(device)
        self.average = average_of(self.model, options.averaging) if options.averaging else None
        self.optimizer = make_optimizer(self.model, options, device)
        self._group = group
        self._trained: torch.nn.Module | None = None

    @property
    def inference_model(self) -> torch.nn.Module:
        """The model that is validated and saved: with averaged weights if there are any."""
        module: torch.nn.Module = self.model if self.average is None else self.average.module
        return module

    def learn(
        self, images: torch.Tensor, labels: torch.Tensor, rate: float, count: int
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Take one step.

        Args:
            images: uint8 [n, H, W] on the CPU.
            labels: int64 [n]; UNREAD for outliers.
            rate: the learning rate.
            count: the batch's number over all processes; seeds the dropout.

        Returns:
            the loss, of all processes that train together, and this one's logits [n, C] from before the step, both on
            the device.
        """
        if self._trained is None:  # only after the state of a continued training has been loaded
            self._trained = self._group.wrap(self.model)
        torch.manual_seed(_dropout_seed(self.options.seed, count))
        for parameters in self.optimizer.param_groups:
            parameters["lr"] = rate
        truths = labels.to(self.device, non_blocking=True)
        with blaming(self.options.model, "in training"):
            with self.autocast():
                logits = self._trained(self.to_device(images))
            if len(logits) != len(truths):
                raise PluginError(f"model {self.options.model}: returned {len(logits)} logits for {len(truths)} images")
            loss = self._loss(logits.float(), truths)
            self.optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]  # torch has no types here
        self.optimizer.step()
        if self.average is not None:
            self.average.update_parameters(self.model)
        return self._group.mean(loss.detach()), logits.detach()

    def _loss(self, logits: torch.Tensor, truths: torch.Tensor) -> torch.Tensor:
        """Return the mean loss of the characters, and the outliers' mean cross entropy to equal probabilities.

        The latter is the loss of Hendrycks, Mazeika and Dietterich ("Deep Anomaly Detection with Outlier Exposure",
        ICLR 2019, section 4.2), with a weight as there.
        """
        known = truths != UNREAD
        loss = cross_entropy(logits[known], truths[known], label_smoothing=self.options.label_smoothing)
        if bool(known.all()):
            return loss
        return loss - self.options.outlier_weight * logits[~known].log_softmax(dim=1).mean()

    def autocast(self) -> torch.autocast:
        """Return the context that makes the network compute in its number format."""
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.precision == "bfloat16")

    def to_device(self, images: torch.Tensor) -> torch.Tensor:
        """Turn uint8 [n, H, W] into the input of networks, on the device."""
        return images.to(self.device, non_blocking=True).unsqueeze(1).float().div_(255.0)

    def probe(self, images: torch.Tensor, labels: torch.Tensor, between: Callable[[], None] = lambda: None) -> Probe:
        """Measure which number format is faster, with a batch as for :meth:`learn`; ``between`` two steps is called."""
        with blaming(self.options.model, "in training"):
            return probe_precision(self.model, self.to_device(images), labels.to(self.device), between)


def _dropout_seed(seed: int, count: int) -> int:
    """Return a seed for each step, so that dropout depends on the step alone, whatever else draws numbers."""
    base = mix64(np.array([seed], dtype=np.uint64) ^ word_key("dropout"))
    return int(mix64(base + np.uint64(count))[0] >> np.uint64(1))


def average_of(model: torch.nn.Module, decay: float) -> AveragedModel:
    """Return an exponential moving average of a model; call ``update_parameters`` after each step.

    Buffers are averaged like the weights: batch normalisation's running mean and variance belong to the weights
    that they were measured with, so the averaged weights need the same average of both. While the average is younger
    than its horizon, the decay is (1 + n) / (10 + n) at step n, as in TensorFlow's ExponentialMovingAverage, so that
    the untrained first weights do not count in a short training.
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


def make_optimizer(model: torch.nn.Module, options: TrainingOptions, device: torch.device) -> torch.optim.Optimizer:
    """Return Adam or AdamW. Biases and normalisation are not decayed: pulling them towards 0 only hurts the fit."""
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    decay = options.weight_decay if options.optimizer == "adamw" else 0.0
    groups = [
        {"params": [parameter for parameter in trained if parameter.ndim > 1], "weight_decay": decay},
        {"params": [parameter for parameter in trained if parameter.ndim <= 1], "weight_decay": 0.0},
    ]
    kind = torch.optim.AdamW if options.optimizer == "adamw" else torch.optim.Adam
    return kind(groups, lr=options.learning_rate, fused=device.type in ("cpu", "cuda"))

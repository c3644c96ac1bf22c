"""Plans progress, learning rate and validations of a training by epochs, by the clock, or by a replay."""

from __future__ import annotations

import math
from typing import Protocol

from kanatui.training.options import TrainingOptions
from kanatui.training.replay import Replay

_REPORT_EVERY = 0.5
"""Seconds between step events: watchers redraw twice per second at most, and a day of events is 50 MB."""

_REPORTS = 100
"""Least number of step events in a time budget, in which the learning rate changes only with them."""

_MOST_VALIDATING = 0.1
"""Most of a time budget to spend on validation: on two cores 4,096 images of 48 px take as long as a dozen steps."""


class Budget(Protocol):
    """Plans one training from its first step to its last."""

    @property
    def steps(self) -> int:
        """Total number of steps, 0 if the clock decides."""

    @property
    def report_every(self) -> float:
        """Seconds between step events."""

    def share(self, step: int, seconds: float) -> float:
        """Return how much of the training is done after ``step`` steps and ``seconds``, 0 … 1."""

    def rate(self, step: int) -> float:
        """Return the learning rate of the step that follows the first ``step``."""

    def adjust(self, share: float) -> None:
        """Let the clock change the rate. It changes only here, so that the events contain every rate used."""

    def validates(self, before: float, share: float, step: int, validating: float) -> bool:
        """Return whether to validate after a step.

        Args:
            before: the share done before the step.
            share: the share done after it.
            step: its number, from 1.
            validating: share of the time so far that was spent on validation.
        """


class Epochs:
    """Whole epochs: everything depends on the step number."""

    report_every = _REPORT_EVERY

    def __init__(self, options: TrainingOptions, steps_per_epoch: int) -> None:
        self._options = options
        self.steps = options.whole_epochs * steps_per_epoch

    def share(self, step: int, seconds: float) -> float:
        """Return how much is done (see :class:`Budget`, here and below)."""
        return min(1.0, step / self.steps)

    def rate(self, step: int) -> float:
        """Return the learning rate of the next step."""
        return _rate(self._options, self.share(step, 0.0))

    def adjust(self, share: float) -> None:
        """Do nothing: the rate does not depend on the clock."""

    def validates(self, before: float, share: float, step: int, validating: float) -> bool:
        """Validate at even intervals of steps."""
        return _passes(before, share, self._options.validations)


class Minutes:
    """A time budget. The rate is constant between reports."""

    steps = 0

    def __init__(self, options: TrainingOptions) -> None:
        self._options = options
        self._seconds = options.minutes * 60
        self.report_every = min(_REPORT_EVERY, self._seconds / _REPORTS)
        self._rate = _rate(options, 0.0)

    def share(self, step: int, seconds: float) -> float:
        """Return how much is done (see :class:`Budget`, here and below)."""
        return min(1.0, seconds / self._seconds)

    def rate(self, step: int) -> float:
        """Return the learning rate of the next step."""
        return self._rate

    def adjust(self, share: float) -> None:
        """Set the rate by the clock."""
        self._rate = _rate(self._options, share)

    def validates(self, before: float, share: float, step: int, validating: float) -> bool:
        """Validate at even intervals of time and at the end; before the end, for at most a tenth of the time."""
        return _passes(before, share, self._options.validations) and (share >= 1.0 or validating < _MOST_VALIDATING)


class Replayed:
    """Repeats another run by its events."""

    report_every = _REPORT_EVERY

    def __init__(self, replay: Replay, options: TrainingOptions, steps_per_epoch: int) -> None:
        self._replay, self._validations = replay, frozenset(replay.validations)
        self._epochs = None if options.minutes else Epochs(options, steps_per_epoch)
        self.steps = replay.steps

    def share(self, step: int, seconds: float) -> float:
        """Return how much is done (see :class:`Budget`, here and below)."""
        return min(1.0, step / self.steps)

    def rate(self, step: int) -> float:
        """Return the learning rate of the next step."""
        return self._epochs.rate(step) if self._epochs else self._replay.rate(step)

    def adjust(self, share: float) -> None:
        """Do nothing: the rate does not depend on the clock."""

    def validates(self, before: float, share: float, step: int, validating: float) -> bool:
        """Validate after the same steps."""
        return step in self._validations


def choose_budget(options: TrainingOptions, steps_per_epoch: int, replay: Replay | None) -> Budget:
    """Return the budget that ``options`` ask for, or that of the run to repeat."""
    if replay is not None:
        return Replayed(replay, options, steps_per_epoch)
    return Minutes(options) if options.minutes else Epochs(options, steps_per_epoch)


def scaled(options: TrainingOptions, processes: int) -> TrainingOptions:
    """Return the options with the learning rate for so many processes, whose batches add up to one step's.

    ``linear`` is the rule of Goyal and others ("Accurate, Large Minibatch SGD", 2017), meant for gradient descent with
    momentum; ``sqrt`` is that of Krizhevsky ("One weird trick", 2014), which suits Adam better (Malladi and others, "On
    the SDEs and Scaling Rules for Adaptive Gradient Algorithms", 2022).

    Raises:
        ParameterError: the rate would be larger than any may be.
    """
    factor = {"none": 1.0, "linear": float(processes), "sqrt": math.sqrt(processes)}[options.rate_scaling]
    return TrainingOptions(**options.values | {"learning_rate": options.learning_rate * factor})


def _rate(options: TrainingOptions, share: float) -> float:
    return learning_rate(options.schedule, options.learning_rate, share, options.warm_up)


def _passes(before: float, share: float, count: int) -> bool:
    """Return whether one of ``count`` even divisions lies between two shares."""
    return math.floor(before * count) != math.floor(share * count)


_START = 1 / 25
_END = 1e-4


def learning_rate(schedule: str, highest: float, share: float, warm_up: float = 0.15) -> float:
    """Return the learning rate at ``share`` (0 … 1) of the training.

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

"""Measures a training's time, losses and speed between reports."""

from __future__ import annotations

import math
import time
from typing import Any

import torch

from kanatui.core.errors import RunError


class Stopwatch:
    """Counts seconds of training; it stops during pauses and continues from a checkpoint's time."""

    def __init__(self) -> None:
        self._before = 0.0
        self._since: float | None = None

    def start(self, before: float | None = None) -> None:
        """Start, from ``before`` seconds if given, else from where it stopped."""
        self._before = self._before if before is None else before
        self._since = time.monotonic()

    def stop(self) -> None:
        """Stop counting until :meth:`start`."""
        self._before, self._since = self.seconds, None

    @property
    def seconds(self) -> float:
        """Seconds counted so far."""
        return self._before + (time.monotonic() - self._since if self._since is not None else 0.0)


class Meter:
    """Measures losses, speed and waiting for images since the last report."""

    def __init__(self) -> None:
        self._losses: list[torch.Tensor] = []
        self._images = 0
        self._waited = 0.0
        self._since = time.monotonic()

    @property
    def age(self) -> float:
        """Seconds since the last report."""
        return time.monotonic() - self._since

    def add(self, loss: torch.Tensor, images: int, waited: float) -> None:
        """Add a step: its loss (still on the device), its number of images, the seconds it waited for them."""
        self._losses.append(loss)
        self._images += images
        self._waited += waited

    def read(self, step: int) -> dict[str, Any]:
        """Return the mean loss and the rates, {} if there was no step, and start again from zero.

        The losses are fetched from the device all at once, so that a GPU does not wait at every step.

        RunError, naming the step, if a loss is not finite; ``step`` is the number of steps done in all.
        """
        losses = torch.stack(self._losses).tolist() if self._losses else []
        for number, loss in enumerate(losses, step - len(losses) + 1):
            if not math.isfinite(loss):
                raise RunError(f"the loss became {loss} at step {number}")
        seconds = max(self.age, 1e-9)
        found = {
            "loss": round(sum(losses) / max(len(losses), 1), 5),
            "images_per_second": round(self._images / seconds, 1),
            "waiting": round(min(1.0, self._waited / seconds), 4),
        }
        self.restart()
        return found if losses else {}

    def restart(self) -> None:
        """Start again from zero, so that time outside of steps (validation, a pause) is not counted."""
        self._losses.clear()
        self._images, self._waited = 0, 0.0
        self._since = time.monotonic()

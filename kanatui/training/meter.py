"""What a training measures about itself between two reports."""

from __future__ import annotations

import math
import time
from typing import Any

import torch

from kanatui.core.errors import RunError


class Stopwatch:
    """Seconds of training: it stands still during pauses and goes on from where a checkpoint was."""

    def __init__(self) -> None:
        self._before = 0.0
        self._since: float | None = None

    def start(self, before: float | None = None) -> None:
        """Go on, from ``before`` seconds if given."""
        self._before = self._before if before is None else before
        self._since = time.monotonic()

    def stop(self) -> None:
        """Stand still."""
        self._before, self._since = self.seconds, None

    @property
    def seconds(self) -> float:
        """What it shows."""
        return self._before + (time.monotonic() - self._since if self._since is not None else 0.0)


class Meter:
    """Losses, speed, and time spent waiting for images, since the last report."""

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
        """Count one step: its loss, still on the device, its images, the seconds it waited for them."""
        self._losses.append(loss)
        self._images += images
        self._waited += waited

    def read(self, step: int) -> dict[str, Any]:
        """Return the mean loss and the rates, {} if there was no step, and begin anew.

        The losses are fetched from the device all at once, so that a GPU is not stopped at every step.

        RunError, naming the step, if one is not finite; ``step`` is how many are done in all.
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
        """Begin anew; what was not a step (judging, a pause) is then not counted."""
        self._losses.clear()
        self._images, self._waited = 0, 0.0
        self._since = time.monotonic()

"""Validates a model while it trains, on a bounded sample of held-out images."""

from __future__ import annotations

import dataclasses
import functools
import time
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch.nn.functional import cross_entropy

from kanatui.dataset.source import ImageSource, OnProgress, OnStage
from kanatui.model.building import blaming
from kanatui.model.metrics import VALIDATED, compute
from kanatui.model.predictions import Predictions
from kanatui.training.splits import ImageSet, Split

_MOST_BYTES = 1 << 27
"""Held-out images are made once and kept: 128 MiB hold 32,768 of 64 px, and 2,048 of the article's 256 px."""

_MADE_AT_ONCE = 256
"""Held-out images between two reports; drawn exactly, each takes up to 3 ms."""

_AT_ONCE = 1 << 20
"""Pixels per pass: 256 images of 64 px."""


@dataclasses.dataclass(frozen=True)
class HeldOut:
    """``images`` uint8 [n, H, W] and ``labels`` int64 [n] that training never sees."""

    images: torch.Tensor
    labels: torch.Tensor


def hold_out(source: ImageSource, images: ImageSet, most: int, on_progress: OnProgress) -> HeldOut | None:
    """Make at most about ``most`` held-out images, evenly over the characters; None if there are none."""
    if not len(images):
        return None
    indices = images.sample(min(most, _MOST_BYTES // source.image_size**2))
    made = torch.empty((len(indices), source.image_size, source.image_size), dtype=torch.uint8)
    for start in range(0, len(indices), _MADE_AT_ONCE):
        on_progress(start, len(indices))
        part = slice(start, start + _MADE_AT_ONCE)
        made[part] = torch.from_numpy(source.images(indices[part]))
    return HeldOut(made, torch.from_numpy(source.labels(indices)))


class Judge:
    """Scores models on held-out images."""

    def __init__(
        self, characters: str, device: torch.device, autocast: Callable[[], torch.autocast], model: str = ""
    ) -> None:
        self._characters = characters
        self._device = device
        self._autocast = autocast
        self._name = model

    @torch.inference_mode()
    def score(self, model: torch.nn.Module, held: HeldOut, go_on: Callable[[], bool]) -> dict[str, float] | None:
        """Return ``images``, ``loss`` and the metrics of :data:`~kanatui.model.metrics.VALIDATED` (shares, 0 … 1).

        ``go_on`` is called after each batch; if it returns False, the result is None.
        """
        model.eval()
        predictions, loss = Predictions(self._characters), 0.0
        at_once = max(1, _AT_ONCE // held.images[0].numel())
        for start in range(0, len(held.labels), at_once):
            images, labels = held.images[start : start + at_once], held.labels[start : start + at_once]
            truth = labels.to(self._device)
            with blaming(self._name, "in validation"), self._autocast():
                logits = model(images.to(self._device).unsqueeze(1).float().div_(255.0))
            logits = logits.float()
            loss += float(cross_entropy(logits, truth, reduction="sum"))
            places = range(start, start + len(labels))
            predictions.add(logits.softmax(dim=1).cpu().numpy(), labels.numpy(), places)
            if not go_on():
                return None
        count = len(predictions)
        return {"images": count, "loss": loss / count, **compute(predictions, VALIDATED)}


class Validation:
    """The held-out images of a training, each kind of them by its name, and the time that scoring them took."""

    def __init__(self, source: ImageSource, split: Split | None, most: int, judge: Judge, stage: OnStage) -> None:
        """Make the images, at most about ``most`` of a kind; none without a split: one process of a group validates."""
        tell = functools.partial(_tell, stage, "making held-out images")
        sets = {"held_out": split.held_out, split.kind: split.held_out_faces} if split else {}
        self._held = {name: held for name, images in sets.items() if (held := hold_out(source, images, most, tell))}
        self._judge = judge
        self.seconds = 0.0

    @property
    def sizes(self) -> dict[str, int]:
        """The number of images of each kind; empty if there is nothing to validate on."""
        return {name: len(held.labels) for name, held in self._held.items()}

    def score(self, model: torch.nn.Module, go_on: Callable[[], bool]) -> dict[str, dict[str, float]]:
        """Return what :meth:`Judge.score` says of each kind; {} if ``go_on`` interrupted it."""
        started = time.monotonic()
        scores = {name: self._judge.score(model, held, go_on) for name, held in self._held.items()}
        self.seconds += time.monotonic() - started
        return {} if None in scores.values() else {name: score for name, score in scores.items() if score}


def merit(scores: Mapping[str, Any]) -> float:
    """Rank validations by strict and folded together: among look-alikes, strict alone is a coin toss."""
    return float(scores["strict"] + scores["folded"])


def _tell(stage: OnStage, text: str, done: int, total: int) -> None:
    stage(done, total, text)

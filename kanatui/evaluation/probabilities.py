"""From logits to probabilities, over all characters or over the candidates that are allowed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from kanatui.core.errors import UsageError

if TYPE_CHECKING:
    from kanatui.model.weights import Classifier

Probabilities = npt.NDArray[np.float32]

_PIXELS_AT_ONCE = 32 * 48**2
"""Pixels to a pass for each thread of the processor.

Larger activations (7 MB for 128 images of 48 px) are given back to the system after each layer, and every page of
them is fetched anew: 100,000 page faults in reading 512 images, 600 with 32 at once. Of ``compact_cnn`` at 48 px one
thread took 387 µs an image with 128 at once, 268 with 32 and 300 with 16 (medians of seven rounds, before batch
normalisation was made part of the convolutions).
"""

_LEAST_AT_ONCE = 16
"""Images to a pass, however large they are: some models have a last layer whose weights are read anew in each."""


def classify(classifier: Classifier, prepared: npt.NDArray[np.uint8], characters: str | None = None) -> Probabilities:
    """Return probabilities float32 [n, C] over all of the model's classes, zero outside ``characters``.

    Args:
        classifier: the model.
        prepared: uint8 [n, H, W] of the model's size, white on black.
        characters: the candidates; the model's probabilities are shared out among them.

    Raises:
        UsageError: the model knows none of ``characters``.
    """
    return _among(candidates(classifier.characters, characters), _logits(classifier, prepared))


def classify_pictures(
    classifier: Classifier, prepared: npt.NDArray[np.uint8], characters: str | None = None
) -> Probabilities:
    """Do as :func:`classify` for real pictures, each looked at several times (:mod:`.views`)."""
    from kanatui.evaluation.probabilities import views

    allowed = candidates(classifier.characters, characters)
    return _among(allowed, np.mean([_logits(classifier, seen) for seen in views(prepared)], axis=0))


def _logits(classifier: Classifier, prepared: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    import torch

    count = max(1, len(prepared))
    if classifier.device.type == "cpu":
        count = max(_LEAST_AT_ONCE, _PIXELS_AT_ONCE * torch.get_num_threads() // prepared.shape[-1] ** 2)
    parts = [classifier.logits(prepared[start : start + count]) for start in range(0, max(1, len(prepared)), count)]
    return torch.cat(parts).numpy()


def _among(allowed: npt.NDArray[np.bool_], logits: npt.NDArray[np.float32]) -> Probabilities:
    logits = np.where(allowed, logits, -np.inf)
    likelihood = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(likelihood / likelihood.sum(axis=1, keepdims=True), dtype=np.float32)


def candidates(known: str, characters: str | None) -> npt.NDArray[np.bool_]:
    """Say which of the characters ``known`` to a model are allowed, bool [C]. UsageError if none is."""
    if characters is None:
        return np.ones(len(known), dtype=bool)
    allowed = np.isin(list(known), list(characters))
    if not allowed.any():
        raise UsageError(f"--characters: the model knows none of {characters[:12]!r}, but {known[:3]}…{known[-1]}")
    return allowed


LOOKS = ((0.9, 4.0), (0.9, -4.0), (1.08, 4.0), (1.08, -4.0))
"""Size as a factor, and degrees clockwise."""


def views(prepared: npt.NDArray[np.uint8]) -> Iterator[npt.NDArray[np.uint8]]:
    """Give all looks at some pictures, uint8 [n, S, S] each, beginning with the pictures themselves."""
    import torch
    from torch.nn.functional import grid_sample

    yield prepared
    size = prepared.shape[-1]
    pictures = torch.from_numpy(np.ascontiguousarray(prepared)).unsqueeze(1).float()
    middle = (torch.arange(size) + 0.5) * (2 / size) - 1
    for scale, degrees in LOOKS:
        angle = torch.deg2rad(torch.tensor(degrees))
        cos, sin = torch.cos(angle) / scale, torch.sin(angle) / scale
        across, down = middle[None, :], middle[:, None]
        grid = torch.stack([cos * across + sin * down, cos * down - sin * across], dim=-1)
        seen = grid_sample(pictures, grid.expand(len(pictures), size, size, 2), align_corners=False)
        yield seen[:, 0].round_().to(torch.uint8).numpy()

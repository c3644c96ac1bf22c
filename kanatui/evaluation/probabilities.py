"""From logits to probabilities, over all characters or over the candidates that are allowed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from kanatui.core.errors import UsageError
from kanatui.core.units import named

if TYPE_CHECKING:
    from kanatui.model.weights import Classifier

Probabilities = npt.NDArray[np.float32]


def classify(classifier: Classifier, prepared: npt.NDArray[np.uint8], characters: str | None = None) -> Probabilities:
    """Return probabilities float32 [n, C] over all of the model's classes, zero outside ``characters``.

    Args:
        classifier: the model.
        prepared: uint8 [n, H, W] of the model's size, white on black.
        characters: the candidates; the model's probabilities are shared out among them.

    Raises:
        UsageError: the model knows none of ``characters``.
    """
    return _among(candidates(classifier.characters, characters), classifier.logits(prepared).numpy())


def classify_pictures(
    classifier: Classifier, prepared: npt.NDArray[np.uint8], characters: str | None = None
) -> Probabilities:
    """Do as :func:`classify` for real pictures, each looked at several times (:func:`views`)."""
    allowed = candidates(classifier.characters, characters)
    return _among(allowed, np.mean([classifier.logits(seen).numpy() for seen in views(prepared)], axis=0))


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


def not_known(known: str, characters: str | None) -> str:
    """Say in one line which candidates the model does not know, "" if it knows them all."""
    unknown = "".join(c for c in characters or "" if c not in known)
    return f"the model does not know {named(unknown)}, so no picture is read as that" if unknown else ""


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

"""From logits to probabilities, over all characters or over the candidates that are allowed."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from kanatui.core.errors import UsageError
from kanatui.core.units import named
from kanatui.kana.folding import fold_probabilities

if TYPE_CHECKING:
    from kanatui.model.weights import Classifier
    from kanatui.pictures.prepare import Hypotheses

Probabilities = npt.NDArray[np.float32]


def classify(classifier: Classifier, prepared: npt.NDArray[np.uint8], characters: str | None = None) -> Probabilities:
    """Return probabilities float32 [n, C] over all of the model's classes, zero outside ``characters``.

    Args:
        classifier: the model.
        prepared: uint8 [n, H, W] of the model's size, white on black.
        characters: the candidates, over which the probabilities are normalised.

    Raises:
        UsageError: the model knows none of ``characters``.
    """
    return _among(candidates(classifier.characters, characters), classifier.logits(prepared).numpy())


def classify_pictures(
    classifier: Classifier, prepared: npt.NDArray[np.uint8], characters: str | None = None
) -> Probabilities:
    """Classify real pictures: as :func:`classify`, with the mean logits over several views (:func:`views`)."""
    return _among(candidates(classifier.characters, characters), _looked_at(classifier, prepared))


def _looked_at(classifier: Classifier, prepared: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    return np.asarray(np.mean([classifier.logits(seen).numpy() for seen in views(prepared)], axis=0))


def _among(allowed: npt.NDArray[np.bool_], logits: npt.NDArray[np.float32]) -> Probabilities:
    logits = np.where(allowed, logits, -np.inf)
    likelihood = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(likelihood / likelihood.sum(axis=1, keepdims=True), dtype=np.float32)


def candidates(known: str, characters: str | None) -> npt.NDArray[np.bool_]:
    """Return which of the characters ``known`` to a model are allowed, bool [C]. UsageError if none is."""
    if characters is None:
        return np.ones(len(known), dtype=bool)
    allowed = np.isin(list(known), list(characters))
    if not allowed.any():
        raise UsageError(f"--characters: the model knows none of {characters[:12]!r}; it knows {known[:3]}…{known[-1]}")
    return allowed


@dataclasses.dataclass(frozen=True)
class Classified:
    """What a model makes of a picture."""

    probabilities: Probabilities
    """float32 [C] over all of the model's characters, zero outside the candidates."""
    hypothesis: int
    """Which of the picture's :class:`~kanatui.pictures.prepare.Hypotheses` was read."""


def classify_hypotheses(
    classifier: Classifier, pictures: Sequence[Hypotheses], characters: str | None = None
) -> list[Classified]:
    """Read pictures, each as what is read most surely of all that it may show.

    How surely is the likeliest group of look-alikes' probability, weighed by what was known before reading
    (:attr:`.Hypotheses.log_odds`). It is taken before the probabilities are shared out among the candidates: there
    even a frame would be one of them.

    Args:
        classifier: the model.
        pictures: at least one, of the model's size.
        characters: the candidates.

    Raises:
        UsageError: the model knows none of ``characters``.
    """
    known = classifier.characters
    allowed = candidates(known, characters)
    logits = _looked_at(classifier, np.concatenate([picture.images for picture in pictures]))
    alike = fold_probabilities(np.where(allowed, _among(np.ones_like(allowed), logits), 0.0), known).max(axis=1)
    surety = np.log(np.maximum(alike, 1e-9)) + np.concatenate([picture.log_odds for picture in pictures])
    probabilities = _among(allowed, logits)
    ends = np.cumsum([len(picture.images) for picture in pictures])[:-1]
    chosen = [int(part.argmax()) for part in np.split(surety, ends)]
    starts = [0, *map(int, ends)]
    return [Classified(probabilities[start + one], one) for start, one in zip(starts, chosen, strict=True)]


def not_known(known: str, characters: str | None) -> str:
    """Say in one line which candidates the model does not know, "" if it knows them all."""
    unknown = "".join(c for c in characters or "" if c not in known)
    return f"the model does not know {named(unknown)}, so no picture is read as that" if unknown else ""


LOOKS = ((0.9, 4.0), (0.9, -4.0), (1.08, 4.0), (1.08, -4.0))
"""The additional views: scale, and clockwise rotation in degrees."""


def views(prepared: npt.NDArray[np.uint8]) -> Iterator[npt.NDArray[np.uint8]]:
    """Yield all views of some pictures, uint8 [n, S, S] each, beginning with the pictures themselves."""
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

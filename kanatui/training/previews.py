"""Previews of the current batch for watchers, in `previews/batch.npz`."""

from __future__ import annotations

import dataclasses
import io
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from kanatui.core import arrayfiles, storage
from kanatui.model.predictions import UNREAD

if TYPE_CHECKING:
    import torch

MOST = 32
"""Most images of a batch in a preview."""

_FILE = "batch.npz"
_ARRAYS = ("step", "images", "truths", "readings", "probabilities")
_MOST_BYTES = 64 << 20
"""Far more than 32 images of any size that trains in reasonable time."""


@dataclasses.dataclass(frozen=True)
class BatchPreview:
    """Images of a training step and the network's readings of them in that step (with dropout)."""

    step: int
    """The step, counted from 1."""
    images: npt.NDArray[np.uint8]
    """uint8 [n, H, W], white on black; n is at most :data:`MOST`."""
    truths: str
    """The n characters that they show."""
    readings: str
    """The n characters that the network read."""
    probabilities: npt.NDArray[np.float32]
    """float32 [n], of the readings, 0 … 1."""


def preview_batch(
    step: int, images: torch.Tensor, labels: torch.Tensor, logits: torch.Tensor, characters: str
) -> BatchPreview:
    """Make a preview from images uint8 [n, H, W], labels int64 [n], logits float [n, C] and the C characters.

    Outliers, which come last in a batch, are left out.
    """
    shown = min(MOST, int((labels != UNREAD).sum()))
    sure, read = logits[:shown].float().softmax(dim=1).cpu().max(dim=1)
    truths, readings = ("".join(characters[i] for i in which[:shown].tolist()) for which in (labels, read))
    return BatchPreview(step, images[:shown].numpy(), truths, readings, sure.numpy())


def write_batch(folder: Path, preview: BatchPreview) -> None:
    """Replace the preview in a run's previews folder. StorageError if it cannot be written."""
    file = io.BytesIO()
    np.savez(
        file,
        step=np.int64(preview.step),
        images=preview.images,
        truths=_codes(preview.truths),
        readings=_codes(preview.readings),
        probabilities=preview.probabilities,
    )
    storage.write_bytes(folder / _FILE, file.getvalue(), lasting=False)


def read_batch(folder: Path) -> BatchPreview | None:
    """Return the latest preview, None if there is none or it is invalid."""
    try:
        step, images, truths, readings, probabilities = arrayfiles.read_arrays(folder / _FILE, _ARRAYS, _MOST_BYTES)
        preview = BatchPreview(int(step), images, _text(truths), _text(readings), probabilities)
    except (OSError, ValueError, OverflowError, TypeError):
        return None
    whole = images.dtype == np.uint8 and images.ndim == 3 and probabilities.dtype == np.float32
    lengths = {len(images), len(preview.truths), len(preview.readings), *probabilities.shape} if whole else set()
    return preview if len(lengths) == 1 and 0 not in images.shape else None


def _codes(characters: str) -> npt.NDArray[np.uint32]:
    return np.array([ord(character) for character in characters], dtype=np.uint32)


def _text(codes: npt.NDArray[np.uint32]) -> str:
    return "".join(map(chr, codes.tolist()))

"""Several looks at a picture: real handwriting is read better when logits are averaged over slightly changed copies."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from kanatui.model.weights import Classifier

LOOKS = ((0.9, 4.0), (0.9, -4.0), (1.08, 4.0), (1.08, -4.0))
"""Size as a factor, and degrees clockwise."""


def mean_logits(classifier: Classifier, prepared: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """Return logits float32 [n, C], the mean over all looks at each picture, uint8 [n, S, S]."""
    return np.asarray(np.mean([classifier.logits(seen).numpy() for seen in views(prepared)], axis=0), dtype=np.float32)


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

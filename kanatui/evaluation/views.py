"""Several looks at one picture: as it is, and a little smaller or larger, turned to either side.

A hand writes no two characters at one size and angle, and what a model makes of the same ink at another is nearly a
second opinion. The mean of their logits reads 0.1 to 1.1 % more of real handwriting rightly than the first look alone
(docs/ABLATION.md); generated images are judged as they were trained on.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

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

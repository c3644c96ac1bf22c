"""Pictures made smaller, and many in one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[np.uint8]


def shrink(image: Pixels, side: int) -> Pixels:
    """Return uint8 [side, side] from uint8 [H, W] by averaging areas; strokes thinner than a pixel stay visible."""
    from PIL import Image

    resized = Image.fromarray(image).resize(
        (side, side), Image.Resampling.BOX if side < len(image) else Image.Resampling.NEAREST
    )
    return np.asarray(resized)


def sheet(images: Sequence[Pixels], columns: int, gap: int = 1) -> Pixels:
    """Lay images of one size out in a grid, ``gap`` grey pixels between them: uint8 [H, W]."""
    side = len(images[0])
    rows = -(-len(images) // columns)
    canvas = np.full((rows * (side + gap) - gap, columns * (side + gap) - gap), 60, dtype=np.uint8)
    for place, image in enumerate(images):
        y, x = divmod(place, columns)
        canvas[y * (side + gap) : y * (side + gap) + side, x * (side + gap) : x * (side + gap) + side] = image
    return canvas

"""Takes pictures as they are: no ink is looked for, nothing is moved."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from kanatui.pictures.files import open_image


def whole_image(file: Path, size: int) -> npt.NDArray[np.uint8]:
    """Return a picture in shades of grey: uint8 [size, size].

    One of another size is scaled until it fits, and centred on black.

    Raises:
        ImageError: it cannot be opened.
    """
    return fit(open_image(file).convert("L"), size)


def fit(image: Image.Image, size: int) -> npt.NDArray[np.uint8]:
    """Return a picture in shades of grey, scaled until it fits and centred on black: uint8 [size, size]."""
    if image.size == (size, size):
        return np.asarray(image, dtype=np.uint8)
    scale = size / max(image.size)
    fitted = image.resize([max(1, round(side * scale)) for side in image.size], Image.Resampling.LANCZOS)
    square = Image.new("L", (size, size))
    square.paste(fitted, ((size - fitted.width) // 2, (size - fitted.height) // 2))
    return np.asarray(square, dtype=np.uint8)

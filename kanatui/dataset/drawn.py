"""What a pixel augmentation drew for one image, in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from typing_extensions import override

from kanatui.core.rng import U64, Floats, Keys
from kanatui.plugins.bases import Pixel

_FEW = 4
"""The most numbers of one augmentation that are told one by one."""


def drawn_in_words(step: Pixel, p: float, key: U64, stream: str, size: int) -> list[str] | None:
    """Return what an augmentation drew for an image, in words; None if it left the image as it was.

    Args:
        step: the augmentation.
        p: the share of images that it changes.
        key: the image's key, [1].
        stream: the name of the step's random stream.
        size: of the image in pixels.
    """
    if p < 1.0 and Keys(key, f"{stream}?").uniform()[0] >= p:
        return None
    keys = _Overheard(key, stream, step.values)
    arrays = step.draw(keys, size)
    if keys.drawn:
        return [f"{name.replace('_', ' ')} {value:.3g}" for name, value in keys.drawn.items()]
    return [f"{name.replace('_', ' ')} {_numbers(np.asarray(numbers)[0])}" for name, numbers in arrays.items()]


class _Overheard(Keys):
    """Notes which parameter each number is drawn for: it is the range that only this parameter has."""

    def __init__(self, keys: npt.NDArray[np.uint64], stream: str, parameters: Mapping[str, Any]) -> None:
        super().__init__(keys, stream)
        ranges = [value for value in parameters.values() if isinstance(value, tuple) and len(value) == 2]
        self._names = {value: name for name, value in parameters.items() if ranges.count(value) == 1}
        self.drawn: dict[str, float] = {}

    @override
    def uniform(self, low: npt.ArrayLike = 0.0, high: npt.ArrayLike = 1.0, shape: tuple[int, ...] = ()) -> Floats:
        values = super().uniform(low, high, shape)
        if not shape and np.ndim(low) == np.ndim(high) == 0 and (name := self._names.get((low, high))):
            self.drawn[name] = float(values[0])
        return values


def _numbers(values: npt.NDArray[Any]) -> str:
    """Put a few numbers one by one, and many by their spread."""
    if values.size > _FEW:
        return f"±{float(values.std()):.2g} ({values.size:,} numbers)"
    return " ".join(f"{float(value):.3g}" for value in values.ravel())

"""The axes of a plot: from values to positions, and the ticks."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Self

_FINEST = 1e-9
"""The minimum length of an axis as a share of its values: below it floats hardly distinguish neighbouring values."""

_LONGEST = 1e100

_UNITS = (("M", 1e6), ("k", 1e3))


@dataclasses.dataclass(frozen=True)
class Axis:
    """A linear axis. Another kind overrides :meth:`share`, :meth:`value` and :meth:`ticks`."""

    low: float
    high: float

    def share(self, value: float) -> float:
        """Return the position of a value: 0 at the low end, 1 at the high end, below 0 or above 1 outside."""
        return (value - self.low) / ((self.high - self.low) or 1.0)

    def value(self, share: float) -> float:
        """Return the value at a share of the axis."""
        return self.low + share * (self.high - self.low)

    def zoomed(self, factor: float, about: float = 0.5) -> Self:
        """Return a part of the axis, or a longer one.

        Args:
            factor: how much to zoom in (0.15: by 15 %), or out if negative; more than -1.
            about: the share of the axis that keeps its position.
        """
        return self._between(factor * about / (1 + factor), (1 + factor * about) / (1 + factor))

    def moved(self, by: float) -> Self:
        """Return an axis of the same length, moved by a share of it."""
        return self._between(by, 1 + by)

    def _between(self, first: float, last: float) -> Self:
        """Return the axis between two shares of this one, or this one if floats cannot distinguish its values."""
        low, high = self.value(first), self.value(last)
        length, largest = high - low, max(abs(low), abs(high))
        return dataclasses.replace(self, low=low, high=high) if _FINEST * largest < length < _LONGEST else self

    def ticks(self, most: int) -> list[float]:
        """Return round values on the axis, at most ``most`` and one more: multiples of 1, 2 or 5 times a power of ten.

        A plot leaves some out if there is no room.
        """
        if not self.high > self.low:
            return [self.low]
        wanted = (self.high - self.low) / max(1, most)
        power = 10.0 ** math.floor(math.log10(wanted))
        interval = next((power * factor for factor in (1, 2, 5) if power * factor >= wanted), power * 10)
        slack = 1e-9  # for an end that is itself a tick
        first, last = math.ceil(self.low / interval - slack), math.floor(self.high / interval + slack)
        return [number * interval for number in range(first, last + 1)]


def even_labels(ticks: Sequence[float], width: int) -> list[str]:
    """Write ticks with the same number of decimals; shorter (1.2e-5 or 20k) if that takes more than ``width`` cells."""
    apart = ticks[1] - ticks[0] if len(ticks) > 1 else 1.0
    decimals = max(0, -math.floor(math.log10(apart) + 1e-9))
    labels = [f"{tick:.{decimals}f}" for tick in ticks]
    return labels if all(len(label) <= width for label in labels) else [short_label(tick) for tick in ticks]


def short_label(tick: float) -> str:
    """Write a number in few cells: 500, 1.5k, 3M, 1.2e-5."""
    for unit, size in _UNITS:
        if abs(tick) >= size:
            return f"{tick / size:.4g}{unit}"
    if tick and abs(tick) < 1e-3:
        return f"{tick:.1e}".replace("e-0", "e-").replace(".0e", "e")
    return f"{tick:.6g}"

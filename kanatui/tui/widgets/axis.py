"""The axes of a plot: from values to positions, and the ticks."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Self

from typing_extensions import override

_FINEST = 1e-9
"""The minimum length of an axis as a share of its values: below it floats hardly distinguish neighbouring values."""

_LONGEST = 1e100

_UNITS = (("M", 1e6), ("k", 1e3))

_SLACK = 1e-9
"""For ends that are themselves ticks."""

_INTERVALS = (60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400)
"""Seconds between the ticks of a time axis, from a minute to a day."""

_TIMES = (("h", 3600.0), ("m", 60.0), ("s", 1.0))


@dataclasses.dataclass(frozen=True)
class Axis:
    """A linear axis. Another kind overrides :meth:`share`, :meth:`value`, :meth:`ticks` and :meth:`label`."""

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
        try:
            low, high = self.value(first), self.value(last)
        except OverflowError:
            return self
        length, largest = high - low, max(abs(low), abs(high))
        return dataclasses.replace(self, low=low, high=high) if _FINEST * largest < length < _LONGEST else self

    def ticks(self, most: int) -> list[float]:
        """Return round values on the axis, at most ``most`` and one more: multiples of 1, 2 or 5 times a power of ten.

        A plot leaves some out if there is no room.
        """
        if not self.high > self.low:
            return [self.low]
        return self._multiples(self._interval(most))

    def _multiples(self, interval: float) -> list[float]:
        first, last = math.ceil(self.low / interval - _SLACK), math.floor(self.high / interval + _SLACK)
        return [number * interval for number in range(first, last + 1)]

    def _interval(self, most: int) -> float:
        wanted = (self.high - self.low) / max(1, most)
        power = 10.0 ** math.floor(math.log10(wanted))
        return next((power * factor for factor in (1, 2, 5) if power * factor >= wanted * (1 - _SLACK)), power * 10)

    def rounded(self, most: int) -> Self:
        """Return the axis made longer, so that both ends are ticks if there are at most ``most``."""
        if not self.high > self.low:
            return self
        interval = self._interval(most)
        low, high = math.floor(self.low / interval + _SLACK), math.ceil(self.high / interval - _SLACK)
        return dataclasses.replace(self, low=low * interval, high=high * interval)

    def label(self, tick: float) -> str:
        """Write a value of the axis in few cells."""
        return short_label(tick)


@dataclasses.dataclass(frozen=True)
class LogAxis(Axis):
    """A logarithmic axis; both ends are above 0."""

    @override
    def share(self, value: float) -> float:
        """Return the position of a value, which must be above 0."""
        return math.log(value / self.low) / (math.log(self.high / self.low) or 1.0)

    @override
    def value(self, share: float) -> float:
        return float(self.low * (self.high / self.low) ** share)

    @override
    def ticks(self, most: int) -> list[float]:
        """Return 1, 2 and 5 times powers of ten, powers alone if those are too many; on a short axis the usual."""
        for factors in ((1, 2, 5), (1,)):
            found = self._powers(factors)
            if 2 <= len(found) <= most + 1:
                return found
        found = self._powers((1,))
        return found[:: math.ceil(len(found) / max(1, most))] if len(found) > most else super().ticks(most)

    def _powers(self, factors: Sequence[int]) -> list[float]:
        first, last = math.floor(math.log10(self.low)), math.ceil(math.log10(self.high))
        if last - first > 400:  # beyond floats
            return []
        values = [factor * 10.0**power for power in range(first, last + 1) for factor in factors]
        return [value for value in values if self.low * (1 - _SLACK) <= value <= self.high * (1 + _SLACK)]

    @override
    def rounded(self, most: int) -> Self:
        """Return the axis from a multiple of a power of ten to another: from 0.0834 to 4.2 that is from 0.08 to 5."""
        low, high = (10.0 ** math.floor(math.log10(end)) for end in (self.low, self.high))
        ends = math.floor(self.low / low + _SLACK) * low, math.ceil(self.high / high - _SLACK) * high
        return dataclasses.replace(self, low=ends[0], high=max(ends[1], 1.1 * ends[0]))


@dataclasses.dataclass(frozen=True)
class TimeAxis(Axis):
    """An axis in seconds, with ticks at whole minutes or hours if it is long enough."""

    @override
    def _interval(self, most: int) -> float:
        wanted = (self.high - self.low) / max(1, most)
        if wanted <= 30 or wanted > _INTERVALS[-1]:
            return super()._interval(most)
        return next(float(each) for each in _INTERVALS if each >= wanted)

    @override
    def label(self, tick: float) -> str:
        """Write a time in the unit that suits the axis: 30s, 5m, 1.5h."""
        longest = max(abs(self.low), abs(self.high))
        name, unit = next(((name, unit) for name, unit in _TIMES if longest >= 2 * unit), _TIMES[-1])
        return f"{tick / unit:.6g}{name}" if tick else "0"


def even_labels(ticks: Sequence[float], width: int) -> list[str]:
    """Write ticks with the same number of decimals; shorter (1.2e-5 or 20k) if that takes more than ``width`` cells."""
    apart = min((b - a for a, b in pairwise(ticks)), default=1.0)
    decimals = max(0, -math.floor(math.log10(apart) + _SLACK)) if apart > 0 else 0
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

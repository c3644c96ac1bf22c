"""Curves of any length in bounded memory, and the points of them that are worth drawing."""

from __future__ import annotations

import bisect
import dataclasses
import math
from collections.abc import Sequence

Points = tuple[list[float], list[float]]
"""The x and y of points, sorted by x."""

_MOST_BUCKETS = 4096
"""The points kept of a curve: at a zoom of twenty there are still 200. Must be even."""


@dataclasses.dataclass(slots=True)
class _Bucket:
    """Neighbouring points joined into one: where they begin and end, the lowest, the highest, their mean."""

    first: float
    last: float
    low: float
    low_at: float
    high: float
    high_at: float
    total: float
    count: int

    @property
    def mean(self) -> float:
        return self.total / self.count

    def distance(self, x: float) -> float:
        return max(self.first - x, x - self.last, 0.0)

    def take(self, x: float, y: float) -> None:
        self.last = x
        self.total += y
        self.count += 1
        if y < self.low:
            self.low, self.low_at = y, x
        if y > self.high:
            self.high, self.high_at = y, x

    def join(self, other: _Bucket) -> None:
        self.last = other.last
        self.total += other.total
        self.count += other.count
        if other.low < self.low:
            self.low, self.low_at = other.low, other.low_at
        if other.high > self.high:
            self.high, self.high_at = other.high, other.high_at


class Series:
    """A curve that only grows at its end. It never forgets an extreme value."""

    def __init__(self) -> None:
        self._buckets: list[_Bucket] = []
        self._each = 1

    def __len__(self) -> int:
        return len(self._buckets)

    def add(self, x: float, y: float) -> None:
        """Append a point, unless it is not finite."""
        if not math.isfinite(y):
            return
        if self._buckets and self._buckets[-1].count < self._each:
            self._buckets[-1].take(x, y)
            return
        if len(self._buckets) >= _MOST_BUCKETS:
            self._halve()
        self._buckets.append(_Bucket(x, x, y, x, y, x, y, 1))

    def cut(self, x: float) -> None:
        """Remove the points beyond ``x``; points that were joined are kept or removed together."""
        while self._buckets and self._buckets[-1].first > x:
            self._buckets.pop()
        if self._buckets:
            end = self._buckets[-1]
            end.last, end.low_at, end.high_at = min(end.last, x), min(end.low_at, x), min(end.high_at, x)

    @property
    def last(self) -> float | None:
        """The mean of the last neighbours, None while there are no points."""
        return self._buckets[-1].mean if self._buckets else None

    def drawn(self, low: float = -math.inf, high: float = math.inf, most: int = 200) -> Points:
        """Return at most ``most`` points (4 at least) of the curve between ``low`` and ``high``.

        The lowest and the highest point of each stretch are kept (min/max decimation), so that no spike is lost. The
        nearest points outside are included, so that lines run out of the picture.
        """
        buckets = self._between(low, high)
        given = len(buckets) if self._each == 1 else 2 * len(buckets)
        stride = 1 if given <= most else math.ceil(len(buckets) / (most // 2))
        xs: list[float] = []
        ys: list[float] = []
        for start in range(0, len(buckets), stride):
            group = buckets[start : start + stride]
            lowest, highest = min(group, key=_low), max(group, key=_high)
            ends = sorted([(lowest.low_at, lowest.low), (highest.high_at, highest.high)])
            for x, y in ends if ends[0] != ends[1] else ends[:1]:
                xs.append(x)
                ys.append(y)
        return xs, ys

    def smooth(self, low: float = -math.inf, high: float = math.inf, most: int = 200, share: float = 0.02) -> Points:
        """Return the exponential moving average over a share of the curve (at least 5 points), at ``most`` points.

        It has no bias at the start, because its weights are normalised.
        """
        decay = 1.0 - 1.0 / max(5.0, share * len(self._buckets))
        value = weight = 0.0
        xs: list[float] = []
        ys: list[float] = []
        for bucket in self._buckets:
            value = decay * value + (1.0 - decay) * bucket.mean
            weight = decay * weight + (1.0 - decay)
            xs.append(bucket.last)
            ys.append(value / weight)
        inside = [i for i, bucket in enumerate(self._buckets) if bucket.last >= low and bucket.first <= high]
        chosen = _thinned(inside, most)
        return [xs[i] for i in chosen], [ys[i] for i in chosen]

    def near(self, x: float) -> float | None:
        """Return the mean of the neighbours nearest to ``x``, None while there are no points."""
        if not self._buckets:
            return None
        place = bisect.bisect_left(self._buckets, x, key=_last)
        return min(self._buckets[max(0, place - 1) : place + 1], key=lambda bucket: bucket.distance(x)).mean

    def bulk(self, low: float, high: float, left_out: float) -> tuple[float, float] | None:
        """Return between which values the curve lies from ``low`` to ``high``, without outliers.

        Args:
            low: where it begins.
            high: where it ends.
            left_out: the share of the points (0 … 0.5) that is left out at either end.
        """
        buckets = sorted(self._between(low, high), key=_mean)
        total = sum(bucket.count for bucket in buckets)
        before, kept = 0, []
        for bucket in buckets:
            after = before + bucket.count
            if after > left_out * total and before < (1 - left_out) * total:
                kept.append(bucket.mean)
            before = after
        return (kept[0], kept[-1]) if kept else None

    def _between(self, low: float, high: float) -> list[_Bucket]:
        inside = [i for i, bucket in enumerate(self._buckets) if bucket.last >= low and bucket.first <= high]
        if not inside:
            return []
        return self._buckets[max(0, inside[0] - 1) : inside[-1] + 2]

    def _halve(self) -> None:
        pairs = zip(self._buckets[::2], self._buckets[1::2], strict=True)
        kept = []
        for one, other in pairs:
            one.join(other)
            kept.append(one)
        self._buckets = kept
        self._each *= 2


def _low(bucket: _Bucket) -> float:
    return bucket.low


def _high(bucket: _Bucket) -> float:
    return bucket.high


def _last(bucket: _Bucket) -> float:
    return bucket.last


def _mean(bucket: _Bucket) -> float:
    return bucket.mean


def _thinned(indices: Sequence[int], most: int) -> list[int]:
    """Return at most ``most`` of them, evenly spaced and including the last."""
    stride = max(1, math.ceil(len(indices) / most))
    return list(reversed(indices[::-1][::stride]))

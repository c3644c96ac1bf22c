"""What a measurement comes to."""

from __future__ import annotations

import dataclasses
import math
import statistics
from collections.abc import Sequence
from typing import Any, Self


@dataclasses.dataclass(frozen=True)
class Figure:
    """One measured figure beside what is wanted of it, if anything is."""

    name: str
    value: float
    unit: str
    most: float = math.inf
    """The figure should be below this."""
    samples: Sequence[float] = ()
    """What ``value`` was computed from."""
    note: str = ""
    least: float = -math.inf
    """The figure should be at least this."""

    @classmethod
    def median(cls, name: str, samples: Sequence[float], unit: str, **rest: Any) -> Self:
        """Return the median of some rounds."""
        return cls(name, statistics.median(samples), unit, samples=samples, **rest)

    @classmethod
    def ratio(cls, name: str, above: Sequence[float], below: Sequence[float], **rest: Any) -> Self:
        """Return how many times ``above`` is ``below``: the median over the rounds, each of which measured both."""
        return cls.median(name, [a / b for a, b in zip(above, below, strict=True)], "×", **rest)

    @property
    def met(self) -> bool:
        """Whether the goal is reached; true where there is none."""
        return self.least <= self.value < self.most

    @property
    def goal(self) -> str:
        """The goal in words, "" if there is none."""
        parts = [f"≥ {self.least:g}"] if self.least > -math.inf else []
        parts += [f"< {self.most:g}"] if self.most < math.inf else []
        return f"{' and '.join(parts)} {self.unit}" if parts else ""

    @property
    def spread(self) -> str:
        """Least, median and greatest sample, "" if there is only one."""
        if len(self.samples) < 2:
            return ""
        ordered = sorted(self.samples)
        return " … ".join(map(_short, (ordered[0], statistics.median(ordered), ordered[-1])))

    @property
    def measured(self) -> str:
        """The figure with its unit, to three digits."""
        return f"{_short(self.value)} {self.unit}"

    def to_dict(self) -> dict[str, Any]:
        """Return plain data; a goal that is not there is None."""
        goals = {name: value if math.isfinite(value := getattr(self, name)) else None for name in ("most", "least")}
        return {**dataclasses.asdict(self), **goals, "samples": list(self.samples), "met": self.met}


def percentile(samples: Sequence[float], share: float) -> float:
    """Return the sample below which ``share`` (0 … 1) of all lie, the nearest one above."""
    ordered = sorted(samples)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def _short(value: float) -> str:
    """Write a number with three digits that count and none of an exponent: 12,300, 4.56, 0.00789."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"

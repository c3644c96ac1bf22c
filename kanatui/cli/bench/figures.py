"""Measured figures with their goals."""

from __future__ import annotations

import dataclasses
import math
import statistics
from collections.abc import Sequence
from typing import Any, Self


@dataclasses.dataclass(frozen=True)
class Figure:
    """A measured figure and its goal, if it has one."""

    name: str
    value: float
    unit: str
    most: float = math.inf
    """The figure should be below this."""
    samples: Sequence[float] = ()
    """The measurements from which ``value`` was computed."""
    note: str = ""
    least: float = -math.inf
    """The figure should be at least this."""

    @classmethod
    def median(cls, name: str, samples: Sequence[float], unit: str, **rest: Any) -> Self:
        """Return a figure whose value is the median of ``samples``."""
        return cls(name, statistics.median(samples), unit, samples=samples, **rest)

    @classmethod
    def ratio(cls, name: str, above: Sequence[float], below: Sequence[float], **rest: Any) -> Self:
        """Return the median over the rounds of ``above`` divided by ``below``; each round measured both."""
        return cls.median(name, [a / b for a, b in zip(above, below, strict=True)], "×", **rest)

    @property
    def met(self) -> bool:
        """Whether the goal is reached; true if there is none."""
        return self.least <= self.value < self.most

    @property
    def goal(self) -> str:
        """The goal as text, "" if there is none."""
        parts = [f"≥ {self.least:g}"] if self.least > -math.inf else []
        parts += [f"< {self.most:g}"] if self.most < math.inf else []
        return f"{' and '.join(parts)} {self.unit}" if parts else ""

    @property
    def spread(self) -> str:
        """Minimum, median and maximum of the samples as text, "" if there are fewer than two."""
        if len(self.samples) < 2:
            return ""
        ordered = sorted(self.samples)
        return " … ".join(map(_short, (ordered[0], statistics.median(ordered), ordered[-1])))

    @property
    def measured(self) -> str:
        """The value with its unit, to three significant digits."""
        return f"{_short(self.value)} {self.unit}"

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-able data; a missing goal is None."""
        goals = {name: value if math.isfinite(value := getattr(self, name)) else None for name in ("most", "least")}
        return {**dataclasses.asdict(self), **goals, "samples": list(self.samples), "met": self.met}


def percentile(samples: Sequence[float], share: float) -> float:
    """Return the sample that has a ``share`` (0 … 1) of all samples below it, rounded up to the next one."""
    ordered = sorted(samples)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def _short(value: float) -> str:
    """Format a number with three significant digits and no exponent: 12,300, 4.56, 0.00789."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"

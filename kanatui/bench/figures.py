"""What a measurement comes to."""

from __future__ import annotations

import dataclasses
import statistics
from collections.abc import Sequence
from typing import Any


@dataclasses.dataclass(frozen=True)
class Figure:
    """One measured figure beside what is wanted of it."""

    name: str
    value: float
    unit: str
    most: float
    """The figure should be below this."""
    samples: Sequence[float] = ()
    """What ``value`` was computed from."""
    note: str = ""

    @property
    def met(self) -> bool:
        """Whether the goal is reached."""
        return self.value < self.most

    @property
    def spread(self) -> str:
        """Least, median and greatest sample, "" if there is only one."""
        if len(self.samples) < 2:
            return ""
        ordered = sorted(self.samples)
        return f"{ordered[0]:.3g} … {statistics.median(ordered):.3g} … {ordered[-1]:.3g}"

    def to_dict(self) -> dict[str, Any]:
        """Return plain data."""
        return {**dataclasses.asdict(self), "samples": list(self.samples), "met": self.met}


def percentile(samples: Sequence[float], share: float) -> float:
    """Return the sample below which ``share`` (0 … 1) of all lie, the nearest one above."""
    ordered = sorted(samples)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]

"""Leaves cores to other processes that keep them busy.

The threads of one step wait for each other several hundred times. If one of them has to share its core, all of them
stand still: with two busy processes on two cores, two threads made 488 images/s (median of five windows of 2 s, 152 to
546 with other lengths of OpenMP's spinning), one thread 831, and fair would have been 985. So a training uses as many
threads as there are free cores.
"""

from __future__ import annotations

import os
import time

import psutil

_WINDOW = 2.0
"""Seconds over which use is averaged: a step takes up to a second, and the system counts in hundredths."""


class Neighbours:
    """Watches how many cores other processes keep busy, and says how many threads to use."""

    def __init__(self, most: int) -> None:
        """Start watching; ``most`` is the number of threads to use on an idle machine."""
        self._most = self._wanted = self.threads = most
        """How many threads to use now."""
        self.busy = 0.0
        """Cores that other processes kept busy in the last window."""
        self._since, self._all, self._own = time.monotonic(), _busy_seconds(), 0.0
        self._begun = False

    def look(self, own: float) -> int:
        """Return how many threads to use from now on.

        Fewer at once, but more only if two windows in a row had room for them.

        Args:
            own: processor seconds that this training has used so far.
        """
        now = time.monotonic()
        if self._begun and now - self._since < _WINDOW:
            return self.threads
        everyone = _busy_seconds()
        if self._begun:
            self.busy = max(0.0, everyone - self._all - (own - self._own)) / (now - self._since)
            before, self._wanted = self._wanted, self._free(self.busy)
            self.threads = min(before, self._wanted)
        self._begun, self._since, self._all, self._own = True, now, everyone, own
        return self.threads

    @property
    def is_alone(self) -> bool:
        """Whether one thread is left of several."""
        return self.threads == 1 < self._most

    def _free(self, busy: float) -> int:
        return max(1, min(self._most, round(len(_cores()) - busy)))


def _cores() -> list[int]:
    """Return the numbers of the cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def _busy_seconds() -> float:
    """Return the seconds in which these cores were busy, for any process, since the machine started."""
    times = psutil.cpu_times(percpu=True)
    # guest and guest_nice are part of user and nice; steal is the time in which other machines had the core.
    names = [name for name in ("user", "nice", "system", "irq", "softirq") if hasattr(times[0], name)]
    return float(sum(getattr(times[core], name) for core in _cores() if core < len(times) for name in names))

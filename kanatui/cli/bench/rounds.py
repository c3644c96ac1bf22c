"""Measures alternatives side by side, in alternating rounds."""

from __future__ import annotations

import contextlib
import itertools
import time
from collections.abc import Callable, Iterator, Mapping

from kanatui.dataset.source import OnStage

Way = Callable[[], float]
"""Does its work once and returns the figure."""


def alternate(ways: Mapping[str, Way], rounds: int, on_stage: OnStage, title: str) -> dict[str, list[float]]:
    """Measure each way ``rounds`` times, in turns, so that other load on the machine affects all of them alike.

    Every other round goes in reverse order. A warm-up round, which fills caches and loads code, is not counted.
    """
    found: dict[str, list[float]] = {name: [] for name in ways}
    steps = [(turn, name) for turn in range(rounds + 1) for name in (list(ways) if turn % 2 else reversed(list(ways)))]
    on_stage(0, len(steps), title)
    for done, (turn, name) in enumerate(steps, start=1):
        value = ways[name]()
        if turn:
            found[name].append(value)
        on_stage(done, len(steps), title)
    return found


def rate(count: int, work: Callable[[], object]) -> Way:
    """Return a way that does ``work`` once and returns ``count`` per second."""

    def way() -> float:
        started = time.perf_counter()
        work()
        return count / (time.perf_counter() - started)

    return way


def microseconds(work: Callable[[], object], count: int, least: float = 0.05) -> Way:
    """Return a way that repeats ``work`` for at least ``least`` seconds and returns the µs per item of ``count``."""

    def way() -> float:
        started = time.perf_counter()
        for times in itertools.count(1):
            work()
            seconds = time.perf_counter() - started
            if seconds >= least:
                return 1e6 * seconds / (times * count)
        raise AssertionError("unreachable: count() has no end")

    return way


@contextlib.contextmanager
def threads(count: int) -> Iterator[None]:
    """Limit torch to ``count`` threads within the block."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)

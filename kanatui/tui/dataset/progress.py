"""Measures how fast active generations go, and shows one on a line."""

from __future__ import annotations

import collections
import time
from typing import Any

from textual.content import Content
from textual.widgets import Static

from kanatui.core.units import bytes_text, duration, percent
from kanatui.dataset.catalogue import Entry
from kanatui.dataset.generation import last_words
from kanatui.tui.words import in_the_app

_WINDOW = 20.0
"""Seconds over which the rate is averaged, because the workers finish their shards in bursts."""

_BAR = 16
"""Width of the bar in cells."""

SYMBOLS = {"complete": "✓", "writing": "●", "starting": "●", "stopped": "■", "failed": "✗", "damaged": "✗"}
"""A symbol for each state of a data set, shown beside its name."""


class Pace:
    """Measures how fast data sets grow."""

    def __init__(self) -> None:
        self._seen: dict[str, collections.deque[tuple[float, int]]] = {}

    def note(self, found: list[Entry], now: float | None = None) -> None:
        """Record the progress of all data sets (``now``: seconds on any steady clock)."""
        now = time.monotonic() if now is None else now
        for data in found:
            if not data.active:
                self._seen.pop(data.name, None)
                continue
            seen = self._seen.setdefault(data.name, collections.deque())
            seen.append((now, data.done))
            while seen[0][0] < now - _WINDOW:
                seen.popleft()

    def rate(self, data: Entry) -> float:
        """Return images per second, 0 while unknown."""
        seen = self._seen.get(data.name)
        if not seen or seen[-1][0] == seen[0][0]:
            return 0.0
        return (seen[-1][1] - seen[0][1]) / (seen[-1][0] - seen[0][0])


class GenerationLine(Static):
    """One generation: its bar, rate, time left and bytes; hidden if there is none."""

    def __init__(self, **options: Any) -> None:
        super().__init__("", markup=False, **options)
        self.data: Entry | None = None
        self.display = False

    def show(self, data: Entry | None, rate: float, plain: bool, stopping: bool = False) -> None:
        """Show a data set's progress.

        Args:
            data: the data set; None hides the line.
            rate: images per second, 0 if unknown.
            plain: draw the bar with plain characters.
            stopping: whether it was told to end.
        """
        self.data = data
        self.display = data is not None
        text = generation_text(data, rate, plain, stopping) if data else ""
        if str(self.content) != text:  # an unchanged line sends nothing to the terminal
            self.update(Content(text))


def generation_text(data: Entry, rate: float, plain: bool = False, stopping: bool = False) -> str:
    """Return a generation's progress in one line; ``rate`` in images per second, ``stopping``: it was told to end."""
    head = f"{SYMBOLS[data.state]} {data.name}"
    if data.state == "failed":
        return f"{head} failed: {in_the_app(data.reason)} (R: resume)"
    if data.state == "stopped":
        return f"{head} stopped at {percent(data.share)} (R: resume)"
    if stopping and data.active:
        return f"{head}: stopping at {percent(data.share)}; finished shards are kept"
    if data.state == "starting":
        return f"{head}: {last_words(data.name) or 'starting its process'} (c: stop)"
    left = f" · {duration((data.images - data.done) / rate)} left" if rate else ""
    speed = f" · {rate:,.0f} images/s" if rate else ""
    return (
        f"{head} {bar(data.share, plain)} {percent(data.share)} · {data.done:,}/{data.images:,} images"
        f"{speed}{left} · {bytes_text(data.bytes_done)} written (c: stop)"
    )


def bar(share: float, plain: bool = False) -> str:
    """Return a progress bar for a share, 0 … 1."""
    full = round(share * _BAR)
    return ("#" if plain else "━") * full + ("." if plain else "─") * (_BAR - full)

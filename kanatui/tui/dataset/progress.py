"""Generations under way: how fast each goes, and the line that shows one."""

from __future__ import annotations

import collections
import time
from typing import Any

from textual.content import Content
from textual.widgets import Static

from kanatui.core.storage import last_line
from kanatui.core.units import bytes_text, duration, percent
from kanatui.dataset.catalogue import Entry

_WINDOW = 20.0
"""Seconds over which the rate is taken: shards end in bursts of several workers."""

_BAR = 16
"""Cells of the bar."""

SYMBOLS = {"complete": "✓", "writing": "●", "starting": "●", "stopped": "■", "failed": "✗", "damaged": "✗"}
"""A sign for each state of a data set, beside its word."""


class Pace:
    """How fast data sets grow."""

    def __init__(self) -> None:
        self._seen: dict[str, collections.deque[tuple[float, int]]] = {}

    def note(self, found: list[Entry], now: float | None = None) -> None:
        """Take note of how far all data sets are (``now``: seconds on any steady clock)."""
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
        """Return images a second, 0 while that is not known."""
        seen = self._seen.get(data.name)
        if not seen or seen[-1][0] == seen[0][0]:
            return 0.0
        return (seen[-1][1] - seen[0][1]) / (seen[-1][0] - seen[0][0])


class GenerationLine(Static):
    """One generation: its bar, rate, time left and bytes; hidden where there is nothing to tell."""

    def __init__(self, **options: Any) -> None:
        super().__init__("", markup=False, **options)
        self.data: Entry | None = None
        self.display = False

    def show(self, data: Entry | None, rate: float, plain: bool) -> None:
        """Show a data set as it stands.

        Args:
            data: the data set; None hides the line.
            rate: images a second, 0 if unknown.
            plain: draw the bar with plain characters.
        """
        self.data = data
        self.display = data is not None
        text = generation_text(data, rate, plain) if data else ""
        if str(self.content) != text:  # nothing is sent to the terminal as long as nothing changed
            self.update(Content(text))


def generation_text(data: Entry, rate: float, plain: bool = False) -> str:
    """Write how a generation stands, in a line."""
    head = f"{SYMBOLS[data.state]} {data.name}"
    if data.state == "failed":
        return f"{head} failed: {data.reason} (R: go on)"
    if data.state == "stopped":
        return f"{head} stopped at {percent(data.share)} (R: go on)"
    if data.state == "starting":
        return f"{head}: {last_line(data.log) or 'starting'} (c: stop)"
    left = f" · {duration((data.images - data.done) / rate)} left" if rate else ""
    speed = f" · {rate:,.0f} images/s" if rate else ""
    return (
        f"{head} {bar(data.share, plain)} {percent(data.share)} · {data.done:,}/{data.images:,} images"
        f"{speed}{left} · {bytes_text(data.bytes_done)} written (c: stop)"
    )


def bar(share: float, plain: bool = False) -> str:
    """Draw a bar of a share, 0 … 1."""
    full = round(share * _BAR)
    return ("#" if plain else "━") * full + ("." if plain else "─") * (_BAR - full)

"""The line that shows how far an evaluation is."""

from __future__ import annotations

import time

from textual.widgets import Static

from kanatui.core.units import clock

_BAR = 12
"""Width of the bar in columns."""


class ProgressLine(Static):
    """One line, shown while an evaluation runs; it is repainted only when it changes."""

    def __init__(self) -> None:
        super().__init__("", markup=False)
        self._run = ""
        self._began = 0.0

    def begin(self, run: str) -> None:
        """Show that a run's evaluation has started."""
        self._run = run
        self.display = True
        self.advance(0, 0, "starting")

    def advance(self, done: int, total: int, text: str) -> None:
        """Show the progress, ``done`` of ``total``; ``done`` is 0 at the start of each part of the work."""
        if done == 0:
            self._began = time.monotonic()
        parts = [text]
        if total:
            filled = round(_BAR * done / total)
            parts = [f"{text} {'━' * filled}{'·' * (_BAR - filled)} {done:,} of {total:,}"]
        if 0 < done < total:
            parts.append(f"{clock((time.monotonic() - self._began) / done * (total - done))} left")
        self.update(" · ".join([*parts, "x cancels", self._run]))

    def end(self) -> None:
        """Hide the line."""
        self.display = False

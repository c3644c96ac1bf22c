"""How far an evaluation is."""

from __future__ import annotations

import time

from textual.widgets import Static

from kanatui.core.units import clock

_BAR = 20
"""Columns of the bar."""


class ProgressLine(Static):
    """One line, shown while an evaluation is under way. It is repainted only when there is something new to say."""

    def __init__(self) -> None:
        super().__init__("", markup=False)
        self._run = ""
        self._began = 0.0

    def begin(self, run: str) -> None:
        """Show that a run's evaluation has begun."""
        self._run = run
        self.display = True
        self.advance(0, 0, "starting")

    def advance(self, done: int, total: int, text: str) -> None:
        """Show how far it is; ``done`` is 0 where another part of the work begins."""
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
        """Show nothing any more."""
        self.display = False

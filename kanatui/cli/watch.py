"""Shows a training in progress from its events; it may run in this process or in another."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Any, Protocol, Self

from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn
from typing_extensions import override

from kanatui.cli import console
from kanatui.cli.console import err
from kanatui.training.event_text import describe, figures, preparing

_PLAIN_EVERY = 5.0  # seconds between lines without a terminal, to keep logs readable


class Display(Protocol):
    """A context manager that shows the events of a training."""

    def show(self, event: dict[str, Any]) -> None:
        """Show one event."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


def display(title: str) -> Display:
    """Return a progress bar for a terminal, plain lines elsewhere, both on standard error; nothing if quiet."""
    if console.quiet:
        return Nothing(title)
    return Bar(title) if err.is_terminal else Lines(title)


class Lines:
    """Prints a progress line every few seconds, and a line for each other event."""

    def __init__(self, title: str) -> None:
        self.title = title
        self._last = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Do nothing: lines need no clean-up."""

    def show(self, event: dict[str, Any]) -> None:
        """Print the event if it is worth a line."""
        if event["event"] in ("step", "preparing"):
            now = time.monotonic()
            if now - self._last < _PLAIN_EVERY:
                return
            self._last = now
            text = _step(event) if event["event"] == "step" else preparing(event)
        else:
            text = describe(event)
        if text:
            self._print(text)

    def _print(self, text: str) -> None:
        err.print(f"{self.title}: {text}", soft_wrap=True)


class Nothing(Lines):
    """Prints nothing."""

    @override
    def show(self, event: dict[str, Any]) -> None:
        """Ignore it."""


class Bar(Lines):
    """Shows a bar with the current figures; other events are printed above it."""

    def __init__(self, title: str) -> None:
        super().__init__(title)
        columns = (
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=None),
            TaskProgressColumn(),
            TextColumn("{task.fields[note]}", markup=False),
        )
        self._bar = Progress(*columns, console=err, expand=True, transient=True, refresh_per_second=2)
        self._task = self._bar.add_task(title, total=1.0, note="starting")

    @override
    def __enter__(self) -> Self:
        self._bar.start()
        return self

    @override
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Remove the bar."""
        self._bar.stop()

    @override
    def show(self, event: dict[str, Any]) -> None:
        """Advance the bar, or print the event above it."""
        if event["event"] == "step":
            self._bar.update(self._task, completed=event.get("progress", 0.0), note=figures(event))
        elif event["event"] == "preparing":
            self._bar.update(self._task, note=preparing(event))
        elif text := describe(event):
            self._print(text)
        if event["event"] == "paused":
            self._bar.update(self._task, note="paused")


def _step(event: dict[str, Any]) -> str:
    return f"{100 * event.get('progress', 0.0):.0f} %  step {event['step']:,}  epoch {event['epoch']}  {figures(event)}"

"""Shared by all commands: consoles, progress bars, JSON output."""

from __future__ import annotations

import contextlib
import functools
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, cast

import click
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from kanatui.core.storage import json_text
from kanatui.core.units import duration

if TYPE_CHECKING:
    from kanatui.core.blocks import Pixels

out = Console(highlight=False)
err = Console(stderr=True, highlight=False)

quiet = False
"""Whether only results and errors are printed: no progress and no remarks."""

_PLAIN_EVERY = 5.0  # seconds between lines without a terminal, to keep logs readable


class Advance(Protocol):
    """Reports that work was done: ``advance(3, note="412 images/s")``."""

    def __call__(self, count: int = 1, note: str = "") -> None:
        """Add ``count`` to the work done; ``note`` replaces the rate."""


def print_json(value: Any) -> None:
    """Print a value as JSON on standard output."""
    print(json_text(value))


def print_glyphs(images: Sequence[Pixels], size: int, columns: int, wanted: str) -> None:
    """Print rows of glyphs, each ``size`` columns wide, with a blank column and a blank line between them."""
    from rich.segment import Segment, Segments
    from rich.style import Style

    from kanatui.tui.pictures import Pictures
    from kanatui.tui.terminal import Choice, chosen_here

    if wanted or (out.is_terminal and not out.no_color):
        choice = chosen_here(wanted)
    else:
        choice = Choice("ascii", "no terminal, or no colour")
    pictures = Pictures(choice, lambda data: print(data, end=""))
    for start in range(0, len(images), columns):
        row = [pictures.draw(image, size, size // 2, Style.null()) for image in images[start : start + columns]]
        for line in zip(*row, strict=True):
            joined = [segment for tile in line for segment in (*tile, Segment(" "))]
            out.print(Segments([*joined[:-1], Segment.line()]), end="")
        out.print()


def complain(message: str) -> None:
    """Print an error message on standard error without ending the command."""
    err.print(f"kanatui: {message}", style="red", markup=False, soft_wrap=True)


F = TypeVar("F", bound=Callable[..., Any])


def with_json(command: F) -> F:
    """Give a command the option `--json`: what it returns is printed as JSON, what people read on standard error."""

    @click.option("--json", "as_json", is_flag=True, help="Print JSON; what people read goes to standard error.")
    @functools.wraps(command)
    def run(*arguments: Any, as_json: bool = False, **options: Any) -> None:
        if not as_json:
            command(*arguments, **options)
            return
        out.stderr = True
        try:
            found = command(*arguments, **options)
        finally:
            out.stderr = False
        print_json(found)

    return cast(F, run)


def warn(message: str) -> None:
    """Print a remark on standard error, unless quiet: something worth knowing, but no error."""
    if quiet:
        return
    err.print(f"kanatui: {message}", style="yellow", markup=False, soft_wrap=True)


@contextlib.contextmanager
def progress(title: str, total: int, unit: str = "", done: int = 0) -> Iterator[Advance]:
    """Show progress, rate and time left on standard error: a bar on a terminal, plain lines elsewhere."""
    if quiet:
        yield lambda count=1, note="": None
    elif err.is_terminal:
        with _bar(title, total, unit, done) as advance:
            yield advance
    else:
        yield _plain(title, total, unit, done)


@contextlib.contextmanager
def counting(title: str, unit: str) -> Iterator[Callable[[int, int], None]]:
    """Yield a function that shows progress as (done, total), for work whose total is known only once it has begun."""
    shown = 0
    with progress(title, 100) as advance:

        def report(done: int, total: int) -> None:
            nonlocal shown
            share = done * 100 // total
            advance(share - shown, note=f"{done:,}/{total:,} {unit}")
            shown = share

        yield report


@contextlib.contextmanager
def stages(units: Mapping[str, str]) -> Iterator[Callable[[int, int, str], None]]:
    """Yield a function that shows the progress of successive stages as (done, total, what is being done).

    ``units`` names the unit of each stage whose rate is shown.
    """
    with contextlib.ExitStack() as shown:
        stage: tuple[str, int] = ("", 0)
        reached = 0
        advance: Advance | None = None

        def report(done: int, total: int, text: str) -> None:
            nonlocal stage, advance, reached
            if not total:
                return
            if (text, total) != stage or done < reached:
                shown.close()
                stage, reached = (text, total), done
                advance = shown.enter_context(progress(text, total, units.get(text, ""), done))
            elif advance and done > reached:
                advance(done - reached)
                reached = done

        yield report


@contextlib.contextmanager
def _bar(title: str, total: int, unit: str, done: int) -> Iterator[Advance]:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=None),
        TaskProgressColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[note]}"),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    started = time.monotonic()
    with Progress(*columns, console=err, expand=True, transient=True) as bar:
        task = bar.add_task(title, total=total, completed=done, note="")

        def advance(count: int = 1, note: str = "") -> None:
            bar.advance(task, count)
            made = bar.tasks[0].completed - done
            bar.update(task, note=note or _rate(made, time.monotonic() - started, unit))

        yield advance


def _plain(title: str, total: int, unit: str, done: int) -> Advance:
    started = last = time.monotonic()
    completed = done

    def advance(count: int = 1, note: str = "") -> None:
        nonlocal completed, last
        completed += count
        now = time.monotonic()
        if now - last >= _PLAIN_EVERY or completed >= total:
            last = now
            rate = (completed - done) / max(now - started, 1e-9)
            left = (total - completed) / rate if rate else 0.0
            note = note or _rate(completed - done, now - started, unit)
            print(f"{title}: {completed:,}/{total:,}  {note}  {duration(left)} left", file=sys.stderr, flush=True)

    return advance


def _rate(made: float, seconds: float, unit: str) -> str:
    return f"{made / max(seconds, 1e-9):,.0f} {unit}/s" if unit else ""

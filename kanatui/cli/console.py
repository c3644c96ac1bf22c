"""Shared by all commands: consoles, progress bars, JSON output."""

from __future__ import annotations

import codecs
import contextlib
import functools
import io
import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol, TextIO, TypeVar, cast

import click
from rich.console import Console, ConsoleOptions, RenderableType
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.segment import Segment
from typing_extensions import override

from kanatui.core.harmless import harmless, json_escaped
from kanatui.core.storage import json_text
from kanatui.core.units import duration, is_unicode

if TYPE_CHECKING:
    from rich.status import Status

    from kanatui.core.blocks import Pixels


class HarmlessConsole(Console):
    """Prints what it is given in plain words: nothing in it is markup, and none of it can command the terminal."""

    def __init__(self, *, stderr: bool = False, width: int | None = None) -> None:
        super().__init__(stderr=stderr, width=width, highlight=False, markup=False, emoji=False)

    @override
    def print(self, *objects: Any, **options: Any) -> None:
        """Print; each text among the objects takes one line."""
        super().print(*(harmless(each, None) if isinstance(each, str) else each for each in objects), **options)

    @override
    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterator[Segment]:
        """Render tables and the like, whose cells are rendered by themselves, before they are made to fit."""
        for segment in super().render(renderable, options):
            # Only Rich itself makes control segments, for progress bars.
            harmful = not segment.control and segment.text != "\n" and not segment.text.isprintable()
            yield Segment(lines_of(segment.text), segment.style) if harmful else segment


def lines_of(text: str) -> str:
    """Return a text of several lines, each of them harmless."""
    return "\n".join(harmless(line, None) for line in text.split("\n"))


out = HarmlessConsole()
err = HarmlessConsole(stderr=True)

quiet = False
"""Whether only results and errors are printed: no progress and no remarks."""

_PLAIN_EVERY = 5.0  # seconds between lines without a terminal, to keep logs readable


_STAND_INS = {
    "→": "->",
    "…": "...",
    "×": "x",
    "–": "-",
    "·": "-",
    "≥": ">=",
    "°": " deg",
    "±": "+-",
    "µ": "u",
    "⋯": "...",
}
"""What is printed for a mark that the output's encoding lacks."""


def _stand_in(error: UnicodeError) -> tuple[str, int]:
    """Replace a character that the encoding lacks: by an ASCII mark, else by the escape that JSON and TOML read."""
    assert isinstance(error, UnicodeEncodeError)
    lacking = error.object[error.start : error.end]
    return "".join(
        _STAND_INS.get(c) or (f"\\u{ord(c):04x}" if c <= "\uffff" else f"\\U{ord(c):08x}") for c in lacking
    ), error.end


codecs.register_error("kanatui-output", _stand_in)


def open_standard_files() -> None:
    """Replace those of the standard files that whoever started this process has closed by ones that hold nothing.

    Otherwise the next file that is opened would take their place, and what is printed would go into it.
    """
    for number, (name, mode) in enumerate((("stdin", "r"), ("stdout", "w"), ("stderr", "w"))):
        if getattr(sys, name) is None:
            opened = os.open(os.devnull, os.O_RDWR)
            if opened != number:
                os.dup2(opened, number)
                os.close(opened)
            file = open(number, mode, encoding="utf-8")  # noqa: SIM115  # stays open
            setattr(sys, name, file)
            setattr(sys, f"__{name}__", file)


def print_in_any_encoding() -> None:
    """Let standard output and error take every text: what their encoding lacks is replaced.

    Encodings other than UTF-8 come from a locale or ``PYTHONIOENCODING``; and a file's name need not be UTF-8.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="kanatui-output")


def prints_unicode(stream: TextIO | None = None) -> bool:
    """Return whether a stream, by default standard output, can take every character."""
    return is_unicode(getattr(stream or sys.stdout, "encoding", None))


class Advance(Protocol):
    """Reports that work was done: ``advance(3, note="412 images/s")``."""

    def __call__(self, count: int = 1, note: str = "") -> None:
        """Add ``count`` to the work done; ``note`` replaces the rate."""


def print_json(value: Any) -> None:
    """Print a value as JSON on standard output, in ASCII alone unless that is UTF-8."""
    print(json_escaped(json_text(value)) if prints_unicode() else json.dumps(value, indent=2))


def print_text(text: str) -> None:
    """Print a text of several lines, such as a file's, on standard output."""
    print(lines_of(text), end="")


def confirm(question: str) -> None:
    """Ask; any answer but yes ends the command."""
    click.confirm(harmless(question), abort=True)


def print_glyphs(images: Sequence[Pixels], size: int, columns: int, wanted: str) -> None:
    """Print rows of glyphs, each ``size`` columns wide, with a blank column and a blank line between them."""
    from rich.segment import Segments
    from rich.style import Style

    from kanatui.tui.pictures import Pictures
    from kanatui.tui.ways import Choice, as_text, chosen_here

    if not prints_unicode():
        choice = Choice("ascii", "output is not UTF-8")
    elif wanted or (out.is_terminal and not out.no_color):
        choice = as_text(chosen_here(wanted))
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
    err.print(f"kanatui: {message}", style="red", soft_wrap=True)


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
    err.print(f"kanatui: {message}", style="yellow", soft_wrap=True)


def status(text: str) -> Status:
    """Return a context that shows on a terminal's standard error what is being done, with a spinner."""
    return err.status(text, spinner="dots" if prints_unicode(sys.stderr) else "line")


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
def waiting(what: str) -> Iterator[None]:
    """Show on a terminal that something is being done whose progress is not known."""
    with err.status(what) if err.is_terminal else contextlib.nullcontext():
        yield


@contextlib.contextmanager
def _bar(title: str, total: int, unit: str, done: int) -> Iterator[Advance]:
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=None),
        TaskProgressColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[note]}", markup=False),
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
    first: tuple[float, int] | None = None  # what comes first takes long, because models are loaded before

    def advance(count: int = 1, note: str = "") -> None:
        nonlocal completed, last, first
        completed += count
        now = time.monotonic()
        since, already = first = first or (now, completed)
        if now - last >= _PLAIN_EVERY or completed >= total:
            last = now
            rate = (completed - already) / max(now - since, 1e-9)
            left = f"  {duration((total - completed) / rate)} left" if rate else ""
            note = note or _rate(completed - done, now - started, unit)
            print(
                f"{harmless(title)}: {completed:,}/{total:,}  {note}{left}",
                file=sys.stderr,
                flush=True,
            )

    return advance


def _rate(made: float, seconds: float, unit: str) -> str:
    return f"{made / max(seconds, 1e-9):,.0f} {unit}/s" if unit else ""

"""Starts the app so that nothing else can write to its terminal."""

from __future__ import annotations

import contextlib
import errno
import gc
import importlib
import io
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from typing_extensions import override

from kanatui.core import paths, storage
from kanatui.core.errors import KanatuiError, UsageError
from kanatui.core.units import is_unicode
from kanatui.tui.settings import Settings
from kanatui.tui.terminal import Terminal, asking, cell_of, terminal_width, understood, window
from kanatui.tui.ways import choose, is_decided

_LONGEST_LOG = 1_000_000
"""Bytes."""


_COLLECTED_AFTER = 2_000, 20, 100
"""Python's own 700, 10, 10 collect so often that new objects of a change of screens count as old at once."""


def run_app(pictures: str = "") -> None:
    """Open the app and return when the user leaves it.

    Args:
        pictures: how to show pictures, one of :data:`.CHOICES`; "" for what the user's settings say.

    Raises:
        UsageError: standard input or output is not a terminal, or is a dumb one, or not one of UTF-8.
        KanatuiError: the app crashed.
    """
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise UsageError("the app needs a terminal; for scripts there are commands: kanatui --help")
    if os.environ.get("TERM") == "dumb":  # as inside an editor: escape sequences would stand there as text
        raise UsageError(
            "the app cannot draw on a terminal of TERM=dumb: use the commands (kanatui --help), "
            "or export TERM=xterm-256color if the terminal is better than that"
        )
    choose(None, os.environ, pictures)  # a wrong name is told of before anything is written to the terminal
    _require_utf8()
    terminal = _asked(pictures)
    from kanatui.tui.app import KanatuiApp

    log = storage.make_folder(paths.home()) / "app.log"
    with _terminal_alone(log):
        app = KanatuiApp(pictures, terminal=terminal)
        app.settled = _spare_the_collector
        app.run()
    if app.return_code or not app.asked_to_leave:
        why = f" ({app.error})" if app.error else ""
        raise KanatuiError(f"the app crashed{why}; please report it with {log}. Trainings go on: start the app again")


def _require_utf8() -> None:
    """Raise UsageError if the terminal may not take UTF-8, in which Textual writes whatever the locale says."""
    encoding = sys.stdout.encoding
    if not is_unicode(encoding) and terminal_width("あ") != 2:  # a terminal of UTF-8 with a wrong locale is as good
        raise UsageError(
            f"the app needs a UTF-8 terminal, and the locale's encoding is {encoding.lower()}: export LC_ALL=C.UTF-8"
        )


def _asked(pictures: str) -> Terminal:
    """Ask the terminal who it is, unless that is of no use; the app is imported while the answer travels."""
    environment = os.environ
    if is_decided(environment, pictures, Settings.load().pictures):
        return understood(environment)
    with asking(environment) as question:
        importlib.import_module("kanatui.tui.app")
        reply = b"" if question is None else question.answers()
    return understood(environment, reply, cell_of(window(0)))


def _spare_the_collector() -> None:
    """Exclude all present objects from Python's garbage collection.

    A full collection walks 270,000 objects, nearly all of them modules and widgets that stay until the end: 90 to
    240 ms, twice in ten changes of screens, in which no key is answered.
    """
    gc.freeze()
    gc.set_threshold(*_COLLECTED_AFTER)


class TerminalFile(io.FileIO):
    """A terminal that can be written to even after it was closed.

    It may be closed before SIGHUP arrives. An error would end the thread in which Textual writes, and the app waits for
    that thread when it exits.
    """

    @override
    def write(self, data: Any, /) -> int:
        """Write bytes; drop them if the terminal is closed."""
        try:
            return super().write(data)
        except OSError as error:
            if error.errno != errno.EIO:
                raise
            return len(data)


@contextlib.contextmanager
def _terminal_alone(log: Path) -> Iterator[None]:
    """Keep the terminal for Textual: whatever else prints, C libraries included, writes into a log.

    A file's name may hold bytes that are not UTF-8, and with them nothing could be written: they become question marks.
    Textual's driver writes to ``sys.__stderr__`` and asks ``sys.__stdout__`` for the terminal's size: these become a
    copy of the terminal, descriptors 1 and 2 the log.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    kept = (os.dup(1), os.dup(2))
    before = sys.__stdout__, sys.__stderr__
    with storage.storing(log):
        # Appended to, because two apps may be open; emptied once it is long.
        fresh = os.O_TRUNC if log.exists() and log.stat().st_size > _LONGEST_LOG else 0
        file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | fresh, 0o600)
    out = io.BufferedWriter(TerminalFile(kept[0], "w", closefd=False))
    with io.TextIOWrapper(out, "utf-8", "replace") as terminal:
        sys.__stdout__ = sys.__stderr__ = terminal  # type: ignore[misc]  # typed as final, but where the driver looks
        os.dup2(file, 1)
        os.dup2(file, 2)
        try:
            yield
        finally:
            sys.__stdout__, sys.__stderr__ = before  # type: ignore[misc]
            os.dup2(kept[0], 1)
            os.dup2(kept[1], 2)
            for number in (*kept, file):
                os.close(number)

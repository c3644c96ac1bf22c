"""The events of a run in words, and what its process printed."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import Any

from rich.table import Column, Table
from rich.text import Text
from textual.widgets import RichLog

from kanatui.core import storage
from kanatui.tui.train.follow import History

_MOST_LINES = 1000
_TAIL = 1 << 16
_CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def clean(line: str) -> str:
    """Remove what would move the cursor or change colours; of an overwritten line keep the last version."""
    return _CONTROL.sub("", line.rstrip("\r\n").rpartition("\r")[2]).expandtabs()


def read_from(path: Path, offset: int) -> tuple[int, list[str]]:
    """Return where the last complete line ends, and the lines from ``offset`` to there (only the last of many)."""
    try:
        with storage.open_to_read(path) as file:
            size = file.seek(0, 2)
            start = max(min(offset, size), size - _TAIL)
            file.seek(start)
            data = file.read(_TAIL)
    except OSError:
        return offset, []
    complete = data[: data.rfind(b"\n") + 1]
    lines = complete.decode(errors="replace").split("\n")[:-1]
    cut = start > offset and lines  # begins in the middle of a line
    return start + len(complete), [clean(line) for line in (lines[1:] if cut else lines)]


class EventLog(RichLog):
    """What happened in the run, in words."""

    def __init__(self, **options: Any) -> None:
        super().__init__(wrap=True, min_width=0, max_lines=_MOST_LINES, auto_scroll=True, **options)
        self._shown = 0

    def restart(self) -> None:
        """Start again, for another run."""
        self.clear()
        self._shown = 0

    def show(self, history: History) -> None:
        """Add what is new."""
        new = min(history.written - self._shown, len(history.lines))
        self._shown = history.written
        for line in list(history.lines)[-new:] if new else []:
            self.write(_hanging(line))


def _hanging(line: str) -> Table:
    """Indent what does not fit on a line, so that it stays out of the column of times."""
    moment, _, words = line.partition("  ")
    table = Table.grid("", Column(overflow="fold"), padding=(0, 2, 0, 0))
    table.add_row(moment, Text(words))
    return table


class OutputLog(RichLog):
    """The run's train.log, its end."""

    def __init__(self, **options: Any) -> None:
        super().__init__(wrap=True, min_width=0, max_lines=_MOST_LINES, auto_scroll=True, **options)
        self._path: Path | None = None
        self._offset = 0
        self._told_empty = False

    def follow(self, path: Path) -> None:
        """Show another file."""
        if path != self._path:
            self.clear()
            self._path, self._offset, self._told_empty = path, 0, False

    async def advance(self) -> None:
        """Show what was added to the file."""
        path, offset = self._path, self._offset
        if path is None:
            return
        end, lines = await asyncio.to_thread(read_from, path, offset)
        if path == self._path and offset == self._offset:
            self._offset = end
            if not end and not self._told_empty:
                self._told_empty = True
                self.write("Nothing has been printed here. A training that was started in a shell prints there.")
            elif lines and self._told_empty:
                self.clear()
                self._told_empty = False
            for line in lines:
                self.write(line)

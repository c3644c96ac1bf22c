"""Runs a program on a pseudo-terminal: sends keys, and counts and times every byte of output."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import select
import signal
import struct
import subprocess
import termios
import threading
import time
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Self

from kanatui.core import processes
from kanatui.core.errors import KanatuiError

_QUERIES = {
    b"\x1b[?2026$p": b"\x1b[?2026;2$y",  # synchronized output: supported, off
    b"\x1b[?2048$p": b"\x1b[?2048;0$y",  # in-band resize: not supported
    b"\x1b[c": b"\x1b[?62;22c",  # primary device attributes: a VT220 with colours
}
"""Queries to the terminal at the start, and the answers of a plain terminal."""


_SEQUENCE = re.compile(rb"\x1b(\[[0-?]*[ -/]*[@-~]|[P_\]].*?(\x1b\\|\x07)|.)", re.DOTALL)
"""What a terminal does not show: control sequences and strings (ECMA-48)."""


def _readable(output: bytes) -> str:
    """Return the text of some output on one line."""
    return " ".join(_SEQUENCE.sub(b" ", output).decode(errors="replace").split())


def _surroundings() -> dict[str, str]:
    """Return the environment without COLUMNS and LINES, which would override the terminal's own size."""
    return {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES")}


class Terminal:
    """Runs a command on a pseudo-terminal and records its output with times."""

    def __init__(
        self,
        command: Sequence[str],
        columns: int = 120,
        lines: int = 40,
        environment: Mapping[str, str] | None = None,
        answers: Mapping[bytes, bytes] = _QUERIES,
    ) -> None:
        """Start the command in a new session, with the pseudo-terminal as its controlling terminal.

        Args:
            command: the program and its arguments.
            columns: width of the terminal in cells.
            lines: its height.
            environment: variables that differ from this process's.
            answers: what the terminal answers to which queries.
        """
        self._answers = answers
        self._main, inner = os.openpty()
        self.resize(columns, lines)
        self.started = time.perf_counter()
        self.process = subprocess.Popen(
            command,
            stdin=inner,
            stdout=inner,
            stderr=inner,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
            env={**_surroundings(), "TERM": "xterm-256color", "COLORTERM": "truecolor", **(environment or {})},
        )
        os.close(inner)
        self._lock = threading.Condition()
        self._closing, self._close = os.pipe()
        self._output = bytearray()
        self._times: list[tuple[int, float]] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @classmethod
    def app(
        cls, *arguments: str, columns: int = 120, lines: int = 40, environment: Mapping[str, str] | None = None
    ) -> Self:
        """Start ``kanatui ARGUMENTS…``."""
        return cls(processes.python("-m", "kanatui", *arguments), columns, lines, environment)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the command and close the terminal."""
        self.end()

    def _read(self) -> None:
        while self._closing not in select.select([self._main, self._closing], [], [])[0]:
            try:
                data = os.read(self._main, 1 << 16)
            except OSError:  # no program has it open any more
                break
            self._note(data)
        with self._lock:
            self._lock.notify_all()

    def _note(self, data: bytes) -> None:
        with self._lock:
            self._output += data
            self._times.append((len(self._output), time.perf_counter()))
            self._lock.notify_all()
        for query, answer in self._answers.items():
            if query in data:
                self.write(answer)

    # ── input ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def write(self, data: bytes) -> None:
        """Send bytes as input; ignored if the terminal is closed."""
        with contextlib.suppress(OSError):
            os.write(self._main, data)

    def press(self, keys: str) -> int:
        """Send keys and return the number of bytes painted before, for :meth:`wait_for`."""
        before = len(self._output)
        self.write(keys.encode())
        return before

    def resize(self, columns: int, lines: int) -> None:
        """Change the size, in cells; the program is notified as by a real terminal."""
        fcntl.ioctl(self._main, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def hang_up(self) -> None:
        """Close the terminal like a dropped connection: the program gets SIGHUP."""
        if self._main < 0:
            return
        # The reader ends first: the next terminal may get the same file number, and its output would be read here.
        os.close(self._close)
        self._reader.join()
        for descriptor in (self._main, self._closing):
            os.close(descriptor)
        self._main = -1

    def end(self) -> None:
        """Terminate the command if it is still running, and close the terminal."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                self.process.send_signal(signal.SIGKILL)
                self.process.wait()
        self.hang_up()

    # ── output ────────────────────────────────────────────────────────────────────────────────────────────────────

    @property
    def painted(self) -> int:
        """Bytes painted so far."""
        return len(self._output)

    @property
    def last_painted(self) -> float:
        """Time of the last output (`time.perf_counter`); the start if there was none."""
        return self._times[-1][1] if self._times else self.started

    def text(self, since: int = 0) -> str:
        """Return the output from byte ``since`` on, including escape sequences."""
        return self._output[since:].decode(errors="replace")

    def wait_for(self, text: str | Sequence[str], since: int = 0, seconds: float = 90.0) -> float:
        """Wait until a text, or one of several, has been painted and return the time of that (`time.perf_counter`).

        Raises:
            KanatuiError: it did not appear in time, or the program ended.
        """
        texts = [text] if isinstance(text, str) else text
        wanted, deadline = [each.encode() for each in texts], time.perf_counter() + seconds
        with self._lock:
            while True:
                found = [(place, each) for each in wanted if (place := self._output.find(each, since)) >= 0]
                if found:
                    place, first = min(found)
                    return self._when(place + len(first))
                left = deadline - time.perf_counter()
                if left <= 0 or not self._reader.is_alive():
                    last = _readable(bytes(self._output[-4000:]))[-200:]
                    how = "" if self.process.poll() is None else f"ended with status {self.process.returncode}; "
                    raise KanatuiError(f"the app never showed {' or '.join(texts)}; {how}its last output: {last}")
                self._lock.wait(min(left, 0.5))

    def _when(self, place: int) -> float:
        return next(moment for end, moment in self._times if end >= place)

    def wait_until_quiet(self, seconds: float, most: float = 30.0, since: int = -1) -> None:
        """Wait until nothing has been painted for ``seconds``.

        Args:
            seconds: length of the quiet period.
            most: seconds after which to return anyway.
            since: byte count as returned by :meth:`press`; something must have been painted after it first.
        """
        deadline = time.perf_counter() + most
        while time.perf_counter() < deadline:
            if self.painted > since and time.perf_counter() - self.last_painted >= seconds:
                return
            time.sleep(seconds / 10)

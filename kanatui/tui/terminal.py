"""Which terminal this is: what the environment says, and what the terminal answers when it is asked."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import re
import select
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping

LIMIT = 1.0
"""Seconds to wait for answers: several round trips over a slow SSH line. Every terminal answers the last query."""

QUERIES = "\x1b[>0q\x1b[>c\x1b_Gi=31,s=1,v=1,a=q,t=d,f=24;AAAA\x1b\\\x1b]11;?\x1b\\\x1b[16t\x1b[c"
"""Name and version (XTVERSION, secondary device attributes), Kitty's graphics, the background's colour (OSC 11), the
size of a cell (XTWINOPS), and what every terminal answers."""

_NAME = re.compile(rb"\x1bP>\|([^\x1b]*)\x1b\\")
_SECONDARY = re.compile(rb"\x1b\[>(\d+);(\d+)(?:;\d+)*c")
_GRAPHICS = re.compile(rb"\x1b_Gi=31;OK\x1b\\")
_BACKGROUND = re.compile(rb"\x1b\]11;rgb:([0-9a-fA-F]{1,4})/([0-9a-fA-F]{1,4})/([0-9a-fA-F]{1,4})")
_CELL = re.compile(rb"\x1b\[6;(\d+);(\d+)t")
_PRIMARY = re.compile(rb"\x1b\[\?([\d;]*)c")

_ALSO_CALLED = {"iterm.app": "iterm2", "vscode": "xterm.js"}
"""Names in TERM_PROGRAM, and how the same terminals call themselves when asked."""

_PLACES_PICTURES: Mapping[str, tuple[int, ...]] = {"kitty": (0, 28), "ghostty": (0,)}
"""The first version in which placeholder characters stand for parts of a picture (Kitty's graphics protocol)."""


@dataclasses.dataclass(frozen=True)
class Terminal:
    """What is known of the terminal; nothing, if it was not asked or did not answer."""

    name: str = ""
    """In lower case: ``kitty``, ``foot``, ``vte`` …"""
    version: tuple[int, ...] = ()
    graphics: bool = False
    """Whether it answered that it understands Kitty's graphics, or its name says so."""
    sixel: bool = False
    """Whether it answered that it understands Sixel."""
    cell: tuple[int, int] = (0, 0)
    """Width and height of a cell in pixels; zeros if that is not known."""
    tmux: bool = False
    """Whether tmux is in between; the rest is then about the terminal that tmux runs in."""
    passthrough: bool = False
    """Whether tmux lets graphics through (its option ``allow-passthrough``)."""
    answered: bool = False
    light: bool | None = None
    """Whether its background is light, None if that is not known."""

    @property
    def text(self) -> str:
        """Name and version, and tmux."""
        version = ".".join(map(str, self.version))
        name = f"{self.name} {version}".strip() or ("no answer" if not self.answered else "unnamed")
        return f"{name} in tmux" if self.tmux else name


class Question:
    """A question to the terminal. Between :func:`asking` and :meth:`answers` other work can be done."""

    def __init__(self, descriptor: int, until: float) -> None:
        self._descriptor, self._until = descriptor, until

    def answers(self) -> bytes:
        """Return what the terminal answered, at the latest when the time is up."""
        reply = b""
        with contextlib.suppress(OSError, ValueError):  # the terminal was closed
            while not _PRIMARY.search(reply) and (left := self._until - time.monotonic()) > 0:
                if not select.select([self._descriptor], [], [], left)[0]:
                    break
                data = os.read(self._descriptor, 1024)
                if not data:
                    break
                reply += data
        return reply


@contextlib.contextmanager
def asking(environment: Mapping[str, str], limit: float = LIMIT) -> Iterator[Question | None]:
    """Ask the terminal of standard input and output, without echo; None if there is none, or one that cannot answer.

    What the user types meanwhile is lost, as at the start of any full-screen program.
    """
    stdin, stdout = 0, 1
    if environment.get("TERM", "") in ("", "dumb", "unknown", "linux"):
        yield None
        return
    try:
        import termios
        import tty

        # The system would stop a background process for changing the terminal's settings.
        if not (os.isatty(stdin) and os.isatty(stdout)) or os.tcgetpgrp(stdin) != os.getpgrp():
            yield None
            return
        before = termios.tcgetattr(stdin)
    except (ImportError, OSError, termios.error):
        yield None
        return
    try:
        tty.setcbreak(stdin, termios.TCSADRAIN)
        os.write(stdout, QUERIES.encode())
        yield Question(stdin, time.monotonic() + limit)
    finally:
        with contextlib.suppress(OSError, termios.error):
            # Flushing drops a late answer, which would otherwise count as typed.
            termios.tcsetattr(stdin, termios.TCSAFLUSH, before)


def terminal_width(text: str) -> int | None:
    """Return the columns the terminal takes for the text: print it, ask for the cursor (DSR 6), clear the line.

    None if standard input and output are not one terminal in the foreground, or if it does not answer.
    """
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        return None
    try:
        import termios
        import tty
    except ImportError:  # Windows
        return None
    stdin, stdout = sys.stdin.fileno(), sys.stdout.fileno()
    try:
        # The system would stop a background process for changing the terminal's settings.
        if os.tcgetpgrp(stdin) != os.getpgrp():
            return None
        before = termios.tcgetattr(stdin)
    except (OSError, termios.error):
        return None
    try:
        tty.setcbreak(stdin, termios.TCSADRAIN)
        sys.stdout.flush()
        os.write(stdout, f"\r{text}\x1b[6n".encode())
        column = _cursor_column(stdin)
        os.write(stdout, b"\r\x1b[K")
    finally:
        # Flushing drops a late reply, which the shell would otherwise take for typing.
        termios.tcsetattr(stdin, termios.TCSAFLUSH, before)
    return None if column is None else column - 1


def _cursor_column(stdin: int) -> int | None:
    reply, until = b"", time.monotonic() + LIMIT
    while (left := until - time.monotonic()) > 0 and select.select([stdin], [], [], left)[0]:
        reply += os.read(stdin, 64)
        found = re.search(rb"\x1b\[\d+;(\d+)R", reply)
        if found:
            return int(found[1])
    return None


def window(descriptor: int) -> tuple[int, int, int, int]:
    """Return columns, lines, width and height in pixels of a terminal; zeros where the system does not know."""
    import fcntl
    import struct
    import termios

    try:
        lines, columns, width, height = struct.unpack("4H", fcntl.ioctl(descriptor, termios.TIOCGWINSZ, bytes(8)))
    except OSError:
        return 0, 0, 0, 0
    return columns, lines, width, height


def cell_of(window: tuple[int, int, int, int]) -> tuple[int, int]:
    """Return width and height of a cell in pixels from those of the :func:`window`; zeros if they are not known."""
    columns, lines, width, height = window
    return (width // columns, height // lines) if columns and lines else (0, 0)


def understood(environment: Mapping[str, str], reply: bytes = b"", cell: tuple[int, int] = (0, 0)) -> Terminal:
    """Return what the environment and the terminal's answers say. In tmux, tmux is asked about its own terminal.

    Args:
        environment: its variables.
        reply: what the terminal answered.
        cell: the size of a cell as :func:`cell_of` knows it; zeros if only the terminal does.
    """
    if environment.get("TERM", "") in ("", "dumb", "unknown"):
        return Terminal("dumb")
    name, version = _named(reply, environment)
    primary = _PRIMARY.search(reply)
    answered = primary is not None
    sixel = primary is not None and b"4" in primary[1].split(b";")[1:]
    size = _CELL.search(reply)
    if size and not all(cell):
        cell = int(size[2]), int(size[1])
    light = _is_light(environment, reply)
    if name == "tmux" or "TMUX" in environment:
        outer, passthrough = _outside_tmux()
        name, version = _parsed(outer)
        return Terminal(name, version, places_pictures(name, version), sixel, cell, True, passthrough, answered, light)
    graphics = bool(_GRAPHICS.search(reply)) or (not answered and places_pictures(name, version))
    return Terminal(name, version, graphics, sixel, cell, answered=answered, light=light)


def _is_light(environment: Mapping[str, str], reply: bytes) -> bool | None:
    """Return whether the background is light, by the terminal's answer or else by its number in COLORFGBG."""
    answer = _BACKGROUND.search(reply)
    if answer:
        red, green, blue = (int(part, 16) / (16 ** len(part) - 1) for part in answer.groups())
        return bool(0.2126 * red + 0.7152 * green + 0.0722 * blue > 0.5)
    number = environment.get("COLORFGBG", "").rpartition(";")[2]
    # White, and the bright colours other than grey.
    return int(number) == 7 or int(number) > 8 if number.isdecimal() else None


def _named(reply: bytes, environment: Mapping[str, str]) -> tuple[str, tuple[int, ...]]:
    said = _NAME.search(reply)
    if said:
        return _parsed(said[1].decode("ascii", "replace"))
    secondary = _SECONDARY.search(reply)
    if environment.get("TERM", "").startswith("alacritty") and secondary:
        number = int(secondary[2])
        return "alacritty", (number // 10000, number // 100 % 100, number % 100)
    if environment.get("VTE_VERSION", "").isdecimal():
        return "vte", (int(environment["VTE_VERSION"]),)
    program = f"{environment.get('TERM_PROGRAM', '')} {environment.get('TERM_PROGRAM_VERSION', '')}".strip()
    return _parsed(program or environment.get("TERM", "").removeprefix("xterm-"))


def _parsed(text: str) -> tuple[str, tuple[int, ...]]:
    """Split ``kitty(0.35.2)``, ``WezTerm 20240203-…`` or ``tmux 3.4`` into a name in lower case and a version."""
    found = re.match(r"([A-Za-z][A-Za-z._-]*(?:\d+(?=[ (]))?)[ (]*([\d.]*)", text.strip())
    if found is None:
        return "", ()
    name = found[1].lower()
    return _ALSO_CALLED.get(name, name), tuple(int(part) for part in found[2].split(".") if part)


def _outside_tmux() -> tuple[str, bool]:
    """Return name and version of the terminal that tmux runs in, and whether tmux lets graphics through."""
    wanted = "#{client_termtype}\t#{client_termname}\t#{allow-passthrough}"
    try:
        done = subprocess.run(
            ["tmux", "display-message", "-p", wanted],  # noqa: S607  # the tmux that this process is in is on the path
            capture_output=True, text=True, timeout=LIMIT, check=False, stdin=subprocess.DEVNULL,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return "", False
    parts = [*done.stdout.strip("\n").split("\t"), "", "", ""]
    kind = parts[0] or parts[1].removeprefix("xterm-")
    return kind, parts[2] in ("on", "all", "1")


def places_pictures(name: str, version: tuple[int, ...]) -> bool:
    """Whether this terminal shows pictures in place of placeholder characters; one without a version is new."""
    return name in _PLACES_PICTURES and (not version or version >= _PLACES_PICTURES[name])

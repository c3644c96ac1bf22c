"""Benchmark of the Draw screen: the time from the end of a mouse stroke until its readings are painted."""

from __future__ import annotations

import itertools
import statistics
import time
from collections.abc import Iterable, Mapping, Sequence

from kanatui.cli.bench.figures import Figure
from kanatui.cli.bench.terminal import Terminal
from kanatui.pictures.drawing import Point

Line = tuple[Point, ...]
"""Corners of a stroke, as shares of the board's width and height."""

CHARACTERS: Mapping[str, Sequence[Line]] = {
    "ニ": (((0.3, 0.3), (0.7, 0.3)), ((0.2, 0.7), (0.8, 0.7))),
    "ト": (((0.4, 0.15), (0.4, 0.85)), ((0.4, 0.4), (0.7, 0.6))),
    "イ": (((0.7, 0.15), (0.25, 0.5)), ((0.55, 0.35), (0.55, 0.85))),
    "コ": (((0.25, 0.25), (0.75, 0.25), (0.75, 0.75)), ((0.25, 0.75), (0.75, 0.75))),
    "エ": (((0.3, 0.25), (0.7, 0.25)), ((0.5, 0.25), (0.5, 0.75)), ((0.2, 0.75), (0.8, 0.75))),
    "キ": (((0.25, 0.35), (0.75, 0.3)), ((0.2, 0.6), (0.8, 0.55)), ((0.45, 0.15), (0.55, 0.85))),
    "テ": (((0.35, 0.2), (0.65, 0.2)), ((0.2, 0.45), (0.8, 0.45)), ((0.55, 0.45), (0.35, 0.85))),
    "サ": (((0.2, 0.4), (0.8, 0.4)), ((0.35, 0.2), (0.35, 0.6)), ((0.65, 0.2), (0.65, 0.5), (0.45, 0.85))),
}
"""Characters with straight strokes; the strokes are in writing order."""

_BOARD = (2, 3, 72, 36)
"""Left column, top line, columns and lines of a square on the board at 120×40; column and line count from 1."""

_GOAL = 100.0  # ms
_ROUNDS = 2
_POINTS = 24  # mouse reports per stroke
_BETWEEN_REPORTS = 0.008  # seconds: a mouse reports 125 times a second
_BETWEEN_STROKES = 0.3
_READY = 1.0  # seconds without output after which the model and the pictures are loaded
_READING = ("█", "▌", "▏")  # how a reading's bar begins; nothing else on the screen is drawn with these
_HINT = "Draw with the mouse"  # shown on an empty board once the model is loaded
_LEFT, _DRAG = 0, 32  # the button's code, and what is added to it while the mouse moves


def measure_pen(terminal: Terminal, note: str, characters: Iterable[str] = CHARACTERS, rounds: int = _ROUNDS) -> Figure:
    """Draw on the Draw screen and measure the ms from the end of each stroke to the first paint of new readings.

    Args:
        terminal: the app at 120×40, with no text field focused.
        note: the circumstances, for the figure's note.
        characters: keys of :data:`CHARACTERS`; the board is cleared after each.
        rounds: how often each character is drawn.

    Returns:
        The slowest stroke as the value, all strokes as samples.

    Raises:
        KanatuiError: no readings appeared.
    """
    since = terminal.press("4")
    terminal.wait_for(_HINT, since)
    terminal.wait_until_quiet(_READY, most=5 * _READY)
    first: list[float] = []
    later: list[float] = []
    for character in rounds * list(characters):
        took = [1000 * _stroke(terminal, line) for line in CHARACTERS[character]]
        first.append(took[0])
        later += took[1:]
        since = terminal.press("c")
        terminal.wait_for(_HINT, since)
        time.sleep(_BETWEEN_STROKES)
    medians = f"median of first strokes {statistics.median(first):.0f}, of later ones {statistics.median(later):.0f}"
    return Figure("pen up to readings (worst)", max(first + later), "ms", _GOAL, first + later, f"{note}; {medians}")


def _stroke(terminal: Terminal, line: Line) -> float:
    """Draw a stroke at a human pace and return the seconds from its end to the readings."""
    cells = reports(line)
    terminal.write(_report(_LEFT, cells[0]))
    for cell in cells[1:]:
        time.sleep(_BETWEEN_REPORTS)
        terminal.write(_report(_LEFT + _DRAG, cell))
    since, lifted = terminal.painted, time.perf_counter()
    terminal.write(_report(_LEFT, cells[-1], up=True))
    took = terminal.wait_for(_READING, since) - lifted
    time.sleep(_BETWEEN_STROKES)
    return took


def reports(line: Line) -> list[tuple[int, int]]:
    """Return the cells (column, line) that a mouse reports along a stroke, without consecutive duplicates."""
    left, top, columns, lines = _BOARD
    pieces = list(itertools.pairwise(line))
    each = _POINTS // len(pieces)
    shares = [(start, end, step / each) for start, end in pieces for step in range(each + 1)]
    cells = (
        (
            left + round((columns - 1) * (start[0] + (end[0] - start[0]) * share)),
            top + round((lines - 1) * (start[1] + (end[1] - start[1]) * share)),
        )
        for start, end, share in shares
    )
    return [cell for cell, _ in itertools.groupby(cells)]


def _report(button: int, cell: tuple[int, int], up: bool = False) -> bytes:
    """Return a mouse report in xterm's mode 1006 (SGR)."""
    return f"\x1b[<{button};{cell[0]};{cell[1]}{'m' if up else 'M'}".encode()

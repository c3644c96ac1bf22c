"""The charts of a run, and of others laid over it."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import Static
from typing_extensions import override

from kanatui.tui.host import host
from kanatui.tui.train.follow import SCORES, History
from kanatui.tui.train.series import Points
from kanatui.tui.widgets.axis import Axis
from kanatui.tui.widgets.plot import Curve, Plot, UprightLine

COLOURS = ("#E69F00", "#56B4E9", "#009E73", "#CC79A7", "#D55E00")
"""Okabe and Ito's colours, which colour-blind people can distinguish; each run also has its own marker."""

MARKERS = ("o", "x", "+", "#", "*")
_RAW = "#888888"
_MOST_MARKERS = 12
MARKS = {"augment": ("A", "#56B4E9"), "paused": ("P", _RAW)}
"""The letter and the colour of what is marked at a step."""
_MARK_WORDS = {"augment": "augmentations changed", "paused": "paused"}


@dataclasses.dataclass(frozen=True)
class ChartedRun:
    """A run in the charts: its name and its history."""

    name: str
    history: History


@dataclasses.dataclass(frozen=True)
class Kind:
    """A chart: which curves of a run it shows, and how."""

    id: str
    title: str
    curves: tuple[str, ...]
    smooth: bool = False
    low: float | None = None


KINDS = (
    Kind("loss", "loss", ("loss",), smooth=True),
    Kind("scores", "read right, %", SCORES),
    Kind("rate", "learning rate", ("rate",), low=0.0),
    Kind("speed", "images per second", ("images_per_second",), low=0.0),
)


class Chart(Vertical):
    """A chart with its title and legend. ``show`` draws; nothing is drawn while it is hidden."""

    DEFAULT_CLASSES: ClassVar[str] = "chart"

    def __init__(self, kind: Kind) -> None:
        super().__init__(id=f"chart-{kind.id}")
        self.kind = kind
        self._runs: Sequence[ChartedRun] = ()
        self._drawn_for: object = None

    @override
    def compose(self) -> ComposeResult:
        yield Static(self.kind.title, classes="chart-title")
        yield Plot()

    @property
    def title(self) -> str:
        """The line above the plot: what it shows, and which curve is which."""
        return str(self.query_one(".chart-title", Static).content)

    def show(self, runs: Sequence[ChartedRun]) -> None:
        """Draw the runs if anything is new; the first is the one that is watched."""
        self._runs = runs
        plain = host(self).ascii
        state = [(run.name, run.history.events) for run in runs], plain, self.size
        if self.display and self.size and state != self._drawn_for:
            self._drawn_for = state
            self._draw(plain)

    @on(Plot.Moved)
    def _draw_closely(self) -> None:
        """Draw the visible part with more of its points."""
        self._drawn_for = None
        self.call_later(self.show, self._runs)

    def _draw(self, plain: bool) -> None:
        plot = self.query_one(Plot)
        longest = max((_last_step(run.history) for run in self._runs), default=0.0)
        # Growing in leaps keeps the curves in place between two redraws, so that few cells change.
        whole = Axis(0.0, _leap(longest))
        seen = plot.axes[0] if plot.moved else whole
        curves: list[Curve] = []
        parts = [Content(self.kind.title)]
        for index, run in enumerate(self._runs):
            drawn, legend = self._draw_run(run, index, seen, plain)
            curves += drawn
            parts += legend
        lines, marks = _marks(self._runs[0].history) if self._runs else ([], [])
        plot.show(curves, lines, whole, self._heights(curves))
        self._put_title(Content("  ").join([*parts, *marks]))

    def _put_title(self, text: Content) -> None:
        title = self.query_one(".chart-title", Static)
        if title.content != text:
            title.update(text, layout=False)

    def _draw_run(self, run: ChartedRun, index: int, seen: Axis, plain: bool) -> tuple[list[Curve], list[Content]]:
        """Return the curves of a run and their text in the legend."""
        colour = COLOURS[index % len(COLOURS)]
        marker = MARKERS[index % len(MARKERS)]
        alone = len(self._runs) == 1
        if self.kind.smooth:
            curve = run.history.curves[self.kind.curves[0]]
            smooth = curve.smooth(seen.low, seen.high)
            if not alone:
                return _line(smooth, colour, marker, plain, dotted=True), [_legend(run.name, colour, marker, True)]
            raw = _line(curve.drawn(seen.low, seen.high), _RAW, ".", plain)
            legend = [Content.styled("··· raw", _RAW), _legend("smoothed", colour, marker, False)]
            return [*raw, *_line(smooth, colour, marker, plain)], legend
        several = len(self.kind.curves) > 1
        curves, legend = [], []
        for place, name in enumerate(self.kind.curves if alone else self.kind.curves[-1:]):
            tint, sign = (COLOURS[place], MARKERS[place]) if alone else (colour, marker)
            points = run.history.curves[name].drawn(seen.low, seen.high)
            curves += _line(points, tint, sign, plain, dotted=several or not alone)
            word = name if alone else f"{run.name} {name}" if several else run.name
            if several or not alone:
                legend.append(_legend(word, tint, sign, True))
        return curves, legend

    def _heights(self, curves: Sequence[Curve]) -> Axis:
        """Return the vertical axis; a constant curve gets some room, so that ticks can be read."""
        heights = [height for curve in curves for height in curve.ys]
        if not heights:
            return Axis(0.0, 1.0)
        low, high = min(heights), max(heights)
        low = low if self.kind.low is None else min(low, self.kind.low)
        room = 0.05 * max(abs(high), 1e-6)
        return Axis(low - room, high + room) if high - low < 1e-3 * abs(high) else Axis(low, high)


def _line(points: Points, colour: str, sign: str, plain: bool, dotted: bool = False) -> list[Curve]:
    """Draw a curve in braille dots, or with plain characters at its points.

    Args:
        points: of the curve.
        colour: its colour.
        sign: its marker, which distinguishes curves without colour.
        plain: whether to draw without braille.
        dotted: whether to put the marker on a few points of it.
    """
    curves = [Curve(*points, colour, sign if plain else "")]
    if dotted:
        stride = max(1, math.ceil(len(points[0]) / _MOST_MARKERS))
        curves.append(Curve(points[0][::stride], points[1][::stride], f"bold {colour}", sign))
    return curves


def _marks(history: History) -> tuple[list[UprightLine], list[Content]]:
    """Return lines at changes of augmentations and at pauses, and their text in the legend."""
    marks = [mark for mark in history.marks if mark.kind in MARKS]
    lines = [UprightLine(mark.step, *MARKS[mark.kind]) for mark in marks]
    kinds = sorted({mark.kind for mark in marks})
    return lines, [Content.styled(f"{MARKS[kind][0]} {_MARK_WORDS[kind]}", MARKS[kind][1]) for kind in kinds]


def _legend(word: str, colour: str, sign: str, marked: bool) -> Content:
    return Content.styled(f"─{sign}─ {word}" if marked else f"── {word}", colour)


def _last_step(history: History) -> float:
    return float(history.step.get("step", 0) or history.scores.get("step", 0))


def _leap(step: float) -> float:
    """Round up to 1, 1.25, 1.5, 2, 2.5, 3, 4, 5, 6 or 8 times a power of ten."""
    if step <= 10:
        return 10.0
    power = 10.0 ** math.floor(math.log10(step))
    return next(power * factor for factor in (1, 1.25, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10) if power * factor >= step)

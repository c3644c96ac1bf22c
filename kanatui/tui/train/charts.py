"""The charts of a run, and of others laid over it. Imports NumPy: not for the first paint."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Any, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import Static
from textual_plot import HiResMode
from typing_extensions import override

from kanatui.tui.train.follow import History
from kanatui.tui.train.plot import Plot
from kanatui.tui.train.series import Points

COLOURS = ("#E69F00", "#56B4E9", "#009E73", "#CC79A7", "#D55E00")
"""Okabe and Ito's, which colour-blind people tell apart; each run has a marker of its own as well."""

MARKERS = ("o", "x", "+", "#", "*")
_RAW = "#888888"
_MOST_MARKERS = 12
MARKS = {"augment": ("A", "#56B4E9"), "paused": ("P", _RAW)}
"""The letter and the colour of what is marked at a step."""
_MARK_WORDS = {"augment": "augmentations changed", "paused": "paused"}


@dataclasses.dataclass(frozen=True)
class ChartedRun:
    """A run in the charts: what it is called and what it did."""

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
    Kind("scores", "read right, %", ("strict", "folded")),
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
        self._heights: list[float] = []

    @override
    def compose(self) -> ComposeResult:
        """Give the title line and the plot."""
        yield Static(self.kind.title, classes="chart-title")
        yield Plot()

    def show(self, runs: Sequence[ChartedRun]) -> None:
        """Draw the runs, the first being the one that is watched, if anything is new."""
        self._runs = runs
        plain = bool(getattr(self.app, "ascii", False))
        state = [(run.name, run.history.events) for run in runs], plain, self.size
        if self.display and self.size and state != self._drawn_for:
            self._drawn_for = state
            self._draw(plain)

    @on(Plot.ScaleChanged)
    def _zoomed(self) -> None:
        """Draw the part that is now seen with more of its points."""
        self._drawn_for = None
        self.call_later(self.show, self._runs)

    def _draw(self, plain: bool) -> None:
        plot = self.query_one(Plot)
        longest = max((_last_step(run.history) for run in self._runs), default=0.0)
        # Growing in leaps keeps the curves in place between two redraws, so that few cells change.
        end = _leap(longest)
        low, high = plot.span if plot.moved else (0.0, end)
        plot.clear()
        self._heights = []
        parts = [Content(self.kind.title)]
        for index, run in enumerate(self._runs):
            parts.extend(self._draw_run(plot, run, index, low, high, plain))
        marks = _draw_marks(plot, self._runs[0].history) if self._runs else []
        if not plot.moved:
            plot.set_xlimits(0.0, end)
            plot.set_ylimits(*self._limits())
        self._put_title(Content("  ").join([*parts, *marks]))

    def _put_title(self, text: Content) -> None:
        title = self.query_one(".chart-title", Static)
        if title.content != text:
            title.update(text, layout=False)

    def _draw_run(self, plot: Plot, run: ChartedRun, index: int, low: float, high: float, plain: bool) -> list[Content]:
        colour = COLOURS[index % len(COLOURS)]
        marker = MARKERS[index % len(MARKERS)]
        alone = len(self._runs) == 1
        if self.kind.smooth:
            curve = run.history.curves[self.kind.curves[0]]
            if alone:
                self._line(plot, curve.drawn(low, high), _RAW, plain, ".")
            self._line(plot, curve.smooth(low, high), colour, plain, marker)
            if not alone:
                _dots(plot, curve.smooth(low, high), colour, marker)
            raw = [Content.styled("··· raw", _RAW)] if alone else []
            return [*raw, _legend("smoothed" if alone else run.name, colour, marker, not alone)]
        names = self.kind.curves if alone else self.kind.curves[-1:]
        legend = []
        for place, name in enumerate(names):
            tint, sign = (COLOURS[place], MARKERS[place]) if alone else (colour, marker)
            points = run.history.curves[name].drawn(low, high)
            self._line(plot, points, tint, plain, sign)
            if len(self.kind.curves) > 1 or not alone:
                _dots(plot, points, tint, sign)
            word = name if alone else f"{run.name} {name}" if len(self.kind.curves) > 1 else run.name
            if len(self.kind.curves) > 1 or not alone:
                legend.append(_legend(word, tint, sign, True))
        return legend

    def _line(self, plot: Plot, points: Points, colour: str, plain: bool, sign: str) -> None:
        """Draw a curve in braille dots, or with plain characters at its points."""
        self._heights += points[1]
        if plain and points[0]:
            plot.scatter(*points, marker=sign, marker_style=colour)
        elif points[0]:
            plot.plot(*points, line_style=colour, hires_mode=HiResMode.BRAILLE)

    def _limits(self) -> tuple[float | None, float | None]:
        """Return where the picture ends below and above; a level line gets some room, so that ticks can be read."""
        if not self._heights:
            return self.kind.low, None
        low, high = min(self._heights), max(self._heights)
        low = low if self.kind.low is None else min(low, self.kind.low)
        room = 0.05 * max(abs(high), 1e-6)
        return (low - room, high + room) if high - low < 1e-3 * abs(high) else (low, high)


def _dots(plot: Plot, points: Points, colour: str, sign: str) -> None:
    """Put the run's own marker on a few points, so that curves are told apart without colour."""
    stride = max(1, math.ceil(len(points[0]) / _MOST_MARKERS))
    if points[0]:
        plot.scatter(points[0][::stride], points[1][::stride], marker=sign, marker_style=f"bold {colour}")


def _draw_marks(plot: Plot, history: History) -> list[Content]:
    """Draw where augmentations were changed, and where it was paused."""
    kinds = {mark.kind for mark in history.marks} & MARKS.keys()
    for mark in history.marks:
        if mark.kind in kinds:
            plot.mark(mark.step, *MARKS[mark.kind])
    return [Content.styled(f"{MARKS[kind][0]} {_MARK_WORDS[kind]}", MARKS[kind][1]) for kind in sorted(kinds)]


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


def make_charts() -> list[Any]:
    """Return one chart of each kind."""
    return [Chart(kind) for kind in KINDS]

"""What a chart shows of runs: which curves, along which axis, how smooth, and how each is told from the others."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence

from textual.content import Content

from kanatui.evaluation.figures import Line, Panel
from kanatui.tui.train.follow import AXES, SCORES, VALIDATION_LOSS, History
from kanatui.tui.train.series import Points, Series
from kanatui.tui.widgets.axis import Axis, LogAxis, TimeAxis
from kanatui.tui.widgets.cells import SOLID, Pattern
from kanatui.tui.widgets.figure import Curve, UprightLine, most_heights

DARK = ("#E69F00", "#56B4E9", "#2BC48A", "#E08FC0", "#FF7A33", "#F0E442", "#A99BFF", "#B8B8B8")
LIGHT = ("#9A5A00", "#0A6A9E", "#00704E", "#A0306E", "#B23A00", "#6B6200", "#5A4FCF", "#555555")
"""A colour for each run, after Okabe and Ito's, which colour-blind people can distinguish; each also has its sign.

All have a contrast of at least 4.5 to 1 against the background of dark and of light themes.
"""

SIGNS = ("o", "x", "+", "#", "*", "@", "%", "=")

_PATTERNS: tuple[Pattern, ...] = (SOLID, (6, 4), (2, 3), (10, 3), (4, 8), (1, 3), (12, 8), (3, 1))
"""How each run's line is broken where there are no colours."""

_SECOND = {True: "#E4E4E4", False: "#333333"}
"""The colour of a run's second curve, by whether the theme is dark."""

_RAW = {True: "#7A7A7A", False: "#9A9A9A"}

_COLUMNS_A_SIGN = 7
"""At least so many columns are between two signs of a curve."""

_LEFT_OUT = 0.05
"""The share of the points at either end of the values that counts as outliers."""

_LEAST_ERROR = 0.01
"""Per cent: what a logarithmic axis shows of a score without any error."""

_ALMOST_CONSTANT = 1e-3

_FILE_SIZE, _FILE_POINTS = (100, 30), 2000
"""How a chart in a file is drawn: with ticks as on a terminal of that size, and with that many points a curve."""

SMOOTHING = (0.0, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2)
"""The shares of a curve over which it can be averaged."""

MARKS = {"augment": ("A", "#56B4E9", "augmentations changed"), "paused": ("P", "#888888", "paused")}
"""The letter and the colour of what is marked at a step, and its name."""


@dataclasses.dataclass(frozen=True)
class ChartedRun:
    """A run in the charts."""

    name: str
    history: History
    tint: int = 0
    """Which of the colours and signs is its."""


@dataclasses.dataclass(frozen=True)
class Kind:
    """A chart: which curves of a run it shows, and how."""

    id: str
    title: str
    curves: tuple[str, ...]
    """The first of them stands for a run among others."""
    text: Callable[[float], str]
    """Writes a value."""
    smooth: bool = False
    """Whether the first curve is noisy, so that its average is shown."""
    low: float | None = None
    high: float | None = None
    """Ends of the axis, if they do not depend on the curves."""
    unit: float = 1.0
    """What values are divided by."""
    errors: str = ""
    """The title on a logarithmic axis, which shows what scores lack of 100 %; "" if the values are no scores."""


def _short(value: float) -> str:
    return f"{value:.3g}"


def _whole(value: float) -> str:
    return f"{value:,.0f}"


KINDS = (
    Kind("loss", "loss", ("loss", VALIDATION_LOSS), lambda value: f"{value:.4f}", smooth=True),
    Kind(
        "scores",
        "read right, %",
        tuple(reversed(SCORES)),
        lambda value: f"{value:.1f}",
        high=100.0,
        errors="misread, %",
    ),
    Kind("rate", "learning rate", ("rate",), _short, low=0.0),
    Kind("speed", "images/s", ("images_per_second",), _whole, smooth=True, low=0.0),
    Kind("memory", "memory, MB", ("memory",), _whole, low=0.0, unit=1e6),
)


@dataclasses.dataclass(frozen=True)
class View:
    """How the user wants to see a chart."""

    axis: str = "step"
    """A key of :data:`~kanatui.tui.train.follow.AXES`."""
    smoothing: float = 0.02
    """One of :data:`SMOOTHING`."""
    log: bool = False
    inliers: bool = False
    """Whether outliers may run out of the picture."""
    metric: str = ""
    """The one curve to show of each run, "" for what suits the number of runs."""


@dataclasses.dataclass(frozen=True)
class Terminal:
    """What the terminal can show."""

    plain: bool = False
    coloured: bool = True
    dark: bool = True


@dataclasses.dataclass(frozen=True)
class _Entry:
    """One curve in the legend."""

    word: str
    sign: str
    colour: str
    read: Callable[[float], float | None]
    """Returns the value at a position on the level axis."""
    curve: Curve


@dataclasses.dataclass(frozen=True)
class Picture:
    """What a chart draws."""

    kind: Kind
    title: str
    curves: Sequence[Curve]
    marks: Sequence[UprightLine]
    entries: Sequence[_Entry]
    marked: Sequence[Content]
    x: Axis
    y: Axis
    plain: bool = False

    def legend(self, cross: float | None, short: bool = False) -> list[Content]:
        """Return the parts of the legend: which curve is which, or their values at a position of the level axis.

        Args:
            cross: that position, None for which curve is which.
            short: leave out what the signs and other charts say, too.
        """
        if cross is None:
            swatches = (Content.assemble((self._swatch(e.sign), e.colour), f" {e.word}") for e in self.entries)
            return [Content.styled(self.title, "bold"), *swatches, *self.marked]
        values = []
        for entry in self.entries:
            value = entry.read(cross)
            told = "–" if value is None else self.kind.text(value)
            word = " " if short else f" {entry.word} "
            values.append(Content.assemble((self._swatch(entry.sign), entry.colour), word, (told, "bold")))
        title = self.title if short else f"{self.title} at {self._place(cross)}"
        return [Content.styled(title, "bold"), *values]

    def _swatch(self, sign: str) -> str:
        line, dot = ("-", ".") if self.plain else ("─", "·")
        return f"{line}{sign}{line}" if sign else 3 * dot

    def _place(self, cross: float) -> str:
        if isinstance(self.x, TimeAxis):
            return self.x.label(round(cross))
        return f"{cross:,.0f}" if self.x.high - self.x.low > 50 else f"{cross:.2f}"

    def panel(self, axis: str) -> Panel:
        """Return the picture for a file (:mod:`kanatui.evaluation.figures`); ``axis`` says what it is drawn over."""
        lines = []
        for entry in self.entries:
            curve = entry.curve
            lines.append(Line(entry.word, curve.xs, curve.ys, entry.colour, entry.sign, curve.faint))
        marks = [(mark.x, mark.letter) for mark in self.marks]
        scale, name = (60.0, f"{axis}, minutes") if isinstance(self.x, TimeAxis) else (1.0, axis)
        lines = [dataclasses.replace(line, xs=[x / scale for x in line.xs]) for line in lines]
        marks = [(x / scale, letter) for x, letter in marks]
        return Panel(self.title, name, lines, (self.y.low, self.y.high), isinstance(self.y, LogAxis), marks)


class Drawer:
    """Makes the picture of one chart."""

    def __init__(self, kind: Kind, view: View, terminal: Terminal, size: tuple[int, int], most: int = 200) -> None:
        """Set up.

        Args:
            kind: which chart.
            view: how to draw it.
            terminal: what can be shown.
            size: of the plot in columns and lines, which decide how many signs there are and how its axis is rounded.
            most: points of a curve.
        """
        self.kind, self.view, self.terminal, self._most = kind, view, terminal, most
        self._width, self._height = size
        self._errors = bool(kind.errors and view.log)
        self._entries: list[_Entry] = []
        self._curves: list[Curve] = []
        self._bulks: list[tuple[float, float]] = []

    def picture(self, runs: Sequence[ChartedRun], seen: Axis | None) -> Picture:
        """Draw runs, the last of them below.

        Args:
            runs: the first is the one that is watched.
            seen: the part of the level axis that the user has zoomed into, None for all of it.
        """
        whole = self._whole(runs)
        for run in reversed(runs):
            self._draw_run(run, len(runs) == 1, seen or whole)
        lines, marked = self._marks(runs[0].history) if runs else ([], [])
        title = self.kind.errors if self._errors else self.kind.title
        if len(runs) > 1 and (len(self.kind.curves) > 1 and (self.kind.errors or self.view.metric)):
            title = f"{title} · {self.shown(alone=False)[0]}"
        curves = sorted(self._curves, key=lambda curve: not curve.faint)
        return Picture(
            self.kind, title, curves, lines, self._entries[::-1], marked, whole, self._heights(), self.terminal.plain
        )

    def _whole(self, runs: Sequence[ChartedRun]) -> Axis:
        """Return the level axis of all runs. It grows in leaps, so that between two redraws few cells change."""
        ends = [run.history.along(self.view.axis, [run.history.last_step]) for run in runs]
        end = max((value for found in ends for value in found), default=0.0)
        return TimeAxis(0.0, _leap(end)) if self.view.axis == "time" else Axis(0.0, _leap(end))

    # ── curves ────────────────────────────────────────────────────────────────────────────────────────────────────

    def shown(self, alone: bool) -> tuple[str, ...]:
        """Return which curves of each run are shown, the main one last."""
        names = self.kind.curves
        if self.view.metric in names:
            return (self.view.metric,)
        return tuple(reversed(names)) if alone else names[:1]

    def _draw_run(self, run: ChartedRun, alone: bool, seen: Axis) -> None:
        names = self.shown(alone)
        for name in names:
            main = name == names[-1]
            tint = run.tint if main else (run.tint + 1) % len(SIGNS)
            colour = self._palette[run.tint] if main else _SECOND[self.terminal.dark]
            noisy = self.kind.smooth and name == self.kind.curves[0]
            word = run.name if not alone else name.replace("_", " ")
            self._draw(run.history, name, _Ink(colour, tint), word, seen, noisy=noisy, alone=alone)

    def _draw(self, history: History, name: str, ink: _Ink, word: str, seen: Axis, *, noisy: bool, alone: bool) -> None:
        series, low_high = history.curves[name], history.steps_at(self.view.axis, [seen.low, seen.high])
        if not len(series) or not low_high:
            return
        low, high = low_high
        raw = self._place(history, series.drawn(low, high, self._most))
        averaged = noisy and self.view.smoothing > 0
        points = self._place(history, series.smooth(low, high, self._most, self.view.smoothing)) if averaged else raw
        if averaged and alone:
            grey = _RAW[self.terminal.dark]
            self._add("raw", "", Curve(*raw, grey, trail=".", faint=True), lambda x: self._value(history, series, x))
        pattern = SOLID if self.terminal.coloured else _PATTERNS[ink.tint]
        sign = SIGNS[ink.tint]
        read = (lambda x: _nearest(points, x)) if averaged else (lambda x: self._value(history, series, x))
        line = Curve(*points, ink.colour, trail=sign, pattern=pattern)
        self._add("smoothed" if averaged and alone else word, sign, line, read)
        if not noisy or not alone:
            self._add_signs(points, ink, seen, self._best(history, name))
        if bulk := series.bulk(low, high, _LEFT_OUT):
            self._bulks.append((self._shown_value(bulk[0]), self._shown_value(bulk[1])))

    def _add(self, word: str, sign: str, curve: Curve, read: Callable[[float], float | None]) -> None:
        self._curves.append(curve)
        self._entries.append(_Entry(word, sign, curve.style, read, curve))

    def _add_signs(self, points: Points, ink: _Ink, seen: Axis, best: tuple[float, float] | None) -> None:
        """Put the curve's sign on a few of its points, always on the last, and highlight the best."""
        xs, ys = points
        apart = (seen.high - seen.low) * _COLUMNS_A_SIGN / max(self._width, _COLUMNS_A_SIGN)
        chosen: list[int] = []
        for i in range(len(xs) - 1, -1, -1):
            if not chosen or xs[chosen[-1]] - xs[i] >= apart:
                chosen.append(i)
        sign = SIGNS[ink.tint]
        self._curves.append(Curve([xs[i] for i in chosen], [ys[i] for i in chosen], f"bold {ink.colour}", sign))
        if best:
            self._curves.append(Curve([best[0]], [best[1]], f"bold reverse {ink.colour}", sign))

    def _best(self, history: History, name: str) -> tuple[float, float] | None:
        """Return the point of the best validation."""
        place = history.along(self.view.axis, [history.best["step"]]) if name in SCORES and history.best else []
        return (place[0], self._shown_value(100 * history.best[name])) if place else None

    def _place(self, history: History, points: Points) -> Points:
        return history.along(self.view.axis, points[0]), [self._shown_value(y) for y in points[1]]

    def _value(self, history: History, series: Series, x: float) -> float | None:
        value = series.near(history.steps_at(self.view.axis, [x])[0])
        return None if value is None else self._shown_value(value)

    def _shown_value(self, value: float) -> float:
        return max(_LEAST_ERROR, 100.0 - value) if self._errors else value / self.kind.unit

    @property
    def _palette(self) -> tuple[str, ...]:
        return DARK if self.terminal.dark else LIGHT

    def _marks(self, history: History) -> tuple[list[UprightLine], list[Content]]:
        """Return lines at changes of augmentations and at pauses, and their text in the legend."""
        marks = [mark for mark in history.marks if mark.kind in MARKS]
        places = history.along(self.view.axis, [mark.step for mark in marks])
        lines = [UprightLine(x, *MARKS[mark.kind][:2]) for x, mark in zip(places, marks, strict=False)]
        kinds = sorted({mark.kind for mark in marks})
        named = [(f"bold {MARKS[kind][1]}", MARKS[kind][0], MARKS[kind][2]) for kind in kinds]
        return lines, [Content.assemble((letter, style), f" {words}") for style, letter, words in named]

    # ── the upright axis ──────────────────────────────────────────────────────────────────────────────────────────

    def _heights(self) -> Axis:
        """Return the upright axis, rounded to its ticks."""
        values = [y for curve in self._curves for y in curve.ys if y > 0 or not self.view.log]
        if not values:
            return LogAxis(0.1, 1.0) if self.view.log else Axis(0.0, 1.0)
        low, high = min(values), max(values)
        if self.view.inliers and self._bulks:
            low, high = min(map(min, self._bulks)), max(map(max, self._bulks))
            lasts = [curve.ys[-1] for curve in self._curves if curve.ys and not curve.faint and not curve.marker]
            low, high = min(low, *lasts), max(high, *lasts)
        ticks = most_heights(self._height)
        if self.view.log:
            low = max(low, 1e-12)
            return LogAxis(low, max(high, 1.01 * low)).rounded(ticks)
        low = low if self.kind.low is None or self.view.inliers else min(low, self.kind.low)
        if high - low < _ALMOST_CONSTANT * abs(high) or high == low:
            room = 0.05 * max(abs(high), 1e-6)
            low, high = low - room, high + room  # so that ticks can be read
        axis = Axis(low, high).rounded(ticks)
        return axis if self.kind.high is None else dataclasses.replace(axis, high=min(axis.high, self.kind.high))


@dataclasses.dataclass(frozen=True)
class _Ink:
    colour: str
    tint: int


def _nearest(points: Points, x: float) -> float | None:
    """Return the y of the point nearest to ``x``."""
    xs, ys = points
    return ys[min(range(len(xs)), key=lambda i: abs(xs[i] - x))] if xs else None


def _leap(end: float) -> float:
    """Round up to 1, 1.25, 1.5, 2, 2.5, 3, 4, 5, 6 or 8 times a power of ten."""
    if end <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(end))
    steps = (1, 1.25, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10)
    return next((power * step for step in steps if power * step >= end * (1 - 1e-9)), 10 * power)


def choose_tints(ids: Sequence[str], known: Mapping[str, int]) -> dict[str, int]:
    """Choose the colour and sign of each run: what it had before or its number says, else the first that is free.

    Args:
        ids: the runs that are shown together.
        known: what was chosen before.
    """
    chosen: dict[str, int] = {}
    for id in sorted(ids, key=lambda each: each not in known):
        number = id.partition("-")[0]
        wanted = known.get(id, (int(number) - 1) % len(SIGNS) if number.isdecimal() else 0)
        free = [tint for tint in range(len(SIGNS)) if tint not in chosen.values()]
        chosen[id] = free[0] if free and wanted not in free else wanted
    return chosen


def panels(runs: Sequence[ChartedRun], kinds: Sequence[Kind], view: View, seen: Axis | None = None) -> list[Panel]:
    """Return charts for a file: the same curves as in the app, with more of their points, on white."""
    made = []
    for kind in kinds:
        drawer = Drawer(kind, view, Terminal(dark=False), _FILE_SIZE, _FILE_POINTS)
        made.append(drawer.picture(runs, seen).panel(AXES[view.axis]))
    return made

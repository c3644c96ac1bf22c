"""The charts of a run, and of others laid over it: what each shows, and the keys that change it."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, cast

from rich.cells import cell_len
from textual import events, on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container, Vertical
from textual.content import Content
from textual.widgets import Static
from typing_extensions import override

from kanatui.core.errors import KanatuiError
from kanatui.evaluation.figures import check_file, save_curves
from kanatui.tui.host import host
from kanatui.tui.taking import FIGURES, save_as, tabbed
from kanatui.tui.train.curves import (
    KINDS,
    SMOOTHING,
    ChartedRun,
    Drawer,
    Kind,
    Picture,
    Terminal,
    View,
    choose_tints,
    panels,
)
from kanatui.tui.train.follow import AXES, History
from kanatui.tui.widgets.plot import Plot

_MOST_LEGEND = 3
"""Lines of the legend, where the chart is high enough."""
_HIGH_ENOUGH = 10
"""Lines from which a chart has a second line of legend, and says how it is drawn."""

_TWO_WIDE = 70
"""Columns from which two charts are side by side."""
_SMALL_HIGH = 17
"""Lines from which there is room for small charts below the large ones."""

_LARGE = 2


class Chart(Vertical):
    """A chart with its legend. ``show`` draws; nothing is drawn while it is hidden."""

    DEFAULT_CLASSES: ClassVar[str] = "chart"

    def __init__(self, kind: Kind) -> None:
        super().__init__(id=f"chart-{kind.id}")
        self.kind = kind
        self.view = View()
        self._runs: Sequence[ChartedRun] = ()
        self._drawn_for: object = None
        self._picture: Picture | None = None
        self._legend_lines = 1

    @override
    def compose(self) -> ComposeResult:
        yield Static(self.kind.title, classes="chart-title")
        yield Plot()
        yield Static("", classes="chart-state", markup=False)

    @property
    def plot(self) -> Plot:
        """Where the curves are."""
        return self.query_one(Plot)

    @property
    def title(self) -> str:
        """The lines above the plot: what it shows, and which curve is which."""
        return str(self.query_one(".chart-title", Static).content)

    @property
    def state(self) -> str:
        """The line below the plot: how the curves are drawn."""
        return str(self.query_one(".chart-state", Static).content)

    def show(self, runs: Sequence[ChartedRun]) -> None:
        """Draw the runs if anything is new; the first is the one that is watched."""
        self._runs = runs
        terminal = Terminal(host(self).ascii, not self.app.no_color, self.app.current_theme.dark)
        state = [(run.name, run.tint, run.history.events) for run in runs], terminal, self.size, self.view
        if self.display and self.size and state != self._drawn_for:
            self._drawn_for = state
            self._draw(terminal)

    def _show_again(self) -> None:
        self.show(self._runs)  # those of this moment: others may have come since this was asked for

    def look(self, view: View) -> None:
        """Draw it in another way; what was zoomed into is left if it is no longer the same axis."""
        before, self.view = self.view, view
        if (before.axis, before.log, before.inliers) != (view.axis, view.log, view.inliers):
            self.plot.show_whole()
        if before.axis != view.axis:
            self.plot.point_at(None)
        self.show(self._runs)

    def point_at(self, x: float | None) -> None:
        """Move the crosshair, and show the values there."""
        self.plot.point_at(x)
        self._tell()

    def copied(self) -> str:
        """Return the chart as text with its legend; if it has a crosshair, the values there as a table."""
        cross = self.plot.cross
        if cross is None or self._picture is None:
            return f"{self.title}\n{self.plot.text()}\n{self.state}"
        rows = [["curve", AXES[self.view.axis], self._picture.title]]
        for entry in self._picture.entries:
            value = entry.read(cross)
            rows.append([entry.word, f"{cross:.6g}", "" if value is None else f"{value:.6g}"])
        return tabbed(rows)

    @work(exclusive=True, group="save")
    async def save_figure(self) -> None:
        """Ask for a file and draw the chart there, with what is visible of it."""
        try:
            check_file(Path(f"chart{FIGURES[0]}"))
        except KanatuiError as error:
            host(self).tell_problem(error)
            return
        drawn = panels(self._runs, [self.kind], self.view, self.plot.axes[0] if self.plot.moved else None)
        name = f"{self._runs[0].name if self._runs else 'chart'}-{self.kind.id}{FIGURES[0]}".replace("/", "-")
        await save_as(self, "Save this chart as", name, FIGURES, lambda path: save_curves(path, drawn))

    @on(Plot.Moved)
    def _draw_closely(self) -> None:
        """Draw the visible part with more of its points."""
        self._drawn_for = None
        self.call_later(self._show_again)

    def on_resize(self, event: events.Resize) -> None:
        self.set_class(event.size.height < _HIGH_ENOUGH, "low")
        self.call_after_refresh(self._show_again)

    def _draw(self, terminal: Terminal) -> None:
        plot = self.plot
        drawer = Drawer(self.kind, self.view, terminal, (plot.size.width, plot.size.height))
        picture = drawer.picture(self._runs, plot.axes[0] if plot.moved else None)
        self._picture = picture
        plot.show(picture.curves, picture.marks, picture.x, picture.y, terminal.plain)
        self._tell()

    def _tell(self) -> None:
        """Say which curve is which, and how they are drawn."""
        if self._picture is None:
            return
        low = self.size.height < _HIGH_ENOUGH
        legend = self._picture.legend(self.plot.cross, short=low)
        lines = _wrapped(legend, self.size.width, 1 if low else _MOST_LEGEND)
        title = self.query_one(".chart-title", Static)
        if len(lines) != self._legend_lines:
            self._legend_lines = len(lines)
            title.styles.height = len(lines)
        _put(title, Content("\n").join(lines))
        _put(self.query_one(".chart-state", Static), Content(self._state()))

    def _state(self) -> str:
        view, averaged = self.view, self.kind.smooth
        smoothing = f"smoothing {100 * view.smoothing:g} %" if view.smoothing else "not smoothed"
        parts = [AXES[view.axis], smoothing if averaged else "", "log scale" if view.log else "linear"]
        parts += ["without extremes" if view.inliers else "", view.metric, "a part, r: all" if self.plot.moved else ""]
        return " · ".join(filter(None, parts))


class Charts(Container):
    """The charts."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("f", "full", "Full screen", tooltip="Show this chart alone on the whole screen, or all again"),
        Binding("x", "axis", "Axis", tooltip="Draw over steps, epochs or the time trained"),
        Binding(
            "left_square_bracket",
            "smooth(-1)",
            "Rougher",
            show=False,
            key_display="[",
            tooltip="Smooth the curves less",
        ),
        Binding(
            "right_square_bracket",
            "smooth(1)",
            "Smoother",
            show=False,
            key_display="]",
            tooltip="Smooth the curves more",
        ),
        Binding(
            "L",
            "log",
            "Log scale",
            show=False,
            key_display="L",
            tooltip="Make the upright axis logarithmic, or linear again",
        ),
        Binding(
            "u",
            "outliers",
            "Extremes",
            show=False,
            tooltip="Let extreme values run out of the picture, or show all",
        ),
        Binding("m", "metric", "Metric", show=False, tooltip="Choose which curves of the runs this chart shows"),
        Binding("F", "figure", "Figure", key_display="F", show=False, tooltip="Save this chart as PNG, SVG or PDF"),
        Binding("escape", "all", "All charts", show=False),
    ]

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.charts = [Chart(kind) for kind in KINDS]
        """One of each kind; only those that fit are displayed."""
        self._first = 0
        self._full: Chart | None = None
        self._tints: dict[str, int] = {}

    @override
    def compose(self) -> ComposeResult:
        yield from self.charts

    def on_mount(self) -> None:
        self._lay_out()

    # ── what is shown ─────────────────────────────────────────────────────────────────────────────────────────────

    def show(self, runs: Sequence[tuple[str, str, History]]) -> None:
        """Draw runs, given as id, name and history; the first is the one that is watched.

        Each chart is drawn by a message of its own, so that keys are handled in between.
        """
        tints = choose_tints([id for id, _, _ in runs], self._tints)
        self._tints |= tints
        charted = [ChartedRun(name, history, tints[id]) for id, name, history in runs]
        for chart in self.charts:
            if chart.display:
                chart.call_later(chart.show, charted)
            else:
                chart.show(charted)

    @property
    def current(self) -> Chart:
        """The chart that has the focus, else the first that is shown."""
        for chart in self.charts:
            if chart.display and chart.has_focus_within:
                return chart
        return next((chart for chart in self.charts if chart.display), self.charts[0])

    # ── which charts ──────────────────────────────────────────────────────────────────────────────────────────────

    @property
    def _large_at_once(self) -> int:
        return _LARGE if self.size.width >= _TWO_WIDE else 1

    def next_ones(self) -> None:
        """Show the next charts as the large ones."""
        self._first = (self._first + self._large_at_once) % len(self.charts)
        self._lay_out()
        if not any(chart.has_focus_within for chart in self.charts if chart.display):
            self.current.plot.focus()

    def _lay_out(self) -> None:
        """Display the charts that there is room for: one or two large ones, and small ones below."""
        count, many = self._large_at_once, len(self.charts)
        large = [self._full] if self._full else [self.charts[(self._first + i) % many] for i in range(count)]
        below = self._full is None and count == _LARGE and self.size.height >= _SMALL_HIGH
        order = [self.charts[(self._first + i) % many] for i in range(many)]
        for chart in self.charts:
            chart.display = chart in large or below
            chart.set_class(chart not in large, "small")
        self.set_class(below, "with-small")
        self.set_class(len(large) == 1, "one")
        if [child for child in self.children if isinstance(child, Chart)] != order:
            self.sort_children(key=lambda child: order.index(cast(Chart, child)))

    def on_resize(self) -> None:
        self._first -= self._first % self._large_at_once
        self._lay_out()

    def action_full(self) -> None:
        """Show the current chart alone, or all again."""
        self.fill(None if self._full else self.current)

    def action_all(self) -> None:
        """Show all charts again."""
        self.fill(None)

    def fill(self, chart: Chart | None) -> None:
        """Show a chart alone on the whole screen, or None: all of them, beside everything else."""
        if chart is not self._full:
            focused, self._full = self.current, chart
            self.screen.set_class(chart is not None, "chart-full")
            self._lay_out()
            focused.plot.focus()
            self.refresh_bindings()

    @override
    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Leave escape to the screen while no chart fills it."""
        if action == "all":
            return self._full is not None
        return super().check_action(action, parameters)

    # ── how they are drawn ────────────────────────────────────────────────────────────────────────────────────────

    @on(Plot.Pointed)
    def _point(self, event: Plot.Pointed) -> None:
        """Show the values of all charts at one place."""
        event.stop()
        for chart in self.charts:
            chart.point_at(event.x)

    def action_axis(self) -> None:
        """Draw all charts over the next of steps, epochs and time."""
        names = list(AXES)
        axis = names[(names.index(self.current.view.axis) + 1) % len(names)]
        for chart in self.charts:
            chart.look(dataclasses.replace(chart.view, axis=axis))

    def action_smooth(self, more: int) -> None:
        """Smooth all noisy curves more, or less."""
        place = SMOOTHING.index(self.current.view.smoothing) + more
        smoothing = SMOOTHING[max(0, min(place, len(SMOOTHING) - 1))]
        for chart in self.charts:
            chart.look(dataclasses.replace(chart.view, smoothing=smoothing))

    def action_log(self) -> None:
        """Make the current chart's upright axis logarithmic, or linear again."""
        self._change(log=not self.current.view.log)

    def action_outliers(self) -> None:
        """Let extreme values run out of the picture, or no longer."""
        self._change(inliers=not self.current.view.inliers)

    def action_metric(self) -> None:
        """Show the next of the current chart's curves alone, or all again."""
        chart = self.current
        names = ["", *chart.kind.curves] if len(chart.kind.curves) > 1 else [""]
        self._change(metric=names[(names.index(chart.view.metric) + 1) % len(names)])

    def action_figure(self) -> None:
        """Save the current chart as a figure."""
        self.current.save_figure()

    def _change(self, **changes: Any) -> None:
        self.current.look(dataclasses.replace(self.current.view, **changes))


def _wrapped(parts: Sequence[Content], width: int, most: int) -> list[Content]:
    """Join parts into lines of ``width`` cells; what does not fit on ``most`` lines is cut off the last."""
    lines: list[list[Content]] = [[]]
    room = width
    for part in parts:
        needed = cell_len(part.plain) + 2
        if lines[-1] and needed - 2 > room and len(lines) < most:
            lines.append([])
            room = width
        lines[-1].append(part)
        room -= needed
    return [Content("  ").join(line) for line in lines]


def _put(line: Static, text: Content) -> None:
    """Change a line if its text is different: what is not sent costs nothing."""
    before = line.content
    # Contents are equal if their texts are, whatever their colours.
    if not isinstance(before, Content) or (before.plain, before.spans) != (text.plain, text.spans):
        line.update(text, layout=False)

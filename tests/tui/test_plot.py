"""The plot: its axes, what is drawn where, and keys at any size."""

import math

import pytest
from textual.app import App

from kanatui.tui.widgets.axis import Axis, LogAxis, TimeAxis, even_labels, short_label
from kanatui.tui.widgets.cells import Cells, Window
from kanatui.tui.widgets.figure import Curve, UprightLine
from kanatui.tui.widgets.plot import Plot
from tests.helpers.app import screen_text


def drawn(points, width=4, height=2):
    cells = Cells(width, height)
    Window(cells, 0, 0, width, height).curve(points, "red")
    return ["".join(text for text, _ in line) for line in cells.lines()]


# ── axes ────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("low", "high", "most", "ticks"),
    [
        (0.0, 300.0, 5, [0, 100, 200, 300]),
        (0.0, 8000.0, 5, [0, 2000, 4000, 6000, 8000]),
        (0.13, 1.27, 6, [0.2, 0.4, 0.6, 0.8, 1.0, 1.2]),
        (-3.0, 3.0, 3, [-2, 0, 2]),
        (7.0, 7.0, 5, [7.0]),
        (0.0, 10.0, 0, [0.0, 10.0]),
    ],
)
def test_ticks_are_round_values_on_the_axis(low, high, most, ticks):
    assert Axis(low, high).ticks(most) == pytest.approx(ticks)


def test_labels_have_equal_decimals_or_few_cells():
    assert even_labels([0.8, 1.0, 1.2], 6) == ["0.8", "1.0", "1.2"]
    assert even_labels([96.0, 98.0], 6) == ["96", "98"]
    assert even_labels([0.00001, 0.000012], 6) == ["1e-5", "1.2e-5"]
    assert even_labels([1_000_000.0, 2_000_000.0], 6) == ["1M", "2M"]
    assert [short_label(tick) for tick in (0.0, 500.0, 1500.0, 3e6, 0.25)] == ["0", "500", "1.5k", "3M", "0.25"]


def test_zoom_keeps_what_it_is_about_in_place():
    axis = Axis(0.0, 100.0)
    near = axis.zoomed(0.25, about=0.2)
    assert near.high - near.low == pytest.approx(80)
    assert near.share(20.0) == pytest.approx(0.2)
    assert near.zoomed(-0.2, about=0.2) == Axis(pytest.approx(0), pytest.approx(100))
    assert axis.moved(0.5) == Axis(50.0, 150.0)


def test_zoom_ends_where_floats_do():
    near = far = Axis(0.0, 100.0)
    for _ in range(5000):
        near, far = near.zoomed(0.15), far.zoomed(-0.15)
    assert near.low < near.high and len(near.ticks(5)) <= 6
    assert math.isfinite(far.low) and math.isfinite(far.high) and len(far.ticks(5)) <= 6


# ── dots ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_curve_is_drawn_in_dots():
    assert drawn([(0.0, 0.0), (1.0, 0.0)]) == ["⠉⠉⠉⠉", "    "]
    assert drawn([(0.0, 0.0), (1.0, 1.0)]) == ["⠑⢄  ", "  ⠑⢄"]
    assert drawn([(1.0, 1.0)]) == ["    ", "   ⢀"], "a point alone is a dot"
    assert drawn([]) == drawn([(0.2, 3.0), (0.8, 2.0)]) == ["    ", "    "]


def test_what_lies_outside_is_cut_off():
    assert drawn([(-1.0, 0.0), (2.0, 0.0)]) == drawn([(0.0, 0.0), (1.0, 0.0)])
    assert drawn([(-1e9, -1e9), (1e9, 1e9)]) == drawn([(0.0, 0.0), (1.0, 1.0)])
    assert drawn([(0.0, 0.0), (1.0, 1.0)], width=0) == ["", ""]


# ── the widget ──────────────────────────────────────────────────────────────────────────────────────────────────────


class WatchedPlot(Plot):
    """Counts the lines that are painted again."""

    def __init__(self):
        super().__init__()
        self.repainted = []

    def refresh(self, *regions, **options):
        self.repainted += [region.y for region in regions] or ["all"]
        return super().refresh(*regions, **options)


class PlotApp(App):
    CSS = "Plot { height: 1fr; & > .plot--axis, & > .plot--tick { color: red; } }"

    def compose(self):
        yield WatchedPlot()


X, Y = Axis(0.0, 300.0), Axis(0.0, 1.0)
CURVE = Curve([0.0, 100.0, 200.0, 300.0], [1.0, 0.5, 0.25, 0.2], "#E69F00")


async def test_curves_markers_lines_and_ticks():
    app = PlotApp()
    async with app.run_test(size=(60, 12)) as pilot:
        dots = Curve([0.0, 300.0, 400.0], [0.0, 0.5, 0.5], "bold", "x")
        app.query_one(Plot).show([CURVE, dots], [UprightLine(150.0, "P", "red"), UprightLine(900.0, "A", "red")], X, Y)
        await pilot.pause()
        lines = screen_text(app).splitlines()
        assert "P" in lines[0] and "│" in lines[5] and "A" not in "".join(lines)
        assert "".join(lines).count("x") == 2, "what lies outside is left out"
        assert lines[-1].split() == ["0", "50", "100", "150", "200", "250", "300"]
        labels = [line.partition("┤")[0].strip() for line in lines if "┤" in line]
        assert labels == ["1.0", "0.5", "0.0"], "in even steps"


async def test_labels_keep_apart():
    app = PlotApp()
    async with app.run_test(size=(34, 8)) as pilot:
        for low in (123_456.0, -123_456.0):
            app.query_one(Plot).show([], [], Axis(low, low + 7.0), Y)
            await pilot.pause()
            ticks = [short_label(tick) for most in range(9) for tick in Axis(low, low + 7.0).ticks(most)]
            assert set(screen_text(app).splitlines()[-1].split()) <= set(ticks)


async def test_only_lines_that_changed_are_painted_again():
    app = PlotApp()
    async with app.run_test(size=(60, 12)) as pilot:
        plot = app.query_one(WatchedPlot)
        plot.show([CURVE], [], X, Y)
        await pilot.pause()
        plot.repainted.clear()
        plot.show([CURVE], [], X, Y)
        assert plot.repainted == []
        plot.show([CURVE, Curve([300.0], [1.0], "red", "o")], [], X, Y)
        assert plot.repainted == [0]


async def test_keys_zoom_move_and_go_back():
    app = PlotApp()
    async with app.run_test(size=(60, 12)) as pilot:
        plot = app.query_one(Plot)
        plot.show([CURVE], [], X, Y)
        plot.focus()
        await pilot.press("plus")
        x, y = plot.axes
        assert x.low > 0 and x.high < 300 and y.low > 0 and y.high < 1
        await pilot.press("right", "up")
        assert plot.axes[0].low > x.low and plot.axes[1].low > y.low
        await pilot.press("left", "down")
        assert plot.axes[0].low == pytest.approx(x.low) and plot.axes[1].low == pytest.approx(y.low)
        await pilot.press("minus")
        assert plot.axes[0].low < x.low and plot.axes[0].high > x.high
        x, y = plot.axes
        await pilot.press("shift+right")
        assert plot.axes[0].low > x.low and plot.axes[1] == y, "time alone"
        plot.show([CURVE], [], Axis(0.0, 400.0), Y)
        assert plot.moved and plot.axes[0].high < 300, "what the user looks at stays"
        await pilot.press("r")
        assert not plot.moved and plot.axes == (Axis(0.0, 400.0), Y)


@pytest.mark.parametrize("size", [(80, 12), (20, 5), (12, 4), (8, 3), (3, 1), (1, 1)])
async def test_keys_at_any_size(size):
    app = PlotApp()
    async with app.run_test(size=size) as pilot:
        plot = app.query_one(Plot)
        plot.show([CURVE], [UprightLine(150.0, "P", "red")], X, Y)
        plot.focus()
        await pilot.press("up", "down", "left", "right", "plus", "minus", "shift+left", "shift+right", "up", "r")
        assert plot.axes == (X, Y)
        assert max(map(len, screen_text(app).splitlines()), default=0) <= size[0]


async def test_points_on_the_edge_are_drawn():
    app = PlotApp()
    async with app.run_test(size=(60, 12)) as pilot:
        high = 0.1 + 0.2
        points = Curve([0.0, 300.0], [0.0, high], "bold", "x")
        app.query_one(Plot).show([points], [], X, Axis(0.0, 0.3))
        assert high > 0.3, "a float's inexactness puts it outside"
        await pilot.pause()
        assert screen_text(app).count("x") == 2


async def test_without_braille_each_curve_is_a_trail_of_its_own_character():
    app = PlotApp()
    async with app.run_test(size=(60, 12)) as pilot:
        other = Curve([0.0, 300.0], [0.0, 1.0], "red", trail="x")
        app.query_one(Plot).show([CURVE, other], [], X, Y, plain=True)
        await pilot.pause()
        text = screen_text(app)
        assert text.isascii() and text.count("x") > 40 and text.count("*") > 20


async def test_the_crosshair_is_walked_by_keys_and_left_again():
    app = PlotApp()
    async with app.run_test(size=(60, 12)) as pilot:
        plot = app.query_one(Plot)
        plot.show([CURVE], [], X, Y)
        plot.focus()
        await pilot.press("enter")
        assert plot.cross == pytest.approx(150.0)
        await pilot.press("right", "right")
        assert 150.0 < plot.cross < 170.0 and not plot.moved
        await pilot.press("end", "right")
        assert plot.cross == pytest.approx(300.0), "it stays on what is visible"
        await pilot.press("home")
        assert plot.cross == pytest.approx(0.0)
        await pilot.press("escape", "home")
        assert plot.cross is None
        await pilot.hover(Plot, offset=(40, 4))
        assert plot.cross is not None, "the mouse points, too"


def test_curves_that_cross_share_a_cells_dots_but_hide_faint_ones():
    for over, shown in (((), "⡏"), (("grey",), "⠉")):
        cells = Cells(1, 1)
        window = Window(cells, 0, 0, 1, 1)
        window.curve([(0.0, 0.0), (0.0, 1.0)], "grey")
        window.curve([(0.0, 0.0), (1.0, 0.0)], "red", over=over)
        assert cells.lines() == [((shown, "red"),)]


@pytest.mark.parametrize(
    ("axis", "ticks", "labels"),
    [
        (LogAxis(0.01, 10.0), [0.01, 0.1, 1.0, 10.0], ["0.01", "0.1", "1", "10"]),
        (LogAxis(0.1, 2.0), [0.1, 0.2, 0.5, 1.0, 2.0], ["0.1", "0.2", "0.5", "1", "2"]),
        (LogAxis(3.1, 3.5), [3.1, 3.2, 3.3, 3.4, 3.5], ["3.1", "3.2", "3.3", "3.4", "3.5"]),
        (TimeAxis(0.0, 4000.0), [0.0, 1800.0, 3600.0], ["0", "30m", "60m"]),
        (TimeAxis(0.0, 36_000.0), [0.0, 10_800.0, 21_600.0, 32_400.0], ["0", "3h", "6h", "9h"]),
        (TimeAxis(0.0, 40.0), [0.0, 10.0, 20.0, 30.0, 40.0], ["0", "10s", "20s", "30s", "40s"]),
    ],
)
def test_ticks_of_other_axes(axis, ticks, labels):
    assert axis.ticks(4) == pytest.approx(ticks)
    assert [axis.label(tick) for tick in axis.ticks(4)] == labels


def test_an_axis_is_rounded_to_its_ticks():
    assert Axis(0.13, 1.27).rounded(4) == Axis(0.0, 1.5)
    assert Axis(24.3, 99.1).rounded(8) == Axis(20.0, 100.0)
    assert LogAxis(0.0834, 4.2).rounded(4) == LogAxis(pytest.approx(0.08), 5.0)
    assert LogAxis(0.01, 1.0).share(0.1) == pytest.approx(0.5)
    assert LogAxis(0.01, 1.0).value(0.5) == pytest.approx(0.1)

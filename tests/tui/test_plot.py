"""The plot: its axes, what is drawn where, and keys at any size."""

import math

import pytest
from textual.app import App

from kanatui.tui.widgets.axis import Axis, even_labels, short_label
from kanatui.tui.widgets.cells import Cells, Window
from kanatui.tui.widgets.plot import Curve, Plot, UprightLine
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
        assert "P" in lines[1] and "│" in lines[5] and "A" not in "".join(lines)
        assert "".join(lines).count("x") == 2, "what lies outside is left out"
        assert lines[-1].split() == ["0", "100", "200", "300"]
        assert [line[:6].strip() for line in lines if line[:6].strip()] == ["1.0", "0.8", "0.6", "0.4", "0.2", "0.0"]


async def test_labels_keep_apart():
    app = PlotApp()
    async with app.run_test(size=(34, 8)) as pilot:
        for low in (123_456.0, -123_456.0):
            app.query_one(Plot).show([], [], Axis(low, low + 7.0), Y)
            await pilot.pause()
            ticks = [short_label(tick) for tick in Axis(low, low + 7.0).ticks(5)]
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
        assert plot.repainted == [1]


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

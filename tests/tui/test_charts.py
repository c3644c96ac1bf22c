"""The charts of the Train screen: each of their keys, and taking them out of the app."""

import re

import pytest
from textual import events
from textual.widgets import Input

from kanatui.tui.train.curves import DARK, KINDS, LIGHT, ChartedRun, Drawer, Terminal, View, choose_tints
from kanatui.tui.train.follow import History
from kanatui.tui.widgets.axis import LogAxis, TimeAxis
from tests.helpers.app import screen_text, tells, until
from tests.helpers.train_screen import make_run, opened, recorded_run

LOSS, SCORES = KINDS[0], KINDS[1]


def history(steps=300, batches=100):
    """A run of some steps, ten a second, with a spike, and a validation every fifty, the last the best."""
    made = History()
    made.add([{"event": "start", "step": 0, "batches": batches}])
    for step in range(1, steps + 1):
        loss = 50.0 if step == 120 else 1.0 + step % 3 / 10
        made.add([{"event": "step", "step": step, "loss": loss, "rate": 0.1, "memory": 2e9, "elapsed": step / 10}])
        if step % 50 == 0:
            scores = {"images": 9, "loss": 0.5, "strict": step / 500, "folded": 0.243 + step / 500}
            made.add([{"event": "validation", "step": step, "held_out": scores, "best": True}])
    return made


def drawn(kind, runs=None, seen=None, **view):
    return Drawer(kind, View(**view), Terminal(), (60, 20)).picture(runs or [ChartedRun("one", history())], seen)


# ── what is drawn ───────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("axis", "end"), [("step", 300.0), ("epoch", 3.0), ("time", 30.0)])
def test_curves_over_steps_epochs_or_time(axis, end):
    picture = drawn(LOSS, axis=axis)
    assert picture.x.high == end and isinstance(picture.x, TimeAxis) is (axis == "time")
    assert max(x for curve in picture.curves for x in curve.xs) == pytest.approx(end)
    assert history().steps_at(axis, [end]) == pytest.approx([300.0])


def test_what_is_not_known_is_not_drawn():
    empty = History()
    assert empty.along("epoch", [3]) == [] == empty.along("time", [3])
    assert drawn(LOSS, [ChartedRun("none", empty)], axis="time").curves == []


def test_smoothing_and_outliers():
    rough, smooth, cut = (drawn(LOSS, smoothing=0.0), drawn(LOSS, smoothing=0.2), drawn(LOSS, inliers=True))
    assert [entry.word for entry in rough.entries] == ["loss", "validation loss"]
    assert [entry.word for entry in smooth.entries] == ["smoothed", "raw", "validation loss"]
    assert smooth.curves[0].faint and not smooth.curves[-1].faint, "the averages are on top"
    assert rough.y.high >= 50.0, "no spike is lost"
    assert cut.y.high < 5.0


def test_log_scale_shows_what_scores_lack():
    picture = drawn(SCORES, log=True)
    assert picture.title == "misread, %" and isinstance(picture.y, LogAxis)
    folded = next(curve for curve in picture.curves if not curve.marker and curve.style == DARK[0])
    assert folded.ys[0] == pytest.approx(100 - 34.3)
    perfect = History()
    perfect.add([{"event": "validation", "step": 9, "held_out": {"strict": 1.0, "folded": 1.0}, "best": True}])
    assert drawn(SCORES, [ChartedRun("perfect", perfect)], log=True).y.low > 0


def test_validations_are_joined_and_the_last_and_the_best_have_their_signs():
    picture = drawn(SCORES)
    line = next(curve for curve in picture.curves if not curve.marker)
    assert len(line.xs) == 6
    signs = [curve for curve in picture.curves if curve.marker and "reverse" not in curve.style]
    assert all(curve.xs[0] == 300 for curve in signs), "the newest has one, whichever are left out"
    best = [curve for curve in picture.curves if "reverse" in curve.style]
    assert sorted(curve.ys[0] for curve in best) == pytest.approx([60.0, 84.3])
    assert picture.y.low <= 10.0 and picture.y.high >= 84.3, "none lies outside"


def test_each_run_keeps_its_colour_and_the_metric_is_chosen():
    runs = [ChartedRun("one", history(), 0), ChartedRun("two", history(200), 5)]
    assert [entry.word for entry in drawn(SCORES, runs).entries] == ["one", "two"]
    assert drawn(SCORES, runs).title == "read right, % · folded" and drawn(LOSS, runs).title == "loss"
    assert drawn(SCORES, runs, metric="strict").title == "read right, % · strict"
    assert [entry.colour for entry in drawn(SCORES, runs[::-1]).entries] == [DARK[5], DARK[0]]
    first = choose_tints(["001-a", "003-b"], {})
    assert first == {"001-a": 0, "003-b": 2}
    assert choose_tints(["009-c", "001-a"], first) == {"001-a": 0, "009-c": 1}, "a colour is taken once"


def test_without_colour_lines_differ_in_how_they_are_broken():
    runs = [ChartedRun(str(tint), history(), tint) for tint in range(len(DARK))]
    picture = Drawer(LOSS, View(), Terminal(coloured=False), (60, 20)).picture(runs, None)
    lines = [curve for curve in picture.curves if not curve.marker]
    assert len({curve.pattern for curve in lines}) == len({curve.trail for curve in lines}) == len(runs)


@pytest.mark.parametrize(("colours", "background"), [(DARK, "#1e1e1e"), (LIGHT, "#f4f4f4")])
def test_colours_have_enough_contrast(colours, background):
    for colour in colours:
        light, dark = sorted((_luminance(colour), _luminance(background)), reverse=True)
        assert (light + 0.05) / (dark + 0.05) >= 4.5, colour


def _luminance(colour):
    """WCAG 2.1's relative luminance."""
    shares = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4 for share in shares]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


# ── keys ────────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_change_of_size_draws_the_runs_of_its_end_not_those_of_its_beginning():
    recorded_run()
    async with opened() as (app, pilot):
        await until(pilot, lambda: "smoothed" in screen_text(app))
        chart = app.screen.live.charts.current
        chart.show([])
        chart.on_resize(events.Resize(chart.size, chart.virtual_size))
        chart.show([ChartedRun("one", history())])
        await pilot.pause()
        assert "smoothed" in chart.title


async def test_each_key_of_a_chart(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    recorded_run()
    make_run("other")
    async with opened() as (app, pilot):
        charts = app.screen.live.charts
        app.screen.live.watch_run(app.screen.runs.row("001-recorded"))
        app.screen.part = "live"
        await until(pilot, lambda: "smoothed" in charts.charts[0].title)
        loss, scores = charts.charts[:2]
        loss.plot.focus()
        assert loss.state == "steps · smoothing 2 % · linear"
        await pilot.press("x")
        await until(pilot, lambda: loss.state.startswith("epochs") and scores.state.startswith("epochs"))
        await pilot.press("x", "right_square_bracket", "L", "u")
        await until(pilot, lambda: loss.state == "time trained · smoothing 5 % · log scale · without extremes")
        assert scores.state == "time trained · linear", "the upright axis is each chart's own"
        await pilot.press("x", *["left_square_bracket"] * 9, "m")
        await until(pilot, lambda: "not smoothed" in loss.state and loss.state.endswith("· loss"))
        await pilot.press("enter")
        await until(pilot, lambda: re.match(r"loss at \d+  ─\S─ loss \d", loss.title))
        assert re.search(r"strict \d+\.\d", scores.title), "all charts show their values there"
        await pilot.press("y")
        assert app.clipboard.splitlines()[0] == "curve\tsteps\tloss"
        await pilot.press("escape", "y")
        assert "┬" in app.clipboard and "not smoothed" in app.clipboard
        await pilot.press("f")
        await until(pilot, lambda: not scores.display and not app.screen.query_one("#train-parts").display)
        assert loss.size.width > 110 and "[Charts]" not in screen_text(app)
        for size in ((80, 12), (20, 5)):
            await pilot.resize_terminal(*size)
            await until(pilot, lambda: any(0x2800 < ord(letter) < 0x2900 for letter in screen_text(app)))
        await pilot.resize_terminal(120, 40)
        await pilot.press("escape")
        await until(pilot, lambda: scores.display and app.screen.query_one("#train-parts").display)
        await pilot.press("S")
        await until(pilot, lambda: "Save this screen as" in screen_text(app))
        app.screen.query_one(Input).value = "kanatui-train.txt"
        await pilot.press("enter")
        await until(pilot, tells(app, "kanatui-train.txt"))
        assert "recorded" in (tmp_path / "kanatui-train.txt").read_text()

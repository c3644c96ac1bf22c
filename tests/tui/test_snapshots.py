"""How the four screens look, at 80×24 and at 120×40: `pytest --snapshot-update` accepts what has changed on purpose."""

import time

import pytest

from kanatui.engine.client import Answer, Engine
from kanatui.tui.dataset.draft import Draft
from kanatui.tui.draw.canvas import Canvas
from tests.helpers.app import make_app, screen_text, shows, until
from tests.helpers.evaluated import RECIPE, evaluated_run, make_run

SIZES = pytest.mark.parametrize("size", [(80, 24), (120, 40)], ids=["80x24", "120x40"])


@pytest.fixture(autouse=True)
def one_time_zone(monkeypatch):
    """Events are shown with the time of day."""
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.fixture
def steady_rate(monkeypatch):
    """The rate of generation is measured, and differs each time; here it is one figure."""
    ask = Engine.ask

    async def asked(self, job, /, **options):
        if job == "rate":
            return Answer({"rate": 50.0, "workers": 2}, {})
        return await ask(self, job, **options)

    monkeypatch.setattr(Engine, "ask", asked)


@SIZES
def test_dataset(snap_compare, steady_rate, size):
    Draft.of(RECIPE).keep()

    async def ready(pilot):
        await pilot.press("full_stop", "full_stop")
        await until(pilot, lambda: "= 150 images" in screen_text(pilot.app) and "about" in screen_text(pilot.app))
        await until(pilot, lambda: "き" in screen_text(pilot.app))

    assert snap_compare(make_app(), terminal_size=size, run_before=ready)


@SIZES
def test_train(snap_compare, size):
    run = make_run()
    app = make_app()
    charts = ("finished", "step 277", "smoothed", "─x─ folded")
    words_of = {(80, 24): charts, (120, 40): (*charts, "stopped as asked")}

    async def ready(pilot):
        app.show_run(run.id)
        await until(pilot, lambda: all(words in screen_text(app) for words in words_of[size]))
        await pilot.pause()

    assert snap_compare(app, terminal_size=size, run_before=ready)


@SIZES
def test_evaluate(snap_compare, size):
    run = evaluated_run()
    app = make_app()

    async def ready(pilot):
        app.evaluate_run(run.id)
        await until(pilot, lambda: "strict 95.0 %" in screen_text(app))
        await pilot.press("m")
        await until(pilot, shows(app, "read as"))
        if size[0] > 80:  # at 80 columns the images have a tab of their own
            await until(pilot, shows(app, "す 70 %"))
        await pilot.pause()

    assert snap_compare(app, terminal_size=size, run_before=ready)


@SIZES
def test_draw(snap_compare, size):
    app = make_app(mode="draw")

    async def ready(pilot):
        await until(pilot, lambda: app.current_mode == "draw" and "0 kept" in screen_text(app))
        await until(pilot, shows(app, "No model yet"))
        await until(pilot, lambda: app.screen.query_one(Canvas).has_focus)
        await pilot.pause()

    assert snap_compare(app, terminal_size=size, run_before=ready)

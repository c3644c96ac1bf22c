"""The shell round the screens: moving between them, keys, palette, theme, quitting, problems."""

import asyncio
import itertools
import json
import os
import time

import pytest
import textual.timer
from textual.widgets import Static

from kanatui.core.errors import RunError
from kanatui.training.control import Mailbox
from kanatui.training.runs import Run
from kanatui.tui.screen import KanatuiScreen
from kanatui.tui.settings import Settings
from kanatui.tui.widgets.dialogs import Confirm, Details
from kanatui.tui.widgets.help import Keys, actions
from kanatui.tui.widgets.keybar import KeyBar
from tests.helpers.app import SMALL, make_app, screen_text, suspended_engine, until

SIZES = [(80, 24), (120, 40)]


def make_run(name="one", state="running", **status):
    """A run directory as a training leaves it; a running one is kept locked by this process."""
    run = Run.create(name, {"recipe": "quick", "train": {}, "model": {}, "source": {}})
    fields = {
        "state": state,
        "pid": os.getpid(),
        "heartbeat": time.time() + 3600,
        "progress": 0.63,
        "seconds_left": 72.0,
    }
    (run.path / "status.json").write_text(json.dumps(fields | status))
    return run


@pytest.fixture
def running(request):
    """A run that counts as active for as long as the test lasts."""
    from kanatui.core import storage

    run = make_run()
    with storage.exclusive(run.lock, "taken"):
        yield run


@pytest.mark.parametrize("turns", [0, 5, 8, 13, 21, 34, 55, 89, 144, 233, 377])
async def test_it_can_be_left_at_any_moment_of_its_start(turns):
    app = make_app()

    async def leave():
        while not app.is_running:
            await asyncio.sleep(0)
        for _ in range(turns):  # of the event loop: so that each is the same moment on any machine
            await asyncio.sleep(0)
        app.exit()

    leaving = asyncio.create_task(leave())
    await app.run_async(headless=True, size=(120, 40))
    await leaving
    assert (app.return_code, app.asked_to_leave) == (0, True)


async def test_a_screen_is_painted_however_late_timers_are(monkeypatch):
    get_time, late = textual.timer._time.get_time, itertools.count()  # the clock that timers go by
    monkeypatch.setattr(textual.timer._time, "get_time", lambda: get_time() + 0.002 * next(late))
    app = make_app()
    async with app.run_test() as pilot:
        await pilot.press("4")
        await until(pilot, lambda: app.current_mode == "draw")
        await until(pilot, lambda: not app._batch_count)  # Textual paints nothing before, and tells no other way


@pytest.mark.parametrize("size", SIZES)
async def test_the_keys_1_to_4_lead_to_the_four_screens(size):
    app = make_app()
    async with app.run_test(size=size) as pilot:
        for key, title in (("2", "Train"), ("3", "Evaluate"), ("4", "Draw"), ("1", "Dataset")):
            app.screen.set_focus(None)
            await pilot.press(key)
            await until(pilot, lambda t=title: f"{t}]" in screen_text(app).partition("\n")[0])
            assert app.screen.query_one(KeyBar).display


async def test_the_screens_are_reached_by_mouse():
    app = make_app()
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.click("ScreenTab:last-of-type")
        await until(pilot, lambda: app.current_mode == "draw")


async def test_a_letter_typed_into_a_field_does_not_change_the_screen():
    from textual.widgets import Input

    app = make_app(mode="draw")
    async with app.run_test() as pilot:
        await until(pilot, lambda: app.current_mode == "draw")
        field = Input()
        await app.screen.mount(field)
        field.focus()
        await pilot.press("1", "question_mark")
        assert (field.value, app.current_mode) == ("1?", "draw")


@pytest.mark.parametrize("mode", ["dataset", "train", "evaluate", "draw"])
async def test_every_action_is_in_the_keys_and_in_the_palette(mode):
    app = make_app(mode=mode)
    async with app.run_test(size=(120, 120)) as pilot:
        await until(pilot, lambda: app.current_mode == mode)
        about = app.screen
        known = {binding.description for _, binding in actions(about)}
        assert {"Dataset", "Train", "Evaluate", "Draw", "Keys", "Quit"} <= known
        assert {command.title for command in app.get_system_commands(about)} >= known
        app.screen.set_focus(None)
        await pilot.press("question_mark")
        await until(pilot, lambda: isinstance(app.screen, Keys))
        assert "All keys of this screen" in screen_text(app)
        await pilot.press("escape")
        await until(pilot, lambda: app.screen is about)


async def test_the_palette_opens_and_finds_an_action():
    app = make_app()
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("ctrl+p", *"evaluate")
        await until(pilot, lambda: "Evaluate" in screen_text(app))
        await pilot.press("enter")
        await until(pilot, lambda: app.current_mode == "evaluate")


async def test_the_header_shows_the_newest_running_training_on_every_screen(running):
    app = make_app()
    async with app.run_test(size=(80, 24)) as pilot:
        for mode in ("dataset", "train", "evaluate", "draw"):
            app.action_go(mode)
            await until(pilot, lambda m=mode: app.current_mode == m and isinstance(app.screen, KanatuiScreen))
            await until(pilot, lambda: "● run 1 · 63 % · 1:12 left" in screen_text(app).partition("\n")[0])


async def test_quitting_without_work_under_way_just_quits():
    app = make_app()
    async with app.run_test() as pilot:
        await pilot.press("ctrl+q")
        await until(pilot, lambda: app.return_code == 0)


async def test_quitting_with_work_under_way_asks_and_detaches_by_default(running):
    app = make_app()
    async with app.run_test() as pilot:
        await pilot.press("ctrl+q")
        await until(pilot, lambda: isinstance(app.screen, Confirm))
        assert running.id in screen_text(app)
        assert app.focused.id == "answer-detach"
        await pilot.press("escape")
        await until(pilot, lambda: not isinstance(app.screen, Confirm))
        assert app.return_code is None
        await pilot.press("ctrl+q")
        await until(pilot, lambda: isinstance(app.screen, Confirm))
        await pilot.press("enter")
        await until(pilot, lambda: app.return_code == 0)
    assert Mailbox(running.control).take() == []


@pytest.mark.parametrize(
    ("engine", "words"), [("evaluate", "An evaluation is running"), ("train", "A training is being prepared")]
)
async def test_quitting_asks_before_it_ends_what_an_engine_does(engine, words):
    app = make_app()
    async with app.run_test() as pilot:
        process = await suspended_engine(app, engine)
        asked = asyncio.create_task(app.engine(engine).ask("layout", recipe=SMALL.to_dict()))
        await until(pilot, lambda: app.engine(engine).busy)
        await pilot.press("ctrl+q")
        await until(pilot, lambda: isinstance(app.screen, Confirm))
        assert words in screen_text(app)
        await pilot.press("enter")
        await until(pilot, lambda: not isinstance(app.screen, Confirm))
        assert app.return_code is None
        process.resume()
        await asked
        assert not app.engine(engine).busy


async def test_quitting_can_stop_the_work(running, monkeypatch):
    monkeypatch.setattr("kanatui.tui.activity.LONGEST_STOP", 0.2)
    app = make_app()
    async with app.run_test() as pilot:
        await pilot.press("ctrl+q")
        await until(pilot, lambda: isinstance(app.screen, Confirm))
        await pilot.press("s")
        await until(pilot, lambda: app.return_code == 0)
    assert [command.command for command in Mailbox(running.control).take()] == ["stop"]


async def test_a_problem_is_a_message_with_its_details_on_a_key():
    app = make_app(mode="draw")
    async with app.run_test(size=(80, 24), notifications=True) as pilot:
        await until(pilot, lambda: app.current_mode == "draw")
        try:
            raise RunError("run 7 has [no] weights")
        except RunError as error:
            app.tell_problem(error)
        await until(pilot, lambda: "run 7 has [no] weights" in screen_text(app))
        app.screen.set_focus(None)
        await pilot.press("exclamation_mark")
        await until(pilot, lambda: isinstance(app.screen, Details))
        assert "RunError" in str(app.screen.query_one("VerticalScroll Static", Static).render())


async def test_the_theme_and_the_way_of_pictures_are_kept():
    app = make_app()
    async with app.run_test() as pilot:
        app.theme = "ansi-light"
        app.action_pictures("ascii")
        await pilot.pause()
    assert Settings.load() == Settings("ansi-light", pictures="ascii")
    again = make_app()
    async with again.run_test():
        assert (again.theme, again.ascii) == ("ansi-light", True)


async def test_settings_that_make_no_sense_count_as_the_defaults(home):
    (home / "config").mkdir()
    (home / "config" / "ui.toml").write_text("theme = 5\nascii = [")
    assert Settings.load() == Settings()
    (home / "config" / "ui.toml").write_text('theme = "no such theme"')
    app = make_app()
    async with app.run_test():
        assert app.theme in app.available_themes


async def test_without_colour_pictures_are_plain_characters(monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")
    app = make_app()
    async with app.run_test():
        assert app.ascii


@pytest.mark.parametrize("mode", ["dataset", "train", "evaluate", "draw"])
async def test_any_size_is_safe(mode):
    app = make_app(mode=mode)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: app.current_mode == mode)
        for size in ((1, 1), (20, 5), (300, 90), (79, 3), (120, 40)):
            await pilot.resize_terminal(*size)
            await pilot.pause()
        assert "kanatui" in screen_text(app)

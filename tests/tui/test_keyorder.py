"""Keys that are typed faster than the app follows do what they do when they are typed slowly."""

import asyncio

import pytest
from textual.widgets import Button, Input, Label, OptionList

from kanatui.training.runs import list_runs
from kanatui.tui.evaluate.screen import EvaluateScreen
from kanatui.tui.widgets.dialogs import Ask, AskPath, Confirm, Details
from tests.helpers.app import burst, make_app, screen_text, until
from tests.helpers.train_screen import make_run, opened, training


async def test_a_key_after_a_change_of_screens_belongs_to_the_new_screen():
    with training() as run:
        async with opened() as (app, pilot):
            burst(app, "3", "e")
            await until(pilot, lambda: isinstance(app.screen, EvaluateScreen) and not app.key_order.waiting)
            assert not [event for event in run.events().read() if event["event"] == "command"]


@pytest.mark.parametrize("keys", ["3e", "3v", "3c", "3m", "3i", "3b", "2n", "2g", "4s", "4r", "12341234", "?q3e"])
async def test_keys_from_the_first_moment_on_do_no_harm(keys):
    app = make_app()
    async with app.run_test(size=(80, 24)) as pilot:
        burst(app, *("question_mark" if key == "?" else key for key in keys))
        await until(pilot, lambda: not app.key_order.waiting)
        assert app.screen_stack


async def test_what_is_typed_before_a_dialog_is_there_goes_into_it():
    make_run("one")
    async with opened() as (app, pilot):
        burst(app, "t", "end", *"-new", "enter")
        await until(pilot, lambda: list_runs()[0].title == "one-new")


async def test_a_key_typed_twice_does_not_destroy_anything():
    make_run("one")
    async with opened() as (app, pilot):
        burst(app, "d", "d", "y", "enter")
        await until(pilot, lambda: isinstance(app.screen, Confirm) and not app.key_order.waiting)
        assert list_runs()
        await pilot.press("y")
        await until(pilot, lambda: not list_runs())


ANSWERS = {"y": "go", "g": "go", "n": None, "c": None, "escape": None}


@pytest.mark.parametrize("danger", ["", "go"])
async def test_every_question_is_answered_by_the_same_keys(danger):
    app = make_app()
    async with app.run_test() as pilot:
        given = []
        for key in (*ANSWERS, "enter"):
            app.push_screen(Confirm("Really?", {"go": "Go"}, danger=danger), given.append)
            await until(pilot, lambda: isinstance(app.screen, Confirm) and not app.key_order.busy)
            buttons = [str(button.label) for button in app.screen.query(Button)]
            assert buttons == ["Go", "Cancel"]
            await pilot.press(key)
            await until(pilot, lambda: not isinstance(app.screen, Confirm))
        assert given == [*ANSWERS.values(), None if danger else "go"]


async def test_a_question_names_the_letters_of_its_answers():
    app = make_app()
    async with app.run_test(size=(80, 24)) as pilot:
        for answers, hint in (
            ({"go": "Go"}, "y yes · n no · ←→"),
            ({"detach": "Detach", "stop": "Stop"}, "d detach · s stop · ←→"),
        ):
            app.push_screen(Confirm("Really?", answers))
            await until(pilot, lambda: isinstance(app.screen, Confirm) and not app.key_order.busy)
            assert hint in screen_text(app)
            await pilot.press("escape")
            await until(pilot, lambda: not isinstance(app.screen, Confirm))


async def test_a_long_question_is_shown_whole():
    question = "A sheet of which characters? (basic-hiragana, basic-katakana, kana, or any that you type)"
    app = make_app()
    async with app.run_test(size=(80, 24)) as pilot:
        for dialog in (Ask(question), Confirm(question, {"go": "Go"})):
            app.push_screen(dialog)
            await until(pilot, lambda dialog=dialog: app.screen is dialog and not app.key_order.busy)
            place = dialog.query_one(Label).region
            lines = screen_text(app).splitlines()[place.y : place.bottom]
            assert " ".join(" ".join(line[place.x : place.right] for line in lines).split()) == question
            await pilot.press("escape")


async def test_tab_completes_a_path(tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "photo.jpg").touch()
    app = make_app()
    async with app.run_test() as pilot:
        app.push_screen(AskPath("Which?"))
        await until(pilot, lambda: isinstance(app.screen, AskPath) and app.focused)
        burst(app, *str(tmp_path / "fo"), "tab", "p", "tab")  # typed faster than a completion is shown
        await until(pilot, lambda: app.screen.query_one(Input).value == str(tmp_path / "folder" / "photo.jpg"))
        await pilot.press("tab")  # nothing more to complete
        assert app.focused is app.screen.query_one(Input)


async def test_keys_that_quit_other_programs_say_which_quits_this_one():
    app = make_app()
    async with app.run_test() as pilot:
        for key in ("ctrl+c", "q"):
            app.told.clear()
            await pilot.press(key)
            await until(pilot, lambda: app.told == ["ctrl+q quits"])


async def test_a_key_that_waits_too_long_is_taken_all_the_same(monkeypatch):
    monkeypatch.setattr("kanatui.tui.keys._LONGEST", 0.2)
    app = make_app()
    async with app.run_test() as pilot:
        never = asyncio.Event()
        app.key_order.hold_for(app.run_worker(never.wait()))
        burst(app, "ctrl+q")
        await until(pilot, lambda: app.return_code == 0)


async def test_pages_of_a_list_without_a_line_can_be_turned():
    app = make_app()
    async with app.run_test(size=(80, 24)) as pilot:
        for key in ("pageup", "pagedown"):
            burst(app, "ctrl+p", *"zqxj", key, key)
            await until(pilot, lambda: not app.key_order.waiting)
            burst(app, "escape")
            await until(pilot, lambda: len(app.screen_stack) == 1)
        hidden = OptionList("one", "two")
        await app.screen.mount(hidden)
        hidden.display = False
        for way in ("up", "down"):
            assert not await app.run_action(f"page_{way}", hidden)


async def test_a_long_text_typed_as_keys_is_taken_whole():
    app = make_app()
    async with app.run_test() as pilot:
        app.push_screen(Ask("What?"))
        await until(pilot, lambda: isinstance(app.screen, Ask) and app.focused)
        burst(app, *"abc" * 100)
        await until(pilot, lambda: app.screen.query_one(Input).value == "abc" * 100)
        assert "What?" in screen_text(app)


async def test_details_close_by_the_keys_of_every_text():
    app = make_app()
    async with app.run_test() as pilot:
        for key in ("escape", "enter", "q"):
            app.push_screen(Details("title", "text"))
            burst(app, key)
            await until(pilot, lambda: not isinstance(app.screen, Details))

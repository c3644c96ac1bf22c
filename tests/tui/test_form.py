"""Forms: what is typed stays as it was typed, what is wrong blocks, and each field tells what it takes."""

import asyncio
import contextlib

import pytest
from textual.containers import Vertical
from textual.widgets import Input

from kanatui.dataset.recipe import DEFAULT
from kanatui.tui.dataset.fields import RecipePanel
from kanatui.tui.dataset.plan import PlanLine
from kanatui.tui.keys import OrderedKeys
from kanatui.tui.widgets.dialogs import Ask, Confirm
from kanatui.tui.widgets.form import FieldHelp
from kanatui.tui.widgets.keybar import KeyBar
from tests.helpers.app import burst, make_app, screen_text, until
from tests.helpers.dataset_screen import go


def field_of(form, name):
    return next(field for field in form.query("Field") if field.parameter.name == name).query_one(Input)


async def values_over_time(pilot, control):
    """The values that a field shows over many turns of the event loop."""
    seen = set()
    for _ in range(40):
        await pilot.pause()
        await asyncio.sleep(0.01)
        seen.add(control.value)
    return seen


@contextlib.asynccontextmanager
async def dataset_screen(field, size=(120, 40)):
    """The Dataset screen with a field of the recipe focused; images and plan may still be on their way."""
    app = make_app()
    async with app.run_test(size=size) as pilot:
        await until(pilot, lambda: app.screen.query(RecipePanel))
        control = field_of(app.screen.query_one(RecipePanel), field)
        control.focus()
        await until(pilot, lambda: control.has_focus)
        yield app, pilot, control


@pytest.mark.usefixtures("tiny")
async def test_digits_that_come_in_one_burst_are_the_value():
    async with dataset_screen("images_per_character") as (app, pilot, control):
        burst(app, *["backspace"] * 6, *"2500")
        await until(pilot, lambda: control.value == "2500")
        await until(pilot, lambda: app.screen.draft.fields["images_per_character"] == 2500)
        assert await values_over_time(pilot, control) == {"2500"}


@pytest.mark.usefixtures("tiny")
async def test_a_held_arrow_ends_where_it_is_let_go():
    async with dataset_screen("image_size") as (app, pilot, control):
        burst(app, *["up"] * 30)
        await until(pilot, lambda: control.value == "272")
        await until(pilot, lambda: app.screen.draft.fields["image_size"] == 272)
        assert await values_over_time(pilot, control) == {"272"}


@pytest.mark.usefixtures("tiny")
async def test_two_fields_in_one_burst_do_not_overwrite_each_other():
    async with dataset_screen("images_per_character") as (app, pilot, control):
        burst(app, *["backspace"] * 6, "2", "5", "tab", "7", "8", "9", "backspace", "shift+tab", "up")
        wanted = {"images_per_character": 26, "seed": 78}
        await until(pilot, lambda: wanted.items() <= app.screen.draft.fields.items())
        assert await values_over_time(pilot, control) == {"26"}


async def test_keys_of_a_burst_keep_their_order_even_if_the_focused_widget_goes():
    class Fields(OrderedKeys):
        def compose(self):
            with Vertical():
                yield Input("40", id="first", select_on_focus=False)
                yield Input("x", id="second", select_on_focus=False)

        async def on_input_changed(self, event):
            if event.value == "gone":
                await event.input.remove()

    app = Fields()
    async with app.run_test() as pilot:
        first, second = app.query_one("#first", Input), app.query_one("#second", Input)
        burst(app, *["backspace"] * 3, *"2500", "tab", *"789", "backspace", "shift+tab", "1")
        await until(pilot, lambda: first.value == "25001")
        assert second.value == "x78"
        burst(app, *["backspace"] * 5, *"gone", *"more", "backspace")
        await until(pilot, lambda: not first.is_attached)
        second.focus()
        await until(pilot, lambda: second.has_focus)
        burst(app, *"ab", "backspace")
        await until(pilot, lambda: second.value.endswith("a"))


@pytest.mark.usefixtures("tiny")
async def test_the_last_judgement_is_of_the_last_text():
    async with dataset_screen("characters") as (app, pilot, _):
        burst(app, *["backspace"] * 3, *"hiragana")
        await until(pilot, lambda: app.screen.draft.fields["characters"] == "hiragana")
        assert not app.screen.query_one(RecipePanel).form.errors


@pytest.mark.usefixtures("tiny")
async def test_an_invalid_field_blocks_what_would_use_it_and_is_named(monkeypatch):
    async with dataset_screen("image_size") as (app, pilot, control):
        trained = []
        monkeypatch.setattr(app, "train_with", lambda *asked: trained.append(asked))
        burst(app, "backspace", "backspace", *"50000", *["backspace"] * 5)
        await until(pilot, lambda: "✗ no plan: image size: empty" in screen_text(app))
        await pilot.press("escape", "g", "s", "ctrl+t")
        await until(pilot, lambda: sum("image size: empty" in told for told in app.told) == 3)
        assert not trained and not isinstance(app.screen, Ask)
        # A key in the same burst as the text finds the text.
        control.focus()
        await until(pilot, lambda: control.has_focus)
        burst(app, "4", "8", "ctrl+t")
        await until(pilot, lambda: trained)
        assert trained[0][0]["image_size"] == 48


@pytest.mark.usefixtures("tiny")
async def test_errors_go_with_the_changes_and_with_another_recipe():
    async with dataset_screen("image_size") as (app, pilot, control):
        form = app.screen.query_one(RecipePanel).form
        burst(app, "9", "9", "9")
        await until(pilot, lambda: form.errors)
        await pilot.press("escape", "u")
        await until(pilot, lambda: isinstance(app.screen, Confirm))
        await pilot.press("d")
        await until(pilot, lambda: control.value == "32")
        assert not form.errors and not app.screen.draft.changed
        control.value = "9999"
        await until(pilot, lambda: form.errors)
        app.screen.query_one("#recipe-picker").value = DEFAULT
        await until(pilot, lambda: isinstance(app.screen, Confirm))
        await pilot.press("d")
        await until(pilot, lambda: control.value == str(app.screen.draft.fields["image_size"]))
        assert not form.errors and "✗" not in str(app.screen.query_one(PlanLine).content)


@pytest.mark.usefixtures("tiny")
async def test_the_footer_names_no_key_that_would_be_typed():
    async with dataset_screen("image_size") as (app, pilot, _):
        keys = lambda: str(app.screen.query_one(KeyBar).render())  # noqa: E731
        await until(pilot, lambda: "Leave the field" in keys())
        assert "^t Train" in keys() and "Generate" not in keys() and "Save as" not in keys()
        await pilot.press("escape")
        await until(pilot, lambda: "g Generate" in keys() and "s Save as" in keys())
        assert "Revert" not in keys() and "Leave the field" not in keys()
        await go(pilot, "steps")
        await until(pilot, lambda: "J Later" in keys())
        await pilot.press("enter")  # to the step's fields, which take J, but not its second key
        await until(pilot, lambda: "Leave the field" in keys())
        assert "Later" not in keys() and "Remove" not in keys()
        palette = {command.title: command.help for command in app.get_system_commands(app.screen)}
        assert palette["Revert"].startswith("not now") and not palette["Generate"].startswith("not now")


@pytest.mark.usefixtures("tiny")
@pytest.mark.parametrize("size", [(80, 24), (120, 40)])
async def test_each_field_tells_its_range_and_default_at_one_place(size):
    async with dataset_screen("image_size", size) as (app, pilot, _):
        place = app.screen.query_one(FieldHelp)
        await until(pilot, lambda: "16 to 512 px" in screen_text(app))
        assert "default 64" in screen_text(app) and "side of the square images" in screen_text(app)
        where = place.region
        burst(app, "9", "9", "9")
        await until(pilot, lambda: "✗ 999 is above the maximum, 512" in str(place.content))
        assert "16 to 512 px" in str(place.content)
        await pilot.press("shift+tab")
        await until(pilot, lambda: "hiragana, katakana" in str(place.content))
        assert place.region == where
        shown = " ".join(screen_text(app).split())
        assert "a text file, or characters" in shown  # wrapped, not cut

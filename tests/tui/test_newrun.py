"""The Train screen: the form for a new run, and real trainings started from it."""

from pathlib import Path

from textual.widgets import Input, Select, Static

from kanatui.core import paths
from kanatui.core.params import Int
from kanatui.dataset.recipe import Recipe, find_recipe
from kanatui.tui.train.choices import Defaults, Source, arguments
from kanatui.tui.train.newrun import NewRun
from kanatui.tui.widgets.form import ParameterForm
from tests.helpers.app import screen_text, until
from tests.helpers.train_screen import RECIPE, on_train, opened

# ── a new run ───────────────────────────────────────────────────────────────────────────────────────────────────────


def told(source=None, name="", model="compact_cnn", parameters=None, options=None):
    source = source or Source("recipe", "quick", find_recipe("quick"))
    defaults = Defaults.of(source.recipe.train)
    declared = {"width": Int(24, min=1)}
    chosen = {key: value for key, value in defaults.options.items() if key != "model"} | (options or {})
    return arguments(source, name, model, declared, {"width": 24} | (parameters or {}), chosen, defaults)


def test_the_command_line_has_only_what_differs():
    assert told() == ["quick"]
    options = {"minutes": 0.0, "epochs": 3, "hold_out_faces": ("klee-*",)}
    words = "quick --name n --model-set width=32 --epochs 3 --minutes 0 --hold-out-faces klee-*"
    assert told(name="n", parameters={"width": 32}, options=options) == words.split()
    assert told(model="article_cnn")[:3] == ["quick", "--model", "article_cnn"]


def test_an_edited_recipe_travels_in_a_file(home):
    recipe = Recipe.from_dict(RECIPE)
    (path,) = told(Source("edited", "tiny", recipe), parameters={}, options={})
    assert Path(path).is_relative_to(paths.cache())
    assert find_recipe(path).to_dict() == recipe.to_dict()


def test_a_data_set_is_told_by_name():
    assert told(Source("dataset", "mine", find_recipe("quick")))[:2] == ["--data", "mine"]


async def test_form_shows_defaults_and_refuses_what_is_wrong():
    async with opened(shown=False) as (app, pilot):
        await pilot.press("n")
        form = app.screen.query_one(NewRun)
        await until(pilot, lambda: form.model_form is not None)
        assert form.query_one("#new-source", Select).value == "recipe:handwriting"
        form.query_one("#new-source", Select).value = "recipe:article"
        await until(pilot, lambda: form.query_one("#new-model", Select).value == "article_cnn")
        await until(pilot, lambda: form.query_one("#new-name", Input).placeholder == "article")
        first = form.query_one("#new-first", ParameterForm)
        assert first.values["batch_size"] == find_recipe("article").train["batch_size"]

        def field(name):
            return next(field for field in first.query("Field") if field.parameter.name == name).query_one(Input)

        field("minutes").value = "3"
        await until(pilot, lambda: first.values["minutes"] == 3 and first.values["epochs"] == 0)
        field("epochs").value = "2"
        await until(pilot, lambda: first.values["epochs"] == 2 and first.values["minutes"] == 0)
        field("batch_size").value = "0"
        await until(pilot, lambda: first.errors)
        await pilot.press("ctrl+s")
        await until(pilot, lambda: "✗ batch_size: 0 is below the least value, 2" in screen_text(app))
        field("batch_size").value = "64"
        form.query_one("#new-name", Input).value = "a/b"
        await until(pilot, lambda: "✗ name: up to 40 letters" in screen_text(app))
        assert not form.starting and not paths.runs().exists()


async def test_a_failing_start_is_told_in_the_form():
    async with opened(shown=False) as (app, pilot):
        await app.screen.train_with(RECIPE | {"faces": ["no-such-face"]}, None)
        await until(pilot, lambda: "tiny, as edited under Dataset" in screen_text(app))
        await pilot.press("ctrl+s")
        say = app.screen.query_one("#new-say", Static)
        await until(pilot, lambda: str(say.content).startswith("✗ no face matches 'no-such-face'"), 60)
        await until(pilot, lambda: not app.screen.query_one(NewRun).starting)
        assert app.screen.part == "new"


async def test_start_stop_continue_a_real_training():
    async with opened(shown=False) as (app, pilot):
        await app.screen.train_with(RECIPE | {"train": RECIPE["train"] | {"epochs": 400}}, None)
        await until(pilot, lambda: app.screen.query_one(NewRun).model_form is not None)
        form = app.screen.query_one(NewRun).model_form
        next(field for field in form.query("Field") if field.parameter.name == "width").query_one(Input).value = "4"
        await pilot.press("ctrl+s")
        await until(pilot, lambda: app.screen.part == "live" and app.screen.live.row, 120)
        run = app.screen.live.row.run
        assert run.id == "001-tiny" and run.config["model"] == {"width": 4}
        await until(pilot, lambda: app.screen.live.follower.history.step)
        await pilot.press("a")
        await until(pilot, lambda: "[x] rotate" in screen_text(app) and app.screen.focused.id == "augment-steps")
        await pilot.press("space")
        await until(pilot, lambda: "in force from step" in screen_text(app))
        await pilot.press("g", "s")
        await until(pilot, lambda: "Stop run 1 tiny now?" in screen_text(app))
        await pilot.press("s")
        await until(pilot, lambda: on_train(app).live.row.state == "stopped", 60)
        stopped_at = run.status().step
        await pilot.press("c")
        await until(pilot, lambda: app.screen.live.row.state == "running", 120)
        await until(pilot, lambda: app.screen.live.follower.history.start.get("step") == stopped_at)
        await pilot.press("s")
        await until(pilot, lambda: "Stop run 1 tiny now?" in screen_text(app))
        await pilot.press("s")
        await until(pilot, lambda: on_train(app).live.row.state == "stopped", 60)

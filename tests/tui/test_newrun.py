"""The Train screen: the form for a new run, and real trainings started from it."""

import json

from textual.widgets import Collapsible, Input, Select, Static

from kanatui.core import paths
from kanatui.dataset.recipe import Recipe, find_recipe, read_recipe
from kanatui.engine.context import Context
from kanatui.engine.jobs.training import configure
from kanatui.kana.sets import parse_characters
from kanatui.plugins.registry import load
from kanatui.training.runs import list_runs
from kanatui.tui.train.choices import Defaults, Source, job_arguments
from kanatui.tui.train.newrun import NewRun
from kanatui.tui.widgets.form import Field, ParameterForm
from kanatui.tui.widgets.pluginforms import PluginForms
from tests.helpers.app import burst, screen_text, until
from tests.helpers.train_screen import RECIPE, on_train, opened

# ── a new run ───────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_escape_leaves_the_field_and_then_the_form_which_keeps_what_was_typed():
    async with opened(size=(80, 24), shown=False) as (app, pilot):
        await pilot.press("n")
        name = await until(pilot, lambda: app.screen.query_one("#new-name", Input))
        await until(pilot, lambda: app.screen.query_one("#new-source").has_focus)
        name.focus()
        await pilot.press(*"my run")
        await until(pilot, lambda: name.value == "my run")
        await pilot.press("escape")
        await until(pilot, lambda: app.screen.query_one("#start").has_focus)
        assert app.screen.part == "new"
        await pilot.press("escape")
        await until(pilot, lambda: app.screen.part == "runs")
        await pilot.press("n")
        await until(pilot, lambda: app.screen.part == "new")
        assert name.value == "my run" and "✗" not in screen_text(app)


async def test_escape_leaves_the_field_also_while_a_training_starts():
    async with opened(size=(80, 24), shown=False) as (app, pilot):
        await pilot.press("n")
        name = await until(pilot, lambda: app.screen.query_one("#new-name", Input))
        await until(pilot, lambda: app.screen.query_one("#new-source").has_focus)
        app.screen.query_one("#start").disabled = True  # as long as one starts, which takes minutes on a busy machine
        name.focus()
        await pilot.press(*"ab", "escape", "4")
        await until(pilot, lambda: app.screen.mode == "draw")
        assert name.value == "ab"
        await pilot.press("escape", "2", "escape")
        await until(pilot, lambda: app.screen.mode == "train" and app.screen.part == "runs")


def chosen(source=None, model="compact_cnn", parameters=None, options=None):
    """What the engine is asked for, and the configuration that it answers with."""
    source = source or Source("edited", "tiny", Recipe.from_dict(RECIPE))
    defaults = Defaults.of(source.recipe.train)
    declared = load().model(model).parameters()
    values = {name: parameter.default for name, parameter in declared.items()} | (parameters or {})
    given = {key: value for key, value in defaults.options.items() if key != "model"} | (options or {})
    wanted = job_arguments(source, model, declared, values, given, defaults)
    return wanted, configure(Context(), json.loads(json.dumps(wanted)), lambda *told, **more: None).data


def test_a_configuration_has_what_was_chosen_its_faces_and_its_characters():
    options = {"minutes": 0.0, "epochs": 3, "hold_out_faces": ("klee-*",)}
    wanted, config = chosen(parameters={"width": 32}, options=options)
    assert wanted["parameters"] == config["model"] == {"width": 32}
    assert config["train"] | {"epochs": 3, "hold_out_faces": ["klee-*"], "batch_size": 16} == config["train"]
    recipe = Recipe.from_dict(config["source"]["recipe"])
    assert config["recipe"] == recipe.name == "tiny"
    assert parse_characters(recipe.characters) == "あいう" and list(recipe.faces) == RECIPE["faces"]
    _, config = chosen(model="article_cnn")
    assert config["train"]["model"] == "article_cnn" and config["model"] == {}


def test_another_seed_is_one_for_images_and_training():
    _, config = chosen(options={"seed": 5})
    assert config["train"]["seed"] == config["source"]["recipe"]["seed"] == 5


def test_a_data_set_is_named_by_its_folder(kanatui):
    kanatui(
        "generate", "quick", "--characters", "あい", "-n", "20", "--faces", "klee-regular", "--name", "mine", check=0
    )
    recipe = read_recipe(paths.datasets() / "mine" / "recipe.toml")
    source = Source("dataset", "mine", recipe)
    _, config = chosen(source)
    assert config["source"] == {"dataset": str((paths.datasets() / "mine").resolve())}
    assert (source.run_name, config["recipe"]) == ("mine", "quick")


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
        await until(pilot, lambda: "✗ batch size: 0 is below the minimum, 2" in screen_text(app))
        field("batch_size").value = "64"
        form.query_one("#new-name", Input).value = "a/b"
        await until(pilot, lambda: "✗ name: not a plain name" in screen_text(app))
        assert not form.starting and not paths.runs().exists()


async def test_observers_are_set_in_the_form_and_one_that_cannot_be_used_says_why(monkeypatch):
    tensorboard, wandb = (load().observer(id) for id in ("tensorboard", "wandb"))
    monkeypatch.setattr(tensorboard, "problem", classmethod(lambda cls: ""))
    monkeypatch.setattr(wandb, "problem", classmethod(lambda cls: 1 / 0))
    async with opened((80, 24), shown=False) as (app, pilot):
        await pilot.press("n")
        watching = await until(pilot, lambda: app.screen.query_one(PluginForms))
        await until(pilot, lambda: len(watching.query(Field)) == len(tensorboard.parameters()))
        app.screen.query_one("#new-watched", Collapsible).collapsed = False
        write, folder = (field.control for field in watching.query(Field))
        folder.focus()
        await until(pilot, lambda: "default tensorboard" in screen_text(app))
        assert "wandb: ✗ its problem() failed (ZeroDivisionError: division by zero)" in screen_text(app)
        await pilot.press("end", "2")
        write.focus()
        await pilot.press("space")
        await until(pilot, lambda: watching.settings == {"tensorboard": {"write": True, "folder": "tensorboard2"}})
        write.toggle()
        await until(pilot, lambda: watching.settings == {"tensorboard": {"folder": "tensorboard2"}})


async def test_what_is_typed_in_one_burst_is_what_is_trained_with():
    async with opened(shown=False) as (app, pilot):
        await pilot.press("n")
        form = app.screen.query_one(NewRun)
        await until(pilot, lambda: form.model_form is not None)
        fields = {field.parameter.name: field.query_one(Input) for field in form.query(Field) if field.query(Input)}
        fields["minutes"].focus()
        await until(pilot, lambda: fields["minutes"].has_focus)
        # minutes 25, then epochs 3, which sets the minutes to 0; the batch size keeps all of its digits
        burst(app, *"25", "tab", "3", "tab", *"2500", "backspace", "up")
        await until(pilot, lambda: fields["batch_size"].value == "251")
        await until(pilot, lambda: form.query_one("#new-first", ParameterForm).values["batch_size"] == 251)
        assert (fields["minutes"].value, fields["epochs"].value) == ("0", "3")
        # a key in the same burst as the last digit finds that digit
        burst(app, "backspace", *"x1", "ctrl+s")
        await until(pilot, lambda: "✗ batch size: '25x1' is not a number" in screen_text(app))
        assert not form.starting and not paths.runs().exists()


async def test_the_form_begins_at_its_top_each_time_it_is_gone_to():
    async with opened((80, 24), shown=False) as (app, pilot):
        await app.screen.train_with(RECIPE, None)
        form, place = app.screen.query_one(NewRun), app.screen.query_one("#new-form")
        await until(pilot, lambda: form.model_form is not None and app.screen.focused.id == "new-source")
        app.screen.query_one(Collapsible).collapsed = False
        await until(pilot, lambda: place.max_scroll_y > 0)
        list(form.query(Input))[-1].focus()
        await until(pilot, lambda: place.scroll_y > 0)
        app.train_with(RECIPE | {"image_size": 48}, None)
        await until(pilot, lambda: app.screen.focused.id == "new-source" and place.scroll_y == 0)


async def test_a_failing_start_is_told_in_the_form():
    async with opened(shown=False) as (app, pilot):
        await app.screen.train_with(RECIPE | {"faces": ["no-such-face"]}, None)
        await until(pilot, lambda: "tiny, as edited under Dataset" in screen_text(app))
        await pilot.press("ctrl+s")
        say = app.screen.query_one("#new-say", Static)
        await until(pilot, lambda: str(say.content).startswith("✗ no face matches 'no-such-face'"))
        await until(pilot, lambda: not app.screen.query_one(NewRun).starting)
        assert app.screen.part == "new" and list_runs() == []


async def test_a_training_that_fails_as_it_begins_is_told_and_leaves_no_run():
    async with opened(shown=False) as (app, pilot):
        await app.screen.train_with(RECIPE | {"train": RECIPE["train"] | {"hold_out_faces": ["nobody"]}}, None)
        await until(pilot, lambda: app.screen.query_one(NewRun).model_form is not None)
        await until(pilot, lambda: "tiny, as edited under Dataset" in screen_text(app))
        await pilot.press("ctrl+s")
        say = app.screen.query_one("#new-say", Static)
        await until(pilot, lambda: str(say.content).startswith("✗ run 001-tiny failed: train.hold_out_faces: no face"))
        await until(pilot, lambda: not app.screen.query_one(NewRun).starting)
        assert app.screen.part == "new" and list_runs() == []


async def test_start_stop_continue_a_real_training():
    async with opened(shown=False) as (app, pilot):
        await app.screen.train_with(RECIPE | {"train": RECIPE["train"] | {"epochs": 400}}, None)
        await until(pilot, lambda: app.screen.query_one(NewRun).model_form is not None)
        form = app.screen.query_one(NewRun).model_form
        next(field for field in form.query("Field") if field.parameter.name == "width").query_one(Input).value = "4"
        watching = app.screen.query_one(PluginForms)
        await until(pilot, lambda: watching.query("Field"))
        checkbox = next(field.control for field in watching.query(Field) if field.parameter.name == "write")
        checkbox.value = True
        await pilot.press("ctrl+s")
        await until(pilot, lambda: app.screen.part == "live" and app.screen.live.row)
        run = app.screen.live.row.run
        assert run.id == "001-tiny" and run.config["model"] == {"width": 4}
        assert run.config["observers"] == {"tensorboard": {"write": True}}
        await until(pilot, lambda: app.screen.live.follower.history.step)
        await pilot.press("a")
        await until(pilot, lambda: "[x] rotate" in screen_text(app) and app.screen.focused.id == "augment-steps")
        await pilot.press("space")
        await until(pilot, lambda: "in force from step" in screen_text(app))
        await pilot.press("g", "s")
        await until(pilot, lambda: "Stop run 1 tiny now?" in screen_text(app))
        await pilot.press("s")
        await until(pilot, lambda: on_train(app).live.row.state == "stopped")
        stopped_at = run.status().step
        await pilot.press("c")
        await until(pilot, lambda: app.screen.live.row.state == "running")
        await until(pilot, lambda: app.screen.live.follower.history.start.get("step") == stopped_at)
        await pilot.press("s")
        await until(pilot, lambda: "Stop run 1 tiny now?" in screen_text(app))
        await pilot.press("s")
        await until(pilot, lambda: on_train(app).live.row.state == "stopped")

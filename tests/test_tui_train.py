"""The Train screen: the list of runs, a run live, steering it, and the form for a new one."""

import contextlib
import json
import shutil
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from textual.widgets import Input, Select, Static
from tui import make_app, screen_text, until

from kanatui import paths
from kanatui.errors import RunError
from kanatui.params import Int
from kanatui.recipe import Recipe, find_recipe
from kanatui.training.control import Control, Mailbox, is_watched
from kanatui.training.helm import Helm
from kanatui.training.previews import BatchPreview, write_batch
from kanatui.training.recorder import Recorder
from kanatui.training.runs import Run
from kanatui.tui.train.augment import Augmentations
from kanatui.tui.train.batch import BatchSheet
from kanatui.tui.train.choices import Defaults, Source, arguments
from kanatui.tui.train.logs import clean, read_from
from kanatui.tui.train.newrun import NewRun
from kanatui.tui.train.rows import Gatherer, spark
from kanatui.tui.train.runlist import Options
from kanatui.tui.train.screen import TrainScreen
from kanatui.tui.widgets.form import ParameterForm

RECORDED = Path(__file__).parent / "data" / "continued.jsonl"
STEPS = [{"plugin": "rotate", "degrees": [-10.0, 10.0]}, {"plugin": "noise", "p": 0.5}]
RECIPE = {
    "name": "tiny",
    "characters": "あいう",
    "faces": ["klee-regular", "noto-sans-cjk-jp-regular"],
    "image_size": 32,
    "images_per_character": 200,
    "augment": STEPS,
    "train": {"epochs": 1, "batch_size": 16, "validations": 2, "workers": 0, "precision": "float32", "threads": 1},
}


def make_run(name="tiny", state="finished", events=None, best=None, **status):
    """A run directory as a training leaves it behind."""
    run = Run.create(name, {"recipe": "tiny", "source": {"recipe": RECIPE}})
    recorder = Recorder(run)
    for event in events or []:
        fields = {key: value for key, value in event.items() if key not in ("time", "event")}
        recorder.event(event["event"], **fields)
    recorder.update(best=best, **status)
    recorder.finish(state, status.get("reason", ""))
    recorder.close()
    return run


def recorded_run():
    """A real run: augmentations changed, paused, killed, continued, stopped; its last line is torn."""
    run = make_run("recorded", "stopped", progress=0.15, step=277, elapsed=14.6)
    shutil.copy(RECORDED, run.path / "events.jsonl")
    return run


def crashed_run():
    run = make_run("crashed")
    status = json.loads((run.path / "status.json").read_text()) | {"state": "running", "pid": 4_000_000}
    (run.path / "status.json").write_text(json.dumps(status))
    run.log.write_text("loading\nRuntimeError: \x1b[31mout of luck\x1b[0m\n")
    return run


class Training(threading.Thread):
    """A training without a network: the real recorder, mailbox and helm, a step each 50 ms."""

    def __init__(self, refuse=""):
        super().__init__(daemon=True)
        self.run_ = Run.create("live", {"recipe": "tiny", "source": {"recipe": RECIPE}})
        self.refuse = refuse
        self.ready = threading.Event()
        self.over = threading.Event()

    def run(self):
        recorder = Recorder(self.run_)
        helm = Helm(recorder)
        step = 0

        def augment(arguments):
            if self.refuse:
                raise RunError(self.refuse)
            recorder.event("augment", step=step + 1, augments=arguments["augments"])
            return f"from step {step + 1} on"

        helm.handlers["augment"] = augment
        control = Control(Mailbox(self.run_.control))
        recorder.event("start", step=0, device="cpu", precision="float32", weights=10, batches=100)
        recorder.update(state="running")
        while helm.ending is None and not self.over.is_set():
            step += 1
            fields = {"step": step, "epoch": 0, "progress": 0.25, "elapsed": step / 20, "seconds_left": 15.0}
            measured = {"loss": 1 / step, "rate": 0.01, "images_per_second": 900.0, "memory": 5e8, "cpu": 180.0}
            recorder.event("step", **fields, **measured)
            recorder.update(**fields)
            if is_watched(self.run_.control):
                images = np.random.default_rng(step).integers(0, 255, (4, 16, 16), dtype=np.uint8)
                batch = BatchPreview(step, images, "あいうえ", "あいうう", np.full(4, 0.5, np.float32))
                write_batch(self.run_.previews, batch)
            self.ready.set()
            time.sleep(0.05)
            helm.obey(control.take(), step)
            if helm.paused:
                recorder.event("paused", step=step)
                recorder.update(state="paused")
                while helm.paused and helm.ending is None and not self.over.is_set():
                    time.sleep(0.02)
                    helm.obey(control.take(), step)
                    recorder.update()
                recorder.event("resumed", step=step)
                recorder.update(state="running")
        recorder.finish("stopped", helm.ending or "")
        recorder.close()


@contextlib.contextmanager
def training(refuse=""):
    thread = Training(refuse)
    thread.start()
    assert thread.ready.wait(20)
    try:
        yield thread.run_
    finally:
        thread.over.set()
        thread.join(20)


@contextlib.asynccontextmanager
async def opened(size=(120, 40), shown=True, **options):
    """The app on the Train screen, a run shown if there is one."""
    app = make_app("train", **options)
    async with app.run_test(size=size, notifications=True) as pilot:
        await until(pilot, lambda: app.screen.query("#train-live") and app.screen.runs.loaded)
        if shown:
            await until(pilot, lambda: app.screen.live.row and app.screen.live._caught_up and app.screen.live._charts)
        yield app, pilot


def on_train(app):
    """The Train screen itself, also while a question stands over it."""
    return next(screen for screen in app.screen_stack if isinstance(screen, TrainScreen))


def note(app):
    return str(on_train(app).query_one("#live-note", Static).content)


def titles(app):
    return [str(chart.query_one(".chart-title", Static).content) for chart in on_train(app).live._charts]


# ── the list ────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_without_runs_it_says_what_to_do():
    async with opened(shown=False) as (app, pilot):
        await until(pilot, lambda: "No runs yet: press n" in screen_text(app))
        await pilot.press("p", "s", "e", "c", "v", "t", "o", "d", "space", "enter", "a", "g", "i", "h", "l")
        assert app.is_running


async def test_list_says_how_each_stands():
    make_run("good", best={"step": 9, "strict": 0.9, "folded": 0.95})
    make_run("broken", "failed", reason="the loss is no longer a number")
    crashed_run()
    recorded_run()
    async with opened() as (app, pilot):
        text = await until(pilot, lambda: "90.0 % / 95.0 %" in screen_text(app) and screen_text(app))
        assert "✓ 1 good" in text and "finished" in text
        assert "✗ 2 broken" in text and "failed: the loss is no longer" in text
        assert "✗ 3 crashed" in text and "crashed: process 4000000 is" in text
        assert "■ 4 recorded" in text and "stopped 15 %" in text
        assert "▆" not in text.split("4 recorded")[0], "one validation is no curve to rise in"


def test_gathering_reads_only_what_changed(home):
    run = recorded_run()
    gatherer = Gatherer()
    (row,) = gatherer.look()
    assert row.folded == (1.0,)
    (again,) = gatherer.look()
    assert again is row
    run.rename("another")
    assert gatherer.look()[0].title == "another"
    run.delete()
    assert gatherer.look() == []


@pytest.mark.parametrize(
    ("values", "drawn"),
    [((), ""), ((0.5,), "█"), ((0.0, 1.0), "▁█"), (tuple(range(100)), "▁▂▃▄▅▆▇█")],
)
def test_spark(values, drawn):
    assert spark(values) == drawn
    assert spark(values, plain=True).isascii()


async def test_rename_note_delete():
    run = make_run("first")
    async with opened() as (app, pilot):
        await pilot.press("t")
        await until(pilot, lambda: app.screen.query(Input))
        app.screen.query_one(Input).value = "手書き [b]one[/]"
        await pilot.press("enter")
        await until(pilot, lambda: "1 手書き [b]one[/]" in screen_text(app))
        await pilot.press("o")
        await until(pilot, lambda: app.screen.query(Input))
        app.screen.query_one(Input).value = "with more noise"
        await pilot.press("enter")
        await until(pilot, lambda: "with more noise" in screen_text(app))
        assert run.title == "手書き [b]one[/]" and run.note == "with more noise"
        await pilot.press("d")
        await until(pilot, lambda: "Delete run 001-first" in screen_text(app))
        await pilot.press("enter")
        assert run.path.exists(), "cancel is what enter takes"
        await pilot.press("d")
        await until(pilot, lambda: "Delete run 001-first" in screen_text(app))
        await pilot.press("d")
        await until(pilot, lambda: "No runs yet" in screen_text(app))
        assert not run.path.exists()
        assert "The run that was shown here is gone" in screen_text(app)


async def test_a_run_at_work_is_not_deleted():
    with training() as run:
        async with opened() as (app, pilot):
            await pilot.press("d")
            await until(pilot, lambda: "Delete run" in screen_text(app))
            await pilot.press("d")
            await until(pilot, lambda: "is still running" in screen_text(app))
            assert run.path.exists()


async def test_marked_runs_are_laid_over_each_other():
    for name in ("one", "two", "three", "four", "five", "six"):
        run = make_run(name)
        shutil.copy(RECORDED, run.path / "events.jsonl")
    async with opened() as (app, pilot):
        await until(pilot, lambda: "smoothed" in titles(app)[0])
        assert "raw" in titles(app)[0] and "A augmentations changed" in titles(app)[0] and "P paused" in titles(app)[0]
        app.screen.query_one(Options).focus()
        await pilot.press("down", "space", "down", "space")
        await until(pilot, lambda: "─x─ five" in titles(app)[0] and "─+─ four" in titles(app)[0])
        assert "─o─ six" in titles(app)[0] and "raw" not in titles(app)[0]
        assert "five folded" in titles(app)[1]
        assert "+1 5 five" in screen_text(app) and "+2 4 four" in screen_text(app)
        await pilot.press("enter")
        await until(pilot, lambda: "─o─ four" in titles(app)[0] and "─x─ five" in titles(app)[0])
        assert titles(app)[0].count("four") == 1, "the run shown is not laid over itself"
        app.screen.query_one(Options).focus()
        await pilot.press("space", "up", "up", "enter")
        await until(pilot, lambda: "─o─ six" in titles(app)[0] and "four" not in titles(app)[0])
        app.screen.query_one(Options).focus()
        await pilot.press("down", "down")
        await pilot.press("space", "down", "space", "down", "space", "down", "space")
        await until(pilot, lambda: "cannot be told apart" in screen_text(app))
        assert len(app.screen.runs.marked) == 4


# ── live ────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("plain", [False, True])
@pytest.mark.parametrize("size", [(80, 24), (120, 40)])
async def test_a_recorded_run(size, plain):
    recorded_run()
    async with opened(size, plain=plain) as (app, pilot):
        await pilot.press("enter")
        text = await until(
            pilot, lambda: "step 277" in screen_text(app) and "smoothed" in screen_text(app) and screen_text(app)
        )
        assert "■ run 1 recorded · stopped" in text
        assert "strict 100.0 % (best 100.0 %) · folded 100.0 % (best 100.0 %)" in text
        assert "CPU 22 % · memory 379.7 MB · waiting 0 %" in text
        assert any(0x2800 < ord(letter) < 0x2900 for letter in text) is not plain
        assert len(max(text.splitlines(), key=len)) <= size[0]
        await pilot.press("g")
        await until(pilot, lambda: "images per second" in screen_text(app))
        await pilot.press("h")
        await until(pilot, lambda: "stopped as asked" in screen_text(app))
        await pilot.press("a")
        await until(pilot, lambda: "[x] rotate" in screen_text(app))


async def test_zoom_and_move():
    recorded_run()
    async with opened() as (app, pilot):
        await pilot.press("enter")
        plot = app.screen.live._charts[0].query_one("Plot")
        await until(pilot, lambda: plot.span == (0.0, 300.0))
        plot.focus()
        await pilot.press("plus")
        await until(pilot, lambda: plot.span[0] > 0 and plot.span[1] < 300)
        near = plot.span
        await pilot.press("left")
        await until(pilot, lambda: plot.span[0] < near[0])
        app.screen.live._draw_charts()
        await pilot.pause()
        assert plot.moved and plot.span != (0.0, 300.0), "a redraw keeps what the user looks at"
        await pilot.press("r")
        await until(pilot, lambda: plot.span == (0.0, 300.0))


async def test_crashed_says_why_and_what_to_do():
    crashed_run()
    async with opened() as (app, pilot):
        text = await until(pilot, lambda: "out of luck" in screen_text(app) and screen_text(app))
        assert "✗ crashed: process 4000000 is gone" in text
        assert "RuntimeError: out of luck" in text
        assert "c goes on from its last checkpoint" in text


async def test_preparing_is_shown():
    run = Run.create("slow", {"source": {"recipe": RECIPE}})
    recorder = Recorder(run)
    recorder.event("preparing", done=40, total=169)
    recorder.update()
    async with opened() as (app, pilot):
        await until(pilot, lambda: "preparing 40/169" in screen_text(app))
    recorder.close()


async def test_pause_resume_stop_are_acknowledged():
    with training() as run:
        async with opened() as (app, pilot):
            said = []
            say = app.screen.live.say
            app.screen.live.say = lambda text: (said.append(text), say(text))
            await pilot.press("p")
            await until(pilot, lambda: note(app).startswith("paused at step"))
            assert said[0] == "pause sent …", "said at once, before the training can answer"
            await until(pilot, lambda: "‖ run 1 live · paused" in screen_text(app))
            await pilot.press("p")
            await until(pilot, lambda: note(app).startswith("going on at step"))
            await until(pilot, lambda: run.status().state == "running" and app.screen.live.row.state == "running")
            await pilot.press("e")
            await until(pilot, lambda: note(app).startswith("stopping after this epoch at step"))
            await pilot.press("s")
            await until(pilot, lambda: "Stop run 1 live now?" in screen_text(app))
            await pilot.press("escape", "s")
            await until(pilot, lambda: "Stop run 1 live now?" in screen_text(app))
            assert run.status().active
            await pilot.press("enter")
            await until(pilot, lambda: "■ run 1 live · stopped" in screen_text(app))
            assert run.status().reason == "as asked"
            await until(pilot, lambda: note(app) == "c goes on from its checkpoint, v evaluates it")


async def test_a_refusal_is_shown_with_its_reason():
    with training():
        async with opened() as (app, pilot):
            await pilot.press("p")
            await until(pilot, lambda: app.screen.live.row.state == "paused")
            await pilot.press("e")
            await until(pilot, lambda: "✗ stop after epoch refused: paused in the middle of an epoch" in note(app))


async def test_two_apps_watch_one_run():
    with training():
        async with opened() as (first, pilot), opened() as (second, other):
            await pilot.press("p")
            await until(other, lambda: "‖ run 1 live · paused" in screen_text(second))
            await until(pilot, lambda: "‖ run 1 live · paused" in screen_text(first))
            await other.press("p")
            await until(pilot, lambda: "● run 1 live · running" in screen_text(first))


async def test_augmentations_change_while_it_trains():
    with training() as run:
        async with opened() as (app, pilot):
            await pilot.press("a")
            await until(pilot, lambda: "[x] rotate" in screen_text(app) and app.screen.focused.id == "augment-steps")
            await pilot.press("space")
            await until(pilot, lambda: "in force from step" in screen_text(app))
            await until(pilot, lambda: "[ ] rotate" in screen_text(app))
            event = next(event for event in run.events().read() if event["event"] == "augment")
            assert event["augments"] == [{"plugin": "rotate", "p": 0.0, "degrees": [-10.0, 10.0]}, STEPS[1]]
            await pilot.press("space")
            await until(pilot, lambda: "[x] rotate" in screen_text(app))
            form = await until(pilot, lambda: app.screen.query("#augment-form ParameterForm").first(ParameterForm))
            field = next(field for field in form.query("Field") if field.parameter.name == "degrees")
            field.query_one(Input).value = "-3..3"
            steps = app.screen.query_one(Augmentations)
            await until(pilot, lambda: steps._seen.get("augments", [{}])[0].get("degrees") == [-3.0, 3.0])
            await until(pilot, lambda: "A augmentations changed" in titles(app)[0])


async def test_augmentations_refused():
    with training(refuse="noise: no such plugin there"):
        async with opened() as (app, pilot):
            await pilot.press("a")
            await until(pilot, lambda: "[x] rotate" in screen_text(app) and app.screen.focused.id == "augment-steps")
            await pilot.press("space")
            await until(pilot, lambda: "✗ augment refused: noise: no such plugin there" in screen_text(app))
            assert "[x] rotate" in screen_text(app), "what is in force is shown again"


async def test_images_of_the_batch():
    with training():
        async with opened() as (app, pilot):
            await pilot.press("i")
            await until(pilot, lambda: "あ 50 %" in screen_text(app))
            text = screen_text(app)
            assert "!え→う 50 %" in text, "what is misread is marked"
            assert len(app.screen.query_one(BatchSheet)._images) == 4


async def test_100_000_events_with_progress():
    run = make_run("long")
    line = {
        "time": 0,
        "event": "step",
        "epoch": 0,
        "progress": 0.5,
        "loss": 1.5,
        "rate": 0.01,
        "images_per_second": 9.0,
    }
    with open(run.path / "events.jsonl", "w") as file:
        file.writelines(json.dumps(line | {"step": n}) + "\n" for n in range(100_000))
    said = []
    async with opened(shown=False) as (app, pilot):
        say = app.screen.live.say
        app.screen.live.say = lambda text: (said.append(text), say(text))
        await until(pilot, lambda: "step 99,999" in screen_text(app))
        await until(pilot, lambda: app.screen.live._caught_up)
    assert any(text.startswith("reading what happened so far") for text in said)


async def test_any_size():
    recorded_run()
    async with opened() as (app, pilot):
        for size in ((1, 1), (0, 0), (300, 100), (80, 24)):
            await pilot.resize_terminal(*size)
            for key in ("enter", "a", "n", "escape"):
                await pilot.press(key)
        await until(pilot, lambda: "recorded" in screen_text(app))


def test_a_log_cannot_move_the_cursor(tmp_path):
    assert clean("a\x1b[2Jb\x07\r\n") == "ab"
    assert clean("10 %\r20 %\n") == "20 %"
    log = tmp_path / "train.log"
    log.write_bytes(b"x" * 200_000 + b"\nsecond\nthird")
    offset, lines = read_from(log, 0)
    assert lines == ["second"]
    with open(log, "ab") as file:
        file.write(b" line\n")
    assert read_from(log, offset) == (200_000 + len("\nsecond\nthird line\n"), ["third line"])


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
        await until(pilot, lambda: form._model_form is not None)
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
        await until(pilot, lambda: app.screen.query_one(NewRun)._model_form is not None)
        form = app.screen.query_one(NewRun)._model_form
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

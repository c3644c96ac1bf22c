"""The Train screen: the list of runs, a run live, steering it."""

import json
import shutil

import pytest
from textual.widgets import Input

from kanatui.training.recorder import Recorder
from kanatui.training.runs import Run
from kanatui.tui.train.live import Live
from kanatui.tui.train.logs import clean, read_from
from kanatui.tui.train.rows import Gatherer, spark
from kanatui.tui.train.runlist import RunTable
from kanatui.tui.widgets.axis import Axis
from kanatui.tui.widgets.form import ParameterForm
from kanatui.tui.widgets.plot import Plot
from tests.helpers.app import screen_text, until
from tests.helpers.train_screen import (
    RECIPE,
    RECORDED,
    STEPS,
    crashed_run,
    make_run,
    note,
    opened,
    recorded_run,
    titles,
    training,
)

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
        text = await until(pilot, lambda: "90.0 %   95.0 %" in screen_text(app) and screen_text(app))
        assert "✓ 1 good" in text and "finished" in text
        assert "✗ 2 broken" in text and "✗ 3 crashed" in text
        await pilot.press("down")
        await until(pilot, lambda: "✗ crashed: process 4000000 is" in screen_text(app))
        await pilot.press("down")
        await until(pilot, lambda: "✗ failed: the loss is no longer" in screen_text(app))
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
        app.screen.query_one(Input).value = "x" * 81
        await until(pilot, lambda: "use one line of up to 80 characters" in screen_text(app))
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


async def test_after_the_watched_run_is_gone_no_other_one_takes_its_place():
    other = crashed_run()
    run = make_run("watched")
    async with opened(size=(80, 24)) as (app, pilot):
        await pilot.press("enter")
        await until(pilot, lambda: app.screen.part == "live" and app.screen.live.row.run.id == run.id)
        run.delete()
        await until(pilot, lambda: "The run that was shown here is gone" in screen_text(app))
        app.screen.runs.look()
        rows = app.screen.runs.rows
        other.rename("looked at again")
        await until(pilot, lambda: app.screen.runs.rows != rows)
        assert app.screen.target is None
        await pilot.press("c", "d", "e")
        assert other.status().state == "crashed" and "is gone" in screen_text(app)
        await pilot.press("escape", "enter")
        await until(pilot, lambda: app.screen.live.row and app.screen.live.row.run.id == other.id)


async def test_scores_of_own_samples_are_called_so():
    events = [json.loads(line) for line in RECORDED.read_text().splitlines()[:-1]]
    last = next(event for event in reversed(events) if event["event"] == "validation")
    scores = {"images": 17, "loss": 0.1, "strict": 1.0, "folded": 1.0}
    held_out = {"images": 300, "loss": 0.3, "strict": 0.8, "folded": 0.905}
    of_samples = {"time": last["time"], "event": "validation", "step": 90, "samples": scores, "held_out": held_out}
    best = {"step": 90, "of": "samples", "images": 17, "strict": 1.0, "folded": 1.0}
    make_run("adapted", events=[of_samples], best=best)
    async with opened() as (app, pilot):
        await until(pilot, lambda: "100.0 %*" in screen_text(app) and "* of 17 own samples" in screen_text(app))
        await pilot.press("enter")
        text = await until(pilot, lambda: "held out 80.0 % / 90.5 %" in screen_text(app) and screen_text(app))
        assert "· of 17 own samples" in text


async def test_a_stop_after_the_epoch_is_taken_back_by_the_same_key():
    with training() as run:
        async with opened() as (app, pilot):
            await pilot.press("e")
            await until(pilot, lambda: note(app).startswith("stopping after this epoch at step"))
            await pilot.press("e")
            await until(pilot, lambda: note(app).startswith("going on after this epoch"))
            await pilot.press("e")
            await until(pilot, lambda: note(app).startswith("stopping after this epoch at step"))
            assert run.status().active


async def test_a_run_at_work_is_not_deleted():
    with training() as run:
        async with opened() as (app, pilot):
            await until(pilot, lambda: app.screen.target and app.screen.target.state == "running")
            assert not app.screen.check_action("delete", ())
            await pilot.press("d")
            await pilot.pause()
            assert len(app.screen_stack) == 1 and run.path.exists()


async def test_marked_runs_are_laid_over_each_other():
    for name in ("one", "two", "three", "four", "five", "six"):
        run = make_run(name)
        shutil.copy(RECORDED, run.path / "events.jsonl")
    async with opened((200, 60)) as (app, pilot):
        await until(pilot, lambda: "smoothed" in titles(app)[0])
        assert "raw" in titles(app)[0] and "A augmentations changed" in titles(app)[0] and "P paused" in titles(app)[0]
        app.screen.query_one(RunTable).focus()
        await pilot.press("down", "space", "down", "space")
        signs = ["─@─ six", "─*─ five", "─#─ four"]
        await until(pilot, lambda: all(sign in titles(app)[0] for sign in signs))
        assert "raw" not in titles(app)[0]
        assert titles(app)[1].startswith("read right, % · folded  ─@─ six")
        assert "+1 5 five" in screen_text(app) and "+2 4 four" in screen_text(app)
        await pilot.press("enter")
        await until(pilot, lambda: titles(app)[0].startswith("loss  ─#─ four  "))
        assert "─*─ five" in titles(app)[0], "each keeps its sign and its colour"
        assert titles(app)[0].count("four") == 1, "the run shown is not laid over itself"
        app.screen.query_one(RunTable).focus()
        await pilot.press("space", "up", "up", "enter")
        await until(pilot, lambda: "─@─ six" in titles(app)[0] and "four" not in titles(app)[0])
        app.screen.query_one(RunTable).focus()
        await pilot.press("down", "down")
        await pilot.press("space", "down", "space", "down", "space", "down", "space")
        await until(pilot, lambda: "cannot be told apart" in screen_text(app))
        assert len(app.screen.runs.marked) == 4


# ── live ────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("plain", [False, True])
@pytest.mark.parametrize("size", [(80, 24), pytest.param((120, 40), marks=pytest.mark.slow)])
async def test_a_recorded_run(size, plain):
    recorded_run()
    async with opened(size, pictures="ascii" if plain else "") as (app, pilot):
        await pilot.press("enter")
        text = await until(
            pilot, lambda: "step 277" in screen_text(app) and "smoothed" in screen_text(app) and screen_text(app)
        )
        assert "■ run 1 recorded · stopped" in text
        assert "strict 100.0 % · folded 100.0 % · at step" in text
        assert "CPU 22 % · memory 379.7 MB · data 0 %" in text
        assert any(0x2800 < ord(letter) < 0x2900 for letter in text) is not plain
        assert len(max(text.splitlines(), key=len)) <= size[0]
        await pilot.press("g")
        await until(pilot, lambda: "learning rate" in screen_text(app))
        await pilot.press("h")
        await until(pilot, lambda: "stopped as asked" in screen_text(app))
        await pilot.press("a")
        await until(pilot, lambda: "[x] rotate" in screen_text(app))
        await pilot.press("g")
        await until(pilot, lambda: isinstance(app.focused, Plot))


async def test_zoom_and_move():
    recorded_run()
    async with opened() as (app, pilot):
        await pilot.press("enter")
        plot = app.screen.live.charts.charts[0].query_one(Plot)
        await until(pilot, lambda: plot.axes[0] == Axis(0.0, 300.0))
        plot.focus()
        await pilot.press("plus", "left")
        near = plot.axes[0]
        assert near.low > 0 and near.high < 300
        await pilot.resize_terminal(110, 40)
        await pilot.pause()
        assert plot.moved and plot.axes[0] == near, "a redraw keeps what the user looks at"
        await pilot.press("r")
        await until(pilot, lambda: plot.axes[0] == Axis(0.0, 300.0))


@pytest.mark.parametrize("size", [(80, 12), (20, 5)])
async def test_a_chart_in_a_small_window(size):
    recorded_run()
    async with opened() as (app, pilot):
        await pilot.press("enter")
        await until(pilot, lambda: "smoothed" in titles(app)[0])
        app.screen.live.charts.charts[0].query_one(Plot).focus()
        await pilot.resize_terminal(*size)
        await until(pilot, lambda: any(0x2800 < ord(letter) < 0x2900 for letter in screen_text(app)))
        await pilot.press("up", "down", "left", "right", "plus", "minus", "r")
        await pilot.resize_terminal(120, 40)
        await until(pilot, lambda: "step 277" in screen_text(app))


async def test_crashed_says_why_and_what_to_do():
    crashed_run()
    async with opened() as (app, pilot):
        text = await until(pilot, lambda: "out of luck" in screen_text(app) and screen_text(app))
        assert "✗ crashed: process 4000000 is gone" in text
        assert "RuntimeError: out of luck" in text
        assert "c continues from its last checkpoint" in text


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
            await until(pilot, lambda: note(app).startswith("continuing at step"))
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
            await until(pilot, lambda: note(app) == "c continues from its checkpoint, v evaluates it")


async def test_a_refusal_is_shown_with_its_reason():
    with training():
        async with opened() as (app, pilot):
            await pilot.press("p")
            await until(pilot, lambda: app.screen.live.row.state == "paused")
            assert "e Stop after epoch" not in screen_text(app) and "p Resume" in screen_text(app)
            app.screen.live.send("stop_after_epoch", {})  # as from a terminal that has not seen the pause yet
            await until(pilot, lambda: "✗ stop after epoch refused: paused in the middle of an epoch" in note(app))


async def test_two_apps_watch_one_run():
    with training():
        async with opened() as (first, pilot), opened() as (second, other):
            await pilot.press("p")
            await until(other, lambda: "‖ run 1 live · paused" in screen_text(second))
            await until(pilot, lambda: "‖ run 1 live · paused" in screen_text(first))
            await other.press("p")
            await until(pilot, lambda: "● run 1 live · running" in screen_text(first))


async def test_a_run_that_answered_paused_is_resumed_before_its_status_says_so():
    with training(checkpoint_takes_forever=True) as run:
        async with opened() as (app, pilot):
            await pilot.press("p")
            await until(pilot, lambda: note(app).startswith("paused at step"))
            await pilot.press("p")
            await until(pilot, lambda: note(app).startswith("continuing at step"))
            answered = [event["command"] for event in run.events().read() if event["event"] == "command"]
            assert answered == ["pause", "resume"]


async def test_augmentations_change_while_it_trains():
    with training() as run:
        async with opened() as (app, pilot):

            def changes():
                return [event for event in run.events().read() if event["event"] == "augment"]

            def is_in_force(number):
                made = changes()
                return len(made) == number and f"in force from step {made[-1]['step']:,}" in screen_text(app)

            await pilot.press("a")
            await until(pilot, lambda: "[x] rotate" in screen_text(app) and app.screen.focused.id == "augment-steps")
            await pilot.press("space")
            await until(pilot, lambda: is_in_force(1))
            await until(pilot, lambda: "[ ] rotate" in screen_text(app))
            assert changes()[0]["augments"] == [{"plugin": "rotate", "p": 0.0, "degrees": [-10.0, 10.0]}, STEPS[1]]
            await pilot.press("space")
            await until(pilot, lambda: is_in_force(2) and "[x] rotate" in screen_text(app))
            form = await until(pilot, lambda: app.screen.query("#augment-form ParameterForm").first(ParameterForm))
            field = next(field for field in form.query("Field") if field.parameter.name == "degrees")
            field.query_one(Input).value = "-3..3"
            await until(pilot, lambda: is_in_force(3))
            assert changes()[-1]["augments"][0]["degrees"] == [-3.0, 3.0]
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
            assert "い 50 %" in text and "う 50 %" in text
            assert "!え→う 50 %" in text, "what is misread is marked"


@pytest.mark.parametrize("events", [100_000, pytest.param(1_000_000, marks=pytest.mark.slow)])
async def test_many_events_with_progress(monkeypatch, events):
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
        file.writelines(json.dumps(line | {"step": n}) + "\n" for n in range(events))
    said, say = [], Live.say
    monkeypatch.setattr(Live, "say", lambda live, text: (said.append(text), say(live, text)))
    async with opened(shown=False) as (app, pilot):
        await until(pilot, lambda: f"step {events - 1:,}" in screen_text(app))
        await until(pilot, lambda: app.screen.live.caught_up)
    assert any(text.startswith("reading what happened so far") for text in said)


async def test_any_size():
    recorded_run()
    async with opened() as (app, pilot):
        for size in ((1, 1), (0, 0), (300, 100), (80, 24)):
            await pilot.resize_terminal(*size)
            for key in ("enter", "a", "n", "escape", "escape"):
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

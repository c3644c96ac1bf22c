"""Adapting a model to somebody's samples: really trained, for seconds, on five characters."""

import asyncio
import json
import shutil
import time
import types

import numpy as np
import pytest
from PIL import Image
from textual.widgets import Static

from kanatui.cli import run
from kanatui.core.errors import RunError
from kanatui.dataset.mixed import Pictures
from kanatui.evaluation import adapt, samples
from kanatui.evaluation.evaluate import evaluate
from kanatui.model.card import read_card
from kanatui.pictures.drawing import Drawing, Stroke
from kanatui.training.control import STOP, send_and_wait
from kanatui.training.replay import create_replay, same_weights
from kanatui.training.runs import find_run, list_runs
from kanatui.training.session import train_run
from kanatui.tui.draw.board import Board
from kanatui.tui.draw.canvas import Canvas
from kanatui.tui.widgets.dialogs import Ask
from tests.helpers.app import make_app, screen_text, tells, until
from tests.helpers.drawings import FIVE


@pytest.fixture
def own_clock(monkeypatch):
    """Minutes of training are those of its own work: a busy machine takes as many steps in them as a quiet one."""
    monkeypatch.setattr("kanatui.training.meter.time", types.SimpleNamespace(monotonic=time.process_time))


def draw_samples(count, seed=2):
    """Keep drawings of a hand that writes every character in a way of its own: arcs and bars that no font has."""
    random = np.random.default_rng(seed)
    for turn in range(count):
        place = turn % len(FIVE)
        x = np.linspace(0.2, 0.8, 9)
        y = 0.3 + 0.08 * place + (0.06 * place) * np.sin(6 * x) + random.normal(0, 0.01)
        strokes = [Stroke(tuple(zip(x.tolist(), y.tolist(), strict=True)))]
        if place % 2:
            strokes.append(Stroke(((0.5, 0.2), (0.5 + random.normal(0, 0.02), 0.8))))
        samples.keep(Drawing(tuple(strokes)), FIVE[place])


def test_adapting_helps_on_what_was_held_back_and_tells_before_and_after(base, own_clock, capsys):
    draw_samples(60)
    assert run(["adapt", "1", "--minutes", "0.12", "--learning-rate", "0.004"]) == 0
    made = find_run("latest")
    config, status = made.config, made.status()
    assert made.id == "002-adapted" and status.state == "finished"
    pictures = Pictures.load(made.path / "samples.npz")
    held = int(pictures.held_back.sum())
    assert config["adapt"] == {
        "from": base.id, "weights": str(made.path / "first.safetensors"), "samples": 60 - held, "held_back": held,
    }  # fmt: skip

    validations = [event for event in made.events().read() if event["event"] == "validation"]
    first, last = validations[0], validations[-1]
    assert first["step"] == 0 and not first["best"] and last["best"] and last["step"] == status.step
    assert first["samples"]["images"] == last["samples"]["images"] == held
    assert first["held_out"]["strict"] == pytest.approx(base.status().best["strict"], abs=0.05)
    changes = adapt.changes(made)
    assert changes["samples"].before == first["samples"] and changes["held_out"].after == last["held_out"]
    assert changes["samples"].after["strict"] > changes["samples"].before["strict"] + 0.2
    assert changes["held_out"].after["strict"] > changes["held_out"].before["strict"] - 0.1
    out, err = capsys.readouterr()
    assert (": too few to learn much" in err) == (status.step < 200)
    assert f"adapts {base.id} to {60 - held} samples; {held} are held out" in out
    assert f"{100 * changes['samples'].after['strict']:.1f} %" in out and "generated images, held out" in out
    card = read_card(made.weights())
    assert card["from"] == base.id and card["torch"] and card["machine"]
    assert adapt.changes(base) == {}

    # The samples held out are what the run calls its held-out face, for the Evaluate screen.
    done = evaluate("2", {"kind": "faces"}, None, None, lambda *told: None)
    assert done.total.images == held and done.faces == ("samples",)
    assert done.total["strict"] == pytest.approx(last["samples"]["strict"], abs=0.11)


def test_an_adaptation_is_repeated_exactly_and_adapted_again(base):
    draw_samples(50)
    first, _ = adapt.create("1", minutes=0.03)
    train_run(first)
    base.delete()  # nothing of the new run hangs on the old one
    samples.remove(samples.samples()[0])
    repeated = create_replay(first)
    train_run(repeated)
    assert same_weights(repeated) is True
    again, _ = adapt.create(first.id, minutes=0.03, name="again")
    assert again.config["adapt"]["from"] == first.id and again.config["adapt"]["weights"].startswith(str(again.path))
    kept, fewer = (Pictures.load(each.path / "samples.npz") for each in (first, again))
    assert len(fewer.keys) == 49 and set(fewer.keys[fewer.held_back]) <= set(kept.keys[kept.held_back])
    assert train_run(again).state == "finished"


def test_a_folder_of_pictures_serves_as_samples_and_what_is_unfit_is_left_out(base, tmp_path, capsys):
    for turn in range(45):
        folder = tmp_path / "mine" / FIVE[turn % 5]
        folder.mkdir(parents=True, exist_ok=True)
        values = np.full((40, 40), 250, dtype=np.uint8)
        values[8 : 12 + turn, 10 : 14 + 4 * (turn % 5)] = 10
        Image.fromarray(values).save(folder / f"{turn}.png")
    (tmp_path / "mine" / "い" / "bad.png").write_text("no picture")
    (tmp_path / "mine" / "あ").mkdir()
    shutil.copy(tmp_path / "mine" / "い" / "0.png", tmp_path / "mine" / "あ")
    assert run(["adapt", "1", "--samples", str(tmp_path / "mine"), "--minutes", "0.02", "--name", "mine"]) == 0
    said = capsys.readouterr().err
    assert "bad.png" in said and "the model does not know あ" in said
    assert sum(find_run("mine").config["adapt"][name] for name in ("samples", "held_back")) == 45


def test_too_few_samples_say_how_many_more_and_leave_nothing(base, capsys):
    draw_samples(7)
    with pytest.raises(RunError, match=r"7 samples among your drawings .* draw about 13 more"):
        adapt.create("1")
    assert run(["adapt", "1"]) == 1
    assert "draw about 13 more" in capsys.readouterr().err.strip().splitlines()[-1]
    assert [each.id for each in list_runs()] == [base.id]


def test_wrong_options_and_models_are_one_line_and_leave_nothing(base, tmp_path, capsys):
    draw_samples(45)
    lone = shutil.copy(base.weights(), tmp_path / "lone.safetensors")
    for arguments, words in (
        (["1", "--minutes", "-3"], "train.minutes"),
        (["1", "--learning-rate", "99"], "train.learning_rate"),
        (["9"], "no run '9'"),
        ([str(lone)], "not known which images"),
        (["none.safetensors"], "no such file"),
        (["1", "--samples", str(tmp_path / "nowhere")], "no such folder"),
        (["1", "--name", "a/b"], "not a plain name"),
    ):
        assert run(["adapt", *arguments]) in (1, 2)
        assert words in capsys.readouterr().err.strip().splitlines()[-1]
    assert [each.id for each in list_runs()] == [base.id]


def test_an_exported_model_is_adapted_as_its_run_would_be(base, tmp_path):
    from kanatui.evaluation.export import export

    draw_samples(24)  # few, but enough
    target = tmp_path / "given.safetensors"
    export(base, target)
    base.delete()
    made, _ = adapt.create(str(target), minutes=0.02)
    assert train_run(made).state == "finished" and adapt.changes(made)
    private = tmp_path / "adapt.safetensors"
    card = export(made, private)
    assert "samples" not in card["config"]["source"] and str(tmp_path) not in json.dumps(card["adapt"]["samples"])


async def test_the_draw_screen_adapts_by_a_key_and_shows_the_run(base):
    draw_samples(45)
    app = make_app(mode="draw")
    async with app.run_test(size=(110, 30), notifications=True) as pilot:
        await until(pilot, lambda: app.current_mode == "draw" and list(app.screen.query(Canvas)))
        await until(pilot, lambda: "45 kept" in screen_text(app) and app.screen.query_one(Board).model == base.id)
        await pilot.press("a")
        await until(pilot, lambda: isinstance(app.screen, Ask))
        assert f"Adapt {base.id} to your 45 samples, for how many minutes?" in screen_text(app)
        await pilot.press("escape")
        await until(pilot, lambda: not isinstance(app.screen, Ask))
        assert len(list_runs()) == 1
        await pilot.press("a")
        await until(pilot, lambda: isinstance(app.screen, Ask))
        await pilot.press("0", "enter")
        await until(pilot, lambda: "0 is" in screen_text(app))
        await pilot.press("backspace", "2", "enter")
        await until(pilot, lambda: app.current_mode == "train")
        made = find_run("latest")
        assert made.config["train"]["minutes"] == 2.0
        assert made.config["adapt"]["from"] == base.id
        await until(pilot, lambda: "your samples: strict" in screen_text(app) or made.status().step > 3)
        await asyncio.to_thread(send_and_wait, made.path, STOP, 60.0, made.alive)
        await until(pilot, lambda: not made.alive())
        await until(pilot, tells(app, f"adaptation run {made.id} was stopped"))
    assert made.status().state == "stopped"


async def test_too_few_drawings_are_a_message_on_the_draw_screen(base):
    draw_samples(3)
    app = make_app(mode="draw")
    async with app.run_test(size=(80, 24), notifications=True) as pilot:
        await until(pilot, lambda: app.current_mode == "draw" and list(app.screen.query(Canvas)))
        await until(pilot, lambda: "3 kept" in screen_text(app) and app.screen.query_one(Board).model == base.id)
        await pilot.press("escape", "a")
        note = app.screen.query_one("#note", Static)
        await until(pilot, lambda: "adapting needs 20 samples, 3 are kept: draw 17 more" in str(note.content))
        assert not isinstance(app.screen, Ask)
    assert len(list_runs()) == 1

"""Augmentations changed while a run trains, and runs repeated exactly from their events."""

import itertools
import threading
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from kanatui.core.errors import ParameterError, PluginError, RecipeError, RunError
from kanatui.dataset.open import open_source
from kanatui.dataset.recipe import Recipe
from kanatui.dataset.source import Augmentable
from kanatui.dataset.stream import GlyphStream
from kanatui.plugins.registry import load
from kanatui.training.config import make_config
from kanatui.training.control import Mailbox
from kanatui.training.feed import BatchMaker, open_feed
from kanatui.training.neighbours import Neighbours
from kanatui.training.options import TrainingOptions
from kanatui.training.order import EpochOrder
from kanatui.training.replay import Replay, create_replay, read_replay, replay_of
from kanatui.training.runs import Run
from kanatui.training.session import train_run
from kanatui.training.splits import split_source
from tests.helpers.events import event, lines
from tests.helpers.tiny import TinyModel, TinySource

FACES = ["noto-sans-cjk-jp-medium", "noto-serif-cjk-jp-bold"]
STEPS = [
    {"plugin": "rotate", "degrees": [-10.0, 10.0]},
    {"plugin": "blur", "p": 0.5},
    {"plugin": "noise", "p": 0.5, "sigma": 0.05},
]
GRID = [{"plugin": "size"}, {"plugin": "rotate"}, {"plugin": "noise", "p": 0.5}]


@pytest.fixture(autouse=True)
def one_thread():
    torch.set_num_threads(1)


def a_recipe(steps=STEPS, **fields):
    plain = {"characters": "あいう", "faces": FACES, "image_size": 16, "images_per_character": 200, "seed": 3}
    return Recipe.from_dict(plain | fields | {"augment": steps}, "small")


def off(steps, *ids):
    """Tick augmentations off as the app does: order and length stay."""
    return [step | {"p": 0.0} if step["plugin"] in ids else step for step in steps]


def pixels(source, count=60):
    return source.images(np.arange(0, len(source), len(source) // count))


# ── sources ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("steps", [off(STEPS, "noise"), off(STEPS, "rotate", "blur"), STEPS[:1], STEPS[::-1]])
def test_a_changed_stream_is_the_stream_of_the_changed_recipe(steps):
    stream = GlyphStream(a_recipe(), load())
    before = pixels(stream)
    changed = stream.with_augments(steps)
    assert (pixels(changed) == pixels(GlyphStream(a_recipe(steps), load()))).all()
    assert (pixels(changed) == pixels(open_source(changed.spec()))).all()
    assert (pixels(stream) == before).all()
    assert (pixels(changed) != before).any()
    assert (pixels(changed.with_augments(STEPS)) == before).all()
    assert changed.augments == changed.spec()["recipe"]["augment"]


def test_in_a_grid_pixel_steps_change_and_placement_does_not():
    stream = GlyphStream(a_recipe(GRID, mode="grid"), load())
    changed = stream.with_augments(off(GRID, "noise"))
    assert len(changed) == len(stream)
    assert (pixels(changed) == pixels(GlyphStream(a_recipe(off(GRID, "noise"), mode="grid"), load()))).all()
    for steps in (off(GRID, "rotate"), GRID[1:], [GRID[0] | {"sizes": [100.0]}, *GRID[1:]]):
        with pytest.raises((RecipeError, ParameterError)):
            stream.with_augments(steps)


@pytest.mark.parametrize(
    ("steps", "error", "words"),
    [
        ([{"plugin": "nobody"}], PluginError, "unknown augmentation 'nobody'"),
        ([{"plugin": "noise", "loud": 1}], ParameterError, r"noise\.loud: no such parameter"),
        ([{"plugin": "noise", "p": 2}], ParameterError, r"noise\.p: 2 is above"),
        ([{"p": 1}], ParameterError, "a step lacks its plugin"),
        ("noise", ParameterError, "not an array of tables"),
        (None, ParameterError, "not an array of tables"),
    ],
)
def test_steps_that_make_no_sense_are_refused(steps, error, words):
    with pytest.raises(error, match=words):
        GlyphStream(a_recipe(), load()).with_augments(steps)


@pytest.mark.parametrize("workers", [0, 2])
def test_batches_made_ahead_are_made_again(workers):
    source = GlyphStream(a_recipe(), load())
    order = EpochOrder(split_source(source, 0.1).train, 16, 0)
    feed = open_feed(source, order, 0, 1, workers)
    current = source
    try:
        for position in range(12):
            if position in (5, 6, 9):
                current = source.with_augments(off(STEPS, "rotate") if position != 6 else STEPS)
                feed.change(position, current, current.augments)
            got = feed.next(lambda: None)
            assert (got.images.numpy() == BatchMaker(current, order, None).make(position)[0]).all()
    finally:
        feed.close()


# ── while it trains ─────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(autouse=True)
def tiny_plugin(monkeypatch):
    monkeypatch.setitem(load().models, "tiny_cnn", TinyModel)


@pytest.fixture
def clock(monkeypatch):
    """Time passes by what is done: in a time budget, a busy machine takes as many steps as an idle one."""
    ticks = itertools.count()
    for module in ("meter", "validate"):
        clock = SimpleNamespace(monotonic=lambda: next(ticks) * 0.002)
        monkeypatch.setattr(f"kanatui.training.{module}.time", clock)


def new_run(source=None, **options):
    plain = {"model": "tiny_cnn", "batch_size": 16, "threads": 1, "workers": 0, "hold_out": 0.2, "precision": "float32"}
    source, train = source or GlyphStream(a_recipe(), load()), TrainingOptions(**plain | options)
    return Run.create("tiny", make_config(source.spec(), source.characters, source.face_ids, train, {}, "small"))


class Watcher:
    """Sends commands when certain events come, and keeps what came."""

    def __init__(self, run, when):
        self.run, self.when, self.events = run, when, []

    def __call__(self, event):
        self.events.append(event)
        seen = sum(other["event"] == event["event"] for other in self.events)
        for command, arguments in self.when.get((event["event"], seen), ()):
            Mailbox(self.run.control).send(command, **arguments)

    def of(self, kind):
        return [event for event in self.events if event["event"] == kind]


def train(run, when=None, **others):
    watcher = Watcher(run, when or {})
    outcome = train_run(run, [watcher], **others)
    return outcome, watcher


def same(one, other, name="last"):
    first, second = (load_file(run.checkpoint(name)) for run in (one, other))
    return first.keys() == second.keys() and all(torch.equal(first[key], second[key]) for key in first)


def without(*ids):
    return ("augment", {"augments": off(STEPS, *ids)})


def test_a_change_is_answered_recorded_and_kept_through_a_checkpoint():
    run = new_run(epochs=3, validations=6)
    outcome, told = train(run, {("validation", 2): [without("noise")], ("augment", 1): [("stop", {})]})
    assert outcome.state == "stopped"
    (change,) = told.of("augment")
    answer = told.of("command")[0]
    assert (answer["command"], answer["accepted"]) == ("augment", True)
    assert answer["note"] == f"from step {change['step']} on"
    assert change["step"] == answer["step"] + 1
    assert change["augments"] == a_recipe(off(STEPS, "noise")).to_dict()["augment"]
    _, again = train(run)
    start, repeated = again.of("start")[0], again.of("augment")[0]
    assert repeated["augments"] == change["augments"]
    assert repeated["step"] == start["step"] + 1
    assert again.of("step")[-1]["step"] == 3 * start["batches"]


def test_what_cannot_be_changed_is_refused_and_training_goes_on():
    run = new_run(epochs=1, validations=3)
    wrong = [
        ("augment", {"augments": [{"plugin": "nobody"}]}),
        ("augment", {}),
        ("augment", {"augments": a_recipe().to_dict()["augment"]}),
    ]
    outcome, told = train(run, {("start", 1): wrong})
    assert outcome.state == "finished"
    unknown, missing, same_again = told.of("command")
    assert [answer["accepted"] for answer in (unknown, missing, same_again)] == [False, False, True]
    assert "unknown augmentation 'nobody'" in unknown["note"]
    assert "not an array of tables" in missing["note"]
    assert same_again["note"] == "nothing to change"
    assert not told.of("augment")
    run = Run.create("tiny", {**new_run().config, "source": TinySource().spec()})
    assert not isinstance(TinySource(), Augmentable)
    _, told = train(run, {("start", 1): [without("noise")]}, source=TinySource())
    assert told.of("command")[0]["note"].startswith("the augmentations of a data set cannot be changed")


# ── replay ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_time_budget_with_changes_and_a_pause_is_repeated_to_the_bit(clock):
    run = new_run(minutes=2.5 / 60, validations=4)
    when = {
        ("step", 5): [without("noise")],
        ("step", 20): [("pause", {})],
        ("paused", 1): [without("noise", "rotate"), ("resume", {})],
    }
    outcome, told = train(run, when)
    assert outcome.state == "finished"
    assert len(told.of("augment")) == 2
    rates = [event["rate"] for event in told.of("step")]
    assert len(set(rates)) > 20
    again = create_replay(run)
    assert again.config["replay"] == run.id
    torch.manual_seed(99)
    outcome, repeated = train(again)
    assert outcome.state == "finished"
    assert same(run, again)
    assert same(run, again, "best")
    assert [e["step"] for e in repeated.of("augment")] == [e["step"] for e in told.of("augment")]
    assert [e["held_out"] for e in repeated.of("validation")] == [e["held_out"] for e in told.of("validation")]
    third = create_replay(again)
    train(third)
    assert same(run, third)


def test_threads_that_made_room_for_others_are_repeated_at_the_same_steps(clock, monkeypatch):
    counts = iter([2, 2, 2, *[1] * 12])

    def look(self, own):
        self.threads = next(counts, 2)
        return self.threads

    makers, make = [], BatchMaker.make

    def noted(self, position):
        makers.append(threading.current_thread().name)
        return make(self, position)

    monkeypatch.setattr(Neighbours, "look", look)
    monkeypatch.setattr(BatchMaker, "make", noted)
    run = new_run(minutes=2.5 / 60, threads=0)
    _, told = train(run)
    changes = [(event["step"], event["threads"]) for event in told.of("threads")]
    assert [threads for _, threads in changes][-2:] == [1, 2]
    assert {name.partition("_")[0] for name in makers} == {"MainThread", "batches"}, "one thread has help"
    again = create_replay(run)
    _, repeated = train(again)
    assert [(event["step"], event["threads"]) for event in repeated.of("threads")] == changes
    assert same(run, again)


def test_a_run_that_was_stopped_continued_and_killed_is_repeated(clock):
    run = new_run(minutes=4 / 60, validations=4)
    train(run, {("step", 10): [without("blur"), ("stop", {})]})

    seen = []

    def kill(event):
        seen.append(event)
        if len(seen) == 20:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_run(run, [kill])
    lost = run.status().step
    train(run, {("step", 5): [without("blur", "noise")], ("step", 9): [("stop", {})]})
    starts = [event["step"] for event in run.events().read() if event["event"] == "start"]
    assert starts[0] == 0 < starts[1] == starts[2] < lost
    again = create_replay(run, "again")
    assert again.id == "002-again"
    train(again)
    assert same(run, again)


def test_epochs_are_repeated_up_to_where_they_were_stopped_and_a_replay_goes_on_like_any_run():
    run = new_run(epochs=4, validations=8)
    train(run, {("validation", 3): [without("noise")], ("validation", 5): [("stop", {})]})
    again = create_replay(run)
    outcome, told = train(again, {("validation", 2): [without("blur"), ("stop", {})]})
    assert outcome.state == "stopped"
    refused = told.of("command")[0]
    assert (refused["accepted"], "repeats 001-tiny exactly" in refused["note"]) == (False, True)
    outcome, _ = train(again)
    assert outcome.state == "finished"
    assert same(run, again)


def test_what_cannot_be_repeated_is_named():
    run = new_run(epochs=1)
    with pytest.raises(RunError, match="has no steps"):
        create_replay(run)
    (run.path / "events.jsonl").write_text('{"event":"start","step":0}\n')
    with pytest.raises(RunError, match=r"1 event in its events.jsonl cannot be understood"):
        create_replay(run)
    assert read_replay(run.path) is None
    (run.path / "replay.json").write_text("[")
    with pytest.raises(RunError, match=r"replay\.json: cannot be read"):
        read_replay(run.path)


def test_what_came_after_the_checkpoint_that_a_run_was_continued_from_is_left_out():
    run = Run.create("tiny", {})
    one, two = [{"plugin": "one"}], [{"plugin": "two"}]
    (run.path / "events.jsonl").write_text(
        lines(
            event("start", step=0),
            event("step", step=10, rate=0.1),
            event("augment", step=11, augments=one),
            event("step", step=20, rate=0.2),
            event("validation", step=20),
            event("step", step=30, rate=0.2),
            event("augment", step=31, augments=two),
            event("step", step=40, rate=0.3),
            event("validation", step=40),
            event("start", step=30),
            event("augment", step=31, augments=one),
            event("step", step=35, rate=0.25),
        )
        + '{"event":"st'
    )
    replay = replay_of(run)
    assert replay == Replay(run.id, 35, "float32", [(10, 0.1), (30, 0.2), (35, 0.25)], [(11, one), (31, one)], [20])
    assert [replay.rate(step) for step in (0, 9, 10, 29, 30, 34)] == [0.1, 0.1, 0.2, 0.2, 0.25, 0.25]
    assert [replay.augments_at(step) for step in (1, 10, 11, 31, 99)] == [None, None, one, one, one]
    replay.save(run)
    assert read_replay(run.path) == replay

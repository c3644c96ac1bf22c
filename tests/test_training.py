"""The pieces of training and the loop itself, on a tiny source."""

import json
import math
import multiprocessing
import pickle
import time

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file
from tiny import CHARACTERS, TinyModel, TinySource, open_tiny

from kanatui.errors import ParameterError, RunError, UsageError
from kanatui.training.average import average_of
from kanatui.training.control import Command, Control
from kanatui.training.device import choose_device
from kanatui.training.feed import Feed, make_batch
from kanatui.training.options import TrainingOptions
from kanatui.training.order import EpochOrder
from kanatui.training.precision import probe_precision
from kanatui.training.schedule import learning_rate
from kanatui.training.splits import split_source
from kanatui.training.trainer import Trainer
from kanatui.training.usage import Usage
from kanatui.training.validate import Judge

RAGGED = [40, 40, 40, 40, 40, 25, 40, 40, 13]


@pytest.fixture(autouse=True)
def one_thread():
    """The images are so small that a second thread only gets in the way."""
    torch.set_num_threads(1)


def options(**values):
    # One validation, at the end: commands are looked for during validations too, and At counts how often.
    plain = {"batch_size": 32, "precision": "float32", "learning_rate": 0.01, "workers": 0, "validations": 1}
    return TrainingOptions(**plain | values)


# ── options ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_options_name_what_is_wrong():
    with pytest.raises(ParameterError, match=r"train\.learning_rate: .* least value"):
        TrainingOptions(learning_rate=0.0)
    with pytest.raises(ParameterError, match=r"train\.speed: no such parameter"):
        TrainingOptions(speed=3)
    with pytest.raises(ParameterError, match=r"train\.minutes: .* together with train\.epochs"):
        TrainingOptions(epochs=2, minutes=1.0)


def test_without_a_budget_one_epoch_is_trained():
    assert TrainingOptions().whole_epochs == 1
    assert TrainingOptions(epochs=3).whole_epochs == 3
    assert TrainingOptions(minutes=0.5).whole_epochs == 0


# ── splits ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def numbers_of(source, images):
    return [set(source.numbers(label)[images.of(label) - source.offsets[label]]) for label in range(len(source.counts))]


def test_the_same_share_of_numbers_is_held_out_for_every_character():
    source = TinySource(200)
    split = split_source(source, 0.05)
    held = numbers_of(source, split.held_out)
    assert len(held[0]) == 10
    assert all(numbers == held[0] for numbers in held)
    assert all(not numbers & held[0] for numbers in numbers_of(source, split.train))
    assert len(split.train) + len(split.held_out) == len(source)
    assert not len(split.held_out_faces)


def test_another_seed_holds_other_numbers_out():
    source = TinySource(200)
    first, same, other = (split_source(source, 0.05, seed=seed) for seed in (0, 0, 1))
    assert numbers_of(source, first.held_out) == numbers_of(source, same.held_out)
    assert numbers_of(source, first.held_out) != numbers_of(source, other.held_out)


def test_ragged_characters_hold_out_the_same_numbers_where_they_have_them():
    source = TinySource(RAGGED)
    split = split_source(source, 0.2)
    held = numbers_of(source, split.held_out)
    for label, count in enumerate(RAGGED):
        assert held[label] == {number for number in held[0] if number < count}


def test_held_out_faces_are_never_trained_on():
    source = TinySource(60)
    split = split_source(source, 0.3, ["t*"])
    assert split.faces == ("two", "three")
    every = [np.concatenate([part.of(label) for label in range(9)]) for part in (split.train, split.held_out)]
    assert [set(source.faces(indices)) for indices in every] == [{0}, {0}]
    unseen = np.concatenate([split.held_out_faces.of(label) for label in range(9)])
    assert set(source.faces(unseen)) == {1, 2}
    assert sum(map(len, every)) + len(unseen) == len(source)


def test_splits_that_leave_nothing_are_refused():
    with pytest.raises(RunError, match="no face 'klee'"):
        split_source(TinySource(), 0.05, ["klee"])
    with pytest.raises(RunError, match="nothing to train on for 9 characters"):
        split_source(TinySource(), 0.05, ["*"])


def test_characters_with_the_same_numbers_share_memory():
    split = split_source(TinySource(RAGGED), 0.1)
    assert len(split.train.lists) == len(set(RAGGED))


def test_a_sample_is_even_and_repeatable():
    held = split_source(TinySource(RAGGED), 0.5).held_out
    sample = held.sample(45)
    labels, counts = np.unique(TinySource(RAGGED).labels(sample), return_counts=True)
    assert len(labels) == 9
    assert (counts == np.minimum(5, held.counts)).all()
    assert (sample == held.sample(45)).all()
    assert len(held.sample(10**6)) == len(held)


# ── order ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def epoch_of(order, epoch):
    return np.concatenate([order.batch(epoch, k) for k in range(order.batches)])


@settings(max_examples=40, deadline=None)
@example(counts=[1, 1, 1, 1], batch=1, ranks=3, by_number=False)
@given(
    counts=st.lists(st.integers(1, 30), min_size=1, max_size=9),
    batch=st.integers(1, 50),
    ranks=st.integers(1, 3),
    by_number=st.booleans(),
)
def test_an_epoch_shows_every_image_and_walks_characters_evenly(counts, batch, ranks, by_number):
    source = TinySource(counts, characters=CHARACTERS[: len(counts)])
    train = split_source(source, 0.0).train
    size = max(counts) * len(counts)
    if -(-size // (batch * ranks)) * ranks > size:
        with pytest.raises(RunError, match="too few"):
            EpochOrder(train, batch, 0, ranks=ranks)
        return
    order = EpochOrder(train, batch, 0, by_number=by_number, ranks=ranks)
    assert order.batches % ranks == 0
    sizes = [len(order.batch(0, k)) for k in range(order.batches)]
    assert max(sizes) <= batch
    assert max(sizes) - min(sizes) <= 1
    shown = epoch_of(order, 0)
    assert set(shown) == set(range(len(source)))
    walks = source.labels(shown).reshape(-1, len(counts))
    assert (np.sort(walks, axis=1) == np.arange(len(counts))).all()


def test_batches_can_be_asked_for_in_any_order():
    train = split_source(TinySource(RAGGED), 0.1).train
    order, again = EpochOrder(train, 16, 3), EpochOrder(train, 16, 3)
    forwards = [order.batch(epoch, k).tolist() for epoch in (0, 1) for k in range(5)]
    backwards = [again.batch(epoch, k).tolist() for epoch in (1, 0) for k in reversed(range(5))]
    assert forwards == backwards[::-1]
    assert pickle.loads(pickle.dumps(order)).batch(1, 3).tolist() == order.batch(1, 3).tolist()


def test_epochs_and_seeds_differ():
    train = split_source(TinySource(), 0.1).train
    shown = {tuple(EpochOrder(train, 16, seed).batch(epoch, 0)) for seed in (0, 1) for epoch in (0, 1)}
    assert len(shown) == 4


def test_by_number_a_walk_shows_one_image_number():
    source = TinySource(40)
    order = EpochOrder(split_source(source, 0.0).train, 9, 0, by_number=True)
    shown = epoch_of(order, 0)
    numbers = (shown - source.offsets[source.labels(shown)]).reshape(-1, 9)
    assert (numbers == numbers[:, :1]).all()
    mixed = epoch_of(EpochOrder(split_source(source, 0.0).train, 9, 0), 0)
    spread = (mixed - source.offsets[source.labels(mixed)]).reshape(-1, 9)
    assert np.mean([len(set(row)) for row in spread]) > 6


# ── schedule, average, precision, device ────────────────────────────────────────────────────────────────────────────


def test_one_cycle_rises_and_falls():
    rates = [learning_rate("one_cycle", 0.1, share, 0.2) for share in np.linspace(0, 1, 101)]
    assert rates[0] == pytest.approx(0.004)
    assert max(rates) == rates[20] == pytest.approx(0.1)
    assert rates[-1] == pytest.approx(1e-5)
    assert rates[:21] == sorted(rates[:21])
    assert rates[20:] == sorted(rates[20:], reverse=True)
    assert learning_rate("one_cycle", 0.1, 0.0, 0.0) == pytest.approx(0.1)
    assert {learning_rate("constant", 0.1, share) for share in (0.0, 0.5, 1.0)} == {0.1}


def test_the_average_follows_weights_and_buffers():
    model = torch.nn.BatchNorm1d(2)
    average = average_of(model, 0.5)
    for value in (1.0, 3.0):
        with torch.no_grad():
            model.weight.fill_(value)
            model.running_mean.fill_(10 * value)
            model.num_batches_tracked.fill_(int(value))
        average.update_parameters(model)
    # the first call copies; at the second n = 1, so the decay is min(0.5, 2/11)
    expected = 1.0 + (1 - 2 / 11) * 2.0
    assert average.module.weight.tolist() == pytest.approx([expected] * 2)
    assert average.module.running_mean.tolist() == pytest.approx([10 * expected] * 2)
    assert int(average.module.num_batches_tracked) == 3


def test_the_probe_leaves_the_model_as_it_was():
    model = tiny_model()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    probe = probe_precision(model, torch.rand(8, 1, 16, 16), torch.zeros(8, dtype=torch.int64))
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())
    assert probe.chosen in ("float32", "bfloat16")
    assert set(probe.seconds) >= {"float32"}
    assert all(parameter.grad is None for parameter in model.parameters())


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_device_that_is_not_there_is_refused():
    assert choose_device("auto").type in ("cpu", "mps")
    with pytest.raises(UsageError, match=r"--device cuda: .*leave --device out"):
        choose_device("cuda")
    with pytest.raises(UsageError, match="--device tpu: not one of auto"):
        choose_device("tpu")


# ── feed ────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("workers", [0, 2])
def test_batches_come_in_order_whoever_makes_them(workers):
    source = TinySource(RAGGED)
    order = EpochOrder(split_source(source, 0.1).train, 16, 0)
    first = order.batches - 4
    feed = Feed(source, order, first, 2, workers, open_tiny)
    try:
        for position in range(first, first + 12, 2):  # across the end of an epoch
            expected = make_batch(source, order, position)
            got = feed.next(lambda: None)
            assert (got.images.numpy() == expected[0]).all()
            assert (got.labels.numpy() == expected[1]).all()
        if workers:
            for process in multiprocessing.active_children():
                process.kill()
            with pytest.raises(RunError, match="a process that makes batches died"):
                while True:
                    feed.next(lambda: None)
    finally:
        feed.close()


def test_the_thread_makes_only_a_few_batches_ahead():
    source = TinySource()
    order = EpochOrder(split_source(source, 0.1).train, 9, 0)
    feed = Feed(source, order, 0)
    for _ in range(10):
        feed.next(lambda: None)
    feed.close()
    assert source.asked <= 9 * (10 + 7)


def test_what_fails_in_the_feed_is_raised_in_the_trainer():
    source = TinySource(fail_at=0)
    feed = Feed(source, EpochOrder(split_source(source, 0.0).train, 32, 0), 0)
    with pytest.raises(ValueError, match="this source is broken"):
        for _ in range(20):
            feed.next(lambda: None)
    feed.close()


# ── the loop ────────────────────────────────────────────────────────────────────────────────────────────────────────


def tiny_model():
    torch.manual_seed(0)
    return TinyModel().build(16, 9)


class Events(list):
    """A sink that keeps what it is told."""

    def __init__(self):
        super().__init__()
        self.status = {}

    def event(self, kind, **fields):
        json.dumps(fields)
        self.append({"event": kind, **fields})

    def update(self, **fields):
        self.status |= fields

    def show(self, make):
        """Nobody watches."""

    def of(self, kind):
        return [event for event in self if event["event"] == kind]


class At(Control):
    """Gives commands at certain steps, as counted by how often it is asked."""

    def __init__(self, commands=None):
        super().__init__()
        self.commands = commands or {}
        self.asked = 0

    def take(self):
        self.asked += 1
        return [Command(self.asked, name) for name in self.commands.get(self.asked, ())]


def train(folder, chosen, *, source=None, control=None, sink=None, model=None):
    source = source or TinySource(RAGGED)
    folder.mkdir(exist_ok=True)
    sink = Events() if sink is None else sink
    trainer = Trainer(
        model or tiny_model(),
        source,
        split_source(source, chosen.hold_out, chosen.hold_out_faces),
        chosen,
        device=torch.device("cpu"),
        sink=sink,
        control=control or At(),
        checkpoints=folder,
        card={"model": {"id": "tiny"}, "characters": source.characters, "image_size": 16},
        opener=open_tiny,
    )
    return trainer, trainer.train(), sink


def same(one, other, name="state"):
    first, second = (load_file(folder / f"{name}.safetensors") for folder in (one, other))
    return first.keys() == second.keys() and all(torch.equal(first[key], second[key]) for key in first)


def test_it_learns_and_says_how(tmp_path):
    _, outcome, events = train(tmp_path / "run", options(epochs=4, hold_out=0.1, validations=4))
    assert outcome.state == "finished"
    steps, judged = events.of("step"), events.of("validation")
    assert steps[-1]["step"] == events.of("start")[0]["batches"] * 4
    assert steps[-1]["progress"] == 1.0
    assert all(0 <= step["waiting"] <= 1 for step in steps)
    assert [event["epoch"] for event in events.of("epoch")] == [1, 2, 3, 4]
    assert len(judged) == 4
    last = judged[-1]["held_out"]
    assert last["folded"] > 0.9
    assert last["folded"] >= last["strict"]
    best = events.status["best"]
    assert best["strict"] + best["folded"] == max(e["held_out"]["strict"] + e["held_out"]["folded"] for e in judged)
    assert {path.name for path in (tmp_path / "run").iterdir()} == {
        f"{n}.safetensors" for n in ("best", "last", "state")
    }


@pytest.mark.parametrize(("workers", "stop_at"), [(0, 7), (0, 12), (1, 7)])
def test_a_stopped_training_continues_exactly(tmp_path, workers, stop_at):
    chosen = options(epochs=2, hold_out=0.1, workers=workers)
    train(tmp_path / "whole", options(epochs=2, hold_out=0.1))
    _, outcome, _ = train(tmp_path / "parts", chosen, control=At({stop_at: ["stop"]}))
    assert outcome.state == "stopped"
    assert not same(tmp_path / "whole", tmp_path / "parts")
    torch.manual_seed(99)  # another process has another random state
    _, outcome, events = train(tmp_path / "parts", chosen)
    assert events.of("start")[0]["step"] == stop_at
    assert outcome.state == "finished"
    assert same(tmp_path / "whole", tmp_path / "parts")
    assert same(tmp_path / "whole", tmp_path / "parts", "last")


def test_weights_in_another_memory_order_continue_exactly(tmp_path):
    chosen = options(epochs=1)

    def model():
        return tiny_model().to(memory_format=torch.channels_last)

    train(tmp_path / "whole", chosen, model=model())
    train(tmp_path / "parts", chosen, model=model(), control=At({4: ["stop"]}))
    train(tmp_path / "parts", chosen, model=model())
    assert same(tmp_path / "whole", tmp_path / "parts")


def test_a_crashed_training_continues_exactly(tmp_path):
    chosen = options(epochs=3, hold_out=0.1)

    class Crash(Events):
        def update(self, **fields):
            if fields.get("step") == 17:
                raise MemoryError

    train(tmp_path / "whole", chosen)
    with pytest.raises(MemoryError):
        # A pause writes a checkpoint.
        train(tmp_path / "parts", chosen, sink=Crash(), control=At({12: ["pause"], 13: ["resume"]}))
    _, _, events = train(tmp_path / "parts", chosen)
    assert events.of("start")[0]["step"] == 12
    assert same(tmp_path / "whole", tmp_path / "parts")


def test_bfloat16_training_continues_in_bfloat16(tmp_path):
    chosen = options(epochs=1, precision="bfloat16")
    train(tmp_path / "run", chosen, control=At({2: ["stop"]}))
    _, _, events = train(tmp_path / "run", options(epochs=1, precision="auto"))
    assert events.of("start")[0]["precision"] == "bfloat16"
    assert not events.of("probe")


def test_other_data_cannot_be_continued_with(tmp_path):
    train(tmp_path / "run", options(epochs=1), control=At({2: ["stop"]}))
    with pytest.raises(RunError, match=r"the data has changed since this run began \(other images\)"):
        train(tmp_path / "run", options(epochs=1), source=TinySource(41))


def test_a_damaged_state_is_refused(tmp_path):
    train(tmp_path / "run", options(epochs=1), control=At({2: ["stop"]}))
    state = tmp_path / "run" / "state.safetensors"
    state.write_bytes(state.read_bytes()[:-100])
    with pytest.raises(RunError, match="cannot be continued from"):
        train(tmp_path / "run", options(epochs=1))


@pytest.mark.parametrize("optimizer", ["adam", "adamw"])
def test_without_averaging_smoothing_or_held_out_images(tmp_path, optimizer):
    chosen = options(epochs=1, averaging=0.0, label_smoothing=0.0, hold_out=0.0, optimizer=optimizer, order="numbers")
    _, outcome, events = train(tmp_path / "run", chosen)
    assert outcome.state == "finished"
    assert not events.of("validation")
    assert {path.name for path in (tmp_path / "run").iterdir()} == {"last.safetensors", "state.safetensors"}


def test_held_out_faces_decide_what_is_best(tmp_path):
    _, _, events = train(tmp_path / "run", options(epochs=1, hold_out=0.1, hold_out_faces=["three"], validations=1))
    judged = events.of("validation")[0]
    assert judged["faces"]["images"] > judged["held_out"]["images"] > 0
    assert events.status["best"]["strict"] == judged["faces"]["strict"]


def test_a_time_budget_ends_the_training(tmp_path):
    _, outcome, events = train(tmp_path / "run", options(minutes=0.01, hold_out=0.1, validations=2))
    assert outcome.state == "finished"
    assert events.of("step")[-1]["progress"] == 1.0
    assert 1 <= len(events.of("validation")) <= 2


def test_a_loss_that_is_no_number_stops_at_its_step(tmp_path):
    class Breaks(torch.nn.Sequential):
        calls = 0

        def forward(self, images):
            self.calls += self.training
            return super().forward(images) * (math.nan if self.training and self.calls >= 5 else 1.0)

    model = Breaks(*tiny_model())
    with pytest.raises(RunError, match=r"the loss became nan at step 5; try --learning-rate below 0\.01"):
        train(tmp_path / "run", options(epochs=1), model=model)
    assert not (tmp_path / "run" / "last.safetensors").exists()


def test_pause_and_resume(tmp_path):
    commands = {
        3: ["pause"],
        4: ["pause", "stop_after_epoch"],
        6: ["nonsense"],
        8: ["resume"],
        10: ["stop_after_epoch"],
    }
    _, outcome, events = train(tmp_path / "run", options(epochs=3), control=At(commands))
    answers = [(event["command"], event["accepted"], event["note"]) for event in events.of("command")]
    assert answers == [
        ("pause", True, ""),
        ("pause", True, "already paused"),
        ("stop_after_epoch", False, "paused in the middle of an epoch; resume it first"),
        ("nonsense", False, "no such command: nonsense"),
        ("resume", True, ""),
        ("stop_after_epoch", True, ""),
    ]
    assert [event["step"] for event in events.of("paused") + events.of("resumed")] == [3, 3]
    assert outcome.state == "stopped"
    assert events.of("step")[-1]["step"] == events.of("start")[0]["batches"]
    train(tmp_path / "whole", options(epochs=1))
    assert not same(tmp_path / "whole", tmp_path / "run")  # the cycle is longer, so the rates differ


def test_stop_while_paused(tmp_path):
    _, outcome, events = train(tmp_path / "run", options(epochs=3), control=At({2: ["pause"], 5: ["stop"]}))
    assert (outcome.state, outcome.reason) == ("stopped", "as asked")
    assert not events.of("resumed")


def test_what_a_training_takes_of_the_machine_is_reported(tmp_path):
    _, _, events = train(tmp_path / "run", options(epochs=2))
    step = events.of("step")[-1]
    assert 50e6 < step["memory"] < 50e9
    assert 0 <= step["cpu"] < 100_000
    assert "gpu_memory" not in step


def test_usage_counts_the_processes_that_make_batches():
    usage = Usage(torch.device("cpu"))
    alone = usage.read()["memory"]
    child = multiprocessing.get_context("spawn").Process(target=time.sleep, args=(60,))
    child.start()
    try:
        deadline = time.monotonic() + 120
        while usage.read()["memory"] < alone + 1e6:  # it takes a moment to become a python
            assert time.monotonic() < deadline
            time.sleep(0.05)
    finally:
        child.kill()
        child.join()
    deadline = time.process_time() + 0.3
    while time.process_time() < deadline:
        pass
    assert usage.read()["cpu"] > 5


@pytest.fixture
def in_validation(monkeypatch):
    """Have a command come in the middle of the first validation."""

    def arrange(command):
        control, score = Control(), Judge.score

        def scoring(self, model, held, go_on):
            control.request(command, "as asked")
            monkeypatch.setattr(Judge, "score", score)
            return score(self, model, held, go_on)

        monkeypatch.setattr(Judge, "score", scoring)
        return control

    return arrange


def test_a_validation_is_left_when_told_to_stop(tmp_path, in_validation):
    chosen = options(epochs=4, hold_out=0.3, validations=4)
    _, outcome, events = train(tmp_path / "run", chosen, control=in_validation("stop"))
    assert (outcome.state, outcome.reason) == ("stopped", "as asked")
    assert not events.of("validation")
    _, outcome, again = train(tmp_path / "run", chosen)
    assert outcome.state == "finished"
    assert len(again.of("validation")) == 3
    train(tmp_path / "whole", chosen)
    assert same(tmp_path / "whole", tmp_path / "run", "last")


def test_a_pause_asked_for_in_a_validation_is_answered_in_it(tmp_path, in_validation):
    control = in_validation("pause")

    class Resumes(Events):
        def event(self, kind, **fields):
            super().event(kind, **fields)
            if kind == "paused":
                control.request("resume", "")

    chosen = options(epochs=2, hold_out=0.3, validations=2)
    _, outcome, events = train(tmp_path / "run", chosen, sink=Resumes(), control=control)
    assert outcome.state == "finished"
    kinds = [event["event"] for event in events if event["event"] in ("command", "validation", "paused", "resumed")]
    assert kinds == ["command", "validation", "paused", "command", "resumed", "validation"]


def test_whoever_watches_sees_the_very_images_of_the_step(tmp_path):
    shown = []

    class Watched(Events):
        def show(self, make):
            shown.append(make())

    source = TinySource(RAGGED)
    trainer, _, _ = train(tmp_path / "run", options(epochs=6), source=source, sink=Watched())
    last = shown[-1]
    indices = trainer.order.batch(*divmod(last.step - 1, trainer.order.batches))[:32]
    assert (last.images == source.images(indices)).all()
    assert last.truths == "".join(CHARACTERS[label] for label in source.labels(indices))
    assert sum(a == b for a, b in zip(last.truths, last.readings, strict=True)) > len(last.truths) / 2
    assert ((last.probabilities > 1 / 9 - 1e-6) & (last.probabilities <= 1)).all()


def test_in_a_time_budget_the_rate_follows_the_clock_however_short_it_is(tmp_path):
    _, _, events = train(tmp_path / "run", options(minutes=0.02, hold_out=0.0))
    rates = [event["rate"] for event in events.of("step")]
    assert len(set(rates)) > 10
    assert max(rates) > 0.9 * 0.01
    assert rates[-1] < 0.1 * 0.01

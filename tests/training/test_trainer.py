"""The training loop, on a tiny source."""

import itertools
import json
import math
import multiprocessing
import time

import pytest
import torch
from safetensors.torch import load_file

from kanatui.core.errors import RunError
from kanatui.training.budget import Minutes
from kanatui.training.control import Command, Control
from kanatui.training.options import TrainingOptions
from kanatui.training.splits import split_source
from kanatui.training.trainer import Trainer
from kanatui.training.usage import Usage
from kanatui.training.validate import Judge
from tests.helpers.processes import wait_until
from tests.helpers.tiny import CHARACTERS, TinyModel, TinySource, open_tiny

RAGGED = [40, 40, 40, 40, 40, 25, 40, 40, 13]


@pytest.fixture(autouse=True)
def one_thread():
    """The images are so small that a second thread only gets in the way."""
    torch.set_num_threads(1)


def options(**values):
    # One validation, at the end: commands are looked for during validations too, and At counts how often.
    plain = {"batch_size": 32, "precision": "float32", "learning_rate": 0.01, "workers": 0, "validations": 1}
    return TrainingOptions(**plain | values)


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
    with pytest.raises(RunError, match=r"the data has changed since this run started \(other images\)"):
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
        wait_until(lambda: usage.read()["memory"] >= alone + 1e6)  # it takes a moment to become a python
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
    wanted = options(minutes=0.02, hold_out=0.0)
    budget = Minutes(wanted)

    def rate_at(share):
        budget.adjust(share)
        return budget.rate(0)

    assert rate_at(0.0) < 0.1 * 0.01 and rate_at(wanted.warm_up) > 0.9 * 0.01 and rate_at(1.0) < 0.1 * 0.01
    _, _, events = train(tmp_path / "run", wanted)
    reports = events.of("step")
    assert reports[-1]["progress"] >= 1.0, "however few steps a busy machine makes"
    for before, after in itertools.pairwise(reports):
        assert after["rate"] == pytest.approx(rate_at(before["progress"]), rel=0.01, abs=1e-6)

"""Checkpoints cut off or with flipped bits: never trained on or read as they are; the one before takes over."""

import itertools
import os
import random
import shutil

import numpy as np
import pytest
import torch

from kanatui.core.errors import RunError, WeightsError
from kanatui.model.weights import load_weights
from kanatui.plugins.registry import load
from kanatui.training.checkpoints import Keeper, load_state
from kanatui.training.config import make_config
from kanatui.training.control import STOP, Control
from kanatui.training.distributed import Alone
from kanatui.training.learner import Learner
from kanatui.training.options import TrainingOptions
from kanatui.training.runs import Run
from kanatui.training.session import train_run
from tests.helpers.tiny import TinyModel, TinySource

PLACES = 200
OPTIONS = TrainingOptions(
    model="tiny_cnn", epochs=2, batch_size=32, threads=1, workers=0, hold_out=0.2, precision="float32"
)


@pytest.fixture(autouse=True)
def tiny_plugin(monkeypatch):
    monkeypatch.setitem(load().models, "tiny_cnn", TinyModel)


def new_run(name):
    source = TinySource()
    return Run.create(name, make_config(source.spec(), source.characters, source.face_ids, OPTIONS, {}, name))


class StopAt(Control):
    """Tells a training to stop at the n-th time that it asks."""

    def __init__(self, asked):
        super().__init__()
        self.left = asked

    def take(self):
        self.left -= 1
        if not self.left:
            self.request(STOP, "by a test")
        return super().take()


def train(run, monkeypatch, stop_at=-1):
    monkeypatch.setattr("kanatui.training.session.Control", lambda box=None: StopAt(stop_at))
    return train_run(run, source=TinySource())


def damage(file, number):
    """Cut a file off or flip one of its bits, the more of them the more numbers are tried."""
    rng, data = random.Random(number), bytearray(file.read_bytes())
    place = rng.randrange(len(data))
    if number % 4:
        data[place] ^= 1 << rng.randrange(8)
    else:
        del data[place:]
    file.write_bytes(data)


@pytest.fixture
def whole(tmp_path, monkeypatch):
    """A finished run, and copies of its state and weights to be damaged."""
    run = new_run("whole")
    train(run, monkeypatch)
    return run


def test_a_state_is_refused_wherever_it_is_damaged(whole, tmp_path):
    learner = Learner(TinyModel().build(16, 9), OPTIONS, torch.device("cpu"), Alone())
    file = tmp_path / "state.safetensors"
    assert load_state(whole.checkpoint("state"), learner).step == whole.status().step
    for number in range(PLACES):
        shutil.copyfile(whole.checkpoint("state"), file)
        damage(file, number)
        with pytest.raises(RunError, match=r"state\.safetensors: cannot be continued from \("):
            load_state(file, learner)


def test_weights_are_refused_wherever_they_are_damaged(whole, tmp_path):
    file = tmp_path / "some.safetensors"
    load_weights(whole.checkpoint("best"))
    for number in range(PLACES):
        shutil.copyfile(whole.checkpoint("best"), file)
        damage(file, number)
        with pytest.raises(WeightsError, match=r"some\.safetensors: "):
            load_weights(file)


@pytest.mark.parametrize("name", [b"kanatui.sha256", b"__metadata__"])
def test_weights_whose_digest_cannot_be_found_are_refused(whole, tmp_path, name):
    data, file = whole.checkpoint("best").read_bytes(), tmp_path / "some.safetensors"
    start = data.index(name)
    for place, bit in itertools.product(range(start, start + len(name)), range(8)):
        file.write_bytes(data[:place] + bytes([data[place] ^ 1 << bit]) + data[place + 1 :])
        with pytest.raises(WeightsError, match=r"some\.safetensors: "):
            load_weights(file)


def test_the_checkpoint_before_takes_over(whole, monkeypatch):
    run = new_run("parts")
    for stop_at in (5, 4):
        assert train(run, monkeypatch, stop_at).state == "stopped"
    assert run.checkpoint("before").exists()
    damage(run.checkpoint("state"), 1)
    assert train(run, monkeypatch).state == "finished"
    events = run.events().read()
    (told,) = (event["message"] for event in events if event["event"] == "warning")
    assert "the last checkpoint is damaged" in told
    *_, before, last = (event["step"] for event in events if event["event"] == "start")
    assert before == last
    one, other = (load_weights(each.checkpoint("last")) for each in (whole, run))
    images = np.arange(16 * 16 * 4, dtype=np.uint8).reshape(4, 16, 16)
    assert torch.equal(one.logits(images), other.logits(images)), "as if nothing had happened"


def test_a_training_killed_between_keeping_the_last_checkpoint_and_the_next_goes_on(monkeypatch):
    run = new_run("parts")
    train(run, monkeypatch, 5)
    run.checkpoint("before").unlink(missing_ok=True)
    os.link(run.checkpoint("state"), run.checkpoint("before"))
    monkeypatch.setattr(Keeper, "due", lambda keeper, epoch_ends: True)
    assert train(run, monkeypatch).state == "finished"
    assert not run.checkpoint("before").samefile(run.checkpoint("state"))
    assert not list((run.path / "checkpoints").glob(".*.tmp"))


def test_two_damaged_checkpoints_end_in_one_line(whole, monkeypatch):
    run = new_run("parts")
    for stop_at in (5, 4):
        train(run, monkeypatch, stop_at)
    for name in ("state", "before"):
        damage(run.checkpoint(name), 1)
    with pytest.raises(RunError, match="start a new run"):
        train(run, monkeypatch)


def test_what_a_killed_writer_left_is_swept_by_the_next(monkeypatch):
    run = new_run("parts")
    train(run, monkeypatch, 5)
    left = [run.path / "checkpoints" / ".state.safetensors.4000000.tmp", run.path / ".status.json.4000000.tmp"]
    for file in left:
        file.write_bytes(b"half")
    note = run.path / ".about.toml.4000000.tmp"
    note.write_bytes(b"by the app, which may be writing it")
    train(run, monkeypatch)
    assert not any(file.exists() for file in left) and note.exists()

"""A training from its run directory: how it starts, ends, fails, is signalled, observed and shared."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from kanatui import hookimpl
from kanatui.core.errors import ParameterError, PluginError, RunError, StorageError
from kanatui.model.building import build_model
from kanatui.model.calibration import Calibration
from kanatui.model.weights import load_weights, read_card
from kanatui.plugins.registry import load
from kanatui.training.config import make_config
from kanatui.training.control import Mailbox
from kanatui.training.options import TrainingOptions
from kanatui.training.order import EpochOrder
from kanatui.training.runs import Run, find_weights
from kanatui.training.session import open_split, train_run
from kanatui.training.splits import split_source
from tests.helpers.tiny import TinyModel, TinySource

ROOT = Path(__file__).parent.parent.parent
RAGGED = [40, 40, 40, 40, 40, 25, 40, 40, 13]


@pytest.fixture(autouse=True)
def tiny_plugin(monkeypatch):
    monkeypatch.setitem(load().models, "tiny_cnn", TinyModel)


def new_run(parameters=None, **options):
    chosen = {"model": "tiny_cnn", "epochs": 2, "batch_size": 32, "threads": 1, "workers": 0, "hold_out": 0.2}
    source, train = TinySource(), TrainingOptions(**chosen | options)
    config = make_config(source.spec(), source.characters, source.face_ids, train, parameters or {}, "tiny")
    return Run.create("tiny", config)


class Observer:
    """Keeps the events, and does something when a certain one comes."""

    def __init__(self, kind="", action=None):
        self.kind, self.action = kind, action
        self.events = []

    def __call__(self, event):
        self.events.append(event)
        if event["event"] == self.kind and self.action:
            self.action()


def test_a_run_ends_with_weights_that_say_what_they_are():
    run = new_run({"width": 6}, hold_out_faces=["three"])
    source = TinySource()
    outcome = train_run(run, source=source)
    assert (outcome.state, outcome.interrupted) == ("finished", False)
    status = run.status()
    assert (status.state, status.progress, status.epoch, status.seconds_left) == ("finished", 1.0, 2, None)
    card = read_card(find_weights("latest"))
    assert card["model"] == {"id": "tiny_cnn", "parameters": {"width": 6, "dropout": 0.2}}
    assert (card["characters"], card["image_size"]) == (source.characters, 16)
    assert (card["recipe"], card["seed"], card["run"]) == ("tiny", 0, run.id)
    assert card["scores"]["strict"] == status.best["strict"]
    split = open_split(run.config, source)
    assert split.faces == ("three",)
    classifier = load_weights(run.weights())
    indices = split.held_out_faces.sample(200)
    right = classifier.logits(source.images(indices)).argmax(dim=1).numpy() == source.labels(indices)
    assert right.mean() == pytest.approx(status.best["strict"], abs=0.1)
    calibration = Calibration.of_card(card)
    assert calibration.of == "faces" and 0 < calibration.images <= len(split.held_out_faces)
    assert Calibration.of_card(read_card(run.checkpoint("last"))).images == calibration.images
    assert [event["event"] for event in run.events().read()][-1] == "end"


def test_a_training_that_holds_nothing_out_cannot_calibrate():
    run = new_run(hold_out=0.0)
    assert train_run(run, source=TinySource()).state == "finished"
    assert Calibration.of_card(read_card(run.weights())) == Calibration()


def test_a_time_budget_and_epochs_come_back_from_the_configuration():
    run = new_run(epochs=0, minutes=0.004, precision="float32", order="numbers")
    assert run.config["train"]["minutes"] == 0.004
    assert train_run(run, source=TinySource()).state == "finished"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_signal_stops_with_a_checkpoint(number):
    before = signal.getsignal(number)
    run = new_run(epochs=50, validations=200)
    outcome = train_run(run, [Observer("validation", lambda: os.kill(os.getpid(), number))], source=TinySource())
    assert outcome.state == "stopped"
    assert outcome.interrupted == (number == signal.SIGINT)
    assert ("Ctrl-C" if outcome.interrupted else number.name) in run.status().reason
    assert run.checkpoint("state").exists()
    assert signal.getsignal(number) is before
    stopped_at = run.status().step
    again = Observer("start", lambda: os.kill(os.getpid(), signal.SIGTERM))
    train_run(run, [again], source=TinySource())
    assert [event["step"] for event in again.events if event["event"] == "start"] == [stopped_at]


def test_a_second_interrupt_ends_it_at_once():
    run = new_run(epochs=50, validations=200)

    def interrupt():
        os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        train_run(run, [Observer("validation", interrupt), Observer("validation", interrupt)], source=TinySource())
    assert run.status().state == "stopped"
    assert "second Ctrl-C" in run.status().reason
    assert not run.alive()


def test_a_lost_terminal_does_not_stop_a_detached_training():
    run = new_run(validations=4)
    hang_up = Observer("validation", lambda: os.kill(os.getpid(), signal.SIGHUP))
    assert train_run(run, [hang_up], source=TinySource(), detached=True).state == "finished"


class Slow(TinySource):
    """A source with something to prepare, during which commands come."""

    def __init__(self, run, *commands):
        super().__init__()
        self.run, self.commands = run, commands

    def prepare(self, on_progress=None):
        for done in range(3):
            if done == 1:
                for command in self.commands:
                    Mailbox(self.run.control).send(command)
            on_progress(done, 3)


def test_a_training_can_be_stopped_while_it_is_prepared_and_started_again():
    run = new_run()
    outcome = train_run(run, source=Slow(run, "augment", "stop"))
    assert (outcome.state, outcome.reason) == ("stopped", "as asked")
    events = run.events().read()
    assert [event["event"] for event in events if event["event"] != "preparing"] == ["command", "command", "end"]
    refused = next(event for event in events if event["event"] == "command")
    assert (refused["accepted"], refused["note"][:15]) == (False, "still preparing")
    assert run.status().state == "stopped"
    outcome = train_run(run, source=TinySource())
    assert outcome.state == "finished"


def test_a_pause_asked_for_while_it_is_prepared_is_kept():
    run = new_run()
    box = Mailbox(run.control)
    told = Observer("paused", lambda: box.send("resume"))
    assert train_run(run, [told], source=Slow(run, "pause")).state == "finished"
    assert [event["step"] for event in told.events if event["event"] == "paused"] == [1]


def test_what_was_asked_for_wrongly_fails_in_one_line():
    for config, error in (
        ({"train": {"speed": 1}, "model": {}, "source": {}}, ParameterError),
        ({"train": {"model": "nobody"}, "model": {}, "source": {}}, PluginError),
        ({"train": {"model": "tiny_cnn"}, "model": {"width": -1}, "source": {}}, ParameterError),
        ({"train": {}, "source": {}}, RunError),
    ):
        run = Run.create("wrong", config)
        with pytest.raises(error):
            train_run(run, source=TinySource())
        status = run.status()
        assert status.state == "failed"
        assert status.reason
        assert "\n" not in status.reason


def test_a_defect_is_recorded_with_its_traceback():
    run = new_run()
    with pytest.raises(ValueError, match="this source is broken"):
        train_run(run, source=TinySource(fail_at=3))
    assert run.status().state == "failed"
    assert run.status().reason == "ValueError: this source is broken"
    assert "Traceback" in run.log.read_text()
    assert not run.alive()


def test_a_full_disk_ends_the_training_and_harms_nothing(monkeypatch):
    run = new_run(epochs=3)
    write = os.write
    full = False

    def writing(file, data):
        if full:
            raise OSError(28, "No space left on device")
        return write(file, data)

    def fill():
        nonlocal full
        full = True

    monkeypatch.setattr("os.write", writing)
    with pytest.raises(StorageError, match="disk is full"):
        train_run(run, [Observer("checkpoint", fill)], source=TinySource())
    full = False
    assert run.status().state == "failed"
    assert "disk is full" in run.status().reason
    assert train_run(run, source=TinySource()).state == "finished"


def test_plugins_observe_runs_and_a_broken_one_is_dropped():
    told = []

    class Watching:
        @hookimpl
        def kanatui_run_started(self, run):
            told.append(("started", run["id"], run["config"]["train"]["epochs"]))

        @hookimpl
        def kanatui_run_event(self, event):
            told.append(event["event"])

        @hookimpl
        def kanatui_run_finished(self, run):
            told.append(("finished", run["state"]))

    class Broken:
        @hookimpl
        def kanatui_run_event(self, run, event):
            raise ZeroDivisionError("half-baked plugin")

    manager = load().manager
    plugins = [Broken(), Watching()]
    for plugin in plugins:
        manager.register(plugin)
    try:
        run = new_run(epochs=1)
        assert train_run(run, source=TinySource()).state == "finished"
    finally:
        for plugin in plugins:
            manager.unregister(plugin)
    assert ("started", run.id, 1) in told
    assert told[-2:] == ["end", ("finished", "finished")]
    written = [event["event"] for event in run.events().read()]
    assert written.count("warning") == 1
    assert [word for word in told if isinstance(word, str)] == [kind for kind in written if kind != "warning"]
    assert "half-baked plugin" in run.log.read_text()


def test_models_are_tried_before_they_are_trained(monkeypatch):
    class Wrong(TinyModel):
        id = "wrong"

        def build(self, image_size, num_classes):
            if image_size < 16:
                raise ValueError("too small")
            return super().build(image_size, num_classes + 1)

    registry = load()
    monkeypatch.setitem(registry.models, "wrong", Wrong)
    with pytest.raises(PluginError, match=r"model wrong: returned \[2, 4\] for 2 images of 3 characters"):
        build_model(registry, "wrong", {}, 16, 3)
    with pytest.raises(PluginError, match=r"model wrong .* failed at 8 px: ValueError: too small"):
        build_model(registry, "wrong", {}, 8, 3)
    one, other, another = (build_model(registry, "tiny_cnn", {}, 16, 3, seed)[0] for seed in (1, 1, 2))
    weights = [module.state_dict()["0.weight"] for module in (one, other, another)]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


def test_two_processes_train_together(home, tmp_path):
    report = tmp_path / "report.json"
    arguments = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, *arguments, str(ROOT / "tests/helpers/torchrun_tiny.py"), str(report)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(report.read_text())
    assert [process["state"] for process in told["processes"]] == ["finished", "finished"]
    run = Run(home / "runs" / told["run"])
    events = run.events().read()
    start = next(event for event in events if event["event"] == "start")
    assert (start["processes"], run.status().state, run.status().epoch) == (2, "finished", 3)
    assert [event for event in events if event["event"] == "validation"][-1]["held_out"]["folded"] > 0.8
    order = EpochOrder(split_source(TinySource(RAGGED), 0.05).train, 16, 0, ranks=2)
    for process in told["processes"]:
        turns = [
            {tuple(order.batch(*divmod(k, order.batches))) for k in range(first, 3 * order.batches, 2)}
            for first in (process["rank"], 1 - process["rank"])
        ]
        shown = set(map(tuple, process["shown"]))
        assert turns[0] <= shown
        assert not turns[1] & shown

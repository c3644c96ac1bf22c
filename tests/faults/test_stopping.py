"""Ctrl-C and SIGTERM end a training at every stage, whatever it waits for: what blocks here would block forever."""

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from kanatui import cli
from kanatui.plugins.registry import load
from kanatui.training import session
from kanatui.training.config import make_config
from kanatui.training.options import TrainingOptions
from kanatui.training.runs import Run, find_run, list_runs
from kanatui.training.session import train_run
from tests.helpers.processes import LONGEST, wait_until
from tests.helpers.tiny import TinyModel, TinySource, open_tiny

FOREVER = 100_000.0


def new_run(**options):
    chosen = {"model": "tiny_cnn", "epochs": 1, "batch_size": 32, "threads": 1, "workers": 0, "hold_out": 0.2}
    source = TinySource()
    train = TrainingOptions(**chosen | options)
    return Run.create("tiny", make_config(source.spec(), source.characters, source.face_ids, train, {}, "tiny"))


def block(number):
    """Get a signal, and do not end by oneself."""
    os.kill(os.getpid(), number)
    time.sleep(FOREVER)


class Unprepared(TinySource):
    def prepare(self, on_progress=None):
        block(signal.SIGTERM)


class Unmade(TinySource):
    """Its first batch never comes, when held-out images have been made."""

    def images(self, indices):
        if len(indices) == 32:
            block(signal.SIGINT)
        return super().images(indices)


class Unbuilt(TinyModel):
    def build(self, image_size, num_classes):
        try:
            block(signal.SIGINT)
        except Exception as error:
            raise AssertionError("a plugin's own handling of errors must not swallow it") from error


class Unprobed(TinyModel):
    """Its first step in training never ends."""

    def build(self, image_size, num_classes):
        module = super().build(image_size, num_classes)
        module.register_forward_pre_hook(lambda module, given: block(signal.SIGTERM) if len(given[0]) > 3 else None)
        return module


def open_never(spec):
    time.sleep(FOREVER)


@pytest.fixture
def ends(monkeypatch):
    """Train until a signal comes, and check how that is recorded."""

    def train(reason, model=TinyModel, source=None, opener=open_tiny, **options):
        monkeypatch.setitem(load().models, "tiny_cnn", model)
        before = signal.getsignal(signal.SIGINT)
        run = new_run(**options)
        outcome = train_run(run, source=source or TinySource(), opener=opener)
        assert (outcome.state, outcome.reason) == ("stopped", reason)
        assert (run.status().state, run.status().reason) == ("stopped", reason)
        assert outcome.interrupted == ("Ctrl-C" in reason)
        assert signal.getsignal(signal.SIGINT) is before
        assert not run.alive()
        return run

    return train


def test_while_glyphs_are_drawn(ends):
    ends("by SIGTERM", source=Unprepared())


def test_while_a_plugin_builds_the_model(ends):
    ends("by Ctrl-C", model=Unbuilt)


def test_while_number_formats_are_timed(ends, monkeypatch):
    monkeypatch.setattr("kanatui.training.trainer.has_bfloat16", lambda device: True)
    ends("by SIGTERM", model=Unprobed)


def test_while_the_images_of_the_probe_are_made(ends, monkeypatch):
    monkeypatch.setattr("kanatui.training.trainer.has_bfloat16", lambda device: True)
    ends("by Ctrl-C", source=Unmade())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_while_other_processes_make_the_first_batch(ends, number):
    def watch():
        wait_until(lambda: list_runs() and find_run("1").status().state == "running")
        os.kill(os.getpid(), number)

    threading.Thread(target=watch, daemon=True).start()
    reason = "by Ctrl-C" if number == signal.SIGINT else "by SIGTERM"
    ends(reason, opener=open_never, workers=1, precision="float32")


def test_a_signal_to_all_processes_of_a_group_is_no_lack_of_memory(ends):
    def watch():
        wait_until(lambda: multiprocessing.active_children())
        wait_until(lambda: find_run("1").status().state == "running")
        for child in multiprocessing.active_children():
            os.kill(child.pid, signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, daemon=True).start()
    ends("by SIGTERM", opener=open_never, workers=2, precision="float32")


def test_ctrl_c_before_the_first_step_leaves_no_run(home, capfd, monkeypatch):
    monkeypatch.setitem(load().models, "tiny_cnn", Unbuilt)
    arguments = ("quick", "--characters", "あ", "--faces", "klee-regular", "--image-size", "16", "-n", "40")
    assert cli.run(["train", *arguments, "--model", "tiny_cnn"]) == 130
    said = capfd.readouterr()
    assert "stopped by Ctrl-C" in said.err and "--resume" not in said.out
    assert list_runs() == []


def test_while_the_finished_weights_are_calibrated(monkeypatch):
    monkeypatch.setitem(load().models, "tiny_cnn", TinyModel)
    monkeypatch.setattr(session, "calibrate_files", lambda *arguments: block(signal.SIGTERM))
    run = new_run(precision="float32")
    assert train_run(run, source=TinySource()).state == "finished"
    assert run.weights().exists()
    assert any("before the probabilities were calibrated" in str(event.get("message")) for event in run.events().read())


def test_ctrl_c_while_modules_are_imported_is_no_traceback():
    command = [sys.executable, "-P", "-X", "importtime", "-m", "kanatui", "runs"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    while "kanatui.core.params" not in process.stderr.readline():
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    said = process.communicate()[1]
    assert process.returncode == -signal.SIGINT and "Traceback" not in said


# ── where Python raises nothing ───────────────────────────────────────────────────────────────────────────────────────

STUCK = """
import hashlib, sys
from kanatui.plugins.registry import load
from kanatui.training.session import train_run
from tests.faults.test_stopping import new_run
from tests.helpers.tiny import TinyModel, TinySource

def compute():
    print("stuck", flush=True)
    hashlib.pbkdf2_hmac("sha256", b"", b"", 2**31 - 1)  # an hour in C, as in torch: no signal handler runs meanwhile

class Stuck(TinyModel):
    def build(self, image_size, num_classes):
        module = super().build(image_size, num_classes)
        module.register_forward_pre_hook(lambda module, given: compute() if len(given[0]) > 3 else None)
        return module

class Unprepared(TinySource):
    def prepare(self, on_progress=None):
        compute()

load().models["tiny_cnn"] = Stuck
source = Unprepared() if sys.argv[1] == "preparing" else TinySource()
sys.exit(130 if train_run(new_run(precision="float32"), source=source).interrupted else 0)
"""


@pytest.mark.parametrize(
    ("stage", "signals", "status", "reason"),
    [
        ("preparing", [signal.SIGTERM], 0, "by SIGTERM"),
        ("preparing", [signal.SIGINT], 130, "by Ctrl-C"),
        ("training", [signal.SIGINT, signal.SIGINT], 130, "by a second Ctrl-C, without another checkpoint"),
    ],
)
def test_a_process_that_cannot_be_interrupted_is_ended(home, stage, signals, status, reason):
    process = subprocess.Popen([sys.executable, "-c", STUCK, stage], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout.readline() == "stuck\n"
        for number in signals:
            time.sleep(0.1)  # two signals of one kind at once are one
            process.send_signal(number)
        assert process.wait(LONGEST) == status
    finally:
        process.kill()  # it would compute for an hour
        process.wait()
    run = find_run("1")
    assert (run.status().state, run.status().reason) == ("stopped", reason)
    assert not run.alive()

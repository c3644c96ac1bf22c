"""Training and generating in two processes of torchrun, as typed: what they share, and what a restart continues."""

import contextlib
import os
import signal
import subprocess
import sys
import threading

import psutil
import pytest
import torch

from kanatui.plugins.registry import load
from kanatui.training.budget import scaled
from kanatui.training.device import own_cores
from kanatui.training.distributed import normalised_together
from kanatui.training.options import TrainingOptions
from kanatui.training.runs import find_run, list_runs
from tests.helpers.processes import wait_until

SMALL = ["--characters", "あいう", "--faces", "noto-sans-cjk-jp-medium", "--image-size", "16"]
TRAIN = ["train", "quick", *SMALL, "--images-per-character", "60", "--model", "article_cnn", "--precision", "float32"]


@pytest.fixture
def together(home):
    """Start a command in processes of torchrun; return the process, which collects what all of them print."""
    started = []

    def start(*arguments, nodes=()):
        command = [sys.executable, "-P", "-m", "torch.distributed.run", *(nodes or ["--standalone"])]
        launched = subprocess.Popen(
            [*command, "--nproc-per-node", "2", "--max-restarts", "1", "-m", "kanatui", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        launched.said = ""

        def collect():
            for line in launched.stdout:
                launched.said += line

        reader = threading.Thread(target=collect)
        reader.start()
        started.append((launched, reader))
        return launched

    yield start
    for launched, reader in started:
        with contextlib.suppress(psutil.Error):
            for child in psutil.Process(launched.pid).children(recursive=True):
                child.kill()
        launched.kill()
        launched.wait()
        reader.join()


def ended(launched):
    """Wait for the end; return its exit status."""
    wait_until(lambda: launched.poll() is not None, lambda: launched.said)
    return launched.returncode


def ranks(launched):
    """The processes that torchrun has started, by rank."""
    found = {}
    for child in psutil.Process(launched.pid).children():
        with contextlib.suppress(psutil.Error):
            found[int(child.environ()["RANK"])] = child
    return found


def starts(run):
    return [event for event in run.events().read() if event["event"] == "start"]


def files(folder):
    """What is in a data set, but for the lock, which names a process."""
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name != ".lock"}


@pytest.mark.parametrize("victim", [pytest.param(0, marks=pytest.mark.slow), 1])
def test_a_killed_process_is_replaced_and_the_run_continues_from_its_checkpoint(together, victim):
    launched = together(*TRAIN, "--epochs", "4000", "--checkpoint-seconds", "1", "--batch-size", "16")
    run = wait_until(lambda: (list_runs() or [None])[0], lambda: launched.said)
    wait_until(run.checkpoint("state").exists, lambda: launched.said)
    before = ranks(launched)
    os.kill(before[victim].pid, signal.SIGKILL)
    wait_until(lambda: len(starts(run)) == 2, lambda: launched.said)
    assert starts(run)[1]["step"] > 0
    assert starts(run)[1]["processes"] == 2
    assert [one.id for one in list_runs()] == [run.id]
    assert not {one.pid for one in ranks(launched).values()} & {one.pid for one in before.values()}


@pytest.mark.slow
def test_a_stopped_run_is_continued_by_two_processes(together, kanatui):
    kanatui(*TRAIN, "--epochs", "2", "--batch-size", "16", check=0)
    run = find_run("latest")
    launched = together("train", "--resume", "1")
    assert ended(launched) != 0
    assert launched.said.count("run 001-quick is finished") == 2, "once at the start, once at the restart"

    launched = together(*TRAIN, "--epochs", "4000", "--batch-size", "16")
    second = wait_until(lambda: next((one for one in list_runs() if one.id != run.id), None))
    wait_until(lambda: second.status().step > 3, lambda: launched.said)
    kanatui("stop", "2", check=0)
    assert ended(launched) == 0
    stopped_at = second.status().step
    launched = together("train", "--resume", "2")
    wait_until(lambda: second.status().step > stopped_at, lambda: launched.said)
    assert [event["step"] for event in starts(second)] == [0, stopped_at]
    kanatui("stop", "2", check=0)
    assert ended(launched) == 0
    assert launched.said.count("continue with: kanatui train --resume 2") == 1


@pytest.mark.slow
def test_two_machines_find_each_other_by_an_address(together):
    """Two launchers, as on two machines, meet at an address on this one."""
    nodes = ["--nnodes", "2", "--rdzv-backend", "c10d", "--rdzv-id", "job-7", "--rdzv-endpoint", "localhost:29617"]
    machines = [together(*TRAIN, "--epochs", "1", "--batch-size", "16", nodes=nodes) for _ in range(2)]
    assert [ended(launched) for launched in machines] == [0, 0], machines[0].said + machines[1].said
    (run,) = list_runs()
    assert (starts(run)[0]["processes"], run.status().state) == (4, "finished")


def test_a_data_set_written_by_two_processes_is_that_of_one_byte_for_byte(together, kanatui, home):
    arguments = ["generate", "quick", *SMALL, "--images-per-character", "30000", "--workers", "1"]
    kanatui(*arguments, "--name", "one", check=0)
    launched = together(*arguments, "--name", "two")
    assert ended(launched) == 0, launched.said
    one, two = (files(home / "datasets" / name) for name in ("one", "two"))
    assert len([name for name in one if name.startswith("shard")]) > 2
    assert one == two
    assert launched.said.count("90,000 images") == 2, "in the plan and at the end, by one process"
    launched = together(*arguments, "--name", "two")
    assert ended(launched) != 0
    assert "exists already (complete)" in launched.said


def test_the_learning_rate_can_grow_with_the_processes():
    rates = {way: scaled(TrainingOptions(rate_scaling=way), 4).learning_rate for way in ("none", "sqrt", "linear")}
    assert rates == pytest.approx({"none": 0.008, "sqrt": 0.016, "linear": 0.032})


def test_processes_of_one_machine_share_its_cores(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(8)))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")  # torchrun's own
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "4")
    assert own_cores() == 2
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert own_cores() == 3
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "16")
    monkeypatch.delenv("OMP_NUM_THREADS")
    assert own_cores() == 1


@pytest.mark.parametrize("id", ["compact_cnn", "article_cnn"])
def test_batch_normalisation_is_that_of_all_processes_only_where_torch_can_do_it(id):
    """What trains on a GPU with others, and alone on a CPU, take each other's checkpoints."""
    alone, together = (load().model(id)().build(32, 5) for _ in range(2))
    assert normalised_together(alone, torch.device("cpu")) is alone
    together = normalised_together(together, torch.device("cuda"))
    kinds = [(type(own), type(other)) for own, other in zip(alone.modules(), together.modules(), strict=True)]
    replaced = {own: other for own, other in kinds if own is not other}
    own_norms = {own for own, _ in kinds if issubclass(own, torch.nn.modules.batchnorm._BatchNorm)}
    assert own_norms
    assert replaced == dict.fromkeys(own_norms, torch.nn.SyncBatchNorm)
    together.load_state_dict(alone.state_dict())
    alone.load_state_dict(together.state_dict())

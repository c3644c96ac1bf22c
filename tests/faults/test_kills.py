"""SIGKILL at many random moments: nothing half is taken for whole, and the end is as if undisturbed, byte for byte."""

import os
import subprocess
import sys

import pytest

from kanatui.cli.soak import laws
from kanatui.core import paths
from kanatui.training.runs import list_runs
from tests.helpers.processes import LONGEST

SMALL = ("quick", "--characters", "あいう", "--faces", "klee-regular", "-n", "500")
GENERATE = ("generate", *SMALL, "--image-size", "32", "--workers", "1")
TRAIN = (
    "train", *SMALL, "--image-size", "16", "--model", "article_cnn", "--epochs", "2", "--threads", "1",
    "--workers", "0", "--precision", "float32", "--validations", "2", "--validation-images", "64",
)  # fmt: skip

FORKS = """
import os, random, signal, sys, time
seed, kills, usual, *arguments = sys.argv[1:]
import torch
torch.set_num_threads(1)
from kanatui import cli
from kanatui.cli.soak import laws
from kanatui.core import paths
from kanatui.dataset import write
from kanatui.dataset.stream import GlyphStream
from kanatui.training import checkpoints, session, trainer
from kanatui.training.runs import list_runs
write.images_per_shard = lambda size, images: 100
checkpoints.Keeper.due = lambda keeper, epoch_ends: True  # a checkpoint after every step
rng = random.Random(int(seed))
os.dup2(os.open(os.devnull, os.O_WRONLY), 1)

def command():
    begun = [run for run in list_runs() if run.checkpoint("state").exists() and run.status().state != "finished"]
    return ["train", "--resume", begun[-1].id] if arguments[0] == "train" and begun else arguments

def fork(moment=None):
    # Of a process that has imported all, so that the kill hits the work.
    child = os.fork()
    if not child:
        os._exit(cli.run(command()))
    if moment is not None:
        time.sleep(moment)
        os.kill(child, signal.SIGKILL)
    ended = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    lost = []
    for folder in paths.datasets().glob("killed*"):
        lost += laws.of_dataset(folder, laws.digests(folder))
    lost += [loss for run in list_runs() for loss in laws.of_run(run, None, False, 1.0)]
    for what, where in lost:
        print("LOST", what, file=sys.stderr)
    return ended

# Undisturbed, and so that all is imported and drawn that the others need.
assert not cli.run(arguments[:arguments.index("--name") + 1] + ["whole-" + seed])
killed = sum(fork(rng.random() * float(usual)) == -signal.SIGKILL for _ in range(int(kills)))
print(killed, fork(), file=sys.stderr)
"""


def kill(seed, kills, seconds, *arguments):
    """Kill a command again and again, then let it end; returns how many were killed before their end."""
    command = [sys.executable, "-c", FORKS, str(seed), str(kills), str(seconds), *arguments]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    said = subprocess.run(command, stderr=subprocess.PIPE, text=True, env=environment, timeout=10 * LONGEST).stderr
    assert not any(word in said for word in ("LOST", "Traceback", "internal error")), said
    killed, status = said.splitlines()[-1].split()
    assert status == "0", said
    return int(killed)


def left(folder):
    return [path.name for path in folder.rglob("*") if path.name.endswith(".tmp")]


@pytest.mark.parametrize("kills", [6, pytest.param(100, marks=pytest.mark.slow)])
def test_a_generation_ends_as_if_undisturbed(kills):
    done = 0
    while done < kills:  # some come too late, and every data set takes a few
        name, undisturbed = f"killed-{done}", paths.datasets() / f"whole-{done}"
        done += kill(done, min(kills, 10), 0.3, *GENERATE, "--resume", "--name", name)
        assert laws.digests(paths.datasets() / name) == laws.digests(undisturbed)
        assert left(paths.datasets()) == []


@pytest.mark.parametrize("kills", [3, pytest.param(50, marks=pytest.mark.slow)])
def test_a_training_ends_as_if_undisturbed(kills):
    done = 0
    while done < kills:
        done += kill(done, min(kills, 10), 1.0, *TRAIN, "--name", "killed")
        finished = [run for run in list_runs() if run.status().state == "finished"]
        assert finished[0].name == "whole-0" and finished[-1].name == "killed"
        assert len({laws.tensors(run) for run in finished}) == 1
        assert left(finished[-1].path) == []

"""Disks and folders that fail while kanatui works: one clear line, what was finished stays, and it can go on."""

import os
import resource
import shutil
import signal
import subprocess
import sys

import pytest

from kanatui import cli
from kanatui.core.errors import StorageError
from kanatui.dataset import write
from kanatui.plugins.registry import load
from kanatui.training.runs import Run, find_run
from kanatui.training.session import train_run
from tests.faults.test_stopping import new_run
from tests.helpers.tiny import TinyModel, TinySource

SMALL = (
    "quick", "--characters", "あい", "--faces", "klee-regular", "--image-size", "16", "--images-per-character", "200",
)  # fmt: skip


def test_a_limit_on_the_size_of_files_is_told_and_generating_goes_on_without_it(home, one_line_error):
    # 400 images of 256 bytes are one shard; masters and coverage are smaller.
    def limited():
        resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, resource.RLIM_INFINITY))

    command = [sys.executable, "-P", "-m", "kanatui", "generate"]
    result = subprocess.run([*command, *SMALL, "--name", "some"], capture_output=True, text=True, preexec_fn=limited)
    made = home / "datasets" / "some"
    one_line_error(result, 1, "shard-00000.npy", "ulimit -f")
    assert not list(made.glob("shard-*")) and not list(made.glob(".shard*"))
    assert cli.run(["generate", "--resume", "--name", "some"]) == 0
    assert cli.run(["generate", *SMALL, "--name", "undisturbed"]) == 0
    for path in (home / "datasets" / "undisturbed").glob("*.npy"):
        assert (made / path.name).read_bytes() == path.read_bytes()


def test_a_data_set_removed_while_it_is_written_is_told(home, monkeypatch, capfd):
    monkeypatch.setattr(write, "images_per_shard", lambda size, images: 100)
    made, real = home / "datasets" / "some", write.make_shard

    def remove(*arguments):
        shutil.rmtree(made)
        return real(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(write, "make_shard", remove)
        assert cli.run(["generate", *SMALL, "--name", "some", "--workers", "1"]) == 1
    said = capfd.readouterr().err.strip().splitlines()[-1]
    assert said.startswith(f"kanatui: {made}") and "there is no such folder" in said
    assert cli.run(["generate", *SMALL, "--name", "some"]) == 0


@pytest.mark.parametrize("event", ["start", "validation", "checkpoint"])
def test_a_run_removed_while_it_trains_is_told(event, monkeypatch, capfd):
    monkeypatch.setitem(load().models, "tiny_cnn", TinyModel)
    run = new_run(epochs=3, precision="float32")
    before = signal.getsignal(signal.SIGTERM)

    def remove(told):
        if told["event"] == event:
            shutil.rmtree(run.path, ignore_errors=True)

    with pytest.raises(StorageError, match=f"{run.path}.*there is no such folder"):
        train_run(run, [remove], source=TinySource())
    assert signal.getsignal(signal.SIGTERM) is before
    again = new_run(precision="float32")
    assert train_run(again, source=TinySource()).state == "finished"


def unshared(script, home, *arguments):
    """Run a shell script in a mount namespace of its own, where `kanatui` is the command."""
    call = f'kanatui() {{ "{sys.executable}" -P -m kanatui "$@"; }}; {script}'
    alone = ["unshare", "--mount"] if os.geteuid() == 0 else ["unshare", "--mount", "--map-root-user"]
    environment = os.environ | {"KANATUI_HOME": str(home), "OMP_NUM_THREADS": "1"}
    return subprocess.run([*alone, "sh", "-c", call, "sh", *arguments], capture_output=True, text=True, env=environment)


def can_mount():
    if shutil.which("unshare") is None:
        return False
    return unshared("mount -t tmpfs none /mnt", "/none").returncode == 0


mounts = pytest.mark.skipif(not can_mount(), reason="this machine lets nobody mount anything: root writes everywhere")


@mounts
@pytest.mark.parametrize(
    "command",
    [("generate", *SMALL, "--name", "some"), ("train", *SMALL, "--epochs", "1"), ("runs", "--note", "1", "x")],
)
def test_a_read_only_home_is_told(command, home, one_line_error):
    Run.create("mine", {})
    before = sorted(home.rglob("*"))
    read_only = (
        'mount --bind "$KANATUI_HOME" "$KANATUI_HOME" && mount -o remount,ro,bind "$KANATUI_HOME" && kanatui "$@"'
    )
    one_line_error(unshared(read_only, home, *command), 1, str(home), "the disk is read-only; set KANATUI_HOME")
    assert sorted(home.rglob("*")) == before
    assert cli.run(["runs"]) == 0


FULL = """
mount -t tmpfs -o size=9m none "$KANATUI_HOME" || exit 99
kanatui train "$@"; echo "ended with $?" >&2
kanatui runs --json | grep '"state"' >&2
mount -o remount,size=200m "$KANATUI_HOME"
kanatui train --resume 1 && kanatui runs --json && ls -A "$KANATUI_HOME"/runs/*/checkpoints
"""


@pytest.mark.slow
@mounts
def test_a_training_on_a_full_disk_is_told_and_goes_on_when_there_is_room(tmp_path):
    (tmp_path / "full").mkdir()
    model = ("--model", "article_cnn", "--precision", "float32", "--threads", "1", "--workers", "0")
    often = ("--epochs", "30", "--checkpoint-seconds", "1")
    result = unshared(FULL, tmp_path / "full", *SMALL, *model, *often)
    assert "the disk is full; free some space" in result.stderr and "ended with 1" in result.stderr
    assert '"state": "failed"' in result.stderr and "Traceback" not in result.stderr
    assert result.returncode == 0 and '"state": "finished"' in result.stdout, result.stderr
    assert ".tmp" not in result.stdout


ODD = 'ほ me\'s "own" $HOME `x` \\ & ; #%'


def test_a_home_with_spaces_quotes_and_kana_is_a_home_like_any_other(tmp_path, monkeypatch, share_cache, capfd):
    odd = share_cache(tmp_path / ODD)
    monkeypatch.setenv("KANATUI_HOME", str(odd))
    assert cli.run(["generate", *SMALL, "--name", "some"]) == 0
    model = ("--model", "article_cnn", "--precision", "float32", "--threads", "1")
    assert cli.run(["train", "--data", "some", *model, "--epochs", "1", "--detach"]) == 0
    assert cli.run(["attach", "1"]) == 0
    assert find_run("1").status().state == "finished"
    picture = odd / "あ 'one'.png"
    assert cli.run(["preview", *SMALL[:-1], "1", "--count", "1", "--png", str(picture)]) == 0
    capfd.readouterr()
    assert cli.run(["recognize", "--model", "1", str(picture)]) == 0
    assert picture.name in capfd.readouterr().out
    assert (odd / "runs" / "001-some" / "checkpoints" / "last.safetensors").exists()

"""Disks and folders that fail while kanatui works: one clear line, what was finished stays, and it can go on."""

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
from kanatui.training.runs import find_run
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

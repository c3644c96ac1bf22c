"""What data sets there are, and generations as processes of their own."""

import json
import os
import signal
import subprocess

import pytest

from kanatui.core import paths
from kanatui.core.errors import DatasetError
from kanatui.dataset import catalogue
from kanatui.dataset.catalogue import Catalogue
from kanatui.dataset.recipe import Augment, Recipe
from tests.helpers.processes import wait_until

RECIPE = Recipe(
    "tiny",
    [Augment("size")],
    characters="あいう",
    faces=("style:handwriting",),
    image_size=32,
    images_per_character=20,
)
LARGE = RECIPE.but(  # a minute of work in 140 shards, just too few images for other processes to be started first
    image_size=256, images_per_character=6_000, augments=[Augment("size"), Augment("elastic")]
)


def entry(name="tiny"):
    return next((entry for entry in Catalogue().look() if entry.name == name), None)


def wait(predicate):
    return wait_until(predicate, lambda: f"; the data sets: {Catalogue().look()}")


@pytest.fixture
def ending():
    """Processes that a test starts end with it, whatever becomes of the test."""
    processes = []
    yield lambda process: processes.append(process) or process
    for process in processes:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def test_an_empty_home_has_no_data_sets():
    assert Catalogue().look() == []


def test_a_data_set_goes_from_starting_to_complete(ending):
    process = ending(catalogue.generate(RECIPE, "tiny"))
    assert entry().active
    assert catalogue.process_of("tiny") == process.pid
    with pytest.raises(DatasetError, match="being written"):
        catalogue.resume("tiny")
    with pytest.raises(DatasetError, match="stop that first"):
        catalogue.delete("tiny")
    done = wait(lambda: not entry().active and entry())
    assert (done.state, done.done, done.images, done.image_size, done.characters) == ("complete", 60, 60, 32, 3)
    assert done.share == 1.0
    assert done.bytes_done > 60 * 32 * 32
    assert "already" in catalogue.name_problem("tiny")
    catalogue.delete("tiny")
    assert entry() is None
    assert catalogue.name_problem("tiny") == ""


def test_stopping_leaves_what_resuming_goes_on_from(ending):
    ending(catalogue.generate(LARGE, "large"))
    wait(lambda: entry("large").done > 0)
    assert entry("large").state == "writing"
    catalogue.stop("large")
    stopped = wait(lambda: not entry("large").active and entry("large"))
    assert stopped.state == "stopped"
    assert stopped.resumable
    assert 0 < stopped.share < 1
    assert "unfinished" in catalogue.name_problem("large")
    with pytest.raises(DatasetError, match="nothing is writing"):
        catalogue.stop("large")
    ending(catalogue.resume("large"))
    wait(lambda: entry("large").done > stopped.done)
    catalogue.stop("large")
    wait(lambda: not entry("large").active)


def test_a_generation_killed_before_it_wrote_anything_can_be_begun_again(ending):
    process = ending(catalogue.generate(RECIPE, "tiny"))
    process.kill()
    process.wait()
    assert entry().state == "stopped"
    ending(catalogue.resume("tiny"))
    assert wait(lambda: not entry().active and entry()).state == "complete"


def test_a_failed_generation_says_why(ending):
    wait_for = ending(catalogue.generate(RECIPE.but(faces=("no-such-face",)), "tiny"))
    wait_for.wait()
    failed = entry()
    assert failed.state == "failed"
    assert "no-such-face" in failed.reason
    assert failed.resumable
    assert catalogue.name_problem("tiny") == ""


def test_a_manifest_that_cannot_be_read_is_shown_as_damaged():
    folder = paths.datasets() / "broken"
    folder.mkdir(parents=True)
    (folder / "manifest.json").write_text("{")
    found = entry("broken")
    assert found.state == "damaged"
    assert "manifest.json" in found.reason


def test_another_process_with_the_same_number_is_not_taken_for_the_writer(home, ending):
    other = ending(subprocess.Popen(["sleep", "60"], start_new_session=True))
    orders = paths.cache() / "generate"
    orders.mkdir(exist_ok=True)
    (orders / "old.json").write_text(json.dumps({"pid": other.pid, "created": 1e9}))
    assert catalogue.process_of("old") is None
    (orders / "old.json").unlink()


@pytest.mark.parametrize("name", ["", ".hidden", "a/b", "..", " a", "a "])
def test_names_that_are_not_plain_are_refused(name):
    assert catalogue.name_problem(name)
    with pytest.raises(DatasetError):
        catalogue.generate(RECIPE, name)


def test_a_name_that_is_taken_gets_a_number():
    assert catalogue.free_name("kana") == "kana"
    for name in ("kana", "kana-2"):
        folder = paths.datasets() / name
        folder.mkdir(parents=True)
        (folder / "something").touch()
    assert catalogue.free_name("kana") == "kana-3"


@pytest.mark.parametrize(
    ("log", "state", "reason"),
    [
        ("", "stopped", ""),
        ("generating: 3,640/33,800  404 images/s  2 s left", "stopped", ""),
        ("stopped with 1 of 9 shards finished; go on with: kanatui generate --resume\ninterrupted", "stopped", ""),
        ("kanatui: the disk is full", "failed", "the disk is full"),
        (
            "Traceback (most recent call last):\nModuleNotFoundError: no torch",
            "failed",
            "ModuleNotFoundError: no torch",
        ),
    ],
)
def test_the_log_says_how_a_generation_ended(log, state, reason):
    folder = paths.datasets() / "kana"
    folder.mkdir(parents=True)
    (folder / catalogue.LOG).write_text(log)
    assert (entry("kana").state, entry("kana").reason) == (state, reason)

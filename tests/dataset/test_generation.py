"""Generations as processes of their own: begun, stopped, resumed, and the names of what they write."""

import json
import os
import signal
import subprocess

import pytest

from kanatui.core import paths
from kanatui.core.errors import DatasetError
from kanatui.dataset import generation
from kanatui.dataset.catalogue import Catalogue
from kanatui.dataset.recipe import Augment, Recipe, read_recipe
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


def test_a_data_set_goes_from_starting_to_complete(ending):
    process = ending(generation.generate(RECIPE, "tiny"))
    assert entry().active
    assert generation.process_of("tiny") == process.pid
    with pytest.raises(DatasetError, match="being written"):
        generation.resume("tiny")
    with pytest.raises(DatasetError, match="stop that first"):
        generation.delete("tiny")
    done = wait(lambda: not entry().active and entry())
    assert (done.state, done.done, done.images, done.image_size, done.characters) == ("complete", 60, 60, 32, 3)
    assert done.share == 1.0
    assert done.bytes_done > 60 * 32 * 32
    assert "already" in generation.new_name_problem("tiny")
    generation.delete("tiny")
    assert entry() is None
    assert generation.new_name_problem("tiny") == ""


def test_stopping_leaves_what_resuming_goes_on_from(ending):
    ending(generation.generate(LARGE, "large"))
    wait(lambda: entry("large").done > 0)
    assert entry("large").state == "writing"
    generation.stop("large")
    stopped = wait(lambda: not entry("large").active and entry("large"))
    assert stopped.state == "stopped"
    assert stopped.resumable
    assert 0 < stopped.share < 1
    assert "unfinished" in generation.new_name_problem("large")
    with pytest.raises(DatasetError, match="nothing is writing"):
        generation.stop("large")
    ending(generation.resume("large"))
    wait(lambda: entry("large").done > stopped.done)
    generation.stop("large")
    wait(lambda: not entry("large").active)


def test_a_generation_killed_before_it_wrote_anything_can_be_begun_again(ending):
    process = ending(generation.generate(RECIPE, "tiny"))
    process.kill()
    process.wait()
    assert entry().state == "stopped"
    assert read_recipe(generation.kept_recipe("tiny")).to_dict() == RECIPE.to_dict()
    assert generation.kept_recipe("tiny", written=True) is None
    ending(generation.resume("tiny"))
    assert wait(lambda: not entry().active and entry()).state == "complete"


def test_a_failed_generation_says_why(ending):
    wait_for = ending(generation.generate(RECIPE.but(faces=("no-such-face",)), "tiny"))
    wait_for.wait()
    failed = entry()
    assert failed.state == "failed"
    assert "no-such-face" in failed.reason
    assert failed.resumable
    assert generation.new_name_problem("tiny") == ""


def test_another_process_with_the_same_number_is_not_taken_for_the_writer(home, ending):
    other = ending(subprocess.Popen(["sleep", "60"], start_new_session=True))
    orders = paths.cache() / "generate"
    orders.mkdir(exist_ok=True)
    (orders / "old.json").write_text(json.dumps({"pid": other.pid, "created": 1e9}))
    assert generation.process_of("old") is None
    (orders / "old.json").unlink()


@pytest.mark.parametrize("name", ["", ".hidden", "a/b", "..", " a", "a ", "-a", "a\nb"])
def test_names_that_are_not_plain_are_refused(name):
    assert generation.new_name_problem(name)
    with pytest.raises(DatasetError):
        generation.generate(RECIPE, name)


def test_a_name_that_is_taken_gets_a_number():
    assert generation.free_name("kana") == "kana"
    for name in ("kana", "kana-2"):
        folder = paths.datasets() / name
        folder.mkdir(parents=True)
        (folder / "something").touch()
    assert generation.free_name("kana") == "kana-3"

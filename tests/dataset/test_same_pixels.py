"""The law of the house: image i is the same pixels, however it comes to be made."""

import functools
import hashlib
import json
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import psutil
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kanatui.core import paths
from kanatui.core.errors import DatasetError, FontError, PluginError, StorageError
from kanatui.dataset import manifest as manifests
from kanatui.dataset import write
from kanatui.dataset.open import open_source
from kanatui.dataset.read import find_dataset, open_dataset
from kanatui.dataset.recipe import Augment, find_recipe
from kanatui.dataset.stream import GlyphStream
from kanatui.plugins import registry as plugins
from kanatui.plugins import trust
from tests.helpers.processes import wait_until

ROOT = Path(__file__).parent.parent.parent

EVERYTHING = ("size", "aspect", "shear", "rotate", "shift", "elastic", "stroke_width", "erase", "blur", "noise")
FACES = ["noto-sans-cjk-jp-thin", "klee-*", "kiloji*"]


def small_recipe(**changes):
    base = find_recipe("handwriting").but(
        name="small", characters="あいカ", faces=FACES, image_size=32, images_per_character=40,
        augments=[Augment(id, 0.7) for id in EVERYTHING],
    )  # fmt: skip
    return base.but(**changes)


@functools.cache
def stream():
    return GlyphStream(small_recipe(), plugins.load())


@functools.cache
def every_image():
    return stream().images(np.arange(len(stream())))


def digests(folder):
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.iterdir())
        if path.name not in (".lock", "generate.log")
    }


def generate(name, recipe=None, workers=1, resume=False, limit=None, on_shard=None):
    job = write.start(GlyphStream(recipe or small_recipe(), plugins.load()), paths.datasets() / name, resume)
    if limit is not None:
        job.todo[limit:] = []
    write.write(job, workers, on_shard)
    return job.folder


@pytest.fixture
def small_shards(monkeypatch):
    monkeypatch.setattr(manifests, "SHARD_BYTES", 11 * 32 * 32)
    monkeypatch.setattr(write, "POOL_WORTH", 0)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.integers(0, 119), min_size=1, max_size=30), st.sampled_from([1, 2]))
def test_a_streamed_image_depends_on_its_index_alone(indices, threads):
    expected = every_image()
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        assert np.array_equal(stream().images(indices), expected[indices])
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize("batch", [1, 7, 256])
def test_batches_change_nothing(batch):
    parts = [stream().images(np.arange(i, min(i + batch, 120))) for i in range(0, 120, batch)]
    assert np.array_equal(np.concatenate(parts), every_image())


@pytest.mark.parametrize("workers", [1, 3])
def test_written_is_streamed(workers, small_shards):
    folder = generate(f"w{workers}", workers=workers)
    assert len(list(folder.glob("shard-*.npy"))) == 11
    dataset = open_dataset(folder)
    assert np.array_equal(dataset.images(np.arange(120)), every_image())
    order = np.random.default_rng(0).permutation(120)
    assert np.array_equal(dataset.images(order), every_image()[order])
    assert np.array_equal(dataset.labels(order), stream().labels(order))
    assert np.array_equal(dataset.faces(order), stream().faces(order))
    assert np.array_equal(dataset.numbers(1), stream().numbers(1))


def test_workers_and_interruptions_leave_no_trace(small_shards):
    whole = digests(generate("whole", workers=3))
    with pytest.raises(DatasetError):
        generate("cut", limit=3, on_shard=lambda *_: (_ for _ in ()).throw(DatasetError("stop")))
    again = generate("cut", resume=True)
    assert digests(again) == whole


def test_a_damaged_shard_is_made_again(small_shards):
    folder = generate("damaged")
    before = digests(folder)
    shard = folder / manifests.shard_name(4)
    shard.write_bytes(shard.read_bytes()[:50])
    with pytest.raises(DatasetError, match="shard-00004"):
        open_dataset(folder)
    generate("damaged", resume=True)
    assert digests(folder) == before


KILLED = """
import sys, time
from kanatui.dataset import manifest, write
manifest.SHARD_BYTES = 11 * 32 * 32
write.POOL_WORTH = 0
sys.path.insert(0, {root!r})
from tests.dataset.test_same_pixels import generate, small_recipe
def slow(images, size):
    print("shard", flush=True)
    time.sleep(600)  # it is killed here, its other processes at work
generate("killed", workers=2, on_shard=slow)
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_a_killed_generation_resumes_to_the_same_bytes(number, small_shards, home):
    whole = digests(generate("whole", recipe=small_recipe(images_per_character=500)))
    script = KILLED.replace('generate("killed"', 'generate("killed", recipe=small_recipe(images_per_character=500)')
    file = home / "killed.py"
    file.write_text("if __name__ == '__main__':\n" + textwrap.indent(script.format(root=str(ROOT)), "    "))
    process = subprocess.Popen(
        [sys.executable, str(file)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True
    )
    assert process.stdout.readline() == b"shard\n"
    os.killpg(process.pid, number)
    process.wait()
    folder = paths.datasets() / "killed"
    assert not json.loads((folder / "manifest.json").read_text())["complete"]
    wait_until(lambda: not manifests.writer_of(folder))
    generate("killed", recipe=small_recipe(images_per_character=500), resume=True)
    assert digests(folder) == whole


def test_an_unfinished_data_set_cannot_be_trained_on(small_shards):
    with pytest.raises(DatasetError):
        generate("half", on_shard=lambda *_: (_ for _ in ()).throw(DatasetError("stop")))
    with pytest.raises(DatasetError, match=r"half: unfinished \(1 of 11 shards\).*--resume"):
        open_dataset(find_dataset("half"))


def test_what_is_there_is_never_overwritten():
    folder = generate("precious")
    before = digests(folder)
    with pytest.raises(DatasetError, match="precious: exists already"):
        generate("precious")
    with pytest.raises(DatasetError, match="begun with other recipe_sha256"):
        generate("precious", recipe=small_recipe(seed=5), resume=True)
    (paths.datasets() / "notes").mkdir()
    (paths.datasets() / "notes" / "diary.txt").write_text("dear")
    with pytest.raises(DatasetError, match="not empty"):
        generate("notes")
    assert digests(folder) == before


def test_a_data_set_of_another_version_is_refused():
    folder = generate("old")
    data = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps(data | {"format": 99}))
    with pytest.raises(DatasetError, match="data set format 99, this kanatui reads 1"):
        open_dataset(folder)
    (folder / "manifest.json").write_text("{")
    with pytest.raises(DatasetError, match=r"manifest.json: damaged"):
        open_dataset(folder)


def test_two_writers_of_one_data_set_exclude_each_other(home):
    job = write.start(stream(), paths.datasets() / "contested", resume=False)
    with write.storage.exclusive(job.folder / ".lock", "mine"), pytest.raises(StorageError, match="another kanatui"):
        write.write(job, 1)


def test_a_disk_that_is_too_small_is_said_before_anything_is_made():
    huge = small_recipe(image_size=512, images_per_character=1_000_000)
    with pytest.raises(StorageError, match=r"needs [\d.]+ GB"):
        write.start(GlyphStream(huge, plugins.load()), paths.datasets() / "huge", resume=False)


def test_an_unknown_data_set_says_what_there_is():
    generate("one")
    with pytest.raises(DatasetError, match=r"no data set 'two' \(there are: one\)"):
        find_dataset("two")


def test_a_data_set_of_which_nothing_is_written_yet_says_how_to_finish_it():
    folder = paths.datasets() / "begun"
    folder.mkdir(parents=True)
    (folder / "generate.log").write_text("kanatui: no room\n")
    with pytest.raises(
        DatasetError, match=r"^begun: unfinished \(failed: no room.*--resume --name begun --recipe RECIPE completes it"
    ):
        find_dataset("begun")
    (folder / "generate.log").write_text("")
    order = paths.cache() / "generate" / "begun.toml"
    order.parent.mkdir(parents=True, exist_ok=True)
    order.write_text(small_recipe().to_toml())
    with pytest.raises(DatasetError, match=r"\(stopped; .*kanatui generate --resume --name begun completes it"):
        find_dataset("begun")
    process = psutil.Process()
    order.with_suffix(".json").write_text(json.dumps({"pid": process.pid, "created": process.create_time()}))
    with pytest.raises(DatasetError, match="begun: unfinished .*only just begun.*kanatui datasets"):
        find_dataset("begun")


def test_a_source_opens_again_from_its_spec():
    again = open_source(json.loads(json.dumps(stream().spec())))
    assert np.array_equal(again.images([3, 50]), every_image()[[3, 50]])
    dataset = open_dataset(generate("spec"))
    assert np.array_equal(open_source(dataset.spec()).images([7]), every_image()[[7]])


def test_exact_rendering_streams_as_well():
    exact = GlyphStream(small_recipe(rendering="exact", augments=[Augment("rotate")]), plugins.load())
    placed = GlyphStream(small_recipe(augments=[Augment("rotate")]), plugins.load())
    indices = np.arange(0, 120, 10)
    difference = exact.images(indices).astype(float) - placed.images(indices)
    assert 10 * np.log10(255**2 / (difference**2).mean()) > 25


def test_faces_that_are_not_installed_are_an_error_with_the_remedy(monkeypatch, tmp_path):
    monkeypatch.setenv("KANATUI_FONT_PATH", str(tmp_path))
    with pytest.raises(FontError, match="apt-get install"):
        GlyphStream(small_recipe(), plugins.load())


def test_a_plugin_that_fails_aborts_and_names_the_image(tmp_path):
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "bad.py").write_text(
        textwrap.dedent("""
        "Fails."
        from kanatui import Float, Pixel, hookimpl

        class Bad(Pixel):
            id = "bad"
            size = Float(2.0)

            def draw(self, keys, size):
                return {}

            def apply(self, images, drawn):
                return images[:, :, 1:]

        @hookimpl
        def kanatui_augmentations():
            return [Bad]
        """)
    )
    trust.trust(folder / "bad.py")
    bad = GlyphStream(small_recipe(augments=[Augment("bad")]), plugins.load([folder]))
    with pytest.raises(PluginError, match=r"augmentation bad {'size': 2.0} failed on image 5 of あ: "):
        bad.images([5])


def test_images_have_ink_and_keep_their_class():
    images = every_image()
    assert images.dtype == np.uint8 and images.shape == (120, 32, 32)
    assert (images.reshape(120, -1).max(axis=1) > 100).all()
    assert images.mean() < 128

"""Files of state that are damaged or hostile: whatever is in them, readers return or raise one declared error."""

import copy
import json
import os
import random
import re
import shutil

import numpy as np
import pytest

from kanatui.core.errors import KanatuiError
from kanatui.dataset.mixed import Pictures
from kanatui.dataset.read import open_dataset
from kanatui.evaluation.modelcard import model_card
from kanatui.evaluation.store import list_evaluations, read_evaluation
from kanatui.model.card import read_card
from kanatui.plugins import trust
from kanatui.training import columns, event_text
from kanatui.training.events import EventReader
from kanatui.training.previews import BatchPreview, read_batch, write_batch
from kanatui.training.replay import read_replay, replay_of
from kanatui.training.runs import Run, list_runs
from tests.faults.files import CARD, EVALUATION, EVENTS, MANIFEST, REPLAY, STATUS, weights_file, write_evaluation

OTHERS = (
    None, True, -1, 0, 3, 1.5, 1e400, float("nan"), 10**30, "", "あ", "\ud800", "x" * 5000, [], [1], {}, {"a": []},
)  # fmt: skip
"""What may stand where something else is expected."""

MUTATIONS = int(os.environ.get("MUTATIONS", "100"))
"""Set it to 10000 for a long run."""


def places(value, path=()):
    """Return the paths of everything in plain data."""
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield from places(inner, (*path, key))


def changed(value, rng):
    """Return plain data with one to three values replaced, removed or added."""
    value = json.loads(json.dumps(value))
    for _ in range(rng.randint(1, 3)):
        *way, last = rng.choice([path for path in places(value) if path] or [("",)])
        inner = value
        for step in way:
            inner = inner[step]
        if rng.random() < 0.25 and isinstance(inner, dict):
            del inner[last]
        else:
            inner[last] = copy.deepcopy(rng.choice(OTHERS))
    return value


def damaged(data, rng):
    """Return bytes that are cut off, or of which some are changed, inserted or repeated."""
    found = bytearray(data)
    for _ in range(rng.choice((1, 1, 3, 20))):
        place = rng.randrange(len(found) or 1)
        match rng.randrange(4):
            case 0:
                del found[place:]
            case 1:
                found[place : place + 1] = bytes([rng.randrange(256)])
            case 2:
                found[place:place] = bytes(rng.randrange(256) for _ in range(rng.randint(1, 8)))
            case 3:
                found[place:place] = found[place : place + rng.randint(1, 64)]
    return bytes(found)


def texts(data, rng):
    """Return JSON of changed data, or damaged bytes of it."""
    if rng.random() < 0.7:
        return json.dumps(changed(data, rng)).encode()
    return damaged(json.dumps(data).encode(), rng)


def declared(call, *arguments):
    """Call; only a declared error of one line, which names a file, may come out."""
    try:
        return call(*arguments)
    except KanatuiError as error:
        assert "\n" not in str(error) and re.search(r"/|^run \d", str(error))
    return None


@pytest.fixture
def rng(request):
    return random.Random(request.node.name)


@pytest.fixture
def run(home):
    return Run.create("some", {"train": {"batch_size": 8}})


def test_manifests_and_shards(tmp_path, rng):
    for _ in range(MUTATIONS):
        folder = tmp_path / "set"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        MANIFEST.files(folder)
        name = rng.choice(["manifest.json", "glyphs.npy", "shard-00000.npy"])
        data = (folder / name).read_bytes()
        (folder / name).write_bytes(texts(MANIFEST.data, rng) if name == "manifest.json" else damaged(data, rng))
        opened = declared(open_dataset, folder)
        if opened is not None:
            opened.images(range(len(opened)))


def test_the_list_of_trusted_plugins(home, tmp_path, rng):
    plugin = tmp_path / "some.py"
    plugin.write_text("")
    trust.trust(plugin)
    record = trust._record()
    for _ in range(MUTATIONS):
        record.write_bytes(texts({str(plugin): "0" * 64, "/other.py": "1" * 64}, rng))
        declared(trust.is_trusted, plugin)


def test_events_as_they_are_shown(run, rng):
    file = run.path / "events.jsonl"
    for _ in range(MUTATIONS):
        lines = [texts(event, rng) if rng.random() < 0.4 else json.dumps(event).encode() for event in EVENTS]
        file.write_bytes(b"\n".join(lines) + b"\n")
        for event in EventReader(file).read():
            event_text.describe(event)
            if event["event"] == "step":
                event_text.figures(event)
            if event["event"] == "preparing":
                event_text.preparing(event)
        declared(replay_of, run)


def test_the_status_of_a_run_in_lists(run, rng):
    for _ in range(MUTATIONS):
        (run.path / "status.json").write_bytes(texts(STATUS, rng))
        for each in list_runs():
            status = each.status()
            columns.plain(each, status)
            columns.app_texts(each, status)
        columns.table([(each, each.status()) for each in list_runs()])


def test_evaluations(tmp_path, rng):
    for _ in range(MUTATIONS):
        shutil.rmtree(tmp_path / "e", ignore_errors=True)
        path = write_evaluation(tmp_path / "e")
        if rng.random() < 0.7:
            path.write_bytes(texts(EVALUATION(path), rng))
        else:
            file = path.with_suffix(".npz")
            file.write_bytes(damaged(file.read_bytes(), rng))
        list_evaluations(path.parent)
        found = declared(read_evaluation, path)
        if found is not None:
            declared(found.load)
            assert isinstance(found.of_outliers + found.skipped.in_words(), str)


def test_what_a_run_repeats(run, rng):
    for _ in range(MUTATIONS):
        (run.path / "replay.json").write_bytes(texts(REPLAY, rng))
        replay = declared(read_replay, run.path)
        if replay is not None and replay.rates:
            replay.rate(3)
            replay.augments_at(3)


def test_cards_of_weights_from_strangers(tmp_path, rng):
    file = tmp_path / "model.safetensors"
    for _ in range(MUTATIONS):
        card = texts(CARD, rng)
        if rng.random() < 0.8:
            file.write_bytes(weights_file(card))
        else:
            file.write_bytes(damaged(weights_file(json.dumps(CARD).encode()), rng))
        found = declared(read_card, file)
        if found is not None:
            model_card("a stranger's", found)


def test_previews_of_batches(tmp_path, rng):
    images = np.zeros((3, 8, 8), dtype=np.uint8)
    write_batch(tmp_path, BatchPreview(4, images, "あいう", "あいえ", np.ones(3, dtype=np.float32)))
    file = tmp_path / "batch.npz"
    data = file.read_bytes()
    for _ in range(MUTATIONS):
        file.write_bytes(damaged(data, rng))
        read_batch(tmp_path)


def test_pictures_of_a_person(tmp_path, rng):
    file = tmp_path / "pictures.npz"
    Pictures(np.zeros((3, 8, 8), dtype=np.uint8), "あいう", np.arange(3, dtype=np.uint64)).save(file)
    data = file.read_bytes()
    for _ in range(MUTATIONS):
        file.write_bytes(damaged(data, rng))
        declared(Pictures.load, file)


def test_one_damaged_run_does_not_take_the_others_from_the_list(run, home):
    other = Run.create("other", {})
    (run.path / "status.json").write_text('{"state": ["finished"], "step": {}}')
    (run.path / "config.toml").write_bytes(b"\xff")
    assert {each.id for each in list_runs()} == {run.id, other.id}
    _, rows = columns.table([(each, each.status()) for each in list_runs()])
    assert len(rows) == 2


def test_a_field_of_the_wrong_kind_is_named(tmp_path):
    file = tmp_path / "model.safetensors"
    file.write_bytes(weights_file(json.dumps(CARD | {"image_size": "48"}).encode()))
    with pytest.raises(KanatuiError, match=r"model\.safetensors: its card is invalid .*image_size"):
        read_card(file)
    assert os.path.exists(file)

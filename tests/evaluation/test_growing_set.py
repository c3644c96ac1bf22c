"""A named set of characters that grows later leaves runs and models as they were."""

import json

import numpy as np
import pytest
import safetensors.numpy
from PIL import Image

from kanatui.dataset.open import open_source
from kanatui.dataset.recipe import find_recipe
from kanatui.dataset.stream import GlyphStream
from kanatui.evaluation import adapt
from kanatui.evaluation.evaluate import evaluate, open_pictures
from kanatui.evaluation.export import export
from kanatui.kana.alphabet import SETS
from kanatui.kana.sets import parse_characters
from kanatui.model.card import KEY, read_card
from kanatui.plugins.registry import load
from kanatui.training.config import make_config
from kanatui.training.control import STOP, Mailbox
from kanatui.training.options import TrainingOptions
from kanatui.training.replay import create_replay
from kanatui.training.runs import Run
from kanatui.training.session import train_run

CHARACTERS = "いコシつへ"
FACES = ("klee-regular", "noto-sans-cjk-jp-regular")


@pytest.fixture
def begun(monkeypatch):
    """A run on `kana`, stopped at its first checkpoint; `kana` has one character more since."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setitem(SETS, "kana", CHARACTERS)
    recipe = find_recipe("quick").but(characters="kana", faces=FACES, images_per_character=40, train={})
    stream = GlyphStream(recipe, load())
    options = TrainingOptions(epochs=2, batch_size=16, hold_out=0.2, workers=0, threads=1, precision="float32")
    run = Run.create("grows", make_config(stream.spec(), stream.characters, stream.face_ids, options, {}, "quick"))

    def stop(event):
        if event["event"] == "epoch" and event["epoch"] == 1:
            Mailbox(run.control).send(STOP)

    assert train_run(run, [stop], source=stream).state == "stopped"
    monkeypatch.setitem(SETS, "kana", "ぬ" + CHARACTERS)
    return run


def unpinned(config):
    """The configuration as it was written before it named the characters themselves."""
    recipe = {**config["source"]["recipe"], "characters": "kana"}
    return {**config, "source": {**config["source"], "recipe": recipe}}


def forget_characters_of_card(file):
    card = read_card(file)
    text = json.dumps({**card, "config": unpinned(card["config"])})
    file.write_bytes(safetensors.numpy.save(safetensors.numpy.load_file(file), metadata={KEY: text}))


def write_pictures(folder):
    for turn in range(45):
        place = folder / CHARACTERS[turn % 5]
        place.mkdir(parents=True, exist_ok=True)
        values = np.full((40, 40), 250, dtype=np.uint8)
        values[8 : 12 + turn % 20, 10 : 14 + 4 * (turn % 5)] = 10 + turn
        Image.fromarray(values).save(place / f"{turn}.png")
    return folder


def silent(*told):
    pass


@pytest.mark.parametrize("earlier", [False, True], ids=["pinned", "as earlier versions wrote it"])
def test_a_run_goes_on_and_its_model_is_evaluated_and_adapted(begun, earlier, tmp_path):
    held_out = {"kind": "held_out"}
    if earlier:
        begun.configure({"source": unpinned(begun.config)["source"]})
    assert train_run(begun).state == "finished"
    done = evaluate(begun.id, held_out, None, None, silent)
    assert done.characters == CHARACTERS and done.total.images == 5 * 8
    assert open_pictures(done, [0], open_source)[0].shape[0] == 1

    model = tmp_path / "model.safetensors"
    card = export(begun, model)
    assert parse_characters(card["config"]["source"]["recipe"]["characters"]) == CHARACTERS
    if earlier:
        forget_characters_of_card(model)
    again = evaluate(str(model), held_out, None, None, silent)
    assert (again.total, again.data) == (done.total, done.data)

    for reference in (begun.id, str(model)):
        made, left_out = adapt.create(reference, write_pictures(tmp_path / "mine"), minutes=0.02)
        assert train_run(made).state == "finished" and not left_out
    assert train_run(create_replay(begun)).state == "finished"

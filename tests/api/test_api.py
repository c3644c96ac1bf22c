"""`import kanatui` in a program: read, stream, train, evaluate; its page and its examples."""

import importlib.util
import pickle
import runpy
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

import kanatui
from kanatui.core.errors import ImageError, NoInkError, ParameterError, RunError, UsageError
from kanatui.dataset.write import start, write

DOCS = Path(__file__).parent.parent.parent / "docs"
SMALL = {"characters": "あいう", "faces": ["klee-regular"], "image_size": 32, "images_per_character": 40}


@pytest.fixture(scope="module")
def glyphs():
    return kanatui.stream("quick", **SMALL)


@pytest.fixture
def run(glyphs):
    return kanatui.train(glyphs, epochs=1, batch_size=16, parameters={"width": 4}, hold_out=0.2, threads=1, workers=0)


def picture(side=60):
    image = np.full((side, side), 255, dtype=np.uint8)
    image[10:14, 8 : side - 8] = 20
    image[20:-10, side // 2 : side // 2 + 4] = 20
    return image


def test_image_i_is_the_same_alone_in_a_batch_shuffled_and_in_any_number_of_workers(glyphs):
    assert len(glyphs) == 120 and glyphs.characters == "あいう" and glyphs.image_size == 32
    alone = [glyphs[index] for index in range(0, 120, 7)]
    image, _ = alone[0]
    assert image.shape == (1, 32, 32) and image.dtype == torch.float32 and 0 <= image.min() < image.max() <= 1
    assert [label for _, label in alone] == [index // 40 for index in range(0, 120, 7)]
    for index, (image, _) in zip(range(0, 120, 7), alone, strict=True):
        assert torch.equal(glyphs.__getitems__([3, index, 5])[1][0], image)
    whole = torch.cat([images for images, _ in DataLoader(glyphs, batch_size=50)])
    divided = torch.cat([images for images, _ in DataLoader(glyphs, batch_size=33, num_workers=2)])
    assert torch.equal(whole, divided)
    order = torch.randperm(120, generator=torch.Generator().manual_seed(1)).tolist()
    shuffled = torch.cat([images for images, _ in DataLoader(glyphs, batch_size=50, sampler=order)])
    assert torch.equal(shuffled, whole[order])
    assert torch.equal(pickle.loads(pickle.dumps(glyphs))[119][0], whole[119])
    with pytest.raises(IndexError):
        glyphs[120]


def test_changes_are_checked_and_a_written_data_set_is_opened(tmp_path, glyphs):
    with pytest.raises(ParameterError, match=r"recipe\.image_size: 7 is below"):
        kanatui.stream("quick", image_size=7)
    with pytest.raises(UsageError, match="unknown recipe 'quikc'"):
        kanatui.stream("quikc")
    folder = tmp_path / "data"
    write(start(glyphs.source, folder, resume=False), workers=1)
    written = kanatui.stream(folder)
    assert torch.equal(written[5][0], glyphs[5][0])
    with pytest.raises(UsageError, match="cannot be changed"):
        kanatui.stream(folder, seed=3)


def test_a_training_is_read_with_and_evaluated(run, tmp_path):
    assert run.status().state == "finished" and [each.id for each in kanatui.runs()] == [run.id]
    reader = kanatui.load(run.id)
    assert reader.characters == "あいう"
    read = reader.read(picture(), top=2)
    assert len(read.readings) == 2 and read.character in "あいう" and 0 < read.probability <= 1
    from PIL import Image

    file = tmp_path / "picture.png"
    Image.fromarray(picture()).save(file)
    for same in (file, str(file), Image.open(file), np.stack([picture()] * 3, axis=-1)):
        assert reader.read(same, top=2) == read
    assert reader.read(file, characters="い").probability == 1.0
    evaluation = kanatui.evaluate(run, limit=20)
    assert 0 < evaluation.total.images <= 20 and 0 <= evaluation.total["strict"] <= 1
    assert len(evaluation.load()[0]) == evaluation.total.images


def test_a_training_leaves_torch_with_the_threads_that_it_had(glyphs):
    before, used = torch.get_num_threads(), set()
    torch.set_num_threads(3)
    try:
        options = {"epochs": 1, "batch_size": 16, "parameters": {"width": 4}, "workers": 0}
        kanatui.train(glyphs, **options, threads=1, on_event=lambda event: used.add(torch.get_num_threads()))
        assert torch.get_num_threads() == 3 and 1 in used
        with pytest.raises(RunError, match="no face"):
            kanatui.train(glyphs, **options, threads=1, hold_out_faces=["nothing-*"])
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)


def test_errors_are_kanatuis(run, glyphs):
    reader = kanatui.load("latest")
    with pytest.raises(NoInkError):
        reader.read(np.full((40, 40), 255, dtype=np.uint8))
    with pytest.raises(ImageError, match="gone.png"):
        reader.read("gone.png")
    with pytest.raises(ImageError):
        reader.read(np.zeros(5))
    assert reader.read_many([]) == []
    with pytest.raises(RunError, match="no run 'nothing'"):
        kanatui.load("nothing")
    with pytest.raises(ParameterError, match=r"train\.batch_size"):
        kanatui.train(glyphs, batch_size=1)
    with pytest.raises(ParameterError, match=r"compact_cnn\.depth"):
        kanatui.train(glyphs, parameters={"depth": 1})


def test_what_is_public_is_there_and_typed_and_imports_no_torch_by_itself():
    for name in kanatui.__all__:
        assert getattr(kanatui, name) is not None
    assert set(dir(kanatui)) == set(kanatui.__all__)
    with pytest.raises(AttributeError, match="no attribute 'laod'"):
        kanatui.laod  # noqa: B018
    assert (Path(kanatui.__file__).parent / "py.typed").is_file()


def test_the_page_is_up_to_date():
    spec = importlib.util.spec_from_file_location("make_api", DOCS / "make_api.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert (DOCS / "API.md").read_text(encoding="utf-8") == module.document(), "run python docs/make_api.py"


@pytest.mark.parametrize(
    ("name", "arguments", "words"),
    [("train_in_torch", ["3"], "step 0: loss"), ("train_and_evaluate", ["1"], "run 001-five: strict")],
)
def test_an_example_runs(name, arguments, words, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", [name, *arguments])
    runpy.run_path(str(DOCS / "examples" / f"{name}.py"))
    assert words in capsys.readouterr().out


def test_the_example_that_reads_runs(run, tmp_path, monkeypatch, capsys):
    from PIL import Image

    Image.fromarray(picture()).save(tmp_path / "one.png")
    monkeypatch.setattr(sys, "argv", ["read_pictures", run.id, str(tmp_path / "one.png")])
    runpy.run_path(str(DOCS / "examples" / "read_pictures.py"))
    assert "one.png: " in capsys.readouterr().out and len(list((DOCS / "examples").glob("*.py"))) == 3

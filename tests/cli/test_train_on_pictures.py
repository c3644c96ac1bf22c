"""`train --data FOLDER`: labelled pictures as all that a model is trained on."""

import json

import numpy as np
import pytest
from PIL import Image, ImageDraw

from kanatui.cli import run as run_command
from kanatui.dataset.open import open_source
from kanatui.training.runs import find_run
from kanatui.training.session import open_split

LINES = {
    "い": [(12, 15, 14, 42), (44, 15, 46, 38)],
    "く": [(40, 10, 15, 30), (15, 30, 40, 50)],
    "へ": [(8, 40, 25, 20), (25, 20, 55, 45)],
}
QUICK = (
    "--epochs", "1", "--batch-size", "16", "--model-set", "width=4", "--workers", "0", "--threads", "1",
    "--faces", "klee-regular", "--image-size", "32", "--set", "outliers.share=0",
)  # fmt: skip


@pytest.fixture
def written(tmp_path):
    """Twenty pictures of each of three kana, by an unsteady hand."""
    rng = np.random.default_rng(1)
    for character, lines in LINES.items():
        folder = tmp_path / "written" / character
        folder.mkdir(parents=True)
        for number in range(20):
            picture = Image.new("L", (64, 64), 255)
            for line in lines:
                place = np.array(line) + rng.normal(0, 2, 4)
                ImageDraw.Draw(picture).line(place.tolist(), fill=20, width=4)
            picture.save(folder / f"{number}.png")
    return tmp_path / "written"


def train(capsys, *arguments, status=0):
    capsys.readouterr()
    assert run_command(["train", "--json", *map(str, arguments)]) == status
    shown = capsys.readouterr()
    return json.loads(shown.out) if status == 0 else " ".join(shown.err.split())


def test_a_model_learns_from_pictures_alone(written, capsys, home):
    told = train(capsys, "--data", written, "-n", "80", *QUICK, "--epochs", "6")
    assert told["state"] == "finished" and told["best"]["strict"] > 0.8
    run = find_run(told["run"])
    source = open_source(run.config["source"])
    assert source.characters == "いくへ" and source.alone and not source.generated.any()
    assert source.variants.tolist() == [80] * 3 and source.held.sum() == source.pictures.held_back.sum() > 0
    split = open_split(run.config, source)
    assert len(split.train) == 240 and len(split.held_out) == source.held.sum() and not len(split.faces)
    held = {image.tobytes() for image in source.images(split.held_out.sample(1000))}
    assert held == {image.tobytes() for image in source.pictures.images[source.pictures.held_back]}
    for folder in list(written.iterdir()):
        for file in folder.iterdir():
            file.unlink()
    assert run_command(["evaluate", run.id]) == 0  # the run has kept what it was trained on
    assert f"{int(source.held.sum())}" in capsys.readouterr().out


def test_characters_are_chosen_and_what_cannot_be_trained_on_is_told(written, capsys):
    assert "none is left of へ" in train(capsys, "--data", _few(written), *QUICK, status=1)
    assert "shows any of アイ" in train(capsys, "--data", written, "-c", "アイ", *QUICK, status=1)
    assert "--labels: only with" in train(capsys, "--data", "gone", "--labels", "jis", *QUICK, status=2)
    told = train(capsys, "--data", written, "-c", "いく", "-n", "20", *QUICK)
    assert open_source(find_run(told["run"]).config["source"]).characters == "いく"


def _few(folder):
    """Leave one kana with the picture alone that is held out."""
    from kanatui.evaluation.adapt import collect
    from kanatui.evaluation.samples import samples

    found = samples(folder, "auto")
    pictures, _ = collect(found, "いくへ", 32)
    for sample, held in zip(found, pictures.held_back.tolist(), strict=True):
        if sample.character == "へ" and not held:
            sample.path.unlink()
    return folder

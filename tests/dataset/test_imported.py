"""Data sets made of labelled pictures: kanatui import, and training on what it made."""

import json

import numpy as np
import pytest
from PIL import Image

from kanatui.cli import run
from kanatui.core import paths
from kanatui.dataset.read import find_dataset, open_dataset
from tests.helpers.etl import write_etl


def test_pictures_become_a_data_set_prepared_as_for_recognition(folder, capsys):
    (folder / "U+304B" / "broken.png").write_bytes(b"no picture")
    assert run(["import", str(folder), "--name", "mine", "--image-size", "32"]) == 0
    captured = capsys.readouterr()
    told = " ".join(captured.err.split())
    assert "left out:" in told and "broken.png" in told and "folder 'not a label'" in told
    assert "5 images of 4 characters" in captured.out and "kanatui train --data mine" in captured.out
    source = open_dataset(find_dataset("mine"))
    assert dict(zip(source.characters, source.counts.tolist(), strict=True)) == {"か": 2, "が": 1, "さ": 1, "漢": 1}
    images = source.images(np.arange(5))
    assert images.shape == (5, 32, 32) and images.max() == 255 and (images[:, 0] == 0).all(), "white on black"
    assert run(["datasets", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["state"] == "complete"


def test_as_is_keeps_light_paper_and_says_so(folder, capsys):
    assert run(["import", str(folder), "--name", "mine", "--as-is", "-c", "か", "--json"]) == 0
    captured = capsys.readouterr()
    assert "without --as-is" in captured.err
    assert json.loads(captured.out)["characters"] == "か"
    assert open_dataset(find_dataset("mine")).images([0])[0].mean() > 200


def test_bad_requests_are_one_line_and_leave_nothing(folder, tmp_path, capsys):
    assert run(["import", str(folder), "--name", "a/b"]) == 1
    assert "not a plain name" in capsys.readouterr().err
    assert run(["import", str(tmp_path / "nowhere")]) == 1
    assert "no such folder" in capsys.readouterr().err
    assert run(["import", str(folder), "-c", "ん", "--name", "mine"]) == 1
    assert "no picture of these characters" in capsys.readouterr().err
    Image.new("L", (20, 20), 255).save(tmp_path / "blank.png")
    (tmp_path / "blank" / "あ").mkdir(parents=True)
    (tmp_path / "blank.png").rename(tmp_path / "blank" / "あ" / "1.png")
    assert run(["import", str(tmp_path / "blank")]) == 1
    assert "none of its 1 pictures can be read" in " ".join(capsys.readouterr().err.split())
    assert not paths.datasets().exists() or list(paths.datasets().iterdir()) == []
    assert run(["import", str(folder), "--name", "mine"]) == 0
    assert run(["import", str(folder), "--name", "mine"]) == 1
    assert "there is one already" in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize("kind", ["ETL8G_01", "ETL9G_01", "ETL8B2C1", "ETL9B_1"])
def test_etl_records_become_a_data_set_whose_faces_are_sheets(tmp_path, kind, capsys):
    file, pictures = write_etl(tmp_path / kind)
    assert run(["import", str(file), "--as-is"]) == 0
    assert "JIS X 0208 codes" in capsys.readouterr().err
    source = open_dataset(find_dataset(kind))
    assert source.characters == "あか" and source.counts.tolist() == [3, 3]
    assert set(source.face_ids) == {f"{kind}-{sheet:04d}" for sheet in (1, 2, 3)}
    for index in range(6):
        sheet = int(source.face_ids[source.faces([index])[0]][-4:])
        (expected,) = (p for s, c, p in pictures if s == sheet and c == source.characters[source.labels([index])[0]])
        shown = source.images([index])[0]
        assert (shown[: expected.shape[0]] == expected).all(), "and a row of black below"


def test_a_folder_of_etl_files_is_taken_whole_and_damage_is_named(tmp_path, capsys):
    folder = tmp_path / "ETL9G"
    folder.mkdir()
    write_etl(folder / "ETL9G_01")
    write_etl(folder / "ETL9G_02")
    (folder / "ETL9INFO").write_text("about")
    (folder / "ETL8G").mkdir()
    assert run(["import", str(folder), "--limit", "10", "-c", "か"]) == 0
    assert "6 images of 1 character at 64 px" in " ".join(capsys.readouterr().out.split())
    with (folder / "ETL9G_02").open("ab") as file:
        file.write(b"more")
    assert run(["import", str(folder), "--name", "again"]) == 1
    assert "are not whole records of 8,199; it is damaged" in " ".join(capsys.readouterr().err.split())


def test_a_model_trained_on_pictures_can_be_evaluated_and_exported(tmp_path, capsys):
    file, _ = write_etl(tmp_path / "ETL9G_01", sheets=16)
    assert run(["import", str(file), "--name", "writers", "--image-size", "16"]) == 0
    options = ["--epochs", "2", "--batch-size", "8", "--workers", "0", "--hold-out", "0.1", "--model-set", "width=4"]
    assert run(["train", "--data", "writers", "--hold-out-faces", "writers-0003,writers-001?", *options]) == 0
    capsys.readouterr()
    assert run(["evaluate", "latest", "--held-out-faces", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["images"] == 2 * 8
    assert run(["models", "export", "latest", str(tmp_path / "x.safetensors")]) == 0

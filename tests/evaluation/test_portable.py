"""Models for other programs: what is written reads as the model does, without kanatui."""

import json
import subprocess
import sys

import numpy as np
import pytest
import torch
from PIL import Image

from kanatui.cli import run
from kanatui.core.errors import UsageError, WeightsError
from kanatui.evaluation.portable import graph, write
from kanatui.evaluation.portable.check import compare
from tests.helpers.exporting import tiny_subject
from tests.helpers.tiny import CHARACTERS

onnx = pytest.importorskip("onnx", reason="needs onnx, of the extra export")
onnxruntime = pytest.importorskip("onnxruntime", reason="needs onnxruntime, of the extra export")
pytest.importorskip("onnxscript", reason="needs onnxscript, of the extra export")


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """A model, and its ONNX files."""
    subject, folder = tiny_subject(), tmp_path_factory.mktemp("onnx")
    return subject, write.write_onnx(subject, folder / "m.onnx", folder / "m.int8.onnx")


def test_an_onnx_file_reads_as_the_model_any_number_of_images(written):
    subject, (full, _) = written
    session = onnxruntime.InferenceSession(full.path)
    images = subject.checked.floats()
    for count in (1, 3, len(images)):
        logits, probabilities = session.run(None, {"images": images[:count]})
        with torch.inference_mode():
            expected = subject.classifier.module(torch.from_numpy(images[:count]))
        assert np.allclose(logits, expected, atol=1e-5)
        assert np.allclose(probabilities, torch.softmax(expected / 0.5, dim=1), atol=1e-5)
    assert full.comparison.images == 48 and full.comparison.logits < 1e-4
    assert "checked against torch on 48 images (of a test): logits differ by at most" in full.note


def test_its_metadata_say_all_that_a_program_needs(written):
    _, (full, small) = written
    for file in (full.path, small.path):
        model = onnx.load(file)
        onnx.checker.check_model(model, full_check=True)
        told = {entry.key: entry.value for entry in model.metadata_props}
        assert json.loads(told["labels"]) == list(CHARACTERS) and told["image_size"] == "16"
        assert (float(told["temperature"]), float(told["threshold"])) == (0.5, 0.125)
        assert "white ink on black" in told["preparation"] and json.loads(told["kanatui"])["run"] == "7"
        assert "/" not in "".join(entry.value for node in model.graph.node for entry in node.metadata_props)


def test_the_int8_file_is_smaller_and_its_scores_are_given(written):
    subject, (_, small) = written
    operators = {node.op_type for node in onnx.load(small.path).graph.node}
    assert "QuantizeLinear" in operators
    again = compare(subject.classifier, graph.run_onnx(small.path.read_bytes()), subject.checked)
    assert again == small.comparison and 0 < again.probabilities < 0.2
    assert "strict" in small.note and "instead of" in small.note


def test_what_reads_otherwise_is_not_written(tmp_path, monkeypatch):
    subject = tiny_subject()
    monkeypatch.setattr(write, "program_bytes", lambda classifier, about: b"")
    monkeypatch.setattr(write, "run_program", lambda data: lambda images: (np.zeros((len(images), 9)),) * 2)
    with pytest.raises(WeightsError, match="probabilities differ by up to .*; nothing was written"):
        write.write_torch(subject, tmp_path / "m.pt2")
    assert not (tmp_path / "m.pt2").exists()


def test_a_network_that_is_no_graph_is_named(tmp_path):
    class Fickle(torch.nn.Module):
        def forward(self, images):
            return torch.zeros(len(images), 9) if float(images.sum()) > 1 else torch.ones(len(images), 9)

    with pytest.raises(WeightsError, match="model tiny_cnn cannot be exported as a graph"):
        write.write_torch(tiny_subject(Fickle()), tmp_path / "m.pt2")


def test_the_program_of_torch_needs_no_kanatui(tmp_path):
    subject = tiny_subject()
    write.write_torch(subject, tmp_path / "m.pt2")
    np.save(tmp_path / "images.npy", subject.checked.floats())
    script = (
        "import json, sys, numpy, torch; told = {'model.json': ''};"
        "program = torch.export.load('m.pt2', extra_files=told);"
        "logits, probabilities = program.module()(torch.from_numpy(numpy.load('images.npy')));"
        "numpy.save('logits.npy', logits.detach().numpy());"
        "assert 'kanatui' not in sys.modules; print(''.join(json.loads(told['model.json'])['labels']))"
    )
    shown = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", script], cwd=tmp_path, capture_output=True, check=True
    )
    assert shown.stdout.decode().strip() == CHARACTERS
    expected = subject.classifier.logits(subject.checked.images).numpy()
    assert np.allclose(np.load(tmp_path / "logits.npy"), expected, atol=1e-5)


def test_the_folder_reads_a_picture_by_itself(tmp_path):
    subject = tiny_subject()
    write.write_folder(subject, tmp_path / "m")
    assert (tmp_path / "m" / "labels.txt").read_text().split() == list(CHARACTERS)
    code = [line for line in (tmp_path / "m" / "read.py").read_text().splitlines() if line.strip()]
    assert len(code) <= 32 and not any("kanatui" in line for line in code)
    picture = np.full((90, 70), 240, dtype=np.uint8)
    picture[20:40, 15:50] = 10
    Image.fromarray(picture).save(tmp_path / "a.png")
    command = [sys.executable, tmp_path / "m" / "read.py", "a.png"]
    shown = subprocess.run(command, cwd=tmp_path, capture_output=True, check=True).stdout.decode().split()
    assert shown[0] == "a.png" and len(shown) == 11 and set(shown[1::2]) <= set(CHARACTERS)
    framed = np.zeros((16, 16), dtype=np.uint8)
    framed[5:11, 2:13] = 255  # 35 × 20 pixels, scaled to 68 % of the frame
    logits = subject.classifier.logits(framed[None]).numpy()[0]
    assert shown[1] in [CHARACTERS[place] for place in logits.argsort()[-3:]]


def test_missing_packages_are_named(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name.startswith("onnx") else name)
    with pytest.raises(UsageError, match="pip install onnx onnxruntime onnxscript"):
        graph.require_onnx()


def test_a_run_is_exported_and_checked_on_images_that_it_held_out(base, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert run(["export", "model", "1", "onnx", "--check", "40"]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert f"wrote {base.id}.onnx:" in shown and "checked against torch on 40 images (held out of training)" in shown
    told = {entry.key: entry.value for entry in onnx.load(tmp_path / f"{base.id}.onnx").metadata_props}
    assert json.loads(told["kanatui"])["training"]["steps"] > 0 and str(tmp_path) not in told["kanatui"]
    before = (tmp_path / f"{base.id}.onnx").read_bytes()
    for arguments, words in (
        (["onnx"], "exists already"),
        (["tflite"], "models can be exported as: onnx, torch, folder, kanatui"),
        (["torch", "--int8"], "--int8: cannot be combined with torch"),
        (["onnx", "-o", "x.onnx", "--images", "nowhere"], "nowhere: no such folder"),
    ):
        assert run(["export", "model", "1", *arguments]) != 0
        assert words in " ".join(capsys.readouterr().err.split())
    assert [path.name for path in tmp_path.glob("*.onnx")] == [f"{base.id}.onnx"]
    assert (tmp_path / f"{base.id}.onnx").read_bytes() == before
    assert run(["export", "model", "1", "kanatui", "-o", "own.safetensors"]) == 0
    assert run(["models", "show", "own.safetensors"]) == 0

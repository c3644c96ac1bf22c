"""Weights files: what is written comes back, and nothing else is taken for one."""

import json
import struct

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file
from torch import nn

from kanatui.core.errors import StorageError, WeightsError
from kanatui.model.weights import Classifier, load_weights, pack, read_card, save_weights
from kanatui.plugins.registry import Registry
from tests.helpers.tiny import TinyModel

CHARACTERS = "あいう"
CARD = {
    "model": {"id": "tiny_cnn", "parameters": {"dropout": 0.1}},
    "characters": CHARACTERS,
    "image_size": 24,
    "recipe": "quick",
}


@pytest.fixture(scope="module")
def registry():
    registry = Registry()
    registry.models["tiny_cnn"] = TinyModel
    return registry


@pytest.fixture(scope="module")
def module():
    torch.manual_seed(0)
    return TinyModel(dropout=0.1).build(24, 3).eval()


@pytest.fixture
def weights(tmp_path, module):
    path = tmp_path / "w.safetensors"
    save_weights(path, module, CARD)
    return path


def refused(path, words, registry=None):
    with pytest.raises(WeightsError, match=words) as caught:
        load_weights(path, registry=registry or Registry())
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


class Residual(nn.Module):
    """Convolutions and batch normalisation behind each other in a sequence, which may also be entered halfway."""

    def __init__(self, halfway):
        super().__init__()
        self.main = nn.Sequential(nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3), nn.ReLU(), nn.AdaptiveAvgPool2d(1))
        self.halfway = halfway
        nn.init.uniform_(self.main[1].running_mean)
        nn.init.uniform_(self.main[1].running_var, 0.5, 2.0)

    def forward(self, images):
        if self.halfway:
            first = self.main[0](images)
            if self.halfway == "and by attribute":
                first = first + self.main[1].running_mean.mean()
            return (self.main[1:](first) + first.mean((2, 3), keepdim=True)).flatten(1)
        return self.main(images).flatten(1)


@pytest.mark.parametrize("halfway", [False, True, "and by attribute"])
def test_reading_without_batch_normalisation_gives_the_same_logits_and_leaves_the_module_alone(halfway):
    torch.manual_seed(0)
    module, normalised = Residual(halfway).eval(), []
    module.main[1].register_forward_hook(lambda *_: normalised.append(True))
    images = np.random.default_rng(0).integers(0, 256, (5, 24, 24), dtype=np.uint8)
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    classifier = Classifier(module, CHARACTERS, 24, {}, torch.device("cpu"))
    own = module(torch.from_numpy(images)[:, None] / 255).detach()
    assert torch.allclose(classifier.logits(images), own, atol=1e-4)
    normalised.clear()
    classifier.logits(images)
    assert bool(normalised) == bool(halfway)
    assert all(torch.equal(tensor, before[name]) for name, tensor in module.state_dict().items())


def test_a_classifier_comes_back(weights, module, registry):
    classifier = load_weights(weights, registry=registry)
    assert classifier.characters == CHARACTERS
    assert classifier.image_size == 24
    assert classifier.card["recipe"] == "quick"
    assert classifier.card["kanatui"]
    images = np.random.default_rng(0).integers(0, 256, (5, 24, 24), dtype=np.uint8)
    with torch.inference_mode():
        expected = module(torch.from_numpy(images).unsqueeze(1).float() / 255)
    got = classifier.logits(images)
    assert got.dtype == torch.float32
    assert torch.allclose(got, expected, atol=1e-5)
    assert torch.equal(classifier.logits(images[::-1][::-1]), got)
    assert classifier.logits(images[:0]).shape == (0, 3)


def test_many_images_are_classified_like_few(weights, registry):
    classifier = load_weights(weights, registry=registry)
    images = np.random.default_rng(0).integers(0, 256, (4_000, 24, 24), dtype=np.uint8)  # more than one pass
    parts = [classifier.logits(images[start : start + 500]) for start in range(0, len(images), 500)]
    assert torch.allclose(classifier.logits(images), torch.cat(parts), atol=1e-5)


def test_large_images_are_classified_sixteen_at_a_time():
    passes = []

    class Brightness(torch.nn.Module):
        def forward(self, images):
            passes.append(len(images))
            bright = images.mean(dim=(1, 2, 3))
            return torch.stack([bright, -bright], dim=1)

    images = np.random.default_rng(0).integers(0, 256, (21, 320, 320), dtype=np.uint8)
    classifier = Classifier(Brightness(), "あい", 320, {}, torch.device("cpu"))
    classifier.logits(images[:2])  # the first call tries the network out
    passes.clear()
    assert classifier.logits(images).shape == (21, 2)
    assert passes == [16, 5]
    assert classifier.logits(images[:0]).shape == (0, 2)


def test_writing_replaces_the_whole_file_or_nothing(weights, module, monkeypatch, tmp_path):
    before = weights.read_bytes()
    monkeypatch.setattr("os.fsync", lambda _: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(StorageError, match="disk is full"):
        save_weights(weights, module, CARD)
    assert weights.read_bytes() == before
    assert [path.name for path in tmp_path.glob("*safetensors*")] == ["w.safetensors"]


def test_tensors_that_share_memory_or_are_strided_are_kept(tmp_path):
    shared = torch.arange(6.0).reshape(2, 3)
    (tmp_path / "t").write_bytes(pack({"a": shared, "b": shared, "c": shared.T}, {}))
    found = load_file(tmp_path / "t")
    assert torch.equal(found["b"], shared)
    assert torch.equal(found["c"], shared.T)


def test_missing_and_foreign_files_are_refused(tmp_path):
    refused(tmp_path / "none.safetensors", "no such file")
    refused(tmp_path, "no such file")
    foreign = tmp_path / "foreign.safetensors"
    foreign.write_bytes(pack({"a": torch.zeros(3)}, {"format": "pt"}))
    refused(foreign, "not kanatui's")
    picture = tmp_path / "picture.png"
    picture.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(100))
    refused(picture, "not a weights file")


@settings(max_examples=30, deadline=None)
@given(st.binary(max_size=300))
def test_garbage_is_refused(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("garbage") / "w.safetensors"
    path.write_bytes(data)
    refused(path, "weights file|not kanatui's")


@pytest.mark.parametrize("share", [0.0, 0.001, 0.3, 0.99])
def test_a_truncated_file_is_refused(weights, share):
    data = weights.read_bytes()
    weights.write_bytes(data[: int(len(data) * share)])
    refused(weights, "not a weights file, or damaged")


def rewrite_card(path, **changes):
    card = read_card(path) | changes
    path.write_bytes(pack(load_file(path), {"kanatui": json.dumps({k: v for k, v in card.items() if v is not None})}))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"format": 2}, "format 2, but this kanatui reads 1"),
        ({"characters": None}, "card is invalid"),
        ({"characters": 7}, r"Expected `str`, got `int` - at `\$\.characters`"),
        ({"characters": "あああ"}, "a character occurs twice"),
        ({"characters": "x" * 10}, "a character occurs twice"),
        ({"characters": "あいうえ"}, r"does not fit its model: .* is \[3, 484\] in the file, \[4, 484\] in the model"),
        ({"image_size": 1e9}, "image_size"),
        ({"image_size": 10**9}, "image_size"),
        ({"image_size": -4}, "image_size"),
        ({"image_size": 4096}, "does not fit its model"),
        ({"image_size": 23}, "does not fit its model"),
        ({"model": "tiny_cnn"}, "card is invalid"),
        ({"model": {"id": "nobody"}}, "unknown model 'nobody'"),
        ({"model": {"id": "../../etc/passwd"}}, "unknown model"),
        ({"model": {"id": "tiny_cnn", "parameters": {"speed": 9}}}, "tiny_cnn.speed: no such parameter"),
        ({"model": {"id": "tiny_cnn", "parameters": {"dropout": 7}}}, "tiny_cnn.dropout"),
        ({"model": {"id": "tiny_cnn", "parameters": []}}, r"at `\$\.model\.parameters`"),
    ],
)
def test_a_hostile_card_is_refused(weights, changes, words, registry):
    rewrite_card(weights, **changes)
    refused(weights, words, registry)


@pytest.mark.parametrize(
    "text", ["", "[]", "null", "[" * 100_000, "9" * (1 << 21)], ids=["empty", "list", "null", "deep", "huge"]
)
def test_a_card_that_is_no_card_is_refused(weights, text):
    weights.write_bytes(pack(load_file(weights), {"kanatui": text}))
    refused(weights, "card is invalid")


def test_a_header_that_claims_to_be_huge_is_refused(tmp_path):
    path = tmp_path / "w.safetensors"
    path.write_bytes(struct.pack("<Q", 1 << 62) + b"{}")
    refused(path, "not a weights file")


def test_the_package_of_a_missing_model_is_told(tmp_path, module):
    path = tmp_path / "w.safetensors"
    save_weights(path, module, CARD | {"plugin": "package kanatui-tiny 1.2"})
    refused(path, r"unknown model 'tiny_cnn' .*; it was made with package kanatui-tiny 1.2$")


def test_where_a_model_comes_from():
    from kanatui.plugins.registry import PluginModule, load

    assert load().origin("compact_cnn") == ""
    assert PluginModule("x", "entry point", "x_y", "1.2", "kanatui-x").origin == "package kanatui-x 1.2"
    assert PluginModule("x", "folder", "/home/me/x.py").origin == "file x.py"

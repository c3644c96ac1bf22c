"""The shipped networks: their shapes, what the article published, and that they learn."""

import copy
import sys

import pytest
import torch
from torch import nn

from kanatui.core import paths
from kanatui.core.errors import ParameterError, PluginError
from kanatui.plugins import registry as plugins

REGISTRY = plugins.load()
SHIPPED = sorted(id for id in REGISTRY.models if REGISTRY.module_of[id].found_as == "shipped" and id != "timm")


def build(id, image_size=32, num_classes=10, **values):
    torch.manual_seed(0)
    return REGISTRY.model(id)(**values).build(image_size, num_classes)


def parameters(module):
    return sum(parameter.numel() for parameter in module.parameters())


def bars(count, size=24, classes=4):
    """Return images of a bar at one of four heights, and which."""
    labels = torch.arange(count) % classes
    images = torch.rand(count, 1, size, size) * 0.3
    for image, label in zip(images, labels, strict=True):
        image[:, 3 + 5 * int(label) : 6 + 5 * int(label), 2:-2] = 1.0
    return images, labels


def test_both_models_are_there():
    assert SHIPPED == ["article_cnn", "compact_cnn"]


@pytest.mark.parametrize("id", SHIPPED)
@pytest.mark.parametrize("size", [16, 17, 40, 64, 100, 128, 256])
def test_logits_at_any_size(id, size):
    with torch.device("meta"):
        module = build(id, size, 169).eval()
        assert module(torch.empty(3, 1, size, size)).shape == (3, 169)


@pytest.mark.parametrize("id", SHIPPED)
def test_logits_are_real_numbers_and_no_image_sees_another(id):
    module = build(id).eval()
    images = torch.rand(9, 1, 32, 32)
    with torch.inference_mode():
        together = module(images)
        assert together.isfinite().all() and (together < 0).any()
        assert torch.allclose(module(images[4:5]), together[4:5], atol=1e-5)


@pytest.mark.parametrize("id", SHIPPED)
def test_each_can_be_copied_and_its_weights_moved(id):
    module = build(id).eval()
    other = build(id, dropout=0.5).eval()
    with torch.no_grad():
        for parameter in other.parameters():
            parameter += 0.1
    twin = copy.deepcopy(other)
    twin.load_state_dict({name: tensor.contiguous() for name, tensor in module.state_dict().items()})
    images = torch.rand(2, 1, 32, 32)
    assert torch.allclose(twin(images), module(images), atol=1e-6)
    assert not torch.allclose(other(images), module(images), atol=1e-3)


@pytest.mark.parametrize(("id", "values"), [("article_cnn", {"softmax": True}), *((id, {}) for id in SHIPPED)])
def test_each_learns_where_a_bar_is(id, values):
    images, labels = bars(64)
    module = build(id, 24, 4, **values)
    optimizer = torch.optim.Adam(module.parameters(), lr=3e-3)
    for _ in range(40):
        optimizer.zero_grad()
        nn.functional.cross_entropy(module(images), labels).backward()
        optimizer.step()
    with torch.inference_mode():
        assert (module.eval()(bars(40)[0]).argmax(1) == bars(40)[1]).float().mean() > 0.9


def test_the_article_network_is_the_published_one():
    layers = list(build("article_cnn", 256, 169))
    convolution = [nn.Conv2d, nn.ReLU, nn.BatchNorm2d, nn.MaxPool2d, nn.Dropout2d]
    dense = [nn.Linear, nn.ReLU, nn.BatchNorm1d, nn.Dropout]
    assert [type(layer) for layer in layers] == [*convolution * 2, nn.Flatten, *dense * 2, nn.Linear]
    assert [(c.in_channels, c.out_channels, c.kernel_size) for c in (layers[0], layers[5])] == [
        (1, 4, (5, 5)),
        (4, 16, (5, 5)),
    ]
    assert [(d.in_features, d.out_features) for d in layers if isinstance(d, nn.Linear)] == [
        (16 * 61 * 61, 1024),
        (1024, 256),
        (256, 169),
    ]
    assert {layer.p for layer in layers if isinstance(layer, nn.Dropout | nn.Dropout2d)} == {0.3}


def test_the_articles_softmax_can_be_put_back_for_training():
    plain, softened = build("article_cnn"), build("article_cnn", softmax=True)
    assert list(plain.state_dict()) == list(softened.state_dict())
    images = torch.rand(4, 1, 32, 32)
    for module in (plain, softened):
        torch.manual_seed(1)
        module.outputs = module(images)
    assert torch.allclose(softened.outputs, plain.outputs.softmax(dim=1))
    assert torch.allclose(softened.eval()(images), plain.eval()(images))


def test_the_compact_network_is_compact_and_scales():
    assert 300_000 < parameters(build("compact_cnn", 48, 169)) < 600_000
    assert parameters(build("compact_cnn", 48, 169)) == parameters(build("compact_cnn", 256, 169))
    assert parameters(build("compact_cnn", width=48)) > 3 * parameters(build("compact_cnn", width=24))


def test_the_compact_network_tells_small_from_large_and_place_from_place():
    size = 48
    small = torch.zeros(4, 1, size, size)
    small[0, :, 4:20, 4:20] = small[1, :, 28:44, 28:44] = small[2, :, 16:32, 16:32] = small[3, :, 8:40, 8:40] = 1.0
    features = build("compact_cnn", size).eval()[:-1](small)
    assert torch.pdist(features).min() > 0.3 * features.norm(dim=1).mean()


def test_out_of_range_parameters_are_refused():
    for values in ({"width": 2}, {"dropout": 1.0}, {"depth": 3}):
        with pytest.raises(ParameterError, match="compact_cnn\\."):
            build("compact_cnn", **values)


def test_timm_is_an_extra_that_is_told_how_to_get():
    if "timm" in REGISTRY.models:
        pytest.skip("timm is installed")
    with pytest.raises(PluginError, match=r"model 'timm': .*timm\.py provides nothing here\. .*pip install"):
        REGISTRY.model("timm")


def test_a_model_of_timm_is_built_for_one_channel_and_an_unknown_one_is_told():
    try:
        import timm  # noqa: F401
    except (ImportError, RuntimeError) as error:  # the latter from a torchvision that does not fit
        pytest.skip(f"timm cannot be imported here: {error}")
    assert build("timm", 32, 5, name="resnet18").eval()(torch.zeros(2, 1, 32, 32)).shape == (2, 5)
    assert build("timm", 48, 5, name="vit_tiny_patch16_224").eval()(torch.zeros(2, 1, 48, 48)).shape == (2, 5)
    with pytest.raises(ParameterError, match="timm has no model 'resnet19'.*resnet18"):
        build("timm", 32, 5, name="resnet19")


def test_timm_beside_a_torch_without_torchvision_says_so(monkeypatch, tmp_path):
    (tmp_path / "timm.py").write_text("import torchvision")  # all that matters of it here
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(sys.modules, "torchvision", None)
    monkeypatch.delitem(sys.modules, "timm", raising=False)
    (model,) = plugins.import_file(paths.packaged("plugins") / "timm.py").kanatui_models()
    with pytest.raises(PluginError, match="timm: cannot be imported .*torchvision.*needs torchvision"):
        model().build(32, 5)

"""Models of plugins that are wrong in every way: an error that names the plugin, never an internal one."""

import numpy as np
import psutil
import pytest
import torch
from torch import nn

from kanatui.core.errors import PluginError, RunError
from kanatui.model.building import build_model
from kanatui.model.weights import Classifier
from kanatui.plugins.registry import load
from kanatui.training.config import make_config
from kanatui.training.options import TrainingOptions
from kanatui.training.runs import Run
from kanatui.training.session import train_run
from tests.helpers.tiny import TinyModel, TinySource


class Changed(nn.Module):
    """A working network whose input and output can be changed."""

    def __init__(self, before=lambda self, x: x, after=lambda self, y: y):
        super().__init__()
        self.net = TinyModel().build(16, 3)
        self.before, self.after = before, after

    def forward(self, x):
        return self.after(self, self.net(self.before(self, x)))


def leave(status=3):
    raise SystemExit(status)


def fail(*arguments):
    raise KeyError("of its own")


WRONG = {
    "build raises": (lambda: fail(), "failed at 16 px: KeyError: 'of its own'"),
    "build leaves": (lambda: leave(), "failed at 16 px: SystemExit: 3"),
    "build gives no module": (lambda: lambda x: x, "build() returned a function, not a torch.nn.Module"),
    "forward leaves": (lambda: Changed(lambda self, x: leave()), "failed at 16 px: SystemExit: 3"),
    "only in training": (lambda: Changed(lambda self, x: fail() if self.training else x), "KeyError: 'of its own'"),
    "no weights": (lambda: nn.Sequential(nn.Flatten(), nn.Upsample(3)), "failed at 16 px"),
    "no weights, right shape": (lambda: nn.Sequential(nn.Flatten(), Cut()), "has no weights that can be trained"),
    "no gradient": (lambda: Changed(after=lambda self, y: y.detach()), "do not depend on its weights"),
    "frozen": (lambda: Changed().requires_grad_(False), "has no weights that can be trained"),
    "drops an image": (
        lambda: Changed(lambda self, x: x[1:] if self.training else x),
        "returned [1, 3] for 2 images of 3 characters in training, not [2, 3]",
    ),
    "takes two images alone": (lambda: Changed(after=lambda self, y: y.reshape(2, 3)), "failed at 16 px: RuntimeError"),
    "a dictionary": (lambda: Changed(after=lambda self, y: {"logits": y}), "returned a dict for 2 images"),
    "whole numbers": (lambda: Changed(after=lambda self, y: y.long()), "returned torch.int64 for 2 images"),
    "no numbers": (lambda: Changed(after=lambda self, y: y * torch.nan), "returned NaN or infinity for 2 images"),
    "one column too many": (lambda: Changed(after=lambda self, y: nn.functional.pad(y, (0, 1))), "returned [2, 4]"),
}


class Cut(nn.Module):
    def forward(self, x):
        return x[:, :3]


def model_of(make):
    class Wrong(TinyModel):
        id = "wrong"

        def build(self, image_size, num_classes):
            return make()

    return Wrong


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_model_is_named_before_anything_is_trained(monkeypatch, name):
    make, words = WRONG[name]
    monkeypatch.setitem(load().models, "wrong", model_of(make))
    with pytest.raises(PluginError) as caught:
        build_model(load(), "wrong", {}, 16, 3)
    assert str(caught.value).startswith("model wrong") and words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_model_that_does_not_fit_into_memory_is_refused_before_it_takes_any(monkeypatch):
    monkeypatch.setitem(load().models, "wrong", model_of(lambda: nn.Linear(100_000, 100_000)))
    before = psutil.Process().memory_info().rss
    with pytest.raises(PluginError, match=r"model wrong: 10,000,100,000 weights take 160.0 GB in training"):
        build_model(load(), "wrong", {}, 16, 3)
    assert psutil.Process().memory_info().rss - before < 1e9


def test_trying_a_model_changes_neither_it_nor_what_is_drawn_after_it(monkeypatch):
    monkeypatch.setitem(load().models, "tiny_cnn", TinyModel)
    module, _ = build_model(load(), "tiny_cnn", {}, 16, 3, seed=5)
    drawn = torch.rand(1)
    torch.manual_seed(5)
    again = TinyModel().build(16, 3)
    found = module.state_dict()
    assert all(torch.equal(found[name], value) for name, value in again.state_dict().items())
    assert torch.equal(drawn, torch.rand(1))
    assert not any(parameter.grad is not None for parameter in module.parameters())


def later(what, first_batch=lambda x: len(x) > 3):
    """A network that is well while it is tried, and then wrong with larger batches."""
    return Changed(lambda self, x: what(self, x) if first_batch(x) else x)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (lambda self, x: fail() if self.training else x, "model wrong failed in training: KeyError: 'of its own'"),
        (lambda self, x: leave() if self.training else x, "model wrong failed in training: SystemExit: 3"),
        (lambda self, x: x[1:] if self.training else x, "model wrong: returned 30 logits for 31 images"),
        (lambda self, x: x if self.training else fail(), "model wrong failed in validation: KeyError"),
    ],
)
def test_a_model_that_fails_later_is_named_too(monkeypatch, wrong, words):
    class Wrong(TinyModel):
        id = "wrong"

        def build(self, image_size, num_classes):
            module = later(wrong)
            module.net = super().build(image_size, num_classes)
            return module

    monkeypatch.setitem(load().models, "wrong", Wrong)
    with pytest.raises(PluginError) as caught:
        train_run(new_run("wrong"), source=TinySource())
    assert str(caught.value).startswith(words)


def new_run(model):
    options = TrainingOptions(model=model, epochs=1, batch_size=32, threads=1, workers=0, precision="float32")
    source = TinySource()
    return Run.create("wrong", make_config(source.spec(), source.characters, source.face_ids, options, {}, "tiny"))


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory"),
        MemoryError(),
        RuntimeError("[enforce fail at alloc_cpu.cpp:121] DefaultCPUAllocator: can't allocate memory: you tried …"),
    ],
)
def test_running_out_of_memory_says_what_to_do(monkeypatch, error):
    def run_out(self, x):
        raise error

    class Large(TinyModel):
        id = "large"

        def build(self, image_size, num_classes):
            module = later(run_out)
            module.net = super().build(image_size, num_classes)
            return module

    monkeypatch.setitem(load().models, "large", Large)
    run = new_run("large")
    with pytest.raises(RunError, match="out of memory; try a smaller --batch-size"):
        train_run(run, source=TinySource())
    assert (run.status().state, run.status().reason[:13]) == ("failed", "out of memory")


def test_a_model_that_fails_in_reading_is_named():
    classifier = Classifier(
        later(lambda self, x: fail()).eval(), "あいう", 16, {"model": {"id": "wrong"}}, torch.device("cpu")
    )
    with pytest.raises(PluginError, match="model wrong failed in reading: KeyError"):
        classifier.logits(np.zeros((8, 16, 16), dtype=np.uint8))

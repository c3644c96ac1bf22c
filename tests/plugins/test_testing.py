"""The checks of `kanatui plugins check`: every shipped plugin passes, and each broken rule is named."""

import importlib
import json
import runpy
import tomllib

import numpy as np
import pytest
import torch

from kanatui import Float, Model, Observer, Pixel, Placement, Range
from kanatui.cli import run as run_command
from kanatui.core import paths
from kanatui.plugins import registry as plugins
from kanatui.plugins import trust
from kanatui.plugins.starting import STARTERS as STARTED
from kanatui.testing import CheckFailedError, assert_sound, check_file, check_plugin

REGISTRY = plugins.load()
SHIPPED = [module for module in REGISTRY.modules if module.found_as == "shipped"]
STARTERS = sorted((paths.packaged("plugins") / "starters").glob("*.py"))


@pytest.mark.parametrize("module", SHIPPED, ids=lambda module: module.name)
def test_every_shipped_plugin_keeps_the_rules(module):
    assert module.provides or module.name == "timm"  # which is an extra
    for id in module.provides:
        if id in REGISTRY.classes:
            assert_sound(REGISTRY.classes[id])


@pytest.mark.parametrize("path", STARTERS, ids=lambda path: path.stem)
def test_every_starter_keeps_the_rules(path):
    findings = list(check_file(path))
    assert len(findings) > 2 and [finding for finding in findings if not finding.ok] == []


class Good(Pixel):
    """Darken."""

    id = "good"
    ink = Range((0.2, 0.9), min=0.0, max=1.0, help="what is left")

    def draw(self, keys, size):
        return {"ink": keys.uniform(*self.ink, shape=(1, 1, 1))}

    def apply(self, images, drawn):
        return images * drawn["ink"]


class Draws(Good):
    def draw(self, keys, size):
        return super().draw(keys, size) | {"more": np.zeros(1)}


class Bare(Good):
    def draw(self, keys, size):
        return keys.uniform(*self.ink, shape=(1, 1, 1))


class Random(Good):
    def apply(self, images, drawn):
        return images * torch.rand(1)


class NumpyRandom(Good):
    def draw(self, keys, size):
        return {"ink": np.random.rand(len(keys), 1, 1, 1).astype(np.float32)}  # noqa: NPY002


class Unseeded(Good):
    def draw(self, keys, size):
        return {"ink": np.random.default_rng().random((len(keys), 1, 1, 1), dtype=np.float32)}


class InPlace(Good):
    def apply(self, images, drawn):
        return images.mul_(drawn["ink"])


class Doubles(Good):
    def apply(self, images, drawn):
        return images.double()


class Shrinks(Good):
    def apply(self, images, drawn):
        return images[..., 1:]


class NotFinite(Good):
    def apply(self, images, drawn):
        return images / (images - images)


class SeesOthers(Good):
    def apply(self, images, drawn):
        return images - images.mean()


class SeesDarkest(Good):
    def apply(self, images, drawn):
        return images / images.max() * drawn["ink"]


class BadDefault(Good):
    ink = Range((0.2, 0.9), min=0.0, max=0.5, help="what is left")


class Raises(Good):
    """Fails with some settings only."""

    depth = Float(0.5, min=0.0, max=1.0, help="how deep")

    def apply(self, images, drawn):
        return images * drawn["ink"] * (1 / self.depth)


class Nothing(Good):
    def apply(self, images, drawn):
        return images.clone()


class NoHelp(Good):
    other = Float(0.5)


@pytest.mark.parametrize(
    ("cls", "words"),
    [
        (Draws, "more: [1] for 12 images"),
        (Bare, "An image is the same in any batch: draw() returned ndarray, not a dict of arrays"),
        (Random, "no global randomness: torch's generator (torch.rand …)"),
        (NumpyRandom, "no global randomness: numpy.random"),
        (Unseeded, "ink: the same keys gave other numbers"),
        (InPlace, "apply() changed the images that it was given"),
        (Doubles, "became torch.float64"),
        (Shrinks, "[12, 1, 16, 16] became [12, 1, 16, 15]"),
        (NotFinite, "not all pixels are finite at 16 px"),
        (SeesOthers, "differ at 16 px between a batch of 12 and one of 1"),
        (SeesDarkest, "differ at 16 px between a batch of 12 and one of 1"),
        (Raises, "with {'depth': 0.0}: ZeroDivisionError: float division by zero (test_testing.py, line "),
        (BadDefault, "the default of ink: 0.9 is above the maximum, 0.5"),
        (Nothing, "it changed nothing"),
        (NoHelp, "other has no help"),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_a_broken_rule_of_a_pixel_augmentation_is_named(cls, words):
    assert_sound(Good)
    with pytest.raises(CheckFailedError) as raised:
        assert_sound(cls)
    assert words in str(raised.value) and "good: " in str(raised.value)


class Place(Placement):
    """Move."""

    id = "place"

    def draw(self, table, keys):
        return table.replace(dx=keys.uniform(-8, 8))


class Neither(Placement):
    """Do nothing."""

    id = "neither"


class Loses(Place):
    def draw(self, table, keys):
        return table.take(table["dx"] > 3)


class NaN(Place):
    def draw(self, table, keys):
        return table.replace(dx=keys.uniform(-8, 8) * np.nan)


class Rekeys(Place):
    def draw(self, table, keys):
        changed = table.replace(dx=1.0)
        changed.rows["key"] += np.uint64(1)
        return changed


class InTheTable(Place):
    def draw(self, table, keys):
        table.rows["dx"] = keys.uniform(-8, 8)
        return table


class ByCharacter(Place):
    def grid(self, table):
        return table.replace(dx=table["character"] % 7)


class Misspelt(Place):
    def draw(self, table, keys):
        return table.replace(d_x=1.0)


@pytest.mark.parametrize(
    ("cls", "words"),
    [
        (Neither, "it defines neither grid() nor draw()"),
        (Loses, "12 rows became 0"),
        (NaN, "not all of 'dx' are finite"),
        (Rekeys, "the column 'key' changed"),
        (InTheTable, "draw() changed the table"),
        (ByCharacter, "the grid depends on the character or the key"),
        (Misspelt, "'d_x' is not a placement column"),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_a_broken_rule_of_a_placement_is_named(cls, words):
    assert_sound(Place)
    with pytest.raises(CheckFailedError) as raised:
        assert_sound(cls)
    assert words in str(raised.value)


class Net(Model):
    """A linear layer."""

    id = "net"

    def build(self, image_size, num_classes):
        from torch import nn

        return nn.Sequential(nn.Flatten(), nn.Linear(image_size**2, num_classes))


class WrongShape(Net):
    def build(self, image_size, num_classes):
        return super().build(image_size, num_classes + 1)


class Normed(Net):
    def build(self, image_size, num_classes):
        class Norm(torch.nn.Module):
            def forward(self, images):
                return images - images.mean()

        return torch.nn.Sequential(Norm(), super().build(image_size, num_classes))


class Frozen(Net):
    def build(self, image_size, num_classes):
        class Both(torch.nn.Module):
            def __init__(self, used):
                super().__init__()
                self.used, self.idle = used, torch.nn.Linear(2, 2)

            def forward(self, images):
                return self.used(images)

        return Both(super().build(image_size, num_classes))


@pytest.mark.parametrize(
    ("cls", "words"),
    [
        (WrongShape, "[5, 4] for 5 images of 3 characters"),
        (Normed, "an image's logits depend on the other images"),
        (Frozen, "no gradient reaches idle.weight, idle.bias"),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_a_broken_rule_of_a_model_is_named(cls, words):
    assert_sound(Net)
    with pytest.raises(CheckFailedError) as raised:
        assert_sound(cls)
    assert words in str(raised.value)


class Meddles(Observer):
    """Change what it sees."""

    id = "meddles"

    def event(self, run, event):
        event["seen"] = True


class Stumbles(Observer):
    """Expect what is not there."""

    id = "stumbles"

    def event(self, run, event):
        event["loss"]


def test_a_broken_rule_of_an_observer_is_named():
    with pytest.raises(CheckFailedError, match="it changed an event"):
        assert_sound(Meddles)
    with pytest.raises(CheckFailedError, match="KeyError: 'loss'"):
        assert_sound(Stumbles)


def test_a_figure_is_told_where_one_is_worth_knowing():
    told = {finding.check: finding.detail for finding in check_plugin(Good)}
    assert told["Speed"].endswith("µs an image at 64 px")
    assert told["An image is the same in any batch"] == "bit for bit"


@pytest.mark.parametrize("text", ["import nothing_of_that_name", "x = 1", "def ("])
def test_a_file_that_provides_nothing_is_told(tmp_path, text):
    path = tmp_path / "odd.py"
    path.write_text(text)
    assert not list(check_file(path))[-1].ok


# ── the commands ────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def command(capsys):
    """Run a command in this process: importing torch in one of its own takes seconds."""

    def run(*arguments, status=0):
        capsys.readouterr()
        assert run_command([str(argument) for argument in arguments]) == status
        return capsys.readouterr()

    return run


@pytest.mark.parametrize("kind", STARTED)
def test_new_writes_a_plugin_that_passes_its_own_test_and_can_be_loaded(kind, tmp_path, command):
    folder = tmp_path / "my plugins"
    command("plugins", "new", kind, "ink_test", "--dir", folder)
    assert sorted(path.name for path in folder.iterdir()) == ["ink_test.py", "test_ink_test.py"]
    runpy.run_path(str(folder / "test_ink_test.py"))["test_ink_test"]()
    trust.trust(folder / "ink_test.py")
    registry = plugins.load([folder])
    assert "ink_test" in registry.classes
    assert [module.name for module in registry.modules if module.found_as == "folder"] == ["ink_test"]


def test_new_refuses_what_is_there_and_what_cannot_be_an_id(tmp_path, command):
    command("plugins", "new", "model", "net", "--dir", tmp_path)
    assert "net.py: is there already" in " ".join(
        command("plugins", "new", "model", "net", "--dir", tmp_path, status=2).err.split()
    )
    assert "not an id" in command("plugins", "new", "model", "Net", "--dir", tmp_path, status=2).err
    assert "blur.py" in command("plugins", "new", "augmentation", "blur", "--dir", tmp_path, status=2).err


def test_new_package_is_imported_by_its_entry_point_and_passes_its_test(tmp_path, command, monkeypatch):
    command("plugins", "new", "augmentation", "ink_test", "--package", "--dir", tmp_path)
    root = tmp_path / "kanatui-ink-test"
    project = tomllib.loads((root / "pyproject.toml").read_text())
    (module,) = project["project"]["entry-points"]["kanatui"].values()
    monkeypatch.syspath_prepend(root / "src")
    importlib.import_module(module)
    runpy.run_path(str(root / "tests" / "test_ink_test.py"))["test_ink_test"]()


def test_check_fails_with_status_1_and_names_the_rule(tmp_path, command):
    command("plugins", "new", "augmentation", "ink_test", "--dir", tmp_path)
    file = tmp_path / "ink_test.py"
    file.write_text(file.read_text().replace("return images *", "return images - images.mean() +"))
    told = command("plugins", "check", file, status=1).out
    assert "✗ ink_test  An image is the same in any batch" in told and "8 checks, 1 failed" in told
    assert "✓ ink_test  Speed" in told


def test_check_takes_ids_and_writes_json(command):
    findings = json.loads(command("plugins", "check", "rotate", "--json").out)
    assert {finding["plugin"] for finding in findings} == {"rotate"} and all(finding["ok"] for finding in findings)
    assert "there are: " in command("plugins", "check", "wobble", status=2).err
    assert "no such file" in command("plugins", "check", "gone.py", status=1).err

"""Plugins that go wrong while they are imported or used: each is named, and harms nothing else."""

import json
import os
import sys
import threading

import numpy as np
import pytest
import torch

from kanatui import Pixel, Placement
from kanatui.core.errors import PluginError
from kanatui.core.rng import sample_keys
from kanatui.dataset.plan import GlyphPlan
from kanatui.dataset.stream import apply_pixel
from kanatui.plugins import importing, trust
from kanatui.plugins import registry as plugins
from kanatui.plugins.table import GlyphTable
from tests.helpers.processes import LONGEST

# ── importing ─────────────────────────────────────────────────────────────────────────────────────────────────────────

GOOD = """
from kanatui import Pixel, hookimpl

print("imported")

class Same(Pixel):
    id = "same"
    def draw(self, keys, size): return {}
    def apply(self, images, drawn): return images

@hookimpl
def kanatui_augmentations():
    return [Same]
"""


@pytest.fixture
def folder(home, tmp_path):
    """A folder of trusted plugins, made of what is written into it."""
    made = tmp_path / "mine"
    made.mkdir()

    def write(name, text):
        (made / name).write_text(text)
        trust.trust(made / name)
        plugins.reload()
        return made

    yield write
    plugins.reload()


@pytest.mark.parametrize(
    "text", ["while True: pass", "import time\ntime.sleep(100_000)", "import threading\nthreading.Event().wait()"]
)
def test_an_import_without_end_is_given_up_and_named(folder, monkeypatch, text):
    monkeypatch.setattr(importing, "IMPORT_SECONDS", 0.5)
    folder("endless.py", text)
    registry = plugins.load([folder("same.py", GOOD)])
    (endless,) = (module for module in registry.modules if module.name == "endless")
    assert (endless.state, endless.error) == ("failed", "PluginError: its import took longer than 0.5 s")
    assert "same" in registry.augmentations
    with pytest.raises(PluginError, match="endless.* is failed .*took longer"):
        registry.augmentation("endless")


@pytest.mark.parametrize("text", ["import os\nos._exit(3)", "input('which? ')"])
def test_an_import_that_ends_the_process_or_asks_the_user_is_named(folder, text):
    registry = plugins.load([folder("wrong.py", text)])
    (wrong,) = (module for module in registry.modules if module.name == "wrong")
    assert wrong.state == "failed" and ("os._exit(3)" in wrong.error or "EOFError" in wrong.error)


def test_a_wrong_hook_signature_is_named(folder):
    text = "from kanatui import hookimpl\n@hookimpl\ndef kanatui_models(colour):\n    return []"
    registry = plugins.load([folder("wrong.py", text)])
    (wrong,) = (module for module in registry.modules if module.name == "wrong")
    assert wrong.state == "failed" and "colour" in wrong.error and "\n" not in wrong.error


def test_what_a_plugin_prints_does_not_stand_in_the_output(folder, kanatui):
    made = folder("same.py", GOOD)
    result = kanatui("--plugins-dir", made, "plugins", "--json", check=0)
    assert "same" in json.dumps(json.loads(result.stdout))
    assert "imported" in result.stderr


# ── augmenting ────────────────────────────────────────────────────────────────────────────────────────────────────────


def fail(*arguments):
    raise KeyError("of its own")


def leave(*arguments):
    raise SystemExit(3)


def end(*arguments):
    os._exit(3)


def ask(*arguments):
    return input("which? ")


def fill(images, drawn):
    images.fill_(2.0)
    return images


PIXELS = {
    "raises": (fail, "KeyError: 'of its own' (test_plugins.py, line "),
    "leaves": (leave, "SystemExit: 3"),
    "ends the process": (end, "RuntimeError: called os._exit(3)"),
    "asks the user": (ask, "EOFError"),
    "NaN": (lambda images, drawn: images * torch.nan, "ValueError: returned NaN"),
    "one NaN": (lambda images, drawn: images.masked_fill(torch.eye(16) * torch.eye(16)[3] > 0, torch.nan), "NaN"),
    "infinity less infinity": (lambda images, drawn: images + torch.inf - torch.inf, "ValueError: returned NaN"),
    "another shape": (lambda images, drawn: images[..., :8], "returned torch.float32 [4, 1, 16, 8], not torch.float32"),
    "fewer": (lambda images, drawn: images[:3], "returned torch.float32 [3, 1, 16, 16]"),
    "another dtype": (lambda images, drawn: images.double(), "returned torch.float64"),
    "nothing": (lambda images, drawn: None, "returned NoneType, not a tensor"),
    "an array": (lambda images, drawn: images.numpy(), "returned ndarray, not a tensor"),
}


def table_of(count):
    table = GlyphTable.blank(count)
    table.rows["character"] = ord("か")
    table.rows["key"] = sample_keys(1, table["character"], np.arange(count))
    return table


def pixel_of(apply):
    class Wrong(Pixel):
        id = "wrong"

        def draw(self, keys, size):
            return {}

        def apply(self, images, drawn):
            return apply(images, drawn)

    return Wrong()


@pytest.mark.parametrize("name", PIXELS)
def test_a_wrong_augmentation_is_named_with_its_image(name):
    apply, words = PIXELS[name]
    with pytest.raises(PluginError) as caught:
        apply_pixel(pixel_of(apply), torch.rand(4, 1, 16, 16), table_of(4), "wrong#0", 1.0)
    assert str(caught.value).startswith("augmentation wrong {} failed on image 0 of か and 3 more: ")
    assert words in str(caught.value)


def test_what_a_plugin_forks_may_end_itself():
    def fork(images, drawn):
        child = os.fork()
        if not child:
            os._exit(7)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
        return images

    apply_pixel(pixel_of(fork), torch.rand(4, 1, 16, 16), table_of(4), "wrong#0", 1.0)


def test_other_threads_get_standard_input_and_the_end_back(monkeypatch):
    usual, given = (os._exit, sys.stdin), []
    inside, over = threading.Event(), threading.Event()

    def wait(images, drawn):
        given.append(sys.stdin.read())
        inside.set()
        over.wait(LONGEST)
        return images

    def apply(function):
        apply_pixel(pixel_of(function), torch.rand(4, 1, 16, 16), table_of(4), "wrong#0", 1.0)

    thread = threading.Thread(target=apply, args=[wait])
    thread.start()
    assert inside.wait(LONGEST)
    apply(lambda images, drawn: images)
    over.set()
    thread.join()
    assert (os._exit, sys.stdin) == usual and given == [""]


def test_an_augmentation_that_changes_its_input_changes_only_the_images_it_was_given():
    images, table = torch.full((64, 1, 16, 16), 0.5), table_of(64)
    changed = apply_pixel(pixel_of(fill), images.clone(), table, "wrong#0", 0.5)[:, 0].mean(dim=(1, 2))
    assert set(changed.tolist()) == {0.5, 1.0}


def shifted(table, keys):
    table.rows["dx"] = 5.0
    return table


def renamed(table, keys):
    rows = table.rows.copy()
    rows["character"] = ord("い")
    return GlyphTable(rows)


PLACEMENTS = {
    "raises": (fail, "KeyError: 'of its own' (test_plugins.py, line "),
    "leaves": (leave, "SystemExit: 3"),
    "ends the process": (end, "RuntimeError: called os._exit(3)"),
    "asks the user": (ask, "EOFError"),
    "changes its input": (shifted, "read-only"),
    "NaN": (lambda table, keys: table.replace(dx=np.nan), "returned NaN or infinity in 'dx'"),
    "fewer": (lambda table, keys: table.take(np.arange(2)), "returned 2 rows for 6"),
    "nothing": (lambda table, keys: None, "returned a NoneType, not a table of rows"),
    "other characters": (renamed, "changed more than the placement of its rows"),
    "an unknown column": (lambda table, keys: table.replace(colour=1.0), "is not a placement column"),
}


def placement_of(place):
    class Wrong(Placement):
        id = "wrong"

        def grid(self, table):
            return place(table, None)

        def draw(self, table, keys):
            return place(table, keys)

    return Wrong()


@pytest.mark.parametrize("name", PLACEMENTS)
def test_a_wrong_placement_is_named(name):
    place, words = PLACEMENTS[name]
    plan = GlyphPlan(
        "あい", np.ones((2, 1)), [(placement_of(place), 1.0)], mode="random", seed=1, images_per_character=3
    )
    message = r"^augmentation wrong \{\} failed on image \d+ of . and \d more: "
    with pytest.raises(PluginError, match=message) as caught:
        plan.table()
    assert words in str(caught.value)


def test_a_placement_that_changes_nothing_is_right():
    for mode in ("random", "grid"):
        step = (placement_of(lambda table, keys: table), 1.0)
        plan = GlyphPlan("あい", np.ones((2, 1)), [step], mode=mode, seed=1, images_per_character=3)
        assert len(plan.table()) == len(plan)


# ── locked-down machines ──────────────────────────────────────────────────────────────────────────────────────────────

COMMAND = """
import click
from kanatui import hookimpl

@hookimpl
def kanatui_commands(group):
    @group.command("strange")
    def strange(): pass
"""


def states(registry):
    return {module.name: module.state for module in registry.modules if module.found_as != "shipped"}


def test_only_plugins_that_are_allowed_run(folder, monkeypatch):
    made = folder("same.py", GOOD)
    folder("other.py", GOOD.replace("same", "other"))
    monkeypatch.setenv(importing.ALLOWED_VARIABLE, f"some-package:{made / 'same.py'}")
    plugins.reload()
    found = states(plugins.load([made]))
    assert (found["same"], found["other"]) == ("loaded", "refused")
    monkeypatch.setenv(importing.ALLOWED_VARIABLE, "")
    plugins.reload()
    with pytest.raises(PluginError, match=r"same.* is refused \(not named in KANATUI_ALLOWED_PLUGINS\)"):
        plugins.load([made]).augmentation("same")
    with pytest.raises(PluginError, match="not named in KANATUI_ALLOWED_PLUGINS"):
        plugins.load_alone(made / "same.py")


def test_an_installed_package_runs_only_if_it_is_allowed(tmp_path, monkeypatch):
    (tmp_path / "strange_plugin.py").write_text(GOOD.replace("same", "strange"))
    about = tmp_path / "strange-1.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: strange\nVersion: 1\n")
    (about / "entry_points.txt").write_text("[kanatui]\nstrange = strange_plugin\n")
    with monkeypatch.context() as patch:
        patch.syspath_prepend(tmp_path)
        for allowed, state in (("strange", "loaded"), ("other", "refused")):
            patch.setenv(importing.ALLOWED_VARIABLE, allowed)
            plugins.reload()
            assert states(plugins.load())["strange"] == state
    plugins.reload()


@pytest.mark.parametrize("given", ["--no-plugins", "variable"])
def test_no_plugins_runs_none(folder, kanatui, given):
    made = folder("same.py", GOOD + COMMAND)
    arguments = ["--plugins-dir", made, *(["--no-plugins"] if given == "--no-plugins" else [])]
    variables = {"KANATUI_PLUGINS": str(made)} | ({} if given == "--no-plugins" else {importing.NONE_VARIABLE: "1"})
    listed = kanatui(*arguments, "plugins", "--json", check=0, env=variables)
    assert '"refused"' in listed.stdout and "imported" not in listed.stdout + listed.stderr
    shown = kanatui("--help", *arguments, check=0, env=variables)
    assert "strange" not in shown.stdout and "imported" not in shown.stdout + shown.stderr

"""What a command imports decides how soon it answers; checked by import, not by time."""

import graphlib
import subprocess
import sys

import grimp
import pytest


def imported_by(statement):
    script = f"import sys\n{statement}\nprint(*sorted(m for m in sys.modules if '.' not in m))"
    shown = subprocess.check_output([sys.executable, "-c", script], text=True)
    return set(shown.splitlines()[-1].split())


def test_help_imports_neither_torch_nor_textual():
    loaded = imported_by("from kanatui.cli import run; run(['--help'])")
    assert not loaded & {"torch", "textual", "PIL", "fontTools", "scipy", "numpy"}


@pytest.mark.parametrize("arguments", [["--version"], ["recipes"], ["plugins"], ["recipes", "show", "article"]])
def test_listing_imports_no_torch(arguments):
    assert "torch" not in imported_by(f"from kanatui.cli import run; run({arguments!r})")


@pytest.mark.parametrize(
    "module",
    [
        "kana.alphabet",
        "core.params",
        "plugins.registry",
        "plugins.table",
        "dataset.recipe",
        "dataset.layout",
        "fonts.faces",
        "cli.checks",
    ],
)
def test_planning_needs_no_torch(module):
    assert "torch" not in imported_by(f"import kanatui.{module}")


@pytest.mark.parametrize(
    "module",
    [
        "runs",
        "events",
        "control",
        "launch",
        "options",
        "event_text",
        "replay",
        "config",
        "columns",
        "models",
        "provenance",
    ],
)
def test_watching_a_training_needs_no_torch(module):
    assert "torch" not in imported_by(f"import kanatui.training.{module}")


@pytest.mark.parametrize("mode", ["dataset", "train", "evaluate", "draw"])
def test_the_app_has_no_torch_in_its_own_process(mode):
    assert "torch" not in imported_by(f"import kanatui.tui.app, kanatui.tui.{mode}.screen")


def test_the_images_of_a_batch_are_read_without_torch():
    loaded = imported_by("from pathlib import Path\nfrom kanatui.training.runs import Run\nRun(Path('none')).batch()")
    assert "torch" not in loaded


def test_no_files_import_each_other_in_a_circle():
    """Imports inside functions and under TYPE_CHECKING count, too."""
    graph = grimp.build_graph("kanatui", cache_dir=None)
    arrows = {module: graph.find_modules_directly_imported_by(module) - {module} for module in graph.modules}
    try:
        graphlib.TopologicalSorter(arrows).prepare()
    except graphlib.CycleError as error:
        pytest.fail(f"an import circle: {' ← '.join(error.args[1])}")

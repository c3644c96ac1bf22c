"""A run that has really been trained, for seconds, on five characters."""

import shutil

import pytest

from kanatui.cli import run
from kanatui.training.runs import find_run
from tests.helpers.drawings import FIVE

TRAIN = [
    "train", "quick", "--characters", FIVE, "--faces", "klee-regular,noto-sans-cjk-jp-regular",
    "--images-per-character", "60", "--epochs", "2", "--batch-size", "16", "--hold-out", "0.2", "--workers", "0",
]  # fmt: skip


@pytest.fixture(scope="session")
def trained_runs(tmp_path_factory, share_cache):
    folder = share_cache(tmp_path_factory.mktemp("base"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KANATUI_HOME", str(folder))
        assert run(TRAIN) == 0
    return folder / "runs"


@pytest.fixture
def base(trained_runs, home, monkeypatch):
    """A trained run in the test's own home."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    shutil.copytree(trained_runs, home / "runs")
    return find_run("1")

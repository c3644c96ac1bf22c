"""What lies in the current folder, or in a data set's, is never imported: neither here nor by any child."""

import json
import subprocess
import sys

import pytest

from kanatui.engine.client import Engine
from kanatui.training.runs import find_run
from tests.helpers.processes import wait_until

OTHERS = ("click", "kanatui", "numpy", "PIL", "pluggy", "psutil", "rich", "safetensors", "scipy", "textual", "torch")

SHADOW = """
import os
with open({log!r}, "a") as file:
    print(__name__, os.getpid(), file=file)
raise SystemExit("a file of the current folder was run")
"""

SMALL = (
    "quick",
    "--faces",
    "klee-regular",
    "--characters",
    "あいう",
    "--image-size",
    "16",
    "--images-per-character",
    "40",
)


@pytest.fixture
def shadows(tmp_path, monkeypatch):
    """A folder with a file for every module that there may be; returns it, and what reads which of them were run."""
    folder, log = tmp_path / "shadows", tmp_path / "shadows.log"
    folder.mkdir()
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.delenv("PYTHONSAFEPATH", raising=False)
    for name in {*sys.stdlib_module_names, *OTHERS}:
        (folder / f"{name}.py").write_text(SHADOW.format(log=str(log)))
    return folder, lambda: log.read_text().split() if log.exists() else []


@pytest.fixture
def script(tmp_path):
    """A script as pip writes it for `kanatui`: Python puts its folder on the path, not the current one."""
    path = tmp_path / "bin" / "kanatui"
    path.parent.mkdir()
    path.write_text("import sys\nfrom kanatui.cli import main\nif __name__ == '__main__':\n    sys.exit(main())\n")
    return [sys.executable, str(path)]


def test_the_shadows_would_be_seen(shadows):
    folder, run = shadows
    result = subprocess.run([sys.executable, "-c", "import click"], cwd=folder, capture_output=True)
    assert result.returncode and run()


def test_a_training_in_the_background_and_its_workers_import_nothing_from_there(shadows, script, home):
    folder, run = shadows
    arguments = [
        "train",
        "--detach",
        *SMALL,
        "--model",
        "article_cnn",
        "--epochs",
        "1",
        "--workers",
        "1",
        "--precision",
        "float32",
    ]
    subprocess.run([*script, *arguments], cwd=folder, check=True)
    started = find_run("1")
    wait_until(lambda: started.status().state == "finished", lambda: started.log.read_text())
    events = [json.loads(line) for line in (started.path / "events.jsonl").read_text().splitlines()]
    assert next(event["workers"] for event in events if event["event"] == "start") == 1
    assert run() == []


GENERATE = """
import sys
import kanatui.dataset.write as write
write.POOL_WORTH = 0
write.images_per_shard = lambda size, images: 50
from kanatui.cli import main
if __name__ == "__main__":
    sys.exit(main())
"""


@pytest.mark.slow
def test_generating_and_its_workers_import_nothing_from_there(shadows, script, home):
    folder, run = shadows
    with open(script[1], "w") as file:
        file.write(GENERATE)
    subprocess.run([*script, "generate", *SMALL, "--name", "small", "--workers", "2"], cwd=folder, check=True)
    made = home / "datasets" / "small"
    assert len(list(made.glob("shard-*.npy"))) == 3
    assert run() == []
    for path in folder.glob("*.py"):
        path.rename(made / path.name)
    arguments = [
        "train",
        "--data",
        "small",
        "--model",
        "article_cnn",
        "--epochs",
        "1",
        "--workers",
        "1",
        "--precision",
        "float32",
    ]
    subprocess.run([*script, *arguments], cwd=made, check=True)
    assert run() == []


READ = """
import sys
import kanatui.pictures.pool as pool
pool._FEW = 1
pool.usable_cores = lambda: 2
if __name__ == "__main__":
    from pathlib import Path
    with pool.Preparation([Path(sys.argv[1])] * 3, 32) as prepared:
        print(prepared.processes, len(list(prepared)))
"""


def test_workers_that_prepare_pictures_import_nothing_from_there(shadows, script, picture):
    folder, run = shadows
    with open(script[1], "w") as file:
        file.write(READ)
    said = subprocess.check_output([*script, str(picture("a.png"))], cwd=folder, text=True)
    assert said.split() == ["1", "3"]
    assert run() == []


async def test_engines_import_nothing_from_there(shadows, monkeypatch):
    folder, run = shadows
    monkeypatch.chdir(folder)
    engine = Engine("shadowed")
    try:
        recipe = {"characters": "あ", "faces": ["klee-regular"], "image_size": 16, "mode": "random"}
        answer = await engine.ask("sheet", recipe={**recipe, "images_per_character": 1}, count=1)
        assert answer.arrays["images"].shape == (1, 16, 16)
    finally:
        await engine.close()
    assert run() == []


def test_the_module_run_by_name_is_the_command_and_takes_nothing_from_the_current_folder(shadows, script):
    folder, run = shadows
    for name in {"kanatui", *sys.stdlib_module_names} - {"dataclasses", "json", "pathlib", "tomllib"}:
        (folder / f"{name}.py").unlink()  # what Python imports, or finds in its place, before it comes to kanatui
    options = {"cwd": folder, "text": True, "capture_output": True}
    for arguments in (["--help"], ["recipes", "--bogus"], ["recipes", "show", "quick"]):
        by_name = subprocess.run([sys.executable, "-m", "kanatui", *arguments], **options)
        by_script = subprocess.run([*script, *arguments], **options)
        assert (by_name.returncode, by_name.stdout, by_name.stderr) == (
            by_script.returncode,
            by_script.stdout,
            by_script.stderr,
        )
    assert run() == []

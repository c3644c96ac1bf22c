"""What is installed from a wheel does all that a checkout does."""

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, ROOT],
        check=True,
        capture_output=True,
    )
    (wheel,) = folder.glob("*.whl")
    zipfile.ZipFile(wheel).extractall(folder / "site")
    return folder / "site"


def kanatui(installed, home, *arguments):
    environment = {**os.environ, "PYTHONPATH": str(installed), "KANATUI_HOME": str(home)}
    return subprocess.run(
        [sys.executable, "-m", "kanatui", *arguments],
        cwd=home,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    ).stdout


def test_the_wheel_carries_plugins_faces_and_recipes(installed, home):
    listed = json.loads(kanatui(installed, home, "plugins", "--json"))
    in_checkout = {path.stem for path in (ROOT / "plugins").glob("*.py")}
    assert {source["name"] for source in listed["sources"] if source["state"] == "loaded"} == in_checkout
    assert all(str(installed) in plugin["location"] for plugin in listed["plugins"])
    shipped = "kanatui/models/default.safetensors"
    assert (installed / shipped).exists() == (ROOT / shipped).exists()
    assert (installed / "kanatui/_shipped/fonts.toml").read_text() == (ROOT / "fonts.toml").read_text()


def test_the_wheel_carries_the_styles_of_all_screens(installed):
    styles = {path.relative_to(ROOT) for path in (ROOT / "kanatui").rglob("*.tcss")}
    assert len(styles) == 5
    assert styles == {path.relative_to(installed) for path in (installed / "kanatui").rglob("*.tcss")}


def test_the_wheel_draws(installed, home):
    shown = kanatui(installed, home, "preview", "quick", "--faces", "klee-regular", "--count", "2", "--ascii")
    assert sum(len(line.strip()) > 0 for line in shown.splitlines()) >= 4  # half as many lines as pixels of ink

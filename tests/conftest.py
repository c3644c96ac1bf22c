"""Every test has a home of its own; what can be made again (masters, coverage) is shared by the whole run."""

import os
import signal
import subprocess
import sys

# Several processes of torch on few cores slow each other down tenfold while each spins in wait for its own threads.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

# Beside busy processes a background job of kanatui's gets a tenth of a core; a test would wait for minutes.
os.environ.setdefault("KANATUI_NICENESS", "0")

# Whatever starts the tests in the background makes them ignore Ctrl-C, and with them every process that they start.
signal.signal(signal.SIGINT, signal.default_int_handler)

import pytest  # noqa: E402  # what stands above must hold before anything else begins

SHARED = ("coverage", "digests", "faces", "masters")
"""What every home's cache has in common: files named by what they were made of. Logs and orders belong to one home."""


LONG = ("tui", "cli", "evaluation", "faults", "api")
"""Folders whose tests take longest. They begin first: at the end, one long file would keep one process busy alone."""


def pytest_collection_modifyitems(items):
    ranks = {name: rank for rank, name in enumerate(LONG)}
    items.sort(key=lambda item: ranks.get(item.path.parent.name, len(LONG)))


@pytest.fixture(scope="session")
def share_cache(tmp_path_factory, worker_id):
    """Return what makes a home whose cache has what any of pytest's processes has drawn: the others need not."""
    base = tmp_path_factory.getbasetemp()
    shared = (base if worker_id == "master" else base.parent) / "shared-cache"

    def share(folder):
        (folder / "cache").mkdir(parents=True)
        for kind in SHARED:
            (shared / kind).mkdir(parents=True, exist_ok=True)
            (folder / "cache" / kind).symlink_to(shared / kind)
        return folder

    return share


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch, share_cache):
    folder = share_cache(tmp_path / "home")
    monkeypatch.setenv("KANATUI_HOME", str(folder))
    monkeypatch.setenv("KANATUI_PLUGINS", "")  # set rather than removed: so it is put back after a test that sets it
    return folder


@pytest.fixture
def shipped_model():
    """The model that ships with kanatui, for the tests that are about it."""
    from kanatui.model.shipped import DEFAULT_FILE

    return DEFAULT_FILE


@pytest.fixture(autouse=True)
def no_shipped_model(request, tmp_path, monkeypatch):
    """In this process no model ships, so that tests find the models that they made, and those alone."""
    if "shipped_model" not in request.fixturenames:
        monkeypatch.setattr("kanatui.model.shipped.DEFAULT_FILE", tmp_path / "default.safetensors")


@pytest.fixture
def kanatui(home):
    """Run the command in a process of its own, as a user does, and return what came of it."""

    def run(*arguments, check=None, env=None, stdin=None, timeout=240):
        result = subprocess.run(
            [sys.executable, "-m", "kanatui", *map(str, arguments)],
            capture_output=True,
            text=stdin is None or isinstance(stdin, str),
            input=stdin,
            env={**os.environ, **(env or {})},
            timeout=timeout,
        )
        if check is not None:
            assert result.returncode == check, f"{result.args}\n{result.stdout}\n{result.stderr}"
        return result

    return run


@pytest.fixture
def one_line_error():
    """Check that a command failed as the user should see it: one line, no traceback, the right status."""

    def check(result, status, *words):
        assert result.returncode == status, f"{result.stdout}\n{result.stderr}"
        assert "Traceback" not in result.stderr
        last = result.stderr.strip().splitlines()[-1]
        for word in words:
            assert str(word) in last, f"{word!r} not in {last!r}"

    return check


@pytest.fixture
def picture(tmp_path):
    """Write a picture: a black bar for each character, at a height of its own."""
    import numpy as np
    from PIL import Image

    def write(name, height=4, size=(40, 40), **options):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        values = np.full((size[1], size[0]), 255, dtype=np.uint8)
        values[5 : 5 + height, 8:32] = 0
        Image.fromarray(values).save(path, **options)
        return path

    return write


@pytest.fixture
def folder(tmp_path, picture):
    """A folder of five labelled pictures, and of what else may lie in one."""
    for name in (
        "U+304B/b.png",
        "U+304B/a.PNG",
        "が/1.jpg",
        "3055/x.jpeg",
        "漢/1.png",
        "not a label/1.png",
        "loose.png",
    ):
        picture(f"labelled/{name}")
    (tmp_path / "labelled" / "U+304B" / "notes.txt").write_text("")
    (tmp_path / "labelled" / ".hidden").write_text("")
    return tmp_path / "labelled"

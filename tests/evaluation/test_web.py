"""The web page: what it is made of, and that it reads drawings in a real browser as the app does."""

import json
import os
import shutil
import subprocess
import tarfile
from pathlib import Path

import numpy as np
import pytest

from kanatui.cli import run
from kanatui.core.errors import StorageError, UsageError
from kanatui.evaluation.portable import web
from kanatui.evaluation.portable.check import Labelled
from kanatui.evaluation.portable.graph import facts
from kanatui.evaluation.portable.write import Subject
from kanatui.evaluation.recognize import BOARD, prepare_board, read_drawing
from kanatui.model.weights import load_weights
from tests.helpers.browser import browser, find_browser, served
from tests.helpers.drawings import STROKES, drawn
from tests.helpers.exporting import tiny_subject

pytest.importorskip("onnxruntime", reason="needs onnxruntime, of the extra export")
pytest.importorskip("onnxscript", reason="needs onnxscript, of the extra export")

SHOWN = "[...document.querySelectorAll('li')].map(e => [e.children[0], e.children[2]].map(part => part.textContent))"
READY = "document.getElementById('status').textContent.startsWith('Draw one of')"
BOX = "(b => [b.left, b.top, b.width])(document.getElementById('canvas').getBoundingClientRect())"


@pytest.fixture
def package(tmp_path):
    """A package with the files that the page needs, and some that it does not, as npm installs it."""
    folder = tmp_path / "node_modules" / "onnxruntime-web"
    (folder / "dist").mkdir(parents=True)
    (folder / "package.json").write_text(json.dumps({"name": "onnxruntime-web", "version": "1.2.3"}))
    for name in ("ort.wasm.min.mjs", "ort-wasm-simd-threaded.mjs", "ort-wasm-simd-threaded.wasm", "ort.js"):
        (folder / "dist" / name).write_text(name)
    return folder


@pytest.fixture
def tarball(package, tmp_path):
    with tarfile.open(tmp_path / "onnxruntime-web-1.2.3.tgz", "w:gz") as archive:
        archive.add(package, arcname="package")
    return tmp_path / "onnxruntime-web-1.2.3.tgz"


def test_the_runtime_is_taken_from_a_tarball_a_folder_or_node_modules(package, tarball):
    found = web.runtime_files(tarball)
    assert sorted(found) == sorted(["package.json", *web._NEEDED])
    assert web.runtime_files(package) == found == web.runtime_files(package.parent)


def test_a_wrong_runtime_is_named_with_the_command_that_gets_the_right_one(package, tmp_path, monkeypatch, capsys):
    (tmp_path / "other.txt").write_text("nothing")
    (package / "dist" / "ort.wasm.min.mjs").unlink()
    for place in (tmp_path / "other.txt", tmp_path / "none", package, tmp_path):
        with pytest.raises(UsageError, match=f"--runtime {place}: .*npm pack onnxruntime-web"):
            web.runtime_files(place)
    (package / "package.json").write_text('{"name": "left-pad"}')
    with pytest.raises(UsageError, match="this is left-pad"):
        web.runtime_files(package)
    monkeypatch.chdir(tmp_path / "node_modules" / "onnxruntime-web")
    assert run(["export", "web", "default", str(tmp_path / "page")]) == 2
    assert "npm pack onnxruntime-web, then add --runtime" in " ".join(capsys.readouterr().err.split())
    assert not (tmp_path / "page").exists()


def test_the_folder_is_complete_and_names_no_other_server(tarball, tmp_path):
    written, version = web.write_web(tiny_subject(), tmp_path / "page", tarball)
    assert version == "1.2.3" and "checked against torch" in written.note
    names = {str(path.relative_to(tmp_path / "page")) for path in (tmp_path / "page").rglob("*") if path.is_file()}
    assert names == {
        "index.html", "style.css", "page.js", "kanatui.js", "model.json", "model.onnx", "ort/package.json",
        *(f"ort/{name}" for name in web._NEEDED),
    }  # fmt: skip
    for name in ("index.html", "style.css", "page.js", "kanatui.js"):
        text = (tmp_path / "page" / name).read_text()
        assert "https://" not in text and text.count("http://") == ("http://localhost:8000" in text)
    with pytest.raises(StorageError, match="exists already"):
        web.write_web(tiny_subject(), tmp_path / "page", tarball)


@pytest.fixture
def runtime(tmp_path):
    """ONNX Runtime Web itself: as named, or as npm fetches it."""
    if named := os.environ.get("KANATUI_ONNXRUNTIME_WEB"):
        return Path(named)
    if shutil.which("npm") is None:
        pytest.skip("needs ONNX Runtime Web: npm, or its tarball named in KANATUI_ONNXRUNTIME_WEB")
    packed = subprocess.run(
        ["npm", "pack", "--silent", "onnxruntime-web@1.30.0"], cwd=tmp_path, capture_output=True, text=True
    )
    if packed.returncode:
        pytest.skip(f"npm cannot fetch onnxruntime-web: {packed.stderr.strip()[-200:]}")
    return tmp_path / packed.stdout.split()[-1]


@pytest.mark.skipif(find_browser() is None, reason="needs a browser: apt-get install chromium")
def test_kana_drawn_in_a_browser_are_read_as_the_app_reads_them(shipped_model, runtime, tmp_path):
    classifier = load_weights(shipped_model)
    boards = [prepare_board(drawn(character).raster(BOARD), classifier.image_size) for character in STROKES]
    labels = np.array([classifier.characters.index(character) for character in STROKES])
    checked = Labelled(np.stack(boards), labels, "drawings")
    subject = Subject(classifier, facts(classifier, classifier.card), checked, checked)
    web.write_web(subject, tmp_path / "page", runtime)
    with served(tmp_path / "page") as (address, asked), browser(tmp_path / "profile") as page:
        page.open(address)
        page.until(READY)
        seen = {}
        for character, lines in STROKES.items():
            _draw(page, lines)
            seen[character] = page.until(f"(() => {{ const r = {SHOWN}; return r.length === 5 ? r : null }})()")
            page.press("Delete")
            page.until(f"{READY} && document.querySelectorAll('li').length === 0")
        assert not page.errors and all(request.startswith(address) for request in page.requests)
    assert "/model.onnx" in asked
    assert [readings[0][0] for readings in seen.values()] == list(STROKES)
    for character, readings in seen.items():
        expected, _ = read_drawing(classifier, drawn(character))
        assert readings[0][0] == expected[0].character
        # A mouse's places are whole pixels of the canvas.
        assert abs(float(readings[0][1].rstrip(" %")) / 100 - expected[0].probability) < 0.1, character


def _draw(page, lines):
    left, top, side = page.value(BOX)
    for line in lines:
        places = [(left + x * side, top + y * side) for x, y in line]
        page.mouse("mousePressed", *places[0])
        for place in places[1:]:
            page.mouse("mouseMoved", *place)
        page.mouse("mouseReleased", *places[-1])

"""A model as a web page: a folder that any web server can serve, and a browser runs. Nothing is fetched from elsewhere.

The page prepares and reads drawings as the app's drawing board does: `files/web/kanatui.js` follows
:mod:`kanatui.pictures.prepare`, :mod:`kanatui.model.looks` and :mod:`kanatui.evaluation.recognize` step by step, for
what is drawn on a board alone, where nothing need be told from shadows, frames and specks.
"""

from __future__ import annotations

import json
import shutil
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from kanatui.core import storage
from kanatui.core.errors import UsageError
from kanatui.core.units import percent
from kanatui.evaluation.portable.check import Comparison
from kanatui.evaluation.portable.write import FILES, Subject, Written, checked_onnx
from kanatui.evaluation.recognize import BOARD, SERIOUS, SMALL_CENTRE, SMALL_SIDE, SMALL_STEEPNESS
from kanatui.kana.alphabet import FOLD, SMALL
from kanatui.model.calibration import question
from kanatui.model.card import one_line
from kanatui.model.looks import LOOKS
from kanatui.pictures.drawing import PEN_WIDTHS
from kanatui.pictures.prepare import FILL, LEAST_PEN

PACKAGE = "onnxruntime-web"
"""The npm package that runs ONNX in browsers."""

_NEEDED = ("ort.wasm.min.mjs", "ort-wasm-simd-threaded.mjs", "ort-wasm-simd-threaded.wasm")
_GET_IT = f"get it with: npm pack {PACKAGE}, then add --runtime {PACKAGE}-VERSION.tgz"


def find_runtime(named: Path | None) -> Path:
    """Return where ONNX Runtime Web is: as named, or in `node_modules` of the current folder.

    UsageError, which says how to get it, if there is none.
    """
    if named:
        return named
    installed = Path("node_modules", PACKAGE)
    if installed.is_dir():
        return installed
    raise UsageError(f"the page needs ONNX Runtime Web, which kanatui does not fetch by itself; {_GET_IT}")


def runtime_files(place: Path) -> dict[str, bytes]:
    """Return the files of ONNX Runtime Web that the page needs, by name.

    Args:
        place: a tarball as `npm pack` makes it, the package's folder, or a `node_modules` that holds it.

    Raises:
        UsageError: it is something else, or lacks a file.
    """
    if not place.exists():
        raise UsageError(f"--runtime {place}: no such file or folder; {_GET_IT}")
    try:
        read = _in_tarball(place) if place.is_file() else _in_folder(place)
        package = read("package.json")
        about = json.loads(package)
        if about.get("name") != PACKAGE:
            raise UsageError(f"--runtime {place}: this is {about.get('name')}, not {PACKAGE}; {_GET_IT}")
        files = {name: read(f"dist/{name}") for name in _NEEDED}
    except (OSError, KeyError, ValueError, tarfile.TarError) as error:
        reason = one_line(error).rstrip(":")
        raise UsageError(f"--runtime {place}: not {PACKAGE}, or another version of it ({reason}); {_GET_IT}") from None
    return files | {"package.json": package}


def _in_tarball(file: Path) -> Callable[[str], bytes]:
    with tarfile.open(file) as archive:
        names = {"package.json", *(f"dist/{name}" for name in _NEEDED)}
        found = dict(_members(archive, names))

    def read(name: str) -> bytes:
        if name not in found:
            raise KeyError(name)
        return found[name]

    return read


def _members(archive: tarfile.TarFile, names: set[str]) -> Iterator[tuple[str, bytes]]:
    for entry in archive:
        name = entry.name.partition("/")[2]
        opened = archive.extractfile(entry) if name in names else None
        if opened:
            yield name, opened.read()


def _in_folder(folder: Path) -> Callable[[str], bytes]:
    inner = next((path for path in (folder, folder / PACKAGE) if (path / "package.json").is_file()), folder)
    return lambda name: (inner / name).read_bytes()


def write_web(subject: Subject, out: Path, runtime: Path) -> tuple[Written, str]:
    """Write a folder with a page on which characters are drawn and read.

    Args:
        subject: the model.
        out: the folder to make.
        runtime: where ONNX Runtime Web is (:func:`runtime_files`).

    Returns:
        what was written, and the version of ONNX Runtime Web.

    Raises:
        UsageError: a package is missing.
        WeightsError: the network cannot be written as ONNX, or what was written reads otherwise.
        StorageError: the folder exists already, or cannot be written.
    """
    storage.require_new(out)
    files = runtime_files(runtime)
    data, comparison = checked_onnx(subject)
    with storage.new_folder(out) as folder:
        shutil.copytree(FILES / "web", folder, dirs_exist_ok=True)
        storage.write_bytes(folder / "model.onnx", data)
        storage.write_json(folder / "model.json", page_facts(subject, comparison))
        storage.make_folder(folder / "ort")
        for name, content in files.items():
            storage.write_bytes(folder / "ort" / name, content)
    return Written(out, comparison, comparison.in_words()), str(json.loads(files["package.json"])["version"])


def page_facts(subject: Subject, comparison: Comparison) -> dict[str, Any]:
    """Return what the page knows of the model, and the numbers that kanatui itself computes with."""
    classifier = subject.classifier
    known = classifier.characters
    board = {
        "side": BOARD,
        "work": BOARD,
        "fill": FILL,
        "least_pen": LEAST_PEN,
        "pens": PEN_WIDTHS,
        "looks": LOOKS,
        "serious": SERIOUS,
        "small_side": SMALL_SIDE,
        "small_centre": SMALL_CENTRE,
        "small_steepness": SMALL_STEEPNESS,
        "small": [pair for pair in SMALL.items() if set(pair) <= set(known)],
        "alike": {character: FOLD[character] for character in known if character in FOLD},
    }
    told = {key: subject.about[key] for key in ("labels", "image_size", "temperature", "threshold")}
    name = str(subject.about["kanatui"].get("recipe") or "kanatui")
    title = {"title": f"Draw a character – {name}", "summary": _summary(subject, comparison)}
    return {**told, **title, "question": question(known), "board": board}


def _summary(subject: Subject, comparison: Comparison) -> str:
    card, score = subject.about["kanatui"], comparison.original
    faces = card.get("faces", [])
    licences = ", ".join(sorted({face["licence"] for face in faces if face["licence"]}))
    drawn = f" It was trained on images drawn with {len(faces)} faces (licences: {licences})." if licences else ""
    return (
        f"{card['model']['id']}, recipe {card.get('recipe') or 'unknown'}, {card.get('date') or 'undated'}: tells "
        f"{len(subject.classifier.characters)} characters apart. Of {comparison.images:,} images ({comparison.of}) it "
        f"reads {percent(score['strict'])} correctly, {percent(score['folded'])} if look-alikes count as one.{drawn}"
    )

"""Writes a model in the formats of other programs, and checks what was written before it is handed over."""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from kanatui.core import storage
from kanatui.core.errors import ImageError, UsageError
from kanatui.dataset.source import OnStage
from kanatui.evaluation.export import complete_card
from kanatui.evaluation.portable.check import Comparison, Labelled, compare, require_same
from kanatui.evaluation.portable.graph import (
    facts,
    int8_bytes,
    onnx_bytes,
    program_bytes,
    require_onnx,
    run_onnx,
    run_program,
)
from kanatui.evaluation.scoring import choose_pictures, open_held_out
from kanatui.model.weights import Classifier, load_weights
from kanatui.pictures.labelled import find_labelled
from kanatui.pictures.pool import Preparation
from kanatui.training.provenance import provenance_of

FILES = Path(__file__).parent / "files"
CHECKED = 1000
"""Images that an exported model is checked on."""

_CALIBRATED = 256
"""Further images from which the ranges of an int8 model's values are taken."""


@dataclasses.dataclass(frozen=True)
class Subject:
    """A model to export, and images to check the result with."""

    classifier: Classifier
    about: Mapping[str, Any]
    """What :func:`~kanatui.evaluation.portable.graph.facts` says of it."""
    checked: Labelled
    calibrating: Labelled
    """Other images of the same kind."""


def open_subject(
    weights: Path,
    report: OnStage,
    pictures: Path | None = None,
    labels: str = "auto",
    count: int = CHECKED,
    calibrating: bool = False,
) -> Subject:
    """Open a model and images to check it with.

    Args:
        weights: the model's file.
        report: told of what takes long.
        pictures: labelled ones to check with, in place of images that the model's training held out.
        labels: how they are labelled (:func:`kanatui.pictures.labelled.find_labelled`).
        count: how many images, at most.
        calibrating: whether others are needed, for an int8 model.

    Raises:
        KanatuiError: the model, or the images, cannot be opened.
    """
    classifier = load_weights(weights)
    origin = provenance_of(weights)
    card = complete_card(origin.run, weights) if origin.run else classifier.card
    wanted = count + (_CALIBRATED if calibrating else 0)
    found = (
        _of_pictures(classifier, pictures, labels, wanted, report)
        if pictures
        else _held_out(classifier, weights, wanted, report)
    )
    checked, others = found.divided(count / wanted)
    return Subject(classifier, facts(classifier, card), checked, others)


def _held_out(classifier: Classifier, weights: Path, count: int, report: OnStage) -> Labelled:
    source, images, _ = open_held_out(
        provenance_of(weights), classifier, on_progress=lambda done, total: report(done, total, "drawing the faces")
    )
    each = -(-count // len(source.characters))
    chosen = images.sample(each * len(source.characters))  # evenly over the characters, so these may be a few too many
    chosen = chosen[np.linspace(0, len(chosen) - 1, min(count, len(chosen)), dtype=np.int64)]
    return Labelled(source.images(chosen), np.asarray(source.labels(chosen)), "held out of training")


def _of_pictures(classifier: Classifier, place: Path, labels: str, count: int, report: OnStage) -> Labelled:
    found, _ = choose_pictures(find_labelled(place, labels), classifier.characters, limit=count)
    images, shown = [], []
    with Preparation([file for file, _ in found.files], classifier.image_size) as prepared:
        for done, (ready, (_, character)) in enumerate(zip(prepared, found.files, strict=True), start=1):
            if not isinstance(ready, ImageError):
                images.append(ready.likeliest)
                shown.append(classifier.characters.index(character))
            report(done, len(found.files), "preparing pictures")
    if not images:
        raise ImageError(f"{place}: none of its pictures can be read")
    return Labelled(np.stack(images), np.array(shown, dtype=np.int64), f"pictures in {place.name}")


@dataclasses.dataclass(frozen=True)
class Written:
    """What was written."""

    path: Path
    comparison: Comparison
    note: str
    """What to say of the check, in one line."""


def write_onnx(subject: Subject, out: Path, int8: Path | None = None) -> list[Written]:
    """Write an ONNX file and, if named, one that computes with 8 bits.

    Raises:
        UsageError: a package is missing.
        WeightsError: the network cannot be written as ONNX, or what was written reads otherwise.
        StorageError: a file cannot be written.
    """
    data, comparison = checked_onnx(subject)
    written = [Written(out, comparison, comparison.in_words())]
    small = None
    if int8:
        if not len(subject.calibrating.images):
            raise UsageError("--int8 needs more images than one to find the ranges of values with (--images)")
        small = int8_bytes(data, subject.calibrating.floats(), subject.about)
        rougher = compare(subject.classifier, run_onnx(small), subject.checked)
        written.append(Written(int8, rougher, rougher.of_scores()))
    storage.write_bytes(out, data)
    if int8 and small is not None:
        storage.write_bytes(int8, small)
    return written


def write_torch(subject: Subject, out: Path) -> list[Written]:
    """Write a program of torch.export; raises as :func:`write_onnx` does."""
    data = program_bytes(subject.classifier, subject.about)
    comparison = compare(subject.classifier, run_program(data), subject.checked)
    require_same(comparison, "the program")
    storage.write_bytes(out, data)
    return [Written(out, comparison, comparison.in_words())]


def write_folder(subject: Subject, out: Path) -> list[Written]:
    """Write a folder with the model, its labels, and a reader that needs no kanatui; raises as :func:`write_onnx`."""
    storage.require_new(out)
    data, comparison = checked_onnx(subject)
    with storage.new_folder(out) as folder:
        storage.write_bytes(folder / "model.onnx", data)
        write_labels(subject, folder)
        for name in ("read.py", "README.md"):
            shutil.copyfile(FILES / name, folder / name)
    return [Written(out, comparison, comparison.in_words())]


def write_labels(subject: Subject, folder: Path) -> None:
    """Write `labels.txt`, a character a line, and `model.json`."""
    labels = "".join(f"{character}\n" for character in subject.classifier.characters)
    storage.write_bytes(folder / "labels.txt", labels.encode())
    storage.write_json(folder / "model.json", json.loads(json.dumps(subject.about, default=str)))


def checked_onnx(subject: Subject) -> tuple[bytes, Comparison]:
    """Return a model as an ONNX file that was checked; raises as :func:`write_onnx` does."""
    require_onnx()
    data = onnx_bytes(subject.classifier, subject.about)
    comparison = compare(subject.classifier, run_onnx(data), subject.checked)
    require_same(comparison, "the ONNX file")
    return data, comparison


@dataclasses.dataclass(frozen=True)
class Format:
    """A way to write a model."""

    name: str
    help: str
    suffix: str
    """That of the file, "" if it is a folder."""
    write: Callable[[Subject, Path], list[Written]]
    kind: str = "model"


FORMATS: dict[str, Format] = {
    each.name: each
    for each in (
        Format("onnx", "an ONNX file: ONNX Runtime, OpenCV, browsers, phones", ".onnx", write_onnx),
        Format("torch", "a program of torch.export: PyTorch without kanatui", ".pt2", write_torch),
        Format("folder", "ONNX file, labels, and a reader of 30 lines that needs no kanatui", "", write_folder),
    )
}

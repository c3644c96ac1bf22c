"""Benchmark of preparation: real drawings, spoilt in many ways, and read."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from kanatui.cli.bench.figures import Figure
from kanatui.cli.bench.spoil import KINDS, PAPER_ONLY
from kanatui.cli.bench.spoil.paper import Drawing, Kind, Picture, cropped
from kanatui.core.errors import ImageError
from kanatui.dataset.source import OnStage
from kanatui.evaluation.files import read_prepared
from kanatui.kana.folding import fold_groups, fold_probabilities
from kanatui.model.weights import Classifier, load_weights
from kanatui.pictures.files import open_image
from kanatui.pictures.labelled import find_labelled
from kanatui.pictures.pool import Prepared
from kanatui.pictures.prepare import hypotheses


def measure_pictures(
    folder: Path, weights: Path, per_character: int, only: Sequence[str], on_stage: OnStage
) -> list[Figure]:
    """Read drawings spoilt in each way of :data:`~kanatui.cli.bench.spoil.KINDS`; half of them light on dark.

    Args:
        folder: labelled pictures of clean drawings, dark on light.
        weights: the model's file.
        per_character: at most so many drawings of each character.
        only: names of kinds, none for all.
        on_stage: called after each kind.

    Returns:
        The share that is read right, folded, in percent: of each kind, and the mean.

    Raises:
        ImageError: the folder holds no labelled pictures.
        WeightsError: the model cannot be loaded.
    """
    classifier = load_weights(weights)
    known = find_labelled(folder).only(classifier.characters)
    labels = {label for _, label in known.files}
    chosen = known.at_most(per_character * len(labels)).files
    drawings = [(_ink(path), classifier.characters.index(label)) for path, label in chosen]
    kinds = {name: kind for name, kind in KINDS.items() if name in (only or KINDS)}
    figures = []
    for done, (name, kind) in enumerate(kinds.items()):
        on_stage(done, len(kinds), name)
        right = _read(classifier, name, kind, drawings)
        figures.append(Figure(name, 100 * float(np.mean(right)), "%", note=f"{len(right):,} drawings, folded"))
    mean = float(np.mean([figure.value for figure in figures]))
    return [*figures, Figure("mean of the kinds", mean, "%", note=f"{len(figures)} kinds")]


def _ink(path: Path) -> Drawing:
    """Return a clean drawing's ink alone."""
    grey = np.asarray(open_image(path).convert("L"), dtype=np.float32)
    return cropped(1 - grey / np.float32(255))


def _read(classifier: Classifier, name: str, kind: Kind, drawings: Sequence[tuple[Drawing, int]]) -> list[bool]:
    """Return which drawings are read right, up to look-alikes."""
    group = fold_groups(classifier.characters)[1]
    found = read_prepared(classifier, _prepared(name, kind, drawings, classifier.image_size))
    return [
        not isinstance(one, ImageError)
        and bool(fold_probabilities(one.probabilities[None], classifier.characters).argmax() == group[truth])
        for one, (_, truth) in zip(found, drawings, strict=True)
    ]


def _prepared(name: str, kind: Kind, drawings: Sequence[tuple[Drawing, int]], size: int) -> Iterator[Prepared]:
    for number, (drawing, _) in enumerate(drawings):
        try:
            yield hypotheses(spoilt(name, kind, drawing, number), size)
        except ImageError as error:
            yield error


def spoilt(name: str, kind: Kind, drawing: Drawing, number: int) -> Image.Image:
    """Return the drawing that has this ``number``, spoilt: always the same picture."""
    rng = np.random.default_rng([number, zlib.crc32(name.encode())])
    picture: Picture = kind(drawing, rng)
    return Image.fromarray(255 - picture if name not in PAPER_ONLY and rng.random() < 0.5 else picture)

"""Benchmark of pictures in a terminal: for each way to show them, how true, how readable, how large and how fast.

Glyphs are placed as in the model's recipe, without its pixel augmentations (no noise, no blur). The cells are decoded
back to pixels, as a terminal paints them, and the model reads these.
"""

from __future__ import annotations

import math
import time
from pathlib import Path

import numpy as np
import numpy.typing as npt

from kanatui.cli.bench.figures import Figure
from kanatui.core.blocks import Pixels
from kanatui.core.mosaic import WAYS, Mosaic, Way, fit, resample
from kanatui.dataset.source import Images, OnStage
from kanatui.dataset.stream import GlyphStream
from kanatui.evaluation.probabilities import classify
from kanatui.kana.folding import fold_groups
from kanatui.model.weights import Classifier, load_weights
from kanatui.plugins.bases import Placement
from kanatui.plugins.registry import load
from kanatui.training.provenance import provenance_of
from kanatui.tui.pictures import bytes_of, graphics_bytes
from kanatui.tui.ways import GRAPHICS

COLUMNS = 12
SHEET = 60
"""Glyphs of a sheet that is repainted."""

_SIDE = 48
_EACH = 4
_SEED = 20_261_130  # of no recipe, so that no training saw these images
_ROUNDS = 9
_LEAST_KEPT, _MOST_MS = 95.0, 50.0


def measure_glyphs(weights: Path, columns: int, on_stage: OnStage) -> list[Figure]:
    """Measure each way on glyphs of the model's recipe in its held-out faces, 48 px, ``columns`` cells wide.

    Raises:
        KanatuiError: the model or its faces cannot be opened.
    """
    classifier = load_weights(weights)
    images, characters = _glyphs(weights, classifier)
    _, groups = fold_groups(classifier.characters)
    labels = groups[[classifier.characters.index(character) for character in characters]]
    read = _right(classifier, images, labels, groups)
    note = f"{len(images):,} glyphs of {_SIDE} px at {columns} columns"
    figures = [Figure(f"read at {_SIDE} px", 100.0 * float(read.mean()), "%", note=f"folded; {note}")]
    for done, way in enumerate(WAYS.values()):
        on_stage(done, len(WAYS), "ways")
        figures += _of(way, columns, images, note, classifier, labels, groups, read)
    on_stage(len(WAYS), len(WAYS), "ways")
    for graphics in GRAPHICS:
        sent = [graphics_bytes(image, columns, columns // 2, graphics) for image in images]
        figures.append(Figure.median(f"{graphics}: bytes a glyph", sent, "bytes", note="the first time"))
    return figures


def _of(
    way: Way,
    columns: int,
    images: Images,
    note: str,
    classifier: Classifier,
    labels: npt.NDArray[np.int64],
    groups: npt.NDArray[np.int64],
    read: npt.NDArray[np.bool_],
) -> list[Figure]:
    mosaics = [fit(image, way, columns, columns // 2) for image in images]
    shown = np.stack([_seen(mosaic) for mosaic in mosaics])
    decibels = [_psnr(a, b) for a, b in zip(shown, images, strict=True)]
    kept = _right(classifier, shown, labels, groups)[read].mean()
    least = _LEAST_KEPT if way.name == "sextants" and columns >= COLUMNS else -math.inf
    sizes = [bytes_of(mosaic) for mosaic in mosaics]
    return [
        Figure(f"{way.name}: PSNR", float(np.mean(decibels)), "dB", note=note),
        Figure(f"{way.name}: still read", 100.0 * float(kept), "%", note=f"of what is read at {_SIDE} px", least=least),
        Figure.median(f"{way.name}: bytes a glyph", sizes, "bytes"),
        Figure.median(
            f"{way.name}: {SHEET} glyphs repainted",
            _times(images, way, columns),
            "ms",
            most=_MOST_MS,
            note="processor time",
        ),
    ]


def _glyphs(weights: Path, classifier: Classifier) -> tuple[Images, str]:
    origin = provenance_of(weights)
    held = list(origin.config.get("train", {}).get("hold_out_faces", []))
    recipe, registry = origin.recipe(), load()
    recipe = recipe.but(
        augments=[step for step in recipe.augments if issubclass(registry.augmentation(step.plugin), Placement)],
        seed=_SEED, image_size=_SIDE, images_per_character=_EACH, mode="random", outliers=None,
        faces=held or recipe.faces,
    )  # fmt: skip
    stream = GlyphStream(recipe, registry)
    known = [label for label, character in enumerate(stream.characters) if character in classifier.characters]
    indices = np.concatenate([stream.offsets[label] + np.arange(_EACH) for label in known])
    return stream.images(indices), "".join(stream.characters[label] for label in np.repeat(known, _EACH))


def _seen(mosaic: Mosaic) -> Pixels:
    """Return what a terminal paints, as large as the glyph: uint8 [48, 48]."""
    return np.rint(resample(mosaic.pixels(), _SIDE, _SIDE)).astype(np.uint8)


def _psnr(shown: Pixels, true: Pixels) -> float:
    error = float(np.mean((shown.astype(np.float64) - true) ** 2))
    return float(10 * np.log10(255**2 / max(error, 1e-9)))


def _right(
    classifier: Classifier, images: Images, labels: npt.NDArray[np.int64], groups: npt.NDArray[np.int64]
) -> npt.NDArray[np.bool_]:
    sized = images
    if classifier.image_size != _SIDE:
        side = classifier.image_size
        sized = np.stack([np.rint(resample(image, side, side)).astype(np.uint8) for image in images])
    found: npt.NDArray[np.bool_] = groups[classify(classifier, sized).probabilities.argmax(axis=1)] == labels
    return found


def _times(images: Images, way: Way, columns: int) -> list[float]:
    """Return milliseconds of processor time (other work on the machine does not count) for the cells of a sheet."""
    times = []
    for start in range(_ROUNDS):
        chosen = images[np.arange(start, start + SHEET) % len(images)]
        began = time.process_time()
        for image in chosen:
            fit(image, way, columns, columns // 2).lines()
        times.append(1000 * (time.process_time() - began))
    return times

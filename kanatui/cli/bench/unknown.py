"""Benchmark of what a model makes of pictures that show none of its characters.

All are drawn as pictures of handwriting come: by placement augmentations alone (no noise, no blur), then prepared and
looked at several times. Digits and letters were shown to a model that learnt from outliers, in other faces; the kanji
were not, in any face (:func:`kanatui.kana.strangers.held_back`), and neither were these images.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from kanatui.cli.bench.figures import Figure
from kanatui.core.errors import ImageError, UsageError
from kanatui.dataset.layout import lay_out
from kanatui.dataset.outliers import OutlierStream
from kanatui.dataset.recipe import Outliers, Recipe
from kanatui.dataset.source import Images, OnStage
from kanatui.dataset.stream import GlyphStream
from kanatui.evaluation.files import read_files, read_prepared
from kanatui.fonts.faces import Face, select_faces
from kanatui.kana.alphabet import SETS
from kanatui.kana.strangers import held_back, strangers
from kanatui.model.metrics import auroc
from kanatui.model.weights import Classifier, load_weights
from kanatui.pictures.labelled import find_labelled
from kanatui.pictures.pool import Prepared
from kanatui.pictures.prepare import hypotheses
from kanatui.plugins.bases import Placement
from kanatui.plugins.registry import Registry, load
from kanatui.training.provenance import Provenance, provenance_of

KANJI = 500
"""How many different ones."""
EACH = {"kana": 8, "digits": 24, "letters": 24, "kanji": 4}
"""Images of each character."""
SHAPES = 1000
_KEPT = 0.95
_SIDE = 96  # pixels
_SEED = 20_261_130  # of no recipe, so that no training saw these images
_LEAST_AUROC, _LEAST_REFUSED = 0.97, 80.0

Certainties = npt.NDArray[np.float32]


def measure_unknown(weights: Path, folder: Path | None, faces: Sequence[str], on_stage: OnStage) -> list[Figure]:
    """Measure which pictures a model refuses.

    Args:
        weights: the model's file.
        folder: labelled pictures of real kana; generated ones take their place if there is none.
        faces: patterns of those to draw with; [] for the held-out ones, or one of each style if none was held out.
        on_stage: told of the progress.

    Raises:
        KanatuiError: the model, the pictures or the faces cannot be opened.
    """
    classifier, origin, registry = load_weights(weights), provenance_of(weights), load()
    recipe = origin.recipe()
    drawn, how = _faces(recipe, registry, origin, faces)
    recipe = recipe.but(
        seed=_SEED,
        image_size=_SIDE,
        faces=drawn,
        augments=[step for step in recipe.augments if issubclass(registry.augmentation(step.plugin), Placement)],
        outliers=None,
    )
    known = classifier.characters
    kanji = held_back(strangers(SETS["kyoiku"] + SETS["joyo"], known))
    shown = {
        "kana": known,
        "digits": strangers(SETS["digits"], known),
        "letters": strangers(SETS["latin"], known),
        "kanji": "".join(dict.fromkeys(kanji))[:KANJI],
    }
    found: dict[str, Certainties] = {}
    for done, (kind, characters) in enumerate(shown.items()):
        on_stage(done, len(shown) + 1, "pictures")
        if characters:
            found[kind] = _certainties(classifier, _glyphs(recipe, registry, characters, EACH[kind]))
    on_stage(len(shown), len(shown) + 1, "pictures")
    shapes = _certainties(classifier, _shapes(recipe, registry))
    on_stage(len(shown) + 1, len(shown) + 1, "pictures")
    others = np.concatenate([found[kind] for kind in ("digits", "letters", "kanji") if kind in found])
    kinds = {"generated kana": found["kana"]} | ({f"kana in {folder.name}": _real(weights, folder)} if folder else {})
    figures = []
    for name, kana in kinds.items():
        note = f"{len(kana):,} kana, {len(others):,} digits, letters and kanji, {how}"
        least = np.quantile(kana, 1.0 - _KEPT)
        refused = 100.0 * float((others < least).mean())
        figures += [
            Figure(f"AUROC, {name}", auroc(kana, others), "", least=_LEAST_AUROC, note=note),
            Figure(f"refused, 95 % of {name} kept", refused, "%", least=_LEAST_REFUSED, note=note),
        ]
    return figures + _at_its_threshold(classifier, kinds, {**found, "scribbles, blots, surfaces": shapes})


def _at_its_threshold(
    classifier: Classifier, kinds: dict[str, Certainties], others: dict[str, Certainties]
) -> list[Figure]:
    calibration = classifier.calibration
    note = f"at the model's own threshold, {calibration.threshold:.3f}"
    if not calibration.images:
        note = "the model has no threshold: kanatui models calibrate"
    refused = {f"{kind} refused": those for kind, those in others.items() if kind != "kana"}
    shares = {f"{name} kept": 1.0 - _share_refused(classifier, kana) for name, kana in kinds.items()}
    shares |= {name: _share_refused(classifier, those) for name, those in refused.items()}
    counts = {f"{name} kept": len(kana) for name, kana in kinds.items()}
    counts |= {name: len(those) for name, those in refused.items()}
    return [Figure(name, 100.0 * share, "%", note=f"{counts[name]:,}, {note}") for name, share in shares.items()]


def _share_refused(classifier: Classifier, certainties: Certainties) -> float:
    return float(classifier.calibration.refuses(certainties).mean())


def _faces(recipe: Recipe, registry: Registry, origin: Provenance, patterns: Sequence[str]) -> tuple[list[str], str]:
    """Return the ids of the faces to draw with, and what to say of them."""
    there = [face for source in registry.glyph_sources.values() for face in source().faces() if _is_here(face)]
    if patterns:
        return [face.id for face in select_faces(there, patterns)], "faces as named"
    held = list(origin.config.get("train", {}).get("hold_out_faces", []))
    own = select_faces(there, recipe.faces)
    if held:
        return [face.id for face in select_faces(own, held)], "held-out faces"
    first: dict[str, str] = {}
    for face in own:
        first.setdefault(face.style, face.id)
    return list(first.values()), "faces of its training"


def _is_here(face: Face) -> bool:
    return face.path is not None


def _glyphs(recipe: Recipe, registry: Registry, characters: str, each: int) -> Images:
    spelled = ",".join(f"U+{ord(character):04X}" for character in characters)
    stream = GlyphStream(recipe.but(characters=spelled, images_per_character=each), registry)
    return stream.images(np.arange(len(stream)))


def _shapes(recipe: Recipe, registry: Registry) -> Images:
    """Draw the shapes that trainings show, placed otherwise."""
    with_shapes = recipe.but(outliers=Outliers(characters=[], shapes=1.0))
    return OutlierStream(lay_out(with_shapes, registry), registry).images(np.arange(SHAPES))


def _certainties(classifier: Classifier, images: Images) -> Certainties:
    outcomes = read_prepared(classifier, (_prepared(image, classifier.image_size) for image in images))
    return np.array([0.0 if isinstance(read, ImageError) else read.certainty for read in outcomes])


def _prepared(image: npt.NDArray[np.uint8], size: int) -> Prepared:
    try:
        return hypotheses(255 - image, size)
    except ImageError as error:
        return error


def _real(weights: Path, folder: Path) -> Certainties:
    known = load_weights(weights).characters
    files = [file for file, _ in find_labelled(folder).only(known).files]
    if not files:
        raise UsageError(f"--images {folder}: no picture of a character that the model knows")
    return np.array([read.certainty for read in read_files(weights, files) if not isinstance(read, ImageError)])

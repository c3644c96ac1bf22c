"""Running a classifier over images that it has not seen, batch by batch."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from kanatui.core.errors import ImageError, NoInkError, RunError, UsageError
from kanatui.core.units import named
from kanatui.evaluation.files import read_files
from kanatui.evaluation.probabilities import candidates, classify
from kanatui.evaluation.store import Skipped
from kanatui.model.calibration import Calibration
from kanatui.model.card import read_card
from kanatui.model.metrics import auroc
from kanatui.model.predictions import Predictions
from kanatui.pictures.labelled import LabelledFolder

if TYPE_CHECKING:
    from kanatui.dataset.source import ImageSource, OnProgress
    from kanatui.model.weights import Classifier
    from kanatui.training.provenance import Provenance
    from kanatui.training.splits import ImageSet

OnAdvance = Callable[[int], None]
"""Called with the number of images that were read since the last call."""

_PIXELS_AT_ONCE = 1 << 20
"""Pixels to take from a source at once: 256 images of 64 px."""

Indices = npt.NDArray[np.int64]


def choose_pictures(
    folder: LabelledFolder, known: str, characters: str | None = None, limit: int | None = None
) -> tuple[LabelledFolder, Skipped]:
    """Leave out what cannot be scored: characters that the model does not know or that are not candidates.

    Raises:
        ImageError: nothing is left.
        UsageError: the model knows none of ``characters``.
    """
    allowed = "".join(np.array(list(known))[candidates(known, characters)])
    of_model = folder.only(known)
    chosen = of_model.only(allowed)
    skipped = Skipped(
        unknown=len(folder.files) - len(of_model.files),
        unknown_characters="".join(sorted({label for _, label in folder.files if label not in known})),
        outside=len(of_model.files) - len(chosen.files),
        ignored=folder.ignored,
        left_out=folder.left_out,
    )
    if not chosen.files:
        labels = named("".join(sorted({label for _, label in folder.files})), 12)
        raise ImageError(
            f"{folder.path}: no picture of a character that can be read here; it has {labels} ({folder.understood})"
        )
    return (chosen if limit is None else chosen.at_most(limit)), skipped


def read_folder(
    weights: Path, folder: LabelledFolder, characters: str | None = None, on_advance: OnAdvance | None = None
) -> tuple[Predictions, tuple[str, ...]]:
    """Read labelled pictures of any size and kind, prepared as for recognition.

    A picture without ink counts as misread. One that cannot be opened is not scored.

    Args:
        weights: the model's file.
        folder: pictures of characters that it knows (:func:`choose_pictures`).
        characters: the candidates; None for all.
        on_advance: called after each picture.

    Returns:
        The predictions, in which an image is numbered by its index in ``folder.files``; and an error message for each
        picture that could not be opened.
    """
    card = read_card(weights)
    predictions, calibration = Predictions(card["characters"]), Calibration.of_card(card)
    errors: list[str] = []
    with contextlib.closing(read_files(weights, [file for file, _ in folder.files], characters)) as outcomes:
        for place, outcome in enumerate(outcomes):
            label = predictions.characters.index(folder.files[place][1])
            if isinstance(outcome, NoInkError):
                predictions.add_unread(label, place)
            elif isinstance(outcome, ImageError):
                errors.append(str(outcome))
            else:
                refused = calibration.refuses(outcome.certainty)
                predictions.add(
                    outcome.probabilities[None], [label], [place], outcome.certainty, refused, outcome.hypothesis
                )
            if on_advance:
                on_advance(1)
    return predictions, tuple(errors)


def read_outliers(
    weights: Path, folder: LabelledFolder, predictions: Predictions, on_advance: OnAdvance | None = None
) -> dict[str, float | int]:
    """Let a model look at pictures of what is none of its characters.

    A picture without ink counts as refused. One that cannot be opened does not count.

    Args:
        weights: the model's file.
        folder: such pictures, at least one.
        predictions: what the model read in pictures of its characters, for the AUROC.
        on_advance: called after each picture.

    Returns:
        ``images``, ``refused`` (a share, 0 … 1), and, if there are predictions, ``auroc``; {} if none could be opened.
    """
    calibration = Calibration.of_card(read_card(weights))
    found: list[float] = []
    with contextlib.closing(read_files(weights, [file for file, _ in folder.files])) as outcomes:
        for outcome in outcomes:
            if isinstance(outcome, NoInkError):
                found.append(0.0)
            elif not isinstance(outcome, ImageError):
                found.append(float(outcome.certainty))
            if on_advance:
                on_advance(1)
    if not found:
        return {}
    told: dict[str, float | int] = {"images": len(found), "refused": float(calibration.refuses(found).mean())}
    return told | ({"auroc": auroc(predictions.records["certainty"], found)} if len(predictions) else {})


def read_source(
    classifier: Classifier,
    source: ImageSource,
    indices: Indices,
    characters: str | None = None,
    on_advance: OnAdvance | None = None,
) -> Predictions:
    """Read generated images as they are, without further preparation.

    In the predictions an image is numbered by its index in the source.

    Args:
        classifier: the model.
        source: the source of the images, with the model's characters and image size.
        indices: the images to read, [n].
        characters: the candidates; None for all.
        on_advance: called after each batch.

    Raises:
        UsageError: no image shows one of ``characters``.
    """
    allowed = candidates(classifier.characters, characters)
    indices = indices[allowed[source.labels(indices)]]
    if not len(indices):
        raise UsageError("--characters: no held-out image shows any of them")
    predictions = Predictions(classifier.characters)
    at_once = max(1, _PIXELS_AT_ONCE // classifier.image_size**2)
    for start in range(0, len(indices), at_once):
        batch = indices[start : start + at_once]
        probabilities, certainty, _ = classify(classifier, source.images(batch), characters)
        refused = classifier.calibration.refuses(certainty)
        predictions.add(probabilities, source.labels(batch), batch, certainty, refused)
        if on_advance:
            on_advance(len(batch))
    return predictions


def open_held_out(
    origin: Provenance, classifier: Classifier, by_face: bool = False, on_progress: OnProgress | None = None
) -> tuple[ImageSource, ImageSet, tuple[str, ...]]:
    """Open the images that a training never saw.

    Args:
        origin: the training: the classifier's own, or another one on images of the same characters and size.
        classifier: the model.
        by_face: open the images of the held-out faces instead of the held-out images of the other faces.
        on_progress: called while faces are checked and their glyphs drawn.

    Returns:
        The source, the images, and the ids of the held-out faces.

    Raises:
        RunError: the training held out no images, is not known, or its data have changed since.
        UsageError: ``by_face`` is set, but the training held out no faces.
    """
    from kanatui.dataset.open import open_source
    from kanatui.training.session import Prepares, open_split

    source = open_source(origin.source, on_progress)
    if isinstance(source, Prepares):
        source.prepare(on_progress)
    if source.characters != classifier.characters or source.image_size != classifier.image_size:
        raise _misfit(origin, source, classifier)
    split = open_split(origin.config, source)
    if by_face and not len(split.held_out_faces):
        raise UsageError(f"{origin} held out no faces (train.hold_out_faces), so there are no --held-out-faces to read")
    if not by_face and not len(split.held_out):
        raise RunError(f"{origin} held out no images (train.hold_out is 0); use --images DIR")
    return source, split.held_out_faces if by_face else split.held_out, split.faces


def _misfit(origin: Provenance, source: ImageSource, classifier: Classifier) -> RunError:
    if classifier.card.get("run") == origin.id:
        return RunError(f"{origin}: its data have other characters or another size now; use --images DIR")
    what = f"{len(source.characters)} characters at {source.image_size} px"
    reads = f"{len(classifier.characters)} at {classifier.image_size} px"
    return RunError(f"{origin}: its images are of {what}, the model reads {reads}; use pictures (--images DIR)")

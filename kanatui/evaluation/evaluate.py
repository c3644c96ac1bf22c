"""A whole evaluation: opens the model and the images, reads them, and saves the predictions with the run."""

from __future__ import annotations

import dataclasses
import hashlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from kanatui.core import paths
from kanatui.core.errors import ImageError, RunError, UsageError
from kanatui.evaluation import HELD_OUT_IMAGES
from kanatui.evaluation.origins import origins
from kanatui.evaluation.probabilities import not_known
from kanatui.evaluation.scores import Scores
from kanatui.evaluation.scoring import choose_pictures, open_held_out, read_folder, read_outliers, read_source
from kanatui.evaluation.store import KINDS, Evaluation, Kind, save
from kanatui.kana.strangers import strangers
from kanatui.model.card import read_card
from kanatui.model.predictions import Predictions
from kanatui.pictures.files import read_image
from kanatui.pictures.labelled import find_labelled

if TYPE_CHECKING:
    from kanatui.dataset.source import ImageSource, OnStage
    from kanatui.model.weights import Classifier
    from kanatui.training.provenance import Provenance

_SAME_SPLIT = ("hold_out", "hold_out_faces", "split_seed")


def evaluate(
    model: str, source: Mapping[str, Any], characters: str | None, limit: int | None, report: OnStage
) -> Evaluation:
    """Read images with a model, and save the result.

    Args:
        model: a run's id, a weights file or ``default`` (:func:`kanatui.training.runs.find_weights`).
        source: ``{"kind": "held_out"}`` or ``{"kind": "faces"}``, with ``"run"`` if they are another run's; or
            ``{"kind": "folder", "path": …}``, with ``"labels"`` if they are not to be guessed
            (:func:`kanatui.pictures.labelled.find_labelled`).
        characters: the candidates, None for all.
        limit: the maximum number of images; None for :data:`~kanatui.evaluation.HELD_OUT_IMAGES` held-out images, or
            for all of a folder.

    Raises:
        KanatuiError: the model or the images cannot be opened or do not fit each other; nothing is saved.
    """
    from kanatui.model.weights import load_weights
    from kanatui.training.provenance import find_provenance, provenance_of
    from kanatui.training.runs import find_weights

    kind = source.get("kind")
    if kind not in KINDS:
        raise UsageError(f"unknown source {kind!r}; there are: {', '.join(KINDS)}")
    report(0, 0, "opening the model")
    weights = find_weights(model)
    card = read_card(weights)
    own = provenance_of(weights)
    began = time.monotonic()
    if kind == "folder":
        read = _read_folder(weights, card["characters"], source, characters, limit, report)
    else:
        owner = find_provenance(source["run"]) if source.get("run") else own
        read = _read_held_out(load_weights(weights), owner, own, kind == "faces", characters, limit, report)
    about, predictions, files = read
    about = dataclasses.replace(
        about,
        model=str(weights),
        run=own.id,
        step=int(card.get("scores", {}).get("step", 0)),
        characters=card["characters"],
        image_size=card["image_size"],
        candidates=characters or "",
        limit=limit or 0,
        note="; ".join(filter(None, [about.note, not_known(card["characters"], characters)])),
        seconds=round(time.monotonic() - began, 1),
    )
    return save(own.evaluations, about, predictions, Scores.of(predictions), files)


_Read = tuple[Evaluation, Predictions, list[str]]


def _about(kind: Kind, where: str, data: str, **more: Any) -> Evaluation:
    return Evaluation("", "", 0, "", 0, kind, where, data, **more)


def _read_folder(
    weights: Path, known: str, source: Mapping[str, Any], characters: str | None, limit: int | None, report: OnStage
) -> _Read:
    notation = source.get("labels") or ""
    found = find_labelled(paths.user_path(source["path"]).resolve(), notation or "auto")
    chosen, skipped = choose_pictures(found, known, characters, limit)
    strange = found.only(strangers("".join(dict.fromkeys(label for _, label in found.files)), known))
    strange = strange if limit is None else strange.at_most(limit)
    advance = _counting(report, len(chosen.files) + len(strange.files))
    predictions, errors = read_folder(weights, chosen, characters, advance)
    outliers = read_outliers(weights, strange, predictions, advance) if strange.files else {}
    skipped = dataclasses.replace(skipped, unreadable=errors)
    files = [found.name(file) for file, _ in chosen.files]
    about = _about(
        "folder",
        str(found.path),
        f"{found.path} {notation}".rstrip(),
        available=len(found.files),
        skipped=skipped,
        outliers=outliers,
        notation=notation,
        labels=found.understood,
    )
    return about, predictions, files


def _read_held_out(
    classifier: Classifier,
    owner: Provenance,
    own: Provenance,
    by_face: bool,
    characters: str | None,
    limit: int | None,
    report: OnStage,
) -> _Read:
    def preparing(done: int, total: int) -> None:
        report(done, total, "drawing the faces")

    source, images, faces = open_held_out(owner, classifier, by_face, preparing)
    chosen = images.sample(limit or HELD_OUT_IMAGES)
    predictions = read_source(classifier, source, chosen, characters, _counting(report, len(chosen)))
    about = _about(
        "faces" if by_face else "held_out",
        owner.id,
        fingerprint(owner),
        available=len(images),
        faces=faces if by_face else (),
        note=_note(owner, own),
    )
    return about, predictions, []


def _counting(report: OnStage, total: int) -> Callable[[int], None]:
    done = 0

    def advance(more: int) -> None:
        nonlocal done
        done += more
        report(done, total, "reading")

    report(0, total, "reading")
    return advance


def fingerprint(origin: Provenance) -> str:
    """Return a hash that is equal for trainings on the same images, streamed or written. RunError if not known."""
    made = origin.recipe().fingerprint()
    if "samples" in origin.source:  # generated images have other indices when they are mixed with samples
        made = hashlib.sha256(made.encode() + Path(origin.source["samples"]).read_bytes()).hexdigest()
    return made


def _note(owner: Provenance, own: Provenance) -> str:
    """Return a warning if the model may have been trained on images that another training held out, else ""."""
    if own.id == owner.id or "source" not in own.config or fingerprint(own) != fingerprint(owner):
        return ""
    theirs, its = owner.config.get("train", {}), own.config.get("train", {})
    if all(theirs.get(name) == its.get(name) for name in _SAME_SPLIT):
        return ""
    return f"{own} held out other images of the same data, so it was trained on some of these"


def open_pictures(
    evaluation: Evaluation, records: Sequence[int], opener: Callable[[Mapping[str, Any]], ImageSource]
) -> tuple[npt.NDArray[np.uint8], list[str], list[str]]:
    """Return images of an evaluation, as the model saw them.

    Args:
        evaluation: the evaluation.
        records: which of its records, [n].
        opener: opens a run's source, as :func:`kanatui.dataset.open.open_source` does.

    Returns:
        uint8 [n, S, S], black where a picture cannot be opened; how each image was made, "" if that is not known
        (:func:`~kanatui.evaluation.origins.origins`); and a message for each picture that cannot be opened.

    Raises:
        RunError: the predictions are missing, or the run's data have changed since.
        KanatuiError: the source can no longer be opened.
    """
    from kanatui.training.provenance import find_provenance

    predictions, files = evaluation.load()
    places = predictions.records["image"][np.asarray(records, dtype=np.int64)]
    if evaluation.kind == "folder":
        where = Path(evaluation.where)
        root = where.parent if where.is_file() else where
        seen = predictions.records["hypothesis"][np.asarray(records, dtype=np.int64)]
        images, errors = _open_files([root / files[place] for place in places], seen, evaluation.image_size)
        return images, [""] * len(images), errors
    owner = find_provenance(evaluation.where)
    if fingerprint(owner) != evaluation.data:
        raise RunError(f"{owner}: its data have changed since {evaluation.made}; evaluate again")
    source = opener(owner.source)
    return source.images(places), origins(source, places), []


def _open_files(
    files: Sequence[Path], seen: npt.NDArray[np.uint8], size: int
) -> tuple[npt.NDArray[np.uint8], list[str]]:
    errors: list[str] = []

    def each() -> Iterator[npt.NDArray[np.uint8]]:
        for file, hypothesis in zip(files, seen, strict=True):
            try:
                images = read_image(file, size).images
                yield images[min(hypothesis, len(images) - 1)]
            except ImageError as error:
                errors.append(str(error))
                yield np.zeros((size, size), dtype=np.uint8)

    return np.stack([*each()]) if files else np.empty((0, size, size), dtype=np.uint8), errors

"""Evaluations on disk: `NAME.json` says which model read what and how well, `NAME.npz` holds the predictions.

They are kept in `evaluations/` of the run that trained the model, and are deleted with it. Nothing here needs torch,
and nothing that is loaded can run code.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, TypedDict, get_args

import numpy as np

from kanatui.core import arrayfiles, checked, storage
from kanatui.core.checked import Count, Finite
from kanatui.core.errors import RunError, StorageError
from kanatui.core.units import counted, named, percent
from kanatui.evaluation.scores import Score, Scores
from kanatui.model.predictions import RECORD, UNREAD, Predictions
from kanatui.training.columns import Facts, PictureScore
from kanatui.training.event_text import IMAGE_SETS
from kanatui.training.runs import Run

FORMAT = 2
"""Increased when the files change. Format 1, with counts instead of shares, can still be read."""

_FORMATS = (1, FORMAT)

_NOT_WRITTEN = ("path", "not_stored", "held")
_MOST_NAMED = 8  # folders that were left out

Kind = Literal["held_out", "faces", "folder"]
KINDS: dict[str, str] = {kind: IMAGE_SETS[kind] for kind in get_args(Kind)}
"""The kinds of sources, with their names for people."""


@dataclasses.dataclass(frozen=True)
class Skipped:
    """Pictures of a folder that were not scored."""

    unknown: int = 0
    """Of characters that the model does not know."""
    unknown_characters: str = ""
    outside: int = 0
    """Of characters that ``--characters`` leaves out."""
    ignored: int = 0
    """Files that do not follow the layout."""
    left_out: tuple[str, ...] = ()
    """Folders and labels that stand for no character (:attr:`.LabelledFolder.left_out`)."""
    unreadable: tuple[str, ...] = ()
    """Why each damaged file could not be read."""

    def to_dict(self) -> dict[str, Any]:
        """Return plain data."""
        return {**dataclasses.asdict(self), "left_out": list(self.left_out), "unreadable": list(self.unreadable)}

    def in_words(self) -> str:
        """Return what was not scored in one line, "" if everything was."""
        parts = [
            f"{count:,} {what}"
            for count, what in (
                (self.unknown, f"of characters that the model does not know ({named(self.unknown_characters)})"),
                (self.outside, "of characters outside the candidates"),
                (self.ignored, "files that are no pictures in a labelled folder"),
                (len(self.unreadable), "that cannot be read"),
            )
            if count
        ]
        parts += self.left_out[:_MOST_NAMED]
        if len(self.left_out) > _MOST_NAMED:
            parts.append(f"{len(self.left_out) - _MOST_NAMED:,} more such")
        return f"not scored: {', '.join(parts)}" if parts else ""


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """What was read, and how well."""

    model: str
    """The weights file."""
    run: str
    """Id of the run that trained the model, "" if that is not known."""
    step: Count
    """Step of the training at which the weights were taken, 0 if that is not known."""
    characters: str
    """What the model can read, in order."""
    image_size: Count
    kind: Kind
    """One of :data:`KINDS`."""
    where: str
    """The run whose images they are, or the folder or file of arrays."""
    data: str
    """Equal for equal data: the fingerprint of the images' recipe, or the folder."""
    candidates: str = ""
    """The characters that predictions were restricted to, "" for all."""
    limit: Count = 0
    """The maximum number of images, 0 for the default."""
    available: Count = 0
    """How many images there were to choose from."""
    faces: tuple[str, ...] = ()
    """The held-out faces."""
    made: str = ""
    """Date and time, UTC, ISO 8601."""
    seconds: Finite = 0.0
    total: Score = dataclasses.field(default_factory=Score)
    by_script: Mapping[str, Score] = dataclasses.field(default_factory=dict)
    skipped: Skipped = Skipped()
    """Pictures that were not scored."""
    notation: str = ""
    """What was said of how labels are written, "" if they were judged by themselves."""
    labels: str = ""
    """How the labels of pictures were understood, in one line."""
    outliers: Mapping[str, Finite] = dataclasses.field(default_factory=dict)
    """Of a folder's pictures of other characters: ``images``, and the shares ``refused`` and ``auroc``."""
    note: str = ""
    """A warning about the scores, "" if there is none."""
    format: int = FORMAT
    path: Path = Path()
    """Its JSON file; not written into it."""
    not_stored: str = ""
    """Why it could not be stored, "" if it was; never written."""
    held: tuple[Predictions, list[str]] | None = None
    """What :meth:`load` returns of one that could not be stored."""

    @property
    def name(self) -> str:
        """The name of its files."""
        return self.path.stem

    @property
    def of_outliers(self) -> str:
        """What was made of pictures that show none of the model's characters, in one line; "" if there were none."""
        if not self.outliers:
            return ""
        images, refused = self.outliers["images"], self.outliers["refused"]
        told = f", AUROC {self.outliers['auroc']:.3f}" if "auroc" in self.outliers else ""
        return f"other characters: {counted(int(images), 'image')}, {percent(refused)} refused{told}"

    @property
    def source(self) -> str:
        """What was read, in a few words."""
        if self.kind == "folder":
            return f"{KINDS[self.kind]} in {Path(self.where).name}"
        return KINDS[self.kind] + (f" of {self.where}" if self.where != self.run else "")

    def load(self) -> tuple[Predictions, list[str]]:
        """Return the predictions and, for a folder, its files, relative to it and indexed by the records' ``image``.

        RunError if they are missing or damaged.
        """
        if self.held:
            return self.held
        file = self.path.with_suffix(".npz")
        try:
            records, packed = arrayfiles.read_arrays(file, ("records", "files"))
            records, names = _completed(records), packed.tobytes().decode("utf-8", "surrogateescape")
            files = names.split("\0") if names else []
            if records.dtype != RECORD or records.ndim != 1 or not _within(records, len(self.characters)):
                raise ValueError("its records are invalid")
            if self.kind == "folder" and len(records) and records["image"].max() >= len(files):
                raise ValueError("it lacks names of pictures")
        except (OSError, ValueError) as error:
            raise RunError(f"{file}: missing or damaged ({error}); evaluate again") from None
        return Predictions(self.characters, records), files

    def delete(self) -> None:
        """Delete its files. StorageError if that fails."""
        with storage.storing(self.path):
            self.path.unlink(missing_ok=True)
            self.path.with_suffix(".npz").unlink(missing_ok=True)


def _completed(records: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Fill in what earlier versions did not record: all pictures were read, and nothing said how certainly."""
    names, all_names = records.dtype.names or (), RECORD.names or ()
    added = ("certainty", "refused", "hypothesis")
    if not names or set(all_names) - set(names) - set(added) or set(names) - set(all_names):
        return records
    completed = np.ones(len(records), dtype=RECORD)
    completed["refused"], completed["hypothesis"] = False, 0
    for name in names:
        completed[name] = records[name]
    return completed


def _within(records: np.ndarray[Any, Any], characters: int) -> bool:
    """Return whether all classes are among the model's."""
    if not len(records):
        return True
    least = {"truth": 0, "classes": UNREAD, "alike": UNREAD}
    return all(records[name].min() >= low and records[name].max() < characters for name, low in least.items())


def save(folder: Path, about: Evaluation, predictions: Predictions, scores: Scores, files: list[str]) -> Evaluation:
    """Write an evaluation, and return it with its scores, time and path.

    If it cannot be written, it is returned all the same, since reading may have taken an hour: ``not_stored`` says why.

    Args:
        folder: made if it is missing.
        about: what was read.
        predictions: what the model predicted.
        scores: those of the predictions.
        files: a folder's pictures relative to it, [] for generated images.
    """
    now = datetime.datetime.now(datetime.UTC)
    path = _free(folder, f"{now:%Y%m%d-%H%M%S}-{about.kind}")
    done = dataclasses.replace(
        about, made=now.isoformat(timespec="seconds"), total=scores.total, by_script=scores.by_script, path=path
    )
    try:
        _write(done, predictions, files)
    except StorageError as error:
        return dataclasses.replace(done, not_stored=str(error), held=(predictions, files))
    return done


def _write(done: Evaluation, predictions: Predictions, files: list[str]) -> None:
    storage.make_folder(done.path.parent)
    packed = io.BytesIO()
    names = np.frombuffer("\0".join(files).encode("utf-8", "surrogateescape"), dtype=np.uint8)
    np.savez_compressed(packed, records=predictions.records, files=names)
    # The JSON file is written last: if it exists, the predictions are complete.
    storage.write_bytes(done.path.with_suffix(".npz"), packed.getvalue())
    data = dataclasses.asdict(done)
    for name in _NOT_WRITTEN:
        del data[name]
    data |= {"total": done.total.to_dict(), "by_script": {name: s.to_dict() for name, s in done.by_script.items()}}
    storage.write_json(done.path, data)


def _free(folder: Path, name: str) -> Path:
    """Return a path that does not exist yet."""
    path, number = folder / f"{name}.json", 1
    while path.exists():
        number += 1
        path = folder / f"{name}-{number}.json"
    return path


class _Outliers(TypedDict):
    images: Finite
    refused: Finite


@dataclasses.dataclass(frozen=True)
class _Stored:
    """The fields of an evaluation's JSON file that depend on its format."""

    format: int
    total: Mapping[str, int | float]
    by_script: Mapping[str, Mapping[str, int | float]]


def read_evaluation(path: Path) -> Evaluation:
    """Read what an evaluation's JSON file says. RunError if it is missing, damaged or of another version."""
    try:
        data = checked.parse(storage.read_bytes(path), dict[str, Any])
        stored = checked.check(data, _Stored)
        if stored.format not in _FORMATS:
            raise ValueError(f"format {stored.format}, not {FORMAT}")
        scores = {
            "total": _score(stored.total, stored.format),
            "by_script": {script: _score(score, stored.format) for script, score in stored.by_script.items()},
        }
        if data.get("outliers"):
            checked.check(data["outliers"], _Outliers)
        plain = {name: value for name, value in data.items() if name not in _NOT_WRITTEN}
        return dataclasses.replace(checked.check(plain | scores, Evaluation), path=path)
    except (OSError, ValueError) as error:
        raise RunError(f"{path}: not an evaluation, or damaged ({error}); evaluate again") from None


def _score(data: Mapping[str, int | float], format: int) -> dict[str, Any]:
    """Return the fields of a :class:`.Score`."""
    values = {key: value for key, value in data.items() if key != "images"}
    images = data.get("images", 0)
    if format == 1:
        values = {key: count / max(images, 1) for key, count in values.items()}
    return {"images": images, "values": values}


def list_evaluations(folder: Path) -> list[Evaluation]:
    """Return the evaluations in a folder, newest first. Those that cannot be read are left out."""
    found = []
    for path in sorted(folder.glob("*.json"), key=lambda path: path.stem, reverse=True):
        with contextlib.suppress(RunError):
            found.append(read_evaluation(path))
    return found


def score_on_pictures(folder: Path) -> PictureScore | None:
    """Return the score of the newest evaluation of pictures that were read as any character; None if there is none.

    Args:
        folder: the evaluations of one model. Those that cannot be read are left out.
    """
    with contextlib.suppress(OSError):
        for path in sorted(folder.glob("*-folder*.json"), key=lambda path: path.stem, reverse=True):
            with contextlib.suppress(RunError, KeyError):
                found = read_evaluation(path)
                if found.kind == "folder" and not found.candidates:
                    total = found.total
                    return PictureScore(total["strict"], total["folded"], total.images, found.where, found.made)
    return None


def look_at(run: Run) -> Facts:
    """Return what lists tell of a run, its score on pictures included."""
    return Facts.of(run, score_on_pictures(run.path / "evaluations"))

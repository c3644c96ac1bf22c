"""Evaluations on disk: `NAME.json` says which model read what and how well, `NAME.npz` holds the predictions.

They are kept in `evaluations/` of the run that trained the model, and are deleted with it. Nothing here needs torch,
and nothing that is loaded can run code.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import io
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from kanatui.core import storage
from kanatui.core.errors import RunError
from kanatui.core.units import counted, named, percent
from kanatui.evaluation.scores import Score, Scores
from kanatui.model.predictions import RECORD, UNREAD, Predictions
from kanatui.training.columns import Facts, PictureScore
from kanatui.training.event_text import IMAGE_SETS
from kanatui.training.runs import Run

FORMAT = 2
"""Increased when the files change. Format 1, with counts instead of shares, can still be read."""

_FORMATS = (1, FORMAT)

_MOST_NAMED = 8  # folders that were left out

KINDS = {kind: IMAGE_SETS[kind] for kind in ("held_out", "faces", "folder")}
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
    step: int
    """Step of the training at which the weights were taken, 0 if that is not known."""
    characters: str
    """What the model can read, in order."""
    image_size: int
    kind: str
    """One of :data:`KINDS`."""
    where: str
    """The run whose images they are, or the folder or file of arrays."""
    data: str
    """Equal for equal data: the fingerprint of the images' recipe, or the folder."""
    candidates: str = ""
    """The characters that predictions were restricted to, "" for all."""
    limit: int = 0
    """The maximum number of images, 0 for the default."""
    available: int = 0
    """How many images there were to choose from."""
    faces: tuple[str, ...] = ()
    """The held-out faces."""
    made: str = ""
    """Date and time, UTC, ISO 8601."""
    seconds: float = 0.0
    total: Score = dataclasses.field(default_factory=Score)
    by_script: Mapping[str, Score] = dataclasses.field(default_factory=dict)
    skipped: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    """Pictures that were not scored (:class:`Skipped`)."""
    notation: str = ""
    """What was said of how labels are written, "" if they were judged by themselves."""
    labels: str = ""
    """How the labels of pictures were understood, in one line."""
    outliers: Mapping[str, float] = dataclasses.field(default_factory=dict)
    """Of a folder's pictures of other characters: ``images``, and the shares ``refused`` and ``auroc``."""
    note: str = ""
    """A warning about the scores, "" if there is none."""
    format: int = FORMAT
    path: Path = Path()
    """Its JSON file; not written into it."""

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
        file = self.path.with_suffix(".npz")
        try:
            with np.load(file, allow_pickle=False) as arrays:
                records, names = arrays["records"], arrays["files"].tobytes().decode("utf-8", "surrogateescape")
            records = _completed(records)
            if records.dtype != RECORD or not _within(records, len(self.characters)):
                raise ValueError("its records are invalid")
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            raise RunError(f"{file}: missing or damaged ({error}); evaluate again") from None
        return Predictions(self.characters, records), names.split("\0") if names else []

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

    Args:
        folder: made if it is missing.
        about: what was read.
        predictions: what the model predicted.
        scores: those of the predictions.
        files: a folder's pictures relative to it, [] for generated images.

    Raises:
        StorageError: it cannot be written.
    """
    now = datetime.datetime.now(datetime.UTC)
    storage.make_folder(folder)
    path = _free(folder, f"{now:%Y%m%d-%H%M%S}-{about.kind}")
    packed = io.BytesIO()
    names = np.frombuffer("\0".join(files).encode("utf-8", "surrogateescape"), dtype=np.uint8)
    np.savez_compressed(packed, records=predictions.records, files=names)
    # The JSON file is written last: if it exists, the predictions are complete.
    storage.write_bytes(path.with_suffix(".npz"), packed.getvalue())
    done = dataclasses.replace(
        about, made=now.isoformat(timespec="seconds"), total=scores.total, by_script=scores.by_script, path=path
    )
    data = dataclasses.asdict(done)
    del data["path"]
    data |= {"total": done.total.to_dict(), "by_script": {name: s.to_dict() for name, s in done.by_script.items()}}
    storage.write_json(path, data)
    return done


def _free(folder: Path, name: str) -> Path:
    """Return a path that does not exist yet."""
    path, number = folder / f"{name}.json", 1
    while path.exists():
        number += 1
        path = folder / f"{name}-{number}.json"
    return path


def read_evaluation(path: Path) -> Evaluation:
    """Read what an evaluation's JSON file says. RunError if it is missing, damaged or of another version."""
    try:
        data = json.loads(path.read_bytes())
        format = data.get("format")
        if format not in _FORMATS:
            raise ValueError(f"format {format}, not {FORMAT}")
        data["total"] = _score(data["total"], format)
        data["by_script"] = {script: _score(score, format) for script, score in data["by_script"].items()}
        data["faces"] = tuple(data["faces"])
        return Evaluation(**data, path=path)
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise RunError(f"{path}: not an evaluation, or damaged ({error}); evaluate again") from None


def _score(data: Mapping[str, Any], format: int) -> Score:
    score = Score.from_dict(data)
    if format == 1:
        return Score(score.images, {key: count / max(score.images, 1) for key, count in score.values.items()})
    return score


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

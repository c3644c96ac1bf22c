"""The user's own labelled drawings: `handwriting/U+3042/20261122-143005-120391.png`, dark ink on light paper.

Each picture carries its strokes and how it was read when it was made, as JSON in a text chunk called ``kanatui``, so
that nothing of a drawing is lost; any other program sees a plain picture. The folder has the layout of
:mod:`kanatui.pictures.files`, and is as good for evaluating as any other.
"""

from __future__ import annotations

import dataclasses
import datetime
import hashlib
import io
import itertools
import json
import shutil
import tempfile
import zipfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from PIL import Image, PngImagePlugin

from kanatui.core import paths, storage
from kanatui.core.errors import ImageError, StorageError
from kanatui.kana.alphabet import FOLD
from kanatui.pictures.drawing import Drawing, Pixels

SIDE = 256
"""Pixels along a sample: the whole board, so that the character keeps its size and place."""

_CHUNK = "kanatui"
_MOST_UNPACKED = 2_000_000_000

OnProgress = Callable[[int, int], None]
"""Called with how many files are done, and how many there are."""


@dataclasses.dataclass(frozen=True)
class Notes:
    """What is known of a sample besides its picture; empty for pictures from elsewhere."""

    drawing: Drawing | None = None
    readings: tuple[tuple[str, float], ...] = ()
    """What it was read as when it was made, with probabilities, the likeliest first."""
    model: str = ""
    """Which model read it."""


@dataclasses.dataclass(frozen=True)
class Sample:
    """One labelled picture."""

    path: Path
    character: str

    def notes(self) -> Notes:
        """Read the notes, empty where there are none that make sense."""
        try:
            with Image.open(self.path) as image:
                return _parse_notes(image.info.get(_CHUNK))
        except (OSError, SyntaxError, ValueError):  # what Pillow raises for files that are no pictures
            return Notes()

    def picture(self) -> Image.Image:
        """Open the picture. ImageError if it cannot be read."""
        from kanatui.pictures.files import open_image

        return open_image(self.path)

    def prepared(self, size: int) -> Pixels:
        """Return what a model of ``size`` pixels sees: uint8 [size, size]. ImageError if it cannot be read.

        A drawing is taken from its strokes, as the board's readings are.
        """
        from kanatui.evaluation.recognize import BOARD, prepare_board
        from kanatui.pictures.files import read_image

        drawing = self.notes().drawing
        if drawing is None:
            return read_image(self.path, size)
        try:
            return prepare_board(drawing.raster(BOARD), size)
        except ImageError as error:
            raise ImageError(f"{self.path}: {error}") from None


@dataclasses.dataclass
class Tally:
    """How many samples of a character there are, and how many of them were misread when they were made."""

    kept: int = 0
    read: int = 0
    """Those whose reading is known."""
    misread: int = 0
    """Those of which the first reading looks different (small and normal, へ and ヘ count as the same)."""

    def add(self, character: str, notes: Notes) -> None:
        """Count a sample."""
        self.kept += 1
        if notes.readings:
            self.read += 1
            self.misread += _shape(notes.readings[0][0]) != _shape(character)

    @property
    def weakness(self) -> float:
        """The share of misread ones, 0 … 1, drawn towards a half while there are few (Laplace's rule)."""
        return (self.misread + 1) / (self.read + 2)


def folder() -> Path:
    """Return the folder of the samples; it need not exist."""
    return paths.home() / "handwriting"


def samples(place: Path | None = None) -> list[Sample]:
    """Return all samples, by character and then from the oldest; or the labelled pictures in another folder.

    ImageError if the folder cannot be read, or if another one is named and holds none.
    """
    from kanatui.pictures.files import SUFFIXES

    if place is not None:
        return _samples_in(place)
    if not any(path.suffix.lower() in SUFFIXES for path in folder().glob("*/*")):
        return []  # which is an error where pictures are asked for, but not here
    return _samples_in(folder())


def _samples_in(place: Path) -> list[Sample]:
    from kanatui.pictures.files import find_labelled

    return [Sample(path, character) for path, character in find_labelled(place).files]


def tallies(of: Iterable[Sample]) -> dict[str, Tally]:
    """Count samples by character."""
    counted: dict[str, Tally] = {}
    for sample in of:
        counted.setdefault(sample.character, Tally()).add(sample.character, sample.notes())
    return counted


def keep(drawing: Drawing, character: str, readings: Sequence[tuple[str, float]] = (), model: str = "") -> Sample:
    """Keep a drawing as a sample of a character.

    Args:
        drawing: what was drawn, with ink.
        character: what it is.
        readings: what it was read as, with probabilities, the likeliest first.
        model: which model read it.

    Raises:
        StorageError: it cannot be written.
    """
    notes = {"strokes": drawing.to_data(), "readings": [list(pair) for pair in readings], "model": model}
    return _kept(drawing.raster(SIDE), character, notes)


def keep_picture(
    picture: Pixels, character: str, readings: Sequence[tuple[str, float]] = (), model: str = ""
) -> Sample:
    """Keep a picture of a character, uint8 [S, S], white on black, as :func:`keep` does a drawing.

    Raises:
        StorageError: it cannot be written.
    """
    return _kept(picture, character, {"readings": [list(pair) for pair in readings], "model": model})


def _kept(picture: Pixels, character: str, notes: Mapping[str, Any]) -> Sample:
    """Write a picture, white on black, with its notes."""
    info = PngImagePlugin.PngInfo()
    info.add_itxt(_CHUNK, json.dumps({"format": 1, **notes}, ensure_ascii=False), zip=True)
    data = io.BytesIO()
    Image.fromarray(255 - picture).save(data, "PNG", pnginfo=info, optimize=True)
    path = _free_path(character, datetime.datetime.now().strftime("%Y%m%d-%H%M%S-%f"), ".png")
    storage.write_bytes(path, data.getvalue())
    return Sample(path, character)


def relabel(sample: Sample, character: str) -> Sample:
    """Say that a sample shows another character. StorageError if its file cannot be moved."""
    if character == sample.character:
        return sample
    path = _free_path(character, sample.path.stem, sample.path.suffix)
    with storage.storing(sample.path):
        sample.path.rename(path)
    return Sample(path, character)


def remove(sample: Sample) -> None:
    """Delete a sample. StorageError if that fails; one that is gone already is no error."""
    with storage.storing(sample.path):
        sample.path.unlink(missing_ok=True)


def export_to(target: Path, progress: OnProgress = lambda done, total: None) -> int:
    """Copy all samples into a new folder, or into a new archive if the name ends in ``.zip``; return how many.

    Raises:
        ImageError: there are no samples.
        StorageError: there is something at the target already, or it cannot be written.
    """
    found = samples()
    if not found:
        raise ImageError("there are no samples yet: draw a character and say what it is")
    if target.exists() and (target.is_file() or any(target.iterdir())):
        raise StorageError(f"{target}: there is something already; name a new folder or a new .zip file")
    storage.make_folder(target.parent)
    if target.suffix.lower() == ".zip":
        with storage.replacing(target) as file, zipfile.ZipFile(file, "w") as archive:
            for done, sample in enumerate(found, start=1):
                archive.write(sample.path, f"{_label(sample.character)}/{sample.path.name}")
                progress(done, len(found))
        return len(found)
    for done, sample in enumerate(found, start=1):
        place = storage.make_folder(target / _label(sample.character))
        with storage.storing(place):
            shutil.copyfile(sample.path, place / sample.path.name)
        progress(done, len(found))
    return len(found)


@dataclasses.dataclass(frozen=True)
class Imported:
    """What came of an import."""

    kept: int
    """Pictures that are samples now."""
    known: int
    """Pictures that were among the samples already."""
    unreadable: tuple[str, ...]
    """Why each other one was left out."""


def import_from(source: Path, progress: OnProgress = lambda done, total: None) -> Imported:
    """Copy labelled pictures from a folder, or from a ``.zip`` of one, into the samples.

    Raises:
        ImageError: there is no such folder or archive, or no labelled picture in it.
        StorageError: the samples cannot be written.
    """
    if source.suffix.lower() == ".zip" and source.is_file():
        with tempfile.TemporaryDirectory(prefix="kanatui-") as unpacked:
            _unpack(source, Path(unpacked))
            return _import_folder(Path(unpacked), progress, called=source)
    return _import_folder(source, progress, called=source)


def _import_folder(source: Path, progress: OnProgress, called: Path) -> Imported:
    from kanatui.pictures.files import open_image

    try:
        found = _samples_in(source)
    except ImageError as error:
        raise ImageError(str(error).replace(str(source), str(called))) from None
    present = {(sample.character, _digest(sample.path)) for sample in samples()}
    known, unreadable, kept = 0, [], 0
    for done, sample in enumerate(found, start=1):
        try:
            open_image(sample.path, name=str(sample.path.relative_to(source)))
        except ImageError as error:
            unreadable.append(str(error))
        else:
            key = (sample.character, _digest(sample.path))
            known += key in present
            if key not in present:
                present.add(key)
                _copy_in(sample)
                kept += 1
        progress(done, len(found))
    return Imported(kept, known, tuple(unreadable))


def _copy_in(sample: Sample) -> None:
    path = _free_path(sample.character, sample.path.stem, sample.path.suffix.lower())
    storage.write_bytes(path, sample.path.read_bytes())


def _unpack(archive: Path, target: Path) -> None:
    """Unpack an archive; names that lead out of the folder are made harmless by zipfile. ImageError if it is none."""
    try:
        with zipfile.ZipFile(archive) as opened:
            if sum(entry.file_size for entry in opened.infolist()) > _MOST_UNPACKED:
                raise ImageError(f"{archive}: more than {_MOST_UNPACKED // 1_000_000:,} MB when unpacked")
            opened.extractall(target)
    except (zipfile.BadZipFile, OSError, RuntimeError, NotImplementedError) as error:
        raise ImageError(f"{archive}: not an archive that can be unpacked ({error})") from None


def _free_path(character: str, stem: str, suffix: str) -> Path:
    """Return a name in the character's folder that is not taken, the folder made."""
    place = storage.make_folder(folder() / _label(character))
    path = place / f"{stem}{suffix}"
    numbers = itertools.count(2)
    while path.exists():
        path = place / f"{stem}-{next(numbers)}{suffix}"
    return path


def _shape(character: str) -> str:
    return FOLD.get(character, character)


def _label(character: str) -> str:
    return f"U+{ord(character):04X}"


def _digest(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return ""


def _parse_notes(text: Any) -> Notes:
    try:
        data: Mapping[str, Any] = json.loads(text)
        readings = tuple((str(character), float(probability)) for character, probability in data["readings"])
        drawing = Drawing.from_data(data["strokes"]) if "strokes" in data else None
        return Notes(drawing, readings, str(data["model"]))
    except (TypeError, ValueError, KeyError, ImageError, RecursionError):
        return Notes()

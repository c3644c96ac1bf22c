"""The user's own labelled drawings: `handwriting/U+3042/20261122-143005-120391.png`, dark ink on light paper.

Each file also holds the drawing's strokes and its first readings, as JSON in a text chunk called ``kanatui``, so that
nothing of a drawing is lost; other programs see a plain picture. The folder has the layout of
:mod:`kanatui.pictures.files`, so a model can be evaluated on it as on any other folder.
"""

from __future__ import annotations

import dataclasses
import datetime
import io
import itertools
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NotRequired, TypedDict

from PIL import Image, PngImagePlugin
from typing_extensions import override

from kanatui.core import checked, paths, storage
from kanatui.core.checked import Count, Finite
from kanatui.core.errors import ImageError
from kanatui.kana.alphabet import FOLD
from kanatui.pictures.drawing import Drawing, Pixels

SIDE = 256
"""Pixels along a sample: the whole board, so that the character keeps its size and place."""

_CHUNK = "kanatui"
_IMPORTED = re.compile(r"(?P<stem>.*) \(from (?P<source>.+)\)", re.DOTALL)
"""The name of an imported file says what it came from: ``17 (from photos.zip).png``."""

_UNSAFE = re.compile(r"[^\w.-]")
_LONGEST_SOURCE = 40
_LONGEST_NAME = 240
"""Bytes; file systems take 255."""


@dataclasses.dataclass(frozen=True)
class Notes:
    """What is known about a sample besides its picture; empty for pictures from elsewhere."""

    drawing: Drawing | None = None
    readings: tuple[tuple[str, float], ...] = ()
    """What it was read as when it was made, with probabilities, the likeliest first."""
    model: str = ""
    """Which model read it."""
    origin: Origin | None = None
    """The sheet from which it was cut; None if it was drawn or imported."""
    doubt: str = ""
    """Why a person should look at it, "" if there is no reason."""
    imported: str = ""
    """The name of the folder or file that it was imported from, "" if it was not, or drawn before that."""

    @property
    def source(self) -> str:
        """Where it comes from, in words."""
        board = "the drawing board" if self.drawing else ""
        return str(self.origin) if self.origin else board or self.imported or "a picture"


@dataclasses.dataclass(frozen=True)
class Origin:
    """A box of a sheet of paper."""

    sheet: str
    """Its number."""
    page: Count
    """From 1."""
    box: Count
    """On the page, from 1."""
    photo: str
    """SHA-256 of the photo's pixels, 64 hex digits."""
    file: str = ""
    """The photo's name."""

    @override
    def __str__(self) -> str:
        """Say where it is."""
        return f"sheet {self.sheet}, page {self.page}, box {self.box}" + (f" ({self.file})" if self.file else "")

    @property
    def stem(self) -> str:
        """The name of its file: the same box of the same photo always has the same."""
        return f"sheet-{self.sheet}-{self.page}-{self.box:02d}-{self.photo[:12]}"


@dataclasses.dataclass(frozen=True)
class Sample:
    """One labelled picture."""

    path: Path
    character: str

    def notes(self) -> Notes:
        """Read the notes; those that are missing or damaged are empty."""
        named = _IMPORTED.fullmatch(self.path.stem)
        try:
            with storage.open_to_read(self.path) as file, Image.open(file) as image:
                found = _parse_notes(image.info.get(_CHUNK))
        except (OSError, SyntaxError, ValueError):  # what Pillow raises for files that are not pictures
            found = Notes()
        return dataclasses.replace(found, imported=named["source"]) if named else found

    def picture(self) -> Image.Image:
        """Open the picture. ImageError if it cannot be read."""
        from kanatui.pictures.files import open_image

        return open_image(self.path)

    def prepared(self, size: int) -> Pixels:
        """Return what a model of ``size`` pixels sees: uint8 [size, size]. ImageError if it cannot be read.

        A drawing is prepared from its strokes, as on the drawing board.
        """
        from kanatui.evaluation.recognize import BOARD, prepare_board
        from kanatui.pictures.files import read_image

        drawing = self.notes().drawing
        if drawing is None:
            return read_image(self.path, size).likeliest
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
    """Those whose first reading looks different (small and normal kana, or へ and ヘ, look the same)."""

    def add(self, character: str, notes: Notes) -> None:
        """Count a sample."""
        self.kept += 1
        if notes.readings:
            self.read += 1
            self.misread += _shape(notes.readings[0][0]) != _shape(character)

    @property
    def weakness(self) -> float:
        """The share that was misread, 0 … 1, closer to a half the fewer there are (Laplace's rule of succession)."""
        return (self.misread + 1) / (self.read + 2)


def folder() -> Path:
    """Return the folder of the samples; it need not exist."""
    return paths.home() / "handwriting"


def samples(place: Path | None = None, labels: str = "auto") -> list[Sample]:
    """Return all samples, by character and then from the oldest; or labelled pictures that are elsewhere.

    Args:
        place: a folder, or a file of arrays, in place of the samples.
        labels: how its labels are written (:func:`kanatui.pictures.labelled.find_labelled`).

    Raises:
        ImageError: the folder cannot be read, or another one is named and holds none.
        UsageError: ``labels`` makes no sense.
    """
    from kanatui.pictures.files import SUFFIXES
    from kanatui.pictures.labelled import find_labelled

    if place is None and not any(path.suffix.lower() in SUFFIXES for path in folder().glob("*/*")):
        return []  # which is an error where pictures are asked for, but not here
    return [Sample(path, character) for path, character in find_labelled(place or folder(), labels).files]


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
        character: what it shows.
        readings: what it was read as, with probabilities, the likeliest first.
        model: which model read it.

    Raises:
        StorageError: it cannot be written.
    """
    notes = {"strokes": drawing.to_data(), "readings": [list(pair) for pair in readings], "model": model}
    return _kept(drawing.raster(SIDE), character, notes)


def keep_picture(
    picture: Pixels,
    character: str,
    readings: Sequence[tuple[str, float]] = (),
    model: str = "",
    origin: Origin | None = None,
    doubt: str = "",
) -> Sample:
    """Keep a picture of a character, uint8 [S, S], white on black, as :func:`keep` does a drawing.

    Raises:
        StorageError: it cannot be written.
    """
    notes: dict[str, Any] = {"readings": [list(pair) for pair in readings], "model": model}
    if origin:
        notes["origin"] = dataclasses.asdict(origin)
    if doubt:
        notes["doubt"] = doubt
    return _kept(picture, character, notes, origin.stem if origin else "")


def samples_of_sheet(sheet: str, page: int) -> list[Sample]:
    """Return the samples that come from a page of a sheet, whatever character they are said to show now."""
    paths = sorted(folder().glob(f"U+*/sheet-{sheet}-{page}-*.png"))
    return [Sample(path, chr(int(path.parent.name[2:], 16))) for path in paths]


def doubtful() -> list[Sample]:
    """Return the samples that a person should look at; they come from sheets."""
    paths = sorted(folder().glob("U+*/sheet-*.png"))
    return [sample for path in paths if (sample := Sample(path, chr(int(path.parent.name[2:], 16)))).notes().doubt]


def settle(sample: Sample) -> None:
    """Take the doubt from a sample: a person has looked at it. ImageError or StorageError if that fails."""
    with sample.picture() as picture:
        try:
            notes = json.loads(picture.info.get(_CHUNK, ""))
        except (TypeError, ValueError, RecursionError):
            return
        if isinstance(notes, dict) and notes.pop("doubt", ""):
            storage.write_bytes(sample.path, _png(picture, notes))


def _kept(picture: Pixels, character: str, notes: Mapping[str, Any], stem: str = "") -> Sample:
    """Write a picture, white on black, with its notes."""
    data = _png(Image.fromarray(255 - picture), {"format": 1, **notes})
    path = free_path(character, stem or datetime.datetime.now().strftime("%Y%m%d-%H%M%S-%f"), ".png")
    storage.write_bytes(path, data)
    return Sample(path, character)


def _png(picture: Image.Image, notes: Mapping[str, Any]) -> bytes:
    info = PngImagePlugin.PngInfo()
    info.add_itxt(_CHUNK, json.dumps(notes, ensure_ascii=False), zip=True)
    data = io.BytesIO()
    picture.save(data, "PNG", pnginfo=info, optimize=True)
    return data.getvalue()


def relabel(sample: Sample, character: str) -> Sample:
    """Change the character of a sample. StorageError if its file cannot be moved."""
    if character == sample.character:
        return sample
    named = _IMPORTED.fullmatch(sample.path.stem)
    stem, source = (named["stem"], named["source"]) if named else (sample.path.stem, "")
    path = free_path(character, stem, sample.path.suffix, source)
    with storage.storing(sample.path):
        sample.path.rename(path)
    return Sample(path, character)


def remove(sample: Sample) -> None:
    """Delete a sample, unless it is gone already. StorageError if that fails."""
    with storage.storing(sample.path):
        sample.path.unlink(missing_ok=True)


def free_path(character: str, stem: str, suffix: str, imported: str = "") -> Path:
    """Return an unused path in the character's folder, and make that folder.

    Args:
        character: what the sample shows.
        stem: what its name begins with.
        suffix: what its name ends with.
        imported: the name of the folder or file that it comes from.
    """
    if imported:
        suffix = f" (from {_UNSAFE.sub('-', imported)[:_LONGEST_SOURCE]}){suffix}"
    stem = stem.encode(errors="replace")[: _LONGEST_NAME - len(suffix.encode())].decode(errors="ignore")
    place = storage.make_folder(folder() / label_of(character))
    path = place / f"{stem}{suffix}"
    numbers = itertools.count(2)
    while path.exists():
        path = place / f"{stem}-{next(numbers)}{suffix}"
    return path


def _shape(character: str) -> str:
    return FOLD.get(character, character)


def label_of(character: str) -> str:
    """Return the name of a character's folder: ``U+3042``."""
    return f"U+{ord(character):04X}"


class _Notes(TypedDict):
    """What a picture's chunk of text says."""

    readings: list[tuple[str, Finite]]
    model: str
    strokes: NotRequired[list[dict[str, Any]]]
    origin: NotRequired[Origin]
    doubt: NotRequired[str]


def _parse_notes(text: Any) -> Notes:
    try:
        data = checked.parse(text, _Notes)
        drawing = Drawing.from_data(data["strokes"]) if "strokes" in data else None
    except (TypeError, ValueError, ImageError):  # a TypeError if there is no text
        return Notes()
    return Notes(drawing, tuple(data["readings"]), data["model"], data.get("origin"), data.get("doubt", ""))

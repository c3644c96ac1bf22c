"""Labelled pictures: in folders named by character, in a table of files, or in arrays.

- ``LABEL/*.png``, also below folders such as ``train`` and ``test``; :mod:`kanatui.kana.labels` says what LABEL may be.
- A CSV or TSV file of two columns: file and label; or folder's name (class number) and label.
- IDX, ``.npz`` and Parquet files, and the ETL databases' (:mod:`kanatui.pictures.arrays`).
"""

from __future__ import annotations

import csv
import dataclasses
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from kanatui.core import paths, storage
from kanatui.core.errors import ImageError
from kanatui.kana.labels import NOTATIONS, Labels
from kanatui.pictures.arrays import LabelledArray, array_files, is_array_file, labelled_arrays
from kanatui.pictures.files import SUFFIXES

_JUNK = ("thumbs.db", "ehthumbs.db", "desktop.ini", "__macosx")
"""What systems leave in folders, besides names that begin with a dot."""

_SCRIPTS = {"hiragana": "hiragana", "ひらがな": "hiragana", "katakana": "katakana", "カタカナ": "katakana"}
_DEEPEST = 4  # folders below the one that is named

_FILE_COLUMNS = ("file", "filename", "file_name", "path", "image", "img", "picture", "name", "index", "class", "id")
_LABEL_COLUMNS = ("char", "character", "label", "labels", "kana", "text", "truth", "codepoint", "unicode", "class")

_CLASSES = {
    "kmnist-": "おきすつなはまやれを",
    "k49-": "あいうえおかきくけこさしすせそたちつてとなにぬねのはひふへほまみむめもやゆよらりるれろわゐゑをんゝ",
}
"""The classes of data sets that ship as arrays, by their files' names (of their class maps, codh.rois.ac.jp/kmnist)."""


@dataclasses.dataclass(frozen=True)
class LabelledFolder:
    """Labelled pictures, found but not opened."""

    path: Path
    """The folder, or the file of arrays."""
    files: tuple[tuple[Path, str], ...]
    """Each file with its character, by character and then by name."""
    ignored: int
    """Files that do not follow the layout."""
    left_out: tuple[str, ...] = ()
    """What makes no sense as a character: ``folder 'misc'``, ``label 'x1'`` or ``class 10``."""
    understood: str = ""
    """How the labels were understood, in one line."""

    @property
    def root(self) -> Path:
        """The folder that files are named relative to."""
        return self.path if self.path.is_dir() else self.path.parent

    def name(self, file: Path) -> str:
        """Return a file's name relative to the root, or its whole path if it is elsewhere."""
        return str(file.relative_to(self.root)) if file.is_relative_to(self.root) else str(file)

    def only(self, characters: str) -> LabelledFolder:
        """Return what shows one of ``characters``."""
        return dataclasses.replace(self, files=tuple(entry for entry in self.files if entry[1] in characters))

    def at_most(self, count: int) -> LabelledFolder:
        """Return at most ``count`` pictures, spread evenly over the characters: always the same ones."""
        seen: dict[str, int] = {}
        ranked = []
        for place, (_, character) in enumerate(self.files):
            seen[character] = seen.get(character, 0) + 1
            ranked.append((seen[character], place))
        chosen = sorted(place for _, place in sorted(ranked)[:count])
        return dataclasses.replace(self, files=tuple(self.files[place] for place in chosen))


def find_labelled(place: Path, labels: str = "auto", every: bool = False) -> LabelledFolder:
    """Look for labelled pictures.

    Args:
        place: a folder, or a file of arrays.
        labels: how labels are written (:data:`kanatui.kana.labels.NOTATIONS` or ``index:SPEC``), or the path of a CSV
            or TSV file that says it of each file, folder or class number.
        every: take all files of arrays in a folder: those to train on and those to test on.

    Raises:
        ImageError: there is no such folder or file, it cannot be read, or it holds no labelled picture; or there are
            several files of arrays, and not every one is to be taken.
        UsageError: ``labels`` is neither a notation nor a file; or a package is missing.
    """
    if not os.path.exists(place):
        raise ImageError(f"{place}: no such folder or file")
    if not place.is_dir() and not is_array_file(place):
        raise ImageError(f"{place}: not a folder, and no IDX, .npz, Parquet or ETL file")
    reading = _Reading.of(labels)
    try:
        return _in_arrays(place, [place], reading) if place.is_file() else _in_folder(place, reading, every)
    except OSError as error:
        raise ImageError(f"{error.filename or place}: {(error.strerror or str(error)).lower()}") from None


@dataclasses.dataclass(frozen=True)
class _Reading:
    """How labels are to be read: a notation, and a table of what they stand for."""

    notation: str
    table: Sequence[tuple[str, str]] = ()
    file: Path | None = None

    @classmethod
    def of(cls, labels: str) -> _Reading:
        if labels in NOTATIONS or labels.startswith("index:"):
            return cls(labels)
        file = paths.user_path(labels)
        if not os.path.isfile(file):
            Labels((), labels)  # says what is wrong
        return cls("auto", read_table(file), file)

    def labels(self, names: Sequence[str]) -> tuple[Callable[[str, str], str | None], str]:
        """Return what gives a name's character (given a script, for romaji), and how names were understood."""
        renamed: Mapping[str, str] = dict(self.table)
        if self.file is None:
            labels = Labels(names, self.notation)
            return labels.character, labels.how
        labels = Labels([renamed[name] for name in names if name in renamed])
        return lambda name, script: labels.character(renamed.get(name, ""), script), self.say(labels)

    def say(self, labels: Labels) -> str:
        return f"{labels.how} (of {self.file.name})" if self.file else labels.how


# --- Folders


def _in_folder(folder: Path, reading: _Reading, every: bool) -> LabelledFolder:
    if reading.file and (listed := _listed(folder, reading)):
        return listed
    found: list[_Inner] = []
    ignored = _look_into(folder, "", 0, found)
    if not found and (arrays := array_files(folder)):
        if len(arrays) > 1 and not every:
            raise ImageError(f"{folder}: name one of these files: {', '.join(path.name for path in arrays)}")
        return _in_arrays(folder, arrays, reading)
    character, how = reading.labels([inner.path.name for inner in found])
    files, left_out = [], []
    for inner in found:
        label = character(inner.path.name, inner.script)
        if label is None:
            left_out.append(f"folder {str(inner.path.relative_to(folder))!r}")
        else:
            files += [(label, name, inner.path / name) for name in inner.pictures]
    if not files:
        expected = "LABEL/*.png or *.jpg, where LABEL is a character, 3042, U+3042, a JIS code or romaji"
        raise ImageError(f"{folder}: no labelled pictures; expected {expected}{_but(left_out, how)}")
    return LabelledFolder(folder, _ordered(files), ignored, tuple(sorted(left_out)), how)


def _but(left_out: Sequence[str], how: str) -> str:
    if not left_out:
        return ""
    advice = how.partition("; ")[2]
    return f" (not {', '.join(left_out[:5])}{', …' if len(left_out) > 5 else ''})" + (f"; {advice}" if advice else "")


def _ordered(files: list[tuple[str, str, Path]]) -> tuple[tuple[Path, str], ...]:
    return tuple((path, label) for label, _, path in sorted(files))


@dataclasses.dataclass(frozen=True)
class _Inner:
    """A folder that holds pictures."""

    path: Path
    script: str
    """Of romaji in it, if a folder above it says so."""
    pictures: list[str]


def _look_into(folder: Path, script: str, depth: int, found: list[_Inner]) -> int:
    """Collect the folders that hold pictures, at any depth; return how many files are none."""
    pictures, ignored = [], 0
    below = _SCRIPTS.get(folder.name.lower(), script)
    for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
        if entry.name.startswith(".") or entry.name.lower() in _JUNK:
            continue
        if entry.is_dir():
            if depth < _DEEPEST:
                ignored += _look_into(Path(entry.path), below, depth + 1, found)
        elif depth and entry.is_file() and entry.name.lower().endswith(SUFFIXES):
            pictures.append(entry.name)
        else:
            ignored += 1
    if pictures:
        found.append(_Inner(folder, script, pictures))
    return ignored


# --- Tables


def read_table(file: Path) -> list[tuple[str, str]]:
    """Read a CSV or TSV file of names and labels, with or without a line of headings.

    UTF-8, or Shift-JIS as Japanese spreadsheets write it. ImageError if it cannot be read or has no two columns.
    """
    try:
        data = storage.read_bytes(file)
    except OSError as error:
        raise ImageError(f"{file}: {(error.strerror or str(error)).lower()}") from None
    text = _decoded(data, file)
    first = text.partition("\n")[0]
    delimiter = max("\t,;", key=first.count)
    try:
        rows = [row for row in csv.reader(text.splitlines(), delimiter=delimiter) if any(map(str.strip, row))]
    except csv.Error as error:
        raise ImageError(f"{file}: not a table ({error})") from None
    if not rows or len(rows[0]) < 2:
        raise ImageError(f"{file}: not a table of two columns, file and label, with commas or tabs between them")
    headings = [heading.strip().lower() for heading in rows[0]]
    name = next((headings.index(known) for known in _FILE_COLUMNS if known in headings), None)
    label = next((headings.index(k) for k in _LABEL_COLUMNS if k in headings and headings.index(k) != name), None)
    if name is None or label is None:
        name, label = 0, 1
    else:
        del rows[0]
    short = next((number for number, row in enumerate(rows, start=1) if len(row) <= max(name, label)), None)
    if short is not None:
        raise ImageError(f"{file}: row {short} lacks a label ({delimiter.join(rows[short - 1])[:60]})")
    return [(row[name].strip(), row[label].strip()) for row in rows]


def _decoded(data: bytes, file: Path) -> str:
    for encoding in ("utf-8-sig", "cp932"):
        try:
            return data.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise ImageError(f"{file}: neither UTF-8 nor Shift-JIS text")


def _listed(folder: Path, reading: _Reading) -> LabelledFolder | None:
    """Return the pictures that a table names, None if it names none that is there: then it may name folders."""
    assert reading.file
    places = [
        (
            next((path for path in (folder / name, reading.file.parent / name) if os.path.isfile(path)), folder / name),
            label,
        )
        for name, label in reading.table
    ]
    there = [os.path.isfile(path) for path, _ in places]
    if not any(there):
        return None
    if not there[0] and all(there[1:]):
        del places[0]  # headings in another language
    labels = Labels([label for _, label in places])
    files, left_out = [], []
    for path, label in places:
        character = labels.character(label)
        if character is None:
            left_out.append(f"label {label!r}")
        else:
            files.append((character, str(path), path))
    if not files:
        raise ImageError(f"{reading.file}: no label makes sense{_but(left_out, labels.how)}")
    return LabelledFolder(folder, _ordered(files), 0, tuple(dict.fromkeys(left_out)), reading.say(labels))


# --- Arrays


def _in_arrays(place: Path, files: Sequence[Path], reading: _Reading) -> LabelledFolder:
    """Find the pictures in files of arrays; ``place`` is what was asked for."""
    arrays = [array for file in files for array in labelled_arrays(file)]
    if reading == _Reading("auto"):
        reading = _Reading(arrays[0].notation) if arrays[0].notation != "auto" else _class_map(files[0])
    names = sorted({name for array in arrays for name in array.names}, key=lambda name: (len(name), name))
    character, how = reading.labels(names)
    meaning = {name: character(name, "") for name in names}
    left_out = tuple(f"class {name}" for name, label in meaning.items() if label is None)
    found = [entry for array in arrays for entry in _members(array, meaning)]
    if not found:
        raise ImageError(f"{place}: {how}")
    if reading == _Reading("auto") and set(names) <= set("0123456789"):
        how += "; --labels index:CHARACTERS if the class numbers are no digits"
    return LabelledFolder(place, tuple(sorted(found, key=lambda entry: entry[1])), 0, left_out, how)


def _members(array: LabelledArray, meaning: Mapping[str, str | None]) -> list[tuple[Path, str]]:
    labels = (meaning[name] for name in array.names)
    return [(array.path(index), label) for index, label in enumerate(labels) if label is not None]


def _class_map(file: Path) -> _Reading:
    """Return how the class numbers of a file are to be read: a class map beside it, or what is known of the set."""
    maps = sorted(file.parent.glob("*classmap.csv"))
    own = [path for path in maps if file.name.startswith(path.name.partition("classmap")[0].rstrip("_-"))]
    if len(own or maps) == 1:
        (path,) = own or maps
        return _Reading("auto", read_table(path), path)
    known = next((classes for start, classes in _CLASSES.items() if file.name.startswith(start)), "")
    return _Reading(f"index:{known}") if known else _Reading("auto")

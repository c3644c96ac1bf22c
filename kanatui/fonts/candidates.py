"""Finds the faces in what a user brings: files, folders and archives with fonts, whole, in parts or variable."""

from __future__ import annotations

import dataclasses
import os
import re
import string
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from kanatui.core import storage
from kanatui.core.errors import FontError
from kanatui.fonts import archive, convert, guess
from kanatui.fonts.archive import FontFile
from kanatui.fonts.folders import FONT_SUFFIXES
from kanatui.fonts.ink import font_errors, opened

ALSO_KEPT = string.ascii_letters + string.digits + string.punctuation + "".join(map(chr, range(0x3001, 0x3100)))
"""Kept beside the characters that are asked for, where not all are: Latin, Japanese marks, kana."""

OnProblem = Callable[[str, str], None]
"""Is told of what cannot be used: its name, and why."""


@dataclasses.dataclass(frozen=True)
class Candidate:
    """A face that might be added."""

    file: FontFile
    names: guess.Names
    parts: tuple[Path, ...]
    """The files that it is made of, usually one."""
    characters: frozenset[str]
    """Those that the files have."""
    index: int = 0
    """In a collection."""
    instance: str = ""
    """Of a variable font: the values of its axes."""
    collection: bool = False

    @property
    def name(self) -> str:
        """How it is called in messages: the file, and which of its faces."""
        return f"{self.file.name} ({self.names.family} {self.names.subfamily})"

    def build(self, characters: str) -> bytes:
        """Return the face as a plain font file; of a variable font, with ``characters`` and :data:`ALSO_KEPT` alone.

        Raises:
            FontError: it is not readable.
        """
        if self.instance or len(self.parts) > 1 or self.collection or _is_web(self.parts[0]):
            keep = characters + ALSO_KEPT if self.instance else ""
            return convert.merged([convert.plain_font(part, self.index, self.instance, keep) for part in self.parts])
        try:
            return storage.read_bytes(self.parts[0])
        except OSError as error:
            raise FontError(f"cannot be read ({error.strerror})") from None


@dataclasses.dataclass(frozen=True)
class _Read:
    """What was read of one font of a file."""

    file: FontFile
    names: guess.Names
    index: int
    collection: bool
    instances: tuple[tuple[str, str], ...]
    characters: frozenset[str]


def font_files(given: Path, folder: Path, on_problem: OnProblem) -> list[FontFile]:
    """Return the font files of a file, folder or archive; those of archives are unpacked into ``folder``.

    Args:
        given: a font, an archive, or a folder with such files in it or below it.
        folder: an empty folder.
        on_problem: called with name and reason for each file that is neither, or cannot be read.

    Raises:
        StorageError: ``folder`` cannot be written.
    """
    if os.path.isdir(given):
        paths = _inside(given)
        if not paths:
            on_problem(str(given), f"no fonts in it ({', '.join(FONT_SUFFIXES)})")
    else:
        paths = [given]
    found = []
    for number, path in enumerate(paths):
        try:
            found += _expanded(path, folder / f"{number:05d}")
        except FontError as error:
            on_problem(str(path), str(error))
    return found


def candidates(
    files: Sequence[FontFile],
    characters: str,
    on_file: Callable[[], None],
    on_problem: OnProblem,
) -> list[Candidate]:
    """Return the faces of some files, those of a family together, its lightest, boldest and regular one first.

    Args:
        files: as :func:`font_files` returns them.
        characters: those that matter where a font is in parts.
        on_file: called after each file.
        on_problem: called with name and reason for each file that is no readable font.
    """
    read: list[_Read] = []
    for file in files:
        try:
            read += _read(file)
        except FontError as error:
            on_problem(file.name, str(error))
        on_file()
    groups: dict[tuple[object, ...], list[_Read]] = {}
    for number, one in enumerate(read):
        # The files of a web font's parts have the same names; other fonts with the same names are fonts by themselves.
        web = _is_web(one.file.path)
        key = (one.file.folder, one.names, one.instances) if web else (number,)
        groups.setdefault(key, []).append(one)
    found = [candidate for group in groups.values() for candidate in _faces(group, characters)]
    families: dict[str, list[Candidate]] = {}
    for candidate in found:
        families.setdefault(candidate.names.family, []).append(candidate)
    return [candidate for family in families.values() for candidate in _extremes_first(family)]


def _faces(group: Sequence[_Read], characters: str) -> list[Candidate]:
    """Return the faces of the files that belong together: one, or one for each instance of a variable font."""
    first = group[0]
    parts = {one.file.path: one.characters for one in group}
    reachable = set(characters).intersection(set().union(*parts.values()))
    whole = [path for path in sorted(parts) if reachable <= parts[path]]
    # A package has all characters in one file, or a hundred parts, or both.
    chosen = (
        [max(whole, key=lambda path: len(parts[path]))] if whole else convert.covering(parts, characters + ALSO_KEPT)
    )
    file = next(one.file for one in group if one.file.path == chosen[0])
    faces = [(_of_instance(first.names, *instance), instance[1]) for instance in first.instances] or [(first.names, "")]
    union = frozenset().union(*(parts[path] for path in chosen))
    return [
        Candidate(file, names, tuple(chosen), union, first.index, place, first.collection) for names, place in faces
    ]


def _of_instance(names: guess.Names, instance: str, place: str) -> guess.Names:
    """Return the names of a variable font's instance; the font's own are those of its default."""
    heavy = re.search(r"wght=(\d+)", place)
    return dataclasses.replace(names, subfamily=instance, weight_class=int(heavy[1]) if heavy else names.weight_class)


def _extremes_first(family: Iterable[Candidate]) -> list[Candidate]:
    """Order a family's weights so that each is as far as can be from those before it, but regular is the third.

    So it is the weights between two others that turn out to add nothing.
    """
    left = sorted(family, key=lambda candidate: candidate.names.weight_class)
    order = [left.pop(0)]
    while left:
        regular = [candidate for candidate in left if candidate.names.weight_class == 400] if len(order) == 2 else []
        order.append(max(regular or left, key=lambda one: min(_apart(one, other) for other in order)))
        left.remove(order[-1])
    return order


def _apart(one: Candidate, other: Candidate) -> int:
    return abs(one.names.weight_class - other.names.weight_class)


def _read(file: FontFile) -> list[_Read]:
    """Read the names and characters of every font in a file."""
    from fontTools.ttLib.ttCollection import TTCollection

    with font_errors(), storage.open_to_read(file.path) as data:
        collection = data.read(4) == b"ttcf"
        data.seek(0)
        count = len(TTCollection(data, lazy=True)) if collection else 1
    found = []
    for index in range(count):
        with opened(file.path, index) as font:
            names = guess.names(font, Path(file.name).stem)
            if file.licence:
                names = dataclasses.replace(names, licence=guess.licence(file.licence) or file.licence[:40])
            characters = frozenset(map(chr, font.getBestCmap() or {}))
            found.append(_Read(file, names, index, collection, tuple(convert.instance_names(font)), characters))
    return found


def _expanded(path: Path, folder: Path) -> list[FontFile]:
    if not os.path.exists(path):
        raise FontError("no such file or folder")
    if not path.is_file():
        raise FontError("neither a file nor a folder")
    if archive.is_archive(path):
        found = archive.unpack(path, storage.make_folder(folder))
        if not found:
            raise FontError(f"no fonts in it ({', '.join(FONT_SUFFIXES)})")
        return found
    if path.suffix.lower() not in FONT_SUFFIXES:
        kinds = ", ".join((*FONT_SUFFIXES, *archive.SUFFIXES))
        raise FontError(f"neither a font nor an archive, by its name ({kinds})")
    return [FontFile(path, str(path), str(path.parent))]


def _inside(folder: Path) -> list[Path]:
    found = []
    for parent, inner, names in os.walk(folder):
        inner[:] = sorted(name for name in inner if not name.startswith("."))
        paths = (Path(parent, name) for name in sorted(names) if not name.startswith("."))
        found += [path for path in paths if path.suffix.lower() in FONT_SUFFIXES or archive.is_archive(path)]
    return found


def _is_web(path: Path) -> bool:
    return path.suffix.lower() in convert.WEB_SUFFIXES

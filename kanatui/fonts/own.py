"""The user's own faces: adds fonts to the user's fonts.toml, with copies of them beside it, and takes them out."""

from __future__ import annotations

import contextlib
import dataclasses
import difflib
import fnmatch
import itertools
import os
import re
import tempfile
import tomllib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import tomlkit

from kanatui.core import paths, storage
from kanatui.core.errors import FontError
from kanatui.fonts import guess, likeness
from kanatui.fonts.candidates import Candidate, candidates, font_files
from kanatui.fonts.faces import Face, coverage, load_faces, read_entries, user_file

_HEADER = re.compile(r"\s*\[\[\s*face\s*\]\]\s*(#.*)?")
_DRAWS_NONE = "it draws none of the characters (--characters says which)"

OnProgress = Callable[[int, int, str], None]
"""Is told (done, total, what is being done)."""


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What came of one font."""

    state: str
    """``added``, ``there`` (it was added before), ``refused`` or ``failed``."""
    name: str
    """The file, and which of its faces."""
    id: str = ""
    """Of the face that was added, or that was there."""
    why: str = ""
    """Of what was refused, or failed."""
    style: str = ""
    weight: str = ""
    licence: str = ""
    drawn: int = 0
    """How many of the characters it draws."""
    lacks: str = ""


@dataclasses.dataclass(frozen=True)
class Wishes:
    """How fonts are to be added."""

    characters: str
    """Those that it should draw, at least one of them."""
    style: str = ""
    """One of :data:`.STYLES`; "" guesses it."""
    weight: str = ""
    """One of :data:`.WEIGHTS`; "" guesses it."""
    link: bool = False
    """Leave the font where it is, and list it from there."""
    alike: bool = False
    """Also add faces with the shapes of one that is there."""


def fonts_folder() -> Path:
    """Return the folder of the copies, beside the user's list."""
    return user_file().with_name("fonts")


# --- Adding


def add(given: Sequence[Path], wishes: Wishes, on_outcome: Callable[[Outcome], None], on_progress: OnProgress) -> None:
    """Add the faces of font files, folders and archives to the user's list, one after the other.

    Each is added whole or not at all, whenever this is interrupted.

    Args:
        given: fonts, archives, and folders with such files in them.
        wishes: how they are to be added.
        on_outcome: told of each face, and of each file that is no font.
        on_progress: counts files, then faces.

    Raises:
        FontError: a list of faces cannot be read.
        ImageMagickError: ImageMagick is missing or failed.
        StorageError: the list, or the folder of the copies, cannot be written, or is being written by another process.
    """

    def failed(name: str, why: str) -> None:
        on_outcome(Outcome("failed", name, why=why))

    with _locked(), tempfile.TemporaryDirectory(prefix="kanatui-fonts-") as scratch:
        files = []
        for number, path in enumerate(given):
            on_progress(number, len(given), "opening")
            files += font_files(path, storage.make_folder(Path(scratch, str(number))), failed)
        read = 0

        def on_file() -> None:
            nonlocal read
            read += 1
            on_progress(read, len(files), "reading fonts")

        found = candidates(files, wishes.characters, on_file, failed)
        adding = _Adding(wishes, on_progress) if found else None
        for number, candidate in enumerate(found):
            on_progress(number, len(found), "adding faces")
            assert adding is not None
            try:
                on_outcome(adding.add(candidate))
            except FontError as error:
                failed(candidate.name, str(error))
        on_progress(len(found), len(found), "adding faces")


class _Adding:
    """Adds faces, and remembers what those look like that are there."""

    def __init__(self, wishes: Wishes, on_progress: OnProgress) -> None:
        self._wishes = wishes
        self._faces = {face.id: face for face in load_faces()}
        present = [face for face in self._faces.values() if face.path is not None]
        self._digests: dict[str, str] = {}
        self._looks: dict[str, likeness.Look] = {}
        for number, face in enumerate(present):
            on_progress(number, len(present), "looking at the faces that are there")
            with contextlib.suppress(FontError):  # one that cannot be drawn is like no other
                self._digests[face.digest] = face.id
                if not wishes.alike:
                    self._looks[face.id] = likeness.look(face, wishes.characters)
        on_progress(len(present), len(present), "looking at the faces that are there")

    def add(self, candidate: Candidate) -> Outcome:
        """Add a face. FontError if it cannot be read or drawn."""
        names, wishes = candidate.names, self._wishes
        if wishes.link and (len(candidate.parts) > 1 or candidate.file.name != str(candidate.parts[0])):
            raise FontError("only a font file can be linked; leave out --link, so that it is copied")
        if not candidate.characters & set(wishes.characters):
            return Outcome("refused", candidate.name, why=_DRAWS_NONE)
        content = candidate.build(wishes.characters)
        id = guess.face_id(names.family, names.subfamily, set(self._faces))
        copy = _new_file(storage.make_folder(fonts_folder()), id, ".otf" if content[:4] == b"OTTO" else ".ttf")
        try:
            storage.write_bytes(copy, content)
            face = Face(id, "", "", names.licence, "", copy, 0, str(copy))
            outcome, face = self._judged(candidate, face)
            if outcome.state == "added":
                entry = self._entry(candidate, face, copy)
                _write(_text() + _appended(entry, _text()))
                self._faces[id] = face
        finally:  # also after Ctrl-C at any moment
            if not _listed(copy):
                copy.unlink(missing_ok=True)
        return outcome

    def _judged(self, candidate: Candidate, face: Face) -> tuple[Outcome, Face]:
        """Return whether a face can be added, and the face with its style and weight."""
        wishes, names, name = self._wishes, candidate.names, candidate.name
        if face.digest in self._digests:
            return Outcome("there", name, self._digests[face.digest]), face
        drawn = coverage(face, wishes.characters)
        if not drawn.any():
            return Outcome("refused", name, why=_DRAWS_NONE), face
        look = likeness.look(face, wishes.characters)
        alike, nearest = likeness.nearest(look, self._looks)
        if alike > likeness.SAME:
            return Outcome("there", name, nearest), face
        if why := self._why_not(look, alike, nearest):
            return Outcome("refused", name, why=why), face
        strokes = guess.strokes_of(look)
        face = dataclasses.replace(
            face,
            style=wishes.style or guess.style(names.family, candidate.file.category, strokes),
            weight=wishes.weight or guess.weight(names.weight_class, names.subfamily, strokes),
        )
        self._digests[face.digest] = face.id
        if not wishes.alike:
            self._looks[face.id] = look
        lacks = "".join(c for c, has in zip(wishes.characters, drawn, strict=True) if not has)
        count = int(drawn.sum())
        return Outcome("added", name, face.id, "", face.style, face.weight, face.licence, count, lacks), face

    def _why_not(self, look: likeness.Look, alike: float, nearest: str) -> str:
        """Return why a face would add nothing to those that are there, or ""."""
        if alike > likeness.DUPLICATE:
            return f"near-duplicate of {nearest}: likeness {alike:.3f}, above {likeness.DUPLICATE} (--alike adds it)"
        beside = likeness.between(look, self._looks)
        if beside:
            return f"a weight between {beside[0]} and {beside[1]}, of the same shapes (--alike adds it)"
        return ""

    def _entry(self, candidate: Candidate, face: Face, copy: Path) -> dict[str, Any]:
        where: dict[str, Any] = {"file": f"{copy.parent.name}/{copy.name}"}
        if self._wishes.link:
            where = {"file": str(candidate.parts[0].absolute())}
            where |= {"index": candidate.index} if candidate.index else {}
            where |= {"instance": candidate.instance} if candidate.instance else {}
        said = {"licence": face.licence} if face.licence else {}
        return {"id": face.id, **where, "style": face.style, "weight": face.weight, **said}


def _new_file(folder: Path, id: str, suffix: str) -> Path:
    """Return a file that does not exist: what is in the folder may be the very font that is to be added."""
    names = (f"{id}{f'-{number}' if number else ''}{suffix}" for number in itertools.count())
    return next(path for name in names if not os.path.lexists(path := folder / name))


def _listed(copy: Path) -> bool:
    with contextlib.suppress(FontError):
        return f'"{copy.parent.name}/{copy.name}"' in _text()
    return False


# --- Taking out


def remove(patterns: Sequence[str]) -> list[str]:
    """Take faces out of the user's list, and delete the copies of their fonts. The rest of the file stays as it is.

    Args:
        patterns: ids, also with ``*`` and ``?``.

    Returns:
        The ids that were taken out.

    Raises:
        FontError: a pattern matches none of the user's faces, or the list cannot be read or be edited safely.
        StorageError: the list cannot be written.
    """
    with _locked():
        entries = read_entries(user_file()) if user_file().exists() else []
        ids = [str(entry.get("id")) for entry in entries]
        gone = {place for pattern in patterns for place in _matching(pattern, ids)}
        left = [entry for place, entry in enumerate(entries) if place not in gone]
        text = _without(_text(), gone)
        if tomllib.loads(text).get("face", []) != left:
            raise FontError(f"{user_file()}: not written as [[face]] tables; take the entries out by hand")
        _write(text)
        kept = {_copy_of(entry) for entry in left}
        for place in gone:
            copy = _copy_of(entries[place])
            if copy and copy not in kept:
                with storage.storing(copy):
                    copy.unlink(missing_ok=True)
    return [ids[place] for place in sorted(gone)]


def _matching(pattern: str, ids: Sequence[str]) -> list[int]:
    places = [place for place, id in enumerate(ids) if fnmatch.fnmatchcase(id, pattern)]
    if not places:
        if any(face.id == pattern for face in load_faces()):
            raise FontError(f"{pattern} ships with kanatui; --faces '*,-{pattern}' leaves it out of a recipe")
        near = difflib.get_close_matches(pattern, ids, n=1)
        hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(ids) or 'none'}"
        raise FontError(f"no face of your own matches {pattern!r} ({hint})")
    return places


def _copy_of(entry: dict[str, Any]) -> Path | None:
    """Return the copy that an entry names, None if its font is not one of the copies."""
    file = entry.get("file")
    path = user_file().parent / file if isinstance(file, str) else None
    return path if path and path.parent == fonts_folder() and path.name not in ("", "..") else None


# --- The file


@contextlib.contextmanager
def _locked() -> Iterator[None]:
    lock = storage.make_folder(paths.config()) / ".fonts.lock"
    with storage.exclusive(lock, f"another kanatui is writing {user_file()}; try again when it has finished"):
        yield


def _text() -> str:
    """Return the list as it is, with its own line ends; "" if there is none. FontError if it cannot be read."""
    try:
        return storage.read_bytes(user_file()).decode()
    except FileNotFoundError:
        return ""
    except OSError as error:
        raise FontError(f"{user_file()}: cannot be read ({error.strerror})") from None


def _write(text: str) -> None:
    """Replace the list; what a link points to, if it is one. A list of nothing is removed."""
    file = user_file().resolve()
    if text.strip():
        try:
            content = text.encode()
        except UnicodeEncodeError:
            raise FontError("a path in it is not UTF-8 text; leave out --link, so that the font is copied") from None
        storage.write_bytes(file, content)
        return
    with storage.storing(file):
        file.unlink(missing_ok=True)


def _appended(entry: dict[str, Any], before: str) -> str:
    """Return an entry as TOML that stands after ``before``."""
    gap = "" if not before else "\n" if before.endswith("\n") else "\n\n"
    return f"{gap}{tomlkit.dumps({'face': [entry]})}"


def _without(text: str, gone: set[int]) -> str:
    """Return a list without some of its entries, counted from 0; comments between entries stay."""
    lines = text.split("\n")
    starts = [place for place, line in enumerate(lines) if _HEADER.fullmatch(line)]
    for number in sorted(gone & set(range(len(starts))), reverse=True):
        start = starts[number]
        end = starts[number + 1] if number + 1 < len(starts) else len(lines)
        while end > start + 1 and (not lines[end - 1].strip() or lines[end - 1].lstrip().startswith("#")):
            end -= 1
        if start and not lines[start - 1].strip():
            start -= 1
        del lines[start:end]
    return "\n".join(lines)

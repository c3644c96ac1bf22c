"""Faces: the fonts that kanatui knows, where they are on this machine, and which characters they actually draw.

``fonts.toml`` lists them; the user's own ``fonts.toml`` in the configuration folder adds faces or replaces them by id.
"""

from __future__ import annotations

import contextlib
import dataclasses
import difflib
import fnmatch
import functools
import hashlib
import json
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from kanatui.core import paths, storage
from kanatui.core.errors import FontError, ImageMagickError, StorageError
from kanatui.core.harmless import harmless
from kanatui.core.machine import apt_command
from kanatui.fonts import convert, imagemagick, ink
from kanatui.fonts.folders import matching_files
from kanatui.kana.sets import is_visible

STYLES = ("gothic", "mincho", "handwriting", "brush", "pen")
WEIGHTS = ("thin", "extralight", "light", "regular", "medium", "semibold", "bold", "extrabold", "black")

_PLACES = ("file", "glob", "name")
_TEXTS = ("id", "file", "name", "instance", "style", "weight", "licence", "package")
_ID = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
OWN_SOURCES = ("fonts", "pen", "pictures")
"""The glyph sources that ship with kanatui."""
UNKNOWN = "unknown"
"""Style and weight of a face whose entry does not say them."""


@dataclasses.dataclass(frozen=True)
class Face:
    """One face of one font."""

    id: str
    style: str
    """One of :data:`STYLES`."""
    weight: str
    """One of :data:`WEIGHTS`."""
    licence: str
    package: str
    """The Debian package that contains it, or ""."""
    path: Path | None
    """The font file, or None if it is not installed."""
    index: int
    """Its index in a font collection (.ttc)."""
    font: str
    """ImageMagick's name of it, or the font file (see :meth:`drawn_font`)."""
    source: str = "fonts"
    """The id of the glyph source that draws it."""
    instance: str = ""
    """Of a variable font: the name of an instance, or values of axes (``wght=600``); "" is the default."""
    problem: str = ""
    """What is wrong with its entry in fonts.toml, "" if nothing; such a face has no ``path``."""
    settings: str = ""
    """Those of its glyph source that differ from their defaults (:meth:`.GlyphSource.listed`)."""

    @property
    def guest(self) -> bool:
        """Whether another plugin than kanatui's own draws it; a recipe has it only if it names it."""
        return self.source not in OWN_SOURCES

    @property
    def digest(self) -> str:
        """SHA-256 of the font file, combined with index and instance if it has them; 64 hex digits.

        Cached by path, size and modification time. FontError if the face is not installed or not readable.
        """
        try:
            status = self.installed().stat()
            whole = _file_digest(str(self.path), status.st_size, status.st_mtime_ns)
        except OSError as error:
            raise FontError(f"face {self.id}: {self.path} cannot be read ({error.strerror})") from None
        part = f"#{self.index}" * bool(self.index) + f"@{self.instance}" * bool(self.instance)
        return hashlib.sha256(f"{whole}{part}".encode()).hexdigest() if part else whole

    @property
    def key(self) -> str:
        """What its glyphs are cached by: the digest, combined with its source's settings; 64 hex digits."""
        digest = self.digest
        return hashlib.sha256(f"{digest} {self.settings}".encode()).hexdigest() if self.settings else digest

    def installed(self) -> Path:
        """Return the font file. FontError, saying how to get it, if the face is not installed or its entry is wrong."""
        if self.problem:
            raise FontError(self.problem)
        if self.path is None:
            advice = install_command([self]) or "correct its entry in fonts.toml"
            raise FontError(f"face {self.id} is not installed: {advice}")
        return self.path

    def drawn_font(self) -> str:
        """Return the value of ImageMagick's ``-font``.

        That is a file in the cache, made if missing, for what ImageMagick cannot draw by itself: a later font of a
        collection, an instance of a variable font, a web font.

        Raises:
            FontError: the face is not installed, or its font has no such index or instance.
        """
        path = self.installed()
        special = self.index > 0 or self.instance or path.suffix.lower() in convert.WEB_SUFFIXES
        if not special or self.font != str(path):
            return self.font
        alone = paths.cache() / "faces" / f"{self.digest[:32]}.ttf"
        if not alone.exists():
            storage.make_folder(alone.parent)
            storage.write_bytes(alone, convert.plain_font(path, self.index, self.instance))
        return str(alone)

    def outlines(self) -> tuple[Path, int]:
        """Return the file and index with which fontTools reads what ImageMagick draws. Raises as :meth:`drawn_font`."""
        font, path = self.drawn_font(), self.installed()
        made = font != self.font
        return (Path(font), 0) if made else (path, self.index)


# --- Reading fonts.toml


def user_file() -> Path:
    """Return the path of the list of the user's own faces; the file need not exist."""
    return paths.config() / "fonts.toml"


def load_faces(extra: Sequence[Path] = ()) -> list[Face]:
    """Return all known faces, installed or not: the shipped list, then the user's, then the files of ``extra``.

    Later files add faces at the end; an entry with a known id replaces that entry in its place. A wrong entry becomes a
    face that cannot be used and says why (``problem``): it must not keep the others from being drawn.

    Raises:
        FontError: a file cannot be read, is not TOML (with line and column), or is not a list of faces.
        ImageMagickError: an entry has an ImageMagick font name and ImageMagick cannot be run.
    """
    users = [user_file()] if user_file().exists() else []
    faces: dict[str, Face] = {}
    for file in (paths.packaged("fonts.toml"), *users, *extra):
        faces |= _read(file)
    return list(faces.values())


def read_entries(file: Path) -> list[dict[str, Any]]:
    """Return the ``[[face]]`` tables of a list as they are. FontError if it cannot be read or has anything else."""
    data = storage.read_toml(file, FontError)
    entries = data.pop("face", [])
    if data or not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        unknown = f"unknown key {next(iter(data))!r}; " if data else ""
        raise FontError(f"{file}: {unknown}only [[face]] tables are allowed")
    return entries


def _read(file: Path) -> dict[str, Face]:
    faces: dict[str, Face] = {}
    for number, entry in enumerate(read_entries(file), start=1):
        problem = _problem(entry) or ("the id is used twice in this file" if entry["id"] in faces else "")
        try:
            face = None if problem else _face(entry, file.parent)
        except (ValueError, RuntimeError, OSError) as error:  # of a pattern or a ~name that makes no sense
            face, problem = None, str(error)
        if face is None:
            face = _unusable(entry, number, f"{file}: face {entry.get('id', number)!r}: {problem}", taken=faces)
        faces[face.id] = face
    return faces


def _problem(entry: Mapping[str, Any]) -> str:
    """Return what is wrong with an entry, or ""."""
    known = (*_TEXTS, "glob", "index")
    places = [key for key in _PLACES if key in entry]
    missing = [key for key in ("id", "style", "weight") if key not in entry]
    index = entry.get("index", 0)
    checks = (
        (any(key not in known for key in entry), f"unknown key {next((k for k in entry if k not in known), '')!r}"),
        (bool(missing), f"lacks {', '.join(missing)}"),
        (len(places) != 1, f"needs exactly one of file, glob, name (it has {' and '.join(places) or 'none'})"),
        (not all(isinstance(entry.get(key, ""), str) for key in _TEXTS), "a value that should be text is not"),
        (not all(isinstance(pattern, str) for pattern in _globs(entry)), "glob is neither text nor a list of texts"),
        (not isinstance(index, int) or isinstance(index, bool) or index < 0, "index is not a number from 0 on"),
        (not _ID.fullmatch(str(entry.get("id"))), "the id is not lower-case letters, digits and hyphens"),
        (entry.get("style") not in STYLES, f"style {entry.get('style')!r} is none of {', '.join(STYLES)}"),
        (entry.get("weight") not in WEIGHTS, f"weight {entry.get('weight')!r} is none of {', '.join(WEIGHTS)}"),
    )
    return next((text for wrong, text in checks if wrong), "")


def _globs(entry: Mapping[str, Any]) -> list[Any]:
    patterns = entry.get("glob", [])
    return patterns if isinstance(patterns, list) else [patterns]


def _face(entry: Mapping[str, Any], folder: Path) -> Face:
    path = _locate(entry, folder)
    return Face(
        id=entry["id"],
        style=entry["style"],
        weight=entry["weight"],
        licence=harmless(entry.get("licence", ""), 200),
        package=entry.get("package", ""),
        path=path,
        index=entry.get("index", 0),
        font=entry.get("name") or str(path or ""),
        instance=entry.get("instance", ""),
    )


def _unusable(entry: Mapping[str, Any], number: int, problem: str, taken: Collection[str]) -> Face:
    """Return a face for a wrong entry, with what it has right; its id is none of ``taken``."""
    id, style, weight = (entry.get(key) for key in ("id", "style", "weight"))
    valid = isinstance(id, str) and _ID.fullmatch(id) and id not in taken
    return Face(
        id=str(id) if valid else f"entry-{number}",
        style=str(style) if style in STYLES else UNKNOWN,
        weight=str(weight) if weight in WEIGHTS else UNKNOWN,
        licence="",
        package="",
        path=None,
        index=0,
        font="",
        problem=" ".join(problem.split()),
    )


def _locate(entry: Mapping[str, Any], folder: Path) -> Path | None:
    if "name" in entry:
        return imagemagick.find().font_files().get(entry["name"])
    if "file" in entry:
        path = folder / paths.user_path(entry["file"])
        return path if path.is_file() else None
    return next((path for pattern in _globs(entry) for path in matching_files(paths.user_path(pattern))), None)


# --- Choosing faces


def select_faces(faces: Iterable[Face], patterns: Sequence[str]) -> list[Face]:
    """Return the faces selected by the patterns, in the order of ``faces``, installed or not.

    A pattern is an id, an id with ``*`` and ``?``, a style (``handwriting`` or ``style:handwriting``); a leading ``-``
    removes faces. Patterns apply in order, starting from all faces if the first one removes or if there are none.
    Faces of other people's glyph sources have to be named, at least by the beginning of their ids: a plugin that is
    added must not change the images of recipes that say ``*`` or a style.

    Raises:
        FontError: a pattern matches no face, or no face is left.
    """
    known = list(faces)
    chosen = {face.id for face in known if not face.guest} if not patterns or patterns[0].startswith("-") else set()
    for pattern in patterns:
        matched = _matching(known, pattern.removeprefix("-"))
        chosen = chosen - matched if pattern.startswith("-") else chosen | matched
    if not chosen:
        raise FontError(f"faces {','.join(patterns)!r}: none is left (`kanatui fonts` lists them all)")
    return [face for face in known if face.id in chosen]


def _matching(faces: Sequence[Face], pattern: str) -> set[str]:
    style = pattern.removeprefix("style:")
    named = not pattern.startswith(("*", "?", "["))
    matched = {face.id for face in faces if face.style == style and not face.guest}
    if not pattern.startswith("style:"):
        asked = (face for face in faces if named or not face.guest)
        matched |= {face.id for face in asked if fnmatch.fnmatchcase(face.id, pattern)}
    if not matched:
        near = difflib.get_close_matches(style, [*STYLES, *(face.id for face in faces)], n=1)
        hint = f"did you mean {near[0]}? " if near else ""
        raise FontError(f"no face matches {pattern!r} ({hint}`kanatui fonts` lists them; styles: {', '.join(STYLES)})")
    return matched


def install_command(faces: Iterable[Face]) -> str:
    """Return the shell command that installs the packages of the missing ones of ``faces``, or ""."""
    packages = sorted({face.package for face in faces if face.path is None and face.package and not face.problem})
    return apt_command(packages) if packages else ""


# --- What a face can draw


def coverage(face: Face, characters: str) -> npt.NDArray[np.bool_]:
    """Return which characters the face actually draws, bool [len(characters)].

    True means that the font's cmap has the character, that its glyph leaves ink when ImageMagick draws it, and that it
    is not the font's missing-glyph box. White space and control characters are never drawn. Results are cached by the
    font's digest and ImageMagick's version; concurrent calls from several processes are safe.

    Raises:
        FontError: the face is not installed, or its font cannot be read or drawn.
        ImageMagickError: ImageMagick is missing or is some other program.
    """
    magick = imagemagick.find()
    cached = paths.cache() / "coverage" / f"{face.key[:32]}-{magick.version}.json"
    kept = _read_cache(cached)
    known = {c: drawn for drawn, key in ((True, "drawn"), (False, "not drawn")) for c in str(kept.get(key, ""))}
    new = "".join(c for c in dict.fromkeys(characters) if c not in known and is_visible(c))
    if new:
        try:
            drawn = ink.drawn(*face.outlines(), face.drawn_font(), new)
        except (FontError, ImageMagickError) as error:
            raise FontError(f"face {face.id}: {face.path} cannot be used: {error}") from None
        known |= {c: c in drawn for c in new}
        _write_cache(cached, {"drawn": _join(known, True), "not drawn": _join(known, False)})
    return np.array([known.get(c, False) for c in characters], dtype=bool)


def _join(known: Mapping[str, bool], drawn: bool) -> str:
    return "".join(sorted(c for c, value in known.items() if value == drawn))


@functools.lru_cache(maxsize=256)
def _file_digest(path: str, size: int, modified: int) -> str:
    cached = paths.cache() / "digests" / f"{hashlib.sha256(path.encode()).hexdigest()[:32]}.json"
    kept = _read_cache(cached)
    if kept.get("size") == size and kept.get("modified") == modified and isinstance(kept.get("sha256"), str):
        return str(kept["sha256"])
    with storage.open_to_read(path) as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    _write_cache(cached, {"font": path, "size": size, "modified": modified, "sha256": digest})
    return digest


def _read_cache(path: Path) -> dict[str, Any]:
    """Return the cached values; {} if the file is missing or damaged, so that it is made again."""
    try:
        value = json.loads(storage.read_bytes(path))
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}


def _write_cache(path: Path, value: dict[str, Any]) -> None:
    # Without the cache the result is the same and only the next call slower, so a full disk is not an error here.
    with contextlib.suppress(StorageError):
        storage.make_folder(path.parent)
        storage.write_json(path, value)

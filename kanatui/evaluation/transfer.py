"""Samples out to a folder or an archive, and in from one."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import re
import shutil
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

from kanatui.core import storage
from kanatui.core.errors import ImageError, StorageError
from kanatui.core.harmless import harmless
from kanatui.evaluation.samples import Notes, Sample, free_path, label_of, samples

_MOST_UNPACKED = 2_000_000_000

OnProgress = Callable[[int, int], None]
"""Called with how many files are done, and how many there are."""


def export_to(target: Path, progress: OnProgress = lambda done, total: None) -> int:
    """Copy all samples into a new folder, or into a new archive if the name ends in ``.zip``; return how many.

    Raises:
        ImageError: there are no samples.
        StorageError: the target exists already, or it cannot be written.
    """
    found = samples()
    if not found:
        raise ImageError("there are no samples yet: draw a character and say what it is")
    if os.path.exists(target) and (target.is_file() or any(target.iterdir())):
        raise StorageError(f"{target}: exists already; name a new folder or a new .zip file")
    storage.make_folder(target.parent)
    if target.suffix.lower() == ".zip":
        with storage.replacing(target) as file, zipfile.ZipFile(file, "w") as archive:
            for done, sample in enumerate(found, start=1):
                archive.write(sample.path, f"{label_of(sample.character)}/{sample.path.name}")
                progress(done, len(found))
        return len(found)
    for done, sample in enumerate(found, start=1):
        place = storage.make_folder(target / label_of(sample.character))
        with storage.storing(place):
            shutil.copyfile(sample.path, place / sample.path.name)
        progress(done, len(found))
    return len(found)


@dataclasses.dataclass(frozen=True)
class Imported:
    """The result of an import."""

    kept: int
    """Pictures that were added to the samples."""
    known: int
    """Pictures that were among the samples already."""
    unreadable: tuple[str, ...]
    """Why each other one was left out."""
    left_out: tuple[str, ...]
    """Folders and labels that stand for no character."""
    understood: str
    """How the labels were understood, in one line."""


def import_from(source: Path, progress: OnProgress = lambda done, total: None) -> Imported:
    """Copy labelled pictures from a folder, a ``.zip`` of one or a file of arrays into the samples.

    Raises:
        ImageError: there is no such folder or archive, or no labelled picture in it.
        StorageError: the samples cannot be written.
    """
    if source.suffix.lower() == ".zip" and os.path.isfile(source):
        with tempfile.TemporaryDirectory(prefix="kanatui-") as unpacked:
            _unpack(source, Path(unpacked))
            return _import_folder(Path(unpacked), progress, called=source)
    return _import_folder(source, progress, called=source)


def _import_folder(source: Path, progress: OnProgress, called: Path) -> Imported:
    from kanatui.pictures.files import open_image, picture_bytes
    from kanatui.pictures.labelled import find_labelled

    try:
        found = find_labelled(source)
    except ImageError as error:
        raise ImageError(str(error).replace(str(source), str(called))) from None
    present = {(sample.character, _digest(sample.path)) for sample in samples()}
    known, unreadable, kept = 0, [], 0
    for done, (path, character) in enumerate(found.files, start=1):
        try:
            open_image(path, name=harmless(found.name(path)))
            data = picture_bytes(path)
        except ImageError as error:
            unreadable.append(str(error))
        else:
            key = (character, hashlib.sha256(data).hexdigest())
            known += key in present
            if key not in present:
                present.add(key)
                _copy_in(path, character, data, called.name)
                kept += 1
        progress(done, len(found.files))
    return Imported(kept, known, tuple(unreadable), found.left_out, found.understood)


def _copy_in(path: Path, character: str, data: bytes, source: str) -> None:
    from kanatui.pictures.files import SUFFIXES

    # In an array file a picture is called t10k-images-idx3-ubyte.gz#17; all else has a picture's suffix.
    picture = path.suffix.lower() in SUFFIXES
    stem, suffix = (path.stem, path.suffix.lower()) if picture else (re.sub("[#:]", "-", path.name), ".png")
    if Sample(path, character).notes() != Notes():  # which say where it comes from, as does its name
        source = ""
    storage.write_bytes(free_path(character, stem.removeprefix(f"{source}-"), suffix, source), data)


def _unpack(archive: Path, target: Path) -> None:
    """Unpack an archive; zipfile makes names that lead out of the folder harmless. ImageError if that fails."""
    try:
        with zipfile.ZipFile(archive) as opened:
            if sum(entry.file_size for entry in opened.infolist()) > _MOST_UNPACKED:
                raise ImageError(f"{archive}: more than {_MOST_UNPACKED // 1_000_000:,} MB when unpacked")
            opened.extractall(target)
    except (zipfile.BadZipFile, OSError, RuntimeError, NotImplementedError) as error:
        raise ImageError(f"{archive}: not an archive that can be unpacked ({error})") from None


def _digest(path: Path) -> str:
    try:
        return hashlib.sha256(storage.read_bytes(path)).hexdigest()
    except OSError:
        return ""

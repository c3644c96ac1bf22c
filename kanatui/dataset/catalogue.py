"""Lists the data sets, and how complete each of them is. Imports no torch."""

from __future__ import annotations

import dataclasses
import os
import re
import shlex
from collections.abc import Iterable
from pathlib import Path

from kanatui.core import paths, storage
from kanatui.core.errors import DatasetError
from kanatui.core.harmless import harmless
from kanatui.dataset.generation import LOG, kept_recipe, process_of
from kanatui.dataset.manifest import Manifest, read_manifest, writer_of

_FAILURE = re.compile(r"kanatui: |[\w.]*Error\b")
"""How the last line of the log begins when a generation failed; if it was killed, that line shows its progress."""


@dataclasses.dataclass(frozen=True)
class Entry:
    """A data set on disk."""

    name: str
    folder: Path
    state: str
    """``complete``; ``writing``; ``starting`` (nothing is written yet); ``stopped`` (it can be resumed); ``failed`` (it
    can be resumed, and ``reason`` says why it failed); ``damaged`` (``reason`` says what is wrong)."""
    reason: str = ""
    done: int = 0
    """Images in finished shards."""
    images: int = 0
    """Images in total, 0 if not known yet."""
    image_size: int = 0
    characters: int = 0
    faces: int = 0
    bytes_done: int = 0
    """Bytes on disk: finished shards and the table of glyphs."""

    @property
    def active(self) -> bool:
        """Whether a process is writing it, or about to."""
        return self.state in ("starting", "writing")

    @property
    def resumable(self) -> bool:
        """Whether its generation can be resumed."""
        return self.state in ("stopped", "failed")

    @property
    def share(self) -> float:
        """How much is done, 0 … 1."""
        return self.done / self.images if self.images else 0.0

    @property
    def log(self) -> Path:
        """The file that holds what its generation printed."""
        return self.folder / LOG


class Catalogue:
    """Lists all data sets; manifests that have not changed since the last time are not read again."""

    def __init__(self) -> None:
        self._read: dict[Path, tuple[int, Manifest | DatasetError]] = {}

    def look(self) -> list[Entry]:
        """Return the data sets sorted by name, including those whose generation has only just begun."""
        folders = sorted(path for path in paths.datasets().glob("*") if path.is_dir())
        return [self._entry(folder) for folder in folders if _is_dataset(folder)]

    def _entry(self, folder: Path) -> Entry:
        if not (folder / "manifest.json").exists():
            return Entry(folder.name, folder, *_state(folder))
        manifest = self._manifest(folder)
        if isinstance(manifest, DatasetError):
            return Entry(folder.name, folder, "damaged", str(manifest))
        state, reason = ("complete", "") if manifest.complete else _state(folder)
        done = _images_done(manifest)
        return Entry(
            folder.name,
            folder,
            state,
            reason,
            done=done,
            images=manifest.images,
            image_size=manifest.image_size,
            characters=len(manifest.characters),
            faces=len(manifest.faces),
            bytes_done=done * manifest.image_size**2 + _size(folder / "glyphs.npy"),
        )

    def _manifest(self, folder: Path) -> Manifest | DatasetError:
        changed = _changed(folder / "manifest.json")
        known = self._read.get(folder)
        if known is None or known[0] != changed:
            try:
                self._read[folder] = (changed, read_manifest(folder))
            except DatasetError as error:
                self._read[folder] = (changed, error)
        return self._read[folder][1]


def find(name: str) -> Entry:
    """Return the data set with that name. DatasetError if there is none."""
    entries = Catalogue().look()
    for entry in entries:
        if entry.name == name:
            return entry
    raise unknown(name, [entry.name for entry in entries])


def unknown(name: str, known: Iterable[str]) -> DatasetError:
    """Return the error for a data set that is not written yet or does not exist.

    Args:
        name: the name asked for, for which there is no manifest.
        known: the data sets that exist, which the message lists.
    """
    folder = paths.datasets() / name
    if os.path.isfile(folder / LOG):
        return DatasetError(f"{folder.name}: {_only_begun(folder)}")
    return DatasetError(
        f"no data set {name!r} (there are: {', '.join(known) or 'none yet; kanatui generate makes one'})"
    )


def _only_begun(folder: Path) -> str:
    state, reason = _state(folder)
    if state in ("starting", "writing"):
        return "unfinished (its generation has only just begun); kanatui datasets shows how far it is"
    recipe = [] if kept_recipe(folder.name) else ["--recipe", "RECIPE"]
    command = shlex.join(["kanatui", "generate", "--resume", "--name", folder.name, *recipe])
    why = f"{state}: {reason}" if reason else state
    return f"unfinished ({why}; nothing is written yet); {command} completes it"


def _is_dataset(folder: Path) -> bool:
    known = (folder / "manifest.json").exists() or (folder / LOG).exists()
    return known and not folder.name.startswith(".")  # one that is being deleted


def _state(folder: Path) -> tuple[str, str]:
    """Return state and reason of a data set that is not complete."""
    if writer_of(folder) is not None:
        return "writing", ""
    if process_of(folder.name) is not None:
        return "starting", ""
    last = storage.last_line(folder / LOG)
    if _FAILURE.match(last):
        return "failed", harmless(last.removeprefix("kanatui: "))
    return "stopped", ""


def _images_done(manifest: Manifest) -> int:
    if manifest.complete:
        return manifest.images
    shards = (int(name.removeprefix("shard-").removesuffix(".npy")) for name in manifest.shards)
    return sum(end - first for first, end in map(manifest.shard_range, shards))


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _changed(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0

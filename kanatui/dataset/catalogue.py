"""The data sets that there are, how far each is, and generations as processes of their own. Imports no torch."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
from collections.abc import Iterable
from pathlib import Path

import psutil

from kanatui.core import paths, processes, storage
from kanatui.core.errors import DatasetError
from kanatui.dataset.manifest import Manifest, read_manifest, writer_of
from kanatui.dataset.recipe import Recipe

LOG = "generate.log"
_FAILURE = re.compile(r"kanatui: |[\w.]*Error\b")
"""How the last line begins that a generation printed before it failed; of one that was killed it tells of progress."""

_SAME_START = 2.0
"""Seconds by which the system's word on when a process began may differ from one look to the next."""


@dataclasses.dataclass(frozen=True)
class Entry:
    """A data set as it lies on disk."""

    name: str
    folder: Path
    state: str
    """``complete``; ``writing``; ``starting`` (nothing is written yet); ``stopped`` (it can go on); ``failed`` (so it
    can, and ``reason`` says why it ended); ``damaged`` (``reason`` says what is wrong)."""
    reason: str = ""
    done: int = 0
    """Images in finished shards."""
    images: int = 0
    """Images in all, 0 while that is unknown."""
    image_size: int = 0
    characters: int = 0
    faces: int = 0
    bytes_done: int = 0
    """Bytes on disk: finished shards and the table of glyphs."""

    @property
    def active(self) -> bool:
        """Whether a process is at work on it."""
        return self.state in ("starting", "writing")

    @property
    def resumable(self) -> bool:
        """Whether it can go on where it stopped."""
        return self.state in ("stopped", "failed")

    @property
    def share(self) -> float:
        """How much is done, 0 … 1."""
        return self.done / self.images if self.images else 0.0

    @property
    def log(self) -> Path:
        """What its generation printed."""
        return self.folder / LOG


class Catalogue:
    """Looks at all data sets; manifests that did not change since the last look are not read again."""

    def __init__(self) -> None:
        self._read: dict[Path, tuple[int, Manifest | DatasetError]] = {}

    def look(self) -> list[Entry]:
        """Return the data sets by name, those whose generation has only just begun among them."""
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
    """Return the data set of that name. DatasetError if there is none."""
    entries = Catalogue().look()
    for entry in entries:
        if entry.name == name:
            return entry
    raise unknown(name, [entry.name for entry in entries])


def unknown(name: str, known: Iterable[str]) -> DatasetError:
    """Return the error about a data set that cannot be read yet, or that there is not (it names those that there are).

    Args:
        name: what was asked for, of which there is no manifest.
        known: the data sets that there are.
    """
    folder = paths.datasets() / name
    if (folder / LOG).is_file():
        return DatasetError(f"{folder.name}: {_only_begun(folder)}")
    return DatasetError(
        f"no data set {name!r} (there are: {', '.join(known) or 'none yet; kanatui generate makes one'})"
    )


def _only_begun(folder: Path) -> str:
    state, reason = _state(folder)
    if state in ("starting", "writing"):
        return "unfinished (its generation has only just begun); kanatui datasets shows how far it is"
    order = _orders() / f"{folder.name}.toml"
    command = ["kanatui", "generate", "--recipe", str(order) if order.exists() else "RECIPE", "--name", folder.name]
    why = f"{state}: {reason}" if reason else state
    return f"unfinished ({why}; nothing is written yet); {shlex.join(command)} --resume completes it"


def _is_dataset(folder: Path) -> bool:
    return (folder / "manifest.json").exists() or (folder / LOG).exists()


def _state(folder: Path) -> tuple[str, str]:
    """Return state and reason of a data set that is not complete."""
    if writer_of(folder) is not None:
        return "writing", ""
    if process_of(folder.name) is not None:
        return "starting", ""
    last = storage.last_line(folder / LOG)
    if _FAILURE.match(last):
        return "failed", last.removeprefix("kanatui: ")
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


# ── generations ───────────────────────────────────────────────────────────────────────────────────────────────────────


def name_problem(name: str) -> str:
    """Say why a new data set cannot have a name, "" if it can."""
    if not name or name != Path(name).name or name.startswith(".") or name != name.strip():
        return "not a plain name: no slashes, no dot in front, no spaces at its ends"
    folder = paths.datasets() / name
    if not folder.exists():
        return ""
    try:
        complete = read_manifest(folder).complete
    except DatasetError:
        only_log = all(path.name == LOG for path in folder.iterdir())
        return "" if only_log and process_of(name) is None else "there is such a folder already"
    return "there is one already" if complete else "there is an unfinished one: resume or delete it, or choose another"


def free_name(wanted: str) -> str:
    """Return the name, with a number behind it if there is such a data set already."""
    names = (wanted, *(f"{wanted}-{number}" for number in range(2, 1000)))
    return next((name for name in names if not name_problem(name)), wanted)


def generate(recipe: Recipe, name: str) -> subprocess.Popen[bytes]:
    """Begin to write a data set, in a process that outlives this one, and return that process.

    Raises:
        DatasetError: there is a data set of that name, or the name is not a plain one.
        StorageError: recipe or log cannot be written.
    """
    problem = name_problem(name)
    if problem:
        raise DatasetError(f"data set {name!r}: {problem}")
    storage.make_folder(_orders())
    storage.write_bytes(_orders() / f"{name}.toml", recipe.to_toml().encode())
    (paths.datasets() / name / LOG).unlink(missing_ok=True)
    return _start(name)


def resume(name: str) -> subprocess.Popen[bytes]:
    """Go on with a data set where its generation stopped. DatasetError if one is at work on it."""
    if process_of(name) is not None:
        raise DatasetError(f"{name}: it is being written already")
    return _start(name)


def _start(name: str) -> subprocess.Popen[bytes]:
    # An unfinished data set has its recipe with it; one that was stopped before that is begun again from the order.
    order = _orders() / f"{name}.toml"
    recipe = ["--recipe", str(order)] if order.exists() else []
    folder = storage.make_folder(paths.datasets() / name)
    process = processes.start(["generate", *recipe, "--name", name, "--resume"], folder / LOG)
    storage.make_folder(_orders())
    storage.write_json(_orders() / f"{name}.json", {"pid": process.pid, "created": _created(process.pid)})
    return process


def stop(name: str) -> None:
    """Ask the generation of a data set to end in a state to resume from. DatasetError if none is at work."""
    process = process_of(name)
    if process is None:
        raise DatasetError(f"{name}: nothing is writing it")
    with contextlib.suppress(ProcessLookupError):
        os.kill(process, signal.SIGTERM)


def delete(name: str) -> None:
    """Delete a data set. DatasetError if it is being written, StorageError if that fails."""
    require_idle(name)
    folder = paths.datasets() / name
    with storage.storing(folder):
        shutil.rmtree(folder)
        for kind in ("toml", "json"):
            (_orders() / f"{name}.{kind}").unlink(missing_ok=True)


def require_idle(name: str) -> None:
    """Raise DatasetError if a data set is being written."""
    complete = False
    with contextlib.suppress(DatasetError):
        # Of one that is complete the process may still be on its way out, which takes a second with torch in it.
        complete = read_manifest(paths.datasets() / name).complete
    if not complete and process_of(name) is not None:
        raise DatasetError(f"{name}: it is being written; stop that first (kanatui datasets --stop {name})")


def process_of(name: str) -> int | None:
    """Return the process that writes a data set or prepares to, or None."""
    writer = writer_of(paths.datasets() / name)
    if writer is not None:
        return writer
    try:
        order = json.loads((_orders() / f"{name}.json").read_text(encoding="utf-8"))
        pid, created = int(order["pid"]), float(order["created"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    # By its number alone it could be another process by now.
    return pid if abs(_created(pid) - created) < _SAME_START else None


def _created(pid: int) -> float:
    """Return when a process began, in seconds since 1970; 0 if there is none, or one that has ended."""
    try:
        process = psutil.Process(pid)
        return 0.0 if process.status() == psutil.STATUS_ZOMBIE else process.create_time()
    except psutil.Error:
        return 0.0


def _orders() -> Path:
    """Return the folder of what was asked for: NAME.toml is the recipe, NAME.json the process."""
    return paths.cache() / "generate"

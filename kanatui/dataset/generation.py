"""Writing data sets in the background: starting, stopping and resuming processes that outlive this one; no torch."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import signal
import subprocess
from pathlib import Path

import psutil

from kanatui.core import checked, paths, processes, storage
from kanatui.core.checked import Count, Finite
from kanatui.core.errors import DatasetError
from kanatui.core.harmless import harmless
from kanatui.dataset.manifest import read_manifest, writer_of
from kanatui.dataset.recipe import Recipe

LOG = "generate.log"
"""The file in the data set's folder that holds what its generation prints."""

LAUNCH = ".launch"
"""The file in a folder that names the launch of torchrun that began what is in it."""

_BEFORE_MANIFEST = (LOG, LAUNCH, ".lock", "recipe.toml")
"""What stands in a data set's folder before its manifest."""

_SAME_START = 2.0
"""Seconds by which the start time that the system reports for one process may differ between two queries."""


@dataclasses.dataclass(frozen=True)
class _Process:
    """The process that was started to write a data set."""

    pid: Count
    created: Finite
    """When it began, seconds since 1970."""
    log: Count = 0
    """Bytes that the log had before."""


def new_name_problem(name: str) -> str:
    """Return why a new data set cannot have a name, "" if it can."""
    problem = paths.name_problem(name)
    folder = paths.datasets() / name
    if problem or not os.path.exists(folder):
        return problem
    try:
        complete = read_manifest(folder).complete
    except DatasetError:
        return "" if is_unwritten(folder) and process_of(name) is None else "there is such a folder already"
    return "there is one already" if complete else "there is an unfinished one: resume or delete it, or choose another"


def is_unwritten(folder: Path) -> bool:
    """Return whether nothing in a folder is worth keeping: its generation was killed before it wrote a manifest."""
    return all(path.name in _BEFORE_MANIFEST or path.name.endswith(".tmp") for path in folder.iterdir())


def free_name(wanted: str) -> str:
    """Return the name, with a number appended if it is taken."""
    names = (wanted, *(f"{wanted}-{number}" for number in range(2, 1000)))
    return next((name for name in names if not new_name_problem(name)), wanted)


def generate(recipe: Recipe, name: str, workers: int | None = None) -> subprocess.Popen[bytes]:
    """Start a process that writes a data set and outlives this one, and return it.

    Args:
        recipe: what determines the images; the process reads it from a file.
        name: of the new data set.
        workers: processes that make images; one per core if not given.

    Raises:
        DatasetError: there is a data set of that name, or the name is not a plain one.
        StorageError: the recipe or the log cannot be written.
    """
    problem = new_name_problem(name)
    if problem:
        raise DatasetError(f"data set {name!r}: {problem}")
    storage.make_folder(_order_file(name).parent)
    storage.write_bytes(_order_file(name), recipe.to_toml().encode())
    (paths.datasets() / name / LOG).unlink(missing_ok=True)
    return _start(name, workers)


def resume(name: str, workers: int | None = None) -> subprocess.Popen[bytes]:
    """Continue a data set where its generation stopped. DatasetError if it is being written already."""
    if process_of(name) is not None:
        raise DatasetError(f"{name}: it is being written already")
    return _start(name, workers)


def kept_recipe(name: str, written: bool = False) -> Path | None:
    """Return the recipe file of a data set whose generation has begun, None if there is none.

    Args:
        name: of the data set.
        written: look only in its folder. Otherwise, as long as nothing is written, the recipe with which the generation
            was started counts too.
    """
    folder, order = paths.datasets() / name, _order_file(name)
    if (folder / "recipe.toml").is_file():
        return folder / "recipe.toml"
    return order if not written and order.is_file() and (folder / LOG).is_file() else None


def _start(name: str, workers: int | None) -> subprocess.Popen[bytes]:
    parallel = ["--workers", str(workers)] if workers else []
    log = storage.make_folder(paths.datasets() / name) / LOG
    before = log.stat().st_size if log.exists() else 0
    process = processes.start(["generate", "--resume", "--name", name, *parallel], log)
    storage.make_folder(_process_file(name).parent)
    about = _Process(process.pid, _created(process.pid), before)
    storage.write_json(_process_file(name), dataclasses.asdict(about))
    return process


def last_words(name: str) -> str:
    """Return the last line that the generation has printed since it was started or resumed last, "" if none."""
    try:
        since = checked.parse(storage.read_bytes(_process_file(name)), _Process).log
    except (OSError, ValueError):
        since = 0
    return harmless(storage.last_line(paths.datasets() / name / LOG, since))


def stop(name: str) -> None:
    """Ask the generation of a data set to stop; it can be resumed. DatasetError if none is running."""
    process = process_of(name)
    if process is None:
        raise DatasetError(f"{name}: nothing is writing it")
    with contextlib.suppress(ProcessLookupError):
        os.kill(process, signal.SIGTERM)


def delete(name: str) -> None:
    """Delete a data set. DatasetError if it is being written, StorageError if that fails or it is a link."""
    require_idle(name)
    folder = paths.datasets() / name
    storage.delete_folder(folder, paths.datasets())
    with storage.storing(folder):
        _order_file(name).unlink(missing_ok=True)
        _process_file(name).unlink(missing_ok=True)


def require_idle(name: str) -> None:
    """Raise DatasetError if a data set is being written."""
    complete = False
    with contextlib.suppress(DatasetError):
        # The process that completed it may still be ending, which takes a second with torch loaded.
        complete = read_manifest(paths.datasets() / name).complete
    if not complete and process_of(name) is not None:
        raise DatasetError(f"{name}: it is being written; stop that first (kanatui datasets --stop {name})")


def process_of(name: str) -> int | None:
    """Return the id of the process that is writing a data set or about to, or None."""
    writer = writer_of(paths.datasets() / name)
    if writer is not None:
        return writer
    try:
        started = checked.parse(storage.read_bytes(_process_file(name)), _Process)
    except (OSError, ValueError):
        return None
    # The id may belong to another process by now.
    return started.pid if abs(_created(started.pid) - started.created) < _SAME_START else None


def _created(pid: int) -> float:
    """Return when a process began, in seconds since 1970; 0 if there is none, or one that has ended."""
    try:
        process = psutil.Process(pid)
        return 0.0 if process.status() == psutil.STATUS_ZOMBIE else process.create_time()
    except psutil.Error:
        return 0.0


def _order_file(name: str) -> Path:
    return paths.cache() / "generate" / f"{name}.toml"


def _process_file(name: str) -> Path:
    return _order_file(name).with_name(f"{name}.json")

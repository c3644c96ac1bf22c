"""Writing a data set: shard by shard, in several processes. It can be interrupted and resumed at any moment."""

from __future__ import annotations

import concurrent.futures
import contextlib
import dataclasses
import hashlib
import multiprocessing
import multiprocessing.synchronize
import time
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np
import torch

from kanatui.core import processes, storage
from kanatui.core.errors import DatasetError
from kanatui.core.processes import begin_worker
from kanatui.dataset.generation import is_unwritten
from kanatui.dataset.layout import size_on_disk
from kanatui.dataset.manifest import Manifest, images_per_shard, plugin_versions, read_manifest, shard_name, versions
from kanatui.dataset.open import open_source
from kanatui.dataset.source import ImageSource
from kanatui.dataset.stream import GlyphStream
from kanatui.fonts import imagemagick
from kanatui.plugins.table import ROW

_ROWS_AT_ONCE = 65_536
POOL_WORTH = 20_000
"""With fewer images than this, one process is finished before others have started (3 s to import torch)."""
_MORE_ROOM = "make room, ask for fewer or smaller images, or set KANATUI_HOME to another disk"
_AHEAD = 2
"""Shards given to each other process at once, so that it can begin the next one without waiting."""

T = TypeVar("T")


class Group(Protocol):
    """Processes, perhaps on several machines, that write one data set together."""

    rank: int
    """The number of this one, from 0."""
    size: int

    def gather(self, value: T) -> list[T]:
        """Return the values of all processes, by rank."""

    def first_result(self, make: Callable[[], T]) -> T:
        """Return what ``make`` returns in the first process, the only one that calls it.

        Raises:
            KanatuiError: raised by ``make``, in the first process.
            SystemExit: in the others, for which the first one has said what is wrong.
        """


class Alone:
    """A single process."""

    rank, size = 0, 1

    def gather(self, value: T) -> list[T]:
        """Return its value."""
        return [value]

    def first_result(self, make: Callable[[], T]) -> T:
        """Return what ``make`` returns."""
        return make()


OnShard = Callable[[int, int], None]
"""Called with the images and bytes that a finished shard adds."""


@dataclasses.dataclass(frozen=True)
class Job:
    """A data set to be written or completed."""

    stream: GlyphStream
    folder: Path
    manifest: Manifest
    todo: list[int]
    """Shards still to make, by all processes together."""
    group: Group = Alone()  # noqa: RUF009  # it has no state

    @property
    def images_done(self) -> int:
        """Images in the shards that exist already."""
        ranges = [self.manifest.shard_range(s) for s in range(self.manifest.shard_count) if s not in set(self.todo)]
        return sum(end - first for first, end in ranges)


def plan_manifest(stream: GlyphStream) -> Manifest:
    """Return the manifest of a data set that is not written yet."""
    recipe = stream.layout.recipe
    return Manifest(
        characters=stream.characters,
        counts=stream.counts.tolist(),
        image_size=stream.image_size,
        shard_images=images_per_shard(stream.image_size, len(stream)),
        faces=list(stream.face_ids),
        recipe_sha256=recipe.fingerprint(),
        versions=versions(imagemagick.find().version),
        fonts={face.id: face.digest for face in stream.layout.faces},
        plugins=plugin_versions(recipe, stream.registry),
    )


def bytes_needed(manifest: Manifest) -> int:
    """Return the size of the data set on disk, in bytes."""
    return size_on_disk(manifest.images, manifest.image_size)


def start(stream: GlyphStream, folder: Path, resume: bool, group: Group | None = None) -> Job:
    """Begin a data set in ``folder``, or find out what an interrupted one lacks.

    Args:
        stream: its images.
        folder: where it is written.
        resume: whether an unfinished one may be there already.
        group: the processes that write it together; each of them must call this.

    Raises:
        DatasetError: the folder holds another data set, or one made with other fonts, plugins or versions.
        StorageError: it cannot be written, or the disk has too little space.
    """
    group = group or Alone()
    manifest = plan_manifest(stream)
    manifest, todo = group.first_result(lambda: _begin(folder, manifest, resume))
    return Job(stream, folder, manifest, todo, group)


def _begin(folder: Path, manifest: Manifest, resume: bool) -> tuple[Manifest, list[int]]:
    """Return the manifest of what is there, and the shards that it lacks."""
    if (folder / "manifest.json").exists():
        manifest = _continue(folder, manifest, resume)
    elif folder.exists() and not is_unwritten(folder):
        raise DatasetError(f"{folder}: not empty and not a data set; choose another --name")
    todo = [shard for shard in range(manifest.shard_count) if not _is_there(folder, manifest, shard)]
    needed = bytes_needed(manifest) * len(todo) / max(manifest.shard_count, 1)
    storage.require_space(folder, needed, _MORE_ROOM)  # before anything is made, the folder included
    storage.make_folder(folder)
    storage.refuse_links(folder)
    return manifest, todo


def _continue(folder: Path, wanted: Manifest, resume: bool) -> Manifest:
    found = read_manifest(folder)
    if not resume:
        state = "complete" if found.complete else "unfinished: continue with --resume"
        raise DatasetError(f"{folder.name}: exists already ({state}); choose another --name, or delete {folder}")
    different = wanted.differences(found)
    if different:
        raise DatasetError(f"{folder}: was begun with other {', '.join(different)}; generate it under another --name")
    return found


def _is_there(folder: Path, manifest: Manifest, shard: int) -> bool:
    first, end = manifest.shard_range(shard)
    path = folder / shard_name(shard)
    least = (end - first) * manifest.image_size**2
    return path.name in manifest.shards and path.is_file() and path.stat().st_size >= least


def write(job: Job, workers: int, on_shard: OnShard | None = None) -> None:
    """Make the shards that are missing, then mark the data set complete.

    The result is the same, byte for byte, whatever ``workers`` is, however many processes write it together, and
    however often this was interrupted before (:func:`start` can continue what KeyboardInterrupt interrupted).
    Each process of a group makes every n-th shard; the first one names them in the manifest.

    Raises:
        DatasetError: a worker died.
        StorageError: writing failed, or another process is writing this data set.
        PluginError, ImageMagickError: making an image failed.
    """
    group = job.group
    with contextlib.ExitStack() as held:
        group.first_result(lambda: _prepare(job, held))
        own = dataclasses.replace(job, todo=job.todo[group.rank :: group.size])
        rounds = -(-len(job.todo) // group.size)
        with _shard_maker(own, workers) as finished:
            for _ in range(rounds):
                made = group.gather(next(finished, None))
                if group.rank == 0:
                    _take(job, [shard for shard in made if shard], on_shard)
        group.first_result(lambda: _finish(job))


def _prepare(job: Job, held: contextlib.ExitStack) -> None:
    """Lock the data set, and write all but the shards."""
    held.enter_context(
        storage.exclusive(job.folder / ".lock", f"{job.folder}: another kanatui is writing this data set")
    )
    storage.sweep(job.folder)
    job.manifest.complete = False
    storage.write_bytes(job.folder / "recipe.toml", job.stream.layout.recipe.to_toml().encode())
    job.manifest.write(job.folder)  # before the table: a table without a manifest may be another data set's
    _write_table(job)


def _take(job: Job, made: list[tuple[int, str]], on_shard: OnShard | None) -> None:
    """Name finished shards in the manifest."""
    for shard, digest in made:
        job.manifest.shards[shard_name(shard)] = digest
    job.manifest.write(job.folder)
    for first, end in (job.manifest.shard_range(shard) for shard, _ in made):
        if on_shard:
            on_shard(end - first, (end - first) * job.manifest.image_size**2)


def _finish(job: Job) -> None:
    job.manifest.complete = True
    job.manifest.write(job.folder)


def _write_table(job: Job) -> None:
    path = job.folder / "glyphs.npy"
    if path.exists():
        return
    with storage.replacing(path) as file:
        header = {"descr": np.lib.format.dtype_to_descr(ROW), "fortran_order": False, "shape": (len(job.stream),)}
        np.lib.format.write_array_header_1_0(file, header)
        for start in range(0, len(job.stream), _ROWS_AT_ONCE):
            end = min(start + _ROWS_AT_ONCE, len(job.stream))
            file.write(job.stream.plan.rows(np.arange(start, end)).rows.tobytes())


@contextlib.contextmanager
def _shard_maker(job: Job, workers: int) -> Iterator[Iterator[tuple[int, str]]]:
    """Yield an iterator over (shard, SHA-256) of the shards as they are finished, in any order."""
    remaining = sum(end - first for first, end in map(job.manifest.shard_range, job.todo))
    if workers <= 1 or remaining < POOL_WORTH or len(job.todo) < 2:
        yield ((shard, make_shard(job.stream, job.folder, job.manifest, shard)) for shard in job.todo)
        return
    context = processes.spawning()
    with processes.starting_workers():  # the event and the pool start a process of multiprocessing's own
        ending = context.Event()
        pool = concurrent.futures.ProcessPoolExecutor(
            min(workers, len(job.todo)) - 1,
            mp_context=context,
            initializer=open_in_worker,
            initargs=(job.stream.spec(), str(job.folder), job.manifest, ending),
        )
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield _together(pool, workers - 1, job)
    finally:
        torch.set_num_threads(threads)
        # After an interruption, shards under way are thrown away: on a busy machine some took minutes.
        ending.set()
        pool.shutdown(wait=True, cancel_futures=True)


def _together(pool: concurrent.futures.ProcessPoolExecutor, others: int, job: Job) -> Iterator[tuple[int, str]]:
    """Make shards in this process as well: it has its masters already, while the others take seconds to start."""
    todo = deque(job.todo)
    waiting: dict[concurrent.futures.Future[str], int] = {}
    try:
        while todo or waiting:
            while todo and len(waiting) < _AHEAD * others:
                shard = todo.popleft()
                with processes.starting_workers():
                    waiting[pool.submit(make_in_worker, shard)] = shard
            if todo:
                shard = todo.popleft()
                yield shard, make_shard(job.stream, job.folder, job.manifest, shard)
            else:
                concurrent.futures.wait(waiting, return_when=concurrent.futures.FIRST_COMPLETED)
            for future in [future for future in waiting if future.done()]:
                yield waiting.pop(future), future.result()
    except concurrent.futures.process.BrokenProcessPool:
        raise DatasetError(
            f"{job.folder}: a worker died (out of memory?); continue with --resume and fewer --workers"
        ) from None


def make_shard(
    source: ImageSource, folder: Path, manifest: Manifest, shard: int, between: Callable[[], None] = lambda: None
) -> str:
    """Make one shard and write it atomically. Returns its SHA-256.

    ``between`` is called before each part; what it raises leaves no shard.
    """
    first, end = manifest.shard_range(shard)
    hasher = hashlib.sha256()
    with storage.replacing(folder / shard_name(shard)) as file:
        shape = (end - first, manifest.image_size, manifest.image_size)
        target = _Hashing(file, hasher)
        np.lib.format.write_array_header_1_0(target, {"descr": "|u1", "fortran_order": False, "shape": shape})
        step = max(1, 2**24 // manifest.image_size**2)
        for start in range(first, end, step):
            between()
            target.write(source.images(np.arange(start, min(start + step, end))).tobytes())
    return hasher.hexdigest()


class _Hashing:
    """A file that hashes what is written to it."""

    def __init__(self, file: Any, hasher: Any) -> None:
        self._file, self._hasher = file, hasher

    def write(self, data: bytes) -> int:
        self._hasher.update(data)
        return int(self._file.write(data))


_worker: tuple[ImageSource, Path, Manifest] | None = None
_ending: multiprocessing.synchronize.Event | None = None


def open_in_worker(
    spec: dict[str, Any], folder: str, manifest: Manifest, ending: multiprocessing.synchronize.Event | None = None
) -> None:
    """Set up a process of a pool for :func:`make_in_worker`.

    Args:
        spec: that of the source.
        folder: the data set's.
        manifest: the data set's.
        ending: once set, shards under way are given up.
    """
    global _worker, _ending
    begin_worker()
    torch.set_num_threads(1)
    _worker, _ending = (open_source(spec), Path(folder), manifest), ending


def _give_up_at_the_end() -> None:
    if _ending is not None and _ending.is_set():
        raise concurrent.futures.CancelledError


def make_in_worker(shard: int) -> str:
    """Make one shard of the data set for which this process was set up. Returns its SHA-256."""
    assert _worker is not None
    return make_shard(*_worker, shard, _give_up_at_the_end)


def measure_rate(stream: GlyphStream, seconds: float = 1.0) -> float:
    """Return the images per second of one process, measured for about ``seconds`` with images from the whole set."""
    count = min(256, len(stream))
    indices = np.linspace(0, len(stream) - 1, count, dtype=np.int64)
    stream.images(indices[:1])
    made, started = 0, time.perf_counter()
    while time.perf_counter() - started < seconds:
        stream.images(indices)
        made += count
    return made / (time.perf_counter() - started)

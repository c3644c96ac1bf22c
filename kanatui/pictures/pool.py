"""Prepares many files for a model, in several processes where that saves time."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Self

from kanatui.core.errors import ImageError
from kanatui.core.processes import begin_worker, spawning, starting_workers, usable_cores
from kanatui.pictures.files import read_image
from kanatui.pictures.prepare import Hypotheses

Prepared = Hypotheses | ImageError
"""What a picture may show, or the error that says why nothing can be read in it."""

_TOGETHER = 16
"""Files per task, some 25 ms of work."""

_FEW = 200
"""With so few files one process is finished before another one could help: it takes 0.4 s to start."""

_AHEAD = 64
"""Tasks given to each process in advance: what it prepares while torch is imported, 2 MB of pictures."""


class Preparation:
    """A context in which files are prepared in the background; iterating over it yields them in order.

    Preparing a picture takes a hundred short calls of NumPy and SciPy, most of which hold the interpreter lock: two
    threads took 1.5 times as long as one. Processes do not slow each other down.
    """

    def __init__(self, files: Sequence[Path], size: int) -> None:
        """Start preparing; ``size`` is the model's image size in pixels."""
        cores = usable_cores()
        self.processes = cores // 2 if len(files) > _FEW else 0
        """How many other processes prepare: half of the cores, as reading (five views) takes about as long."""
        self._size = size
        self._tasks = (files[start : start + _TOGETHER] for start in range(0, len(files), _TOGETHER))
        self._coming: deque[Future[list[Prepared]]] = deque()
        self._pool: ProcessPoolExecutor | None = None
        if self.processes:
            with starting_workers():
                self._pool = ProcessPoolExecutor(self.processes, mp_context=spawning(), initializer=begin_worker)
            self._fill()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the processes, whatever is left to do."""
        if self._pool:
            self._pool.shutdown(cancel_futures=True)

    def __iter__(self) -> Iterator[Prepared]:
        """Yield each file's picture, or the error that says why there is none."""
        if self._pool is None:
            yield from (_prepared(file, self._size) for task in self._tasks for file in task)
            return
        while self._coming:
            yield from self._coming.popleft().result()
            self._fill()

    def _fill(self) -> None:
        assert self._pool
        for files in itertools.islice(self._tasks, _AHEAD * self.processes - len(self._coming)):
            with starting_workers():
                self._coming.append(self._pool.submit(_prepare_all, files, self._size))


def _prepare_all(files: Sequence[Path], size: int) -> list[Prepared]:
    return [_prepared(file, size) for file in files]


def _prepared(file: Path, size: int) -> Prepared:
    try:
        return read_image(file, size)
    except ImageError as error:
        return error

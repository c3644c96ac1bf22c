"""Many files at once, prepared for a model: by several processes where that pays."""

from __future__ import annotations

import itertools
import multiprocessing
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Self

from kanatui.core.errors import ImageError
from kanatui.core.processes import begin_worker, usable_cores
from kanatui.pictures.files import read_image
from kanatui.pictures.prepare import Hypotheses

Prepared = Hypotheses | ImageError
"""What a picture may show, or the error that says why nothing can be read in it."""

_TOGETHER = 16
"""Files to a task, some 25 ms of work."""

_FEW = 200
"""With so few files one process is done before another helps, 0.4 s after its start."""

_AHEAD = 64
"""Tasks under way for each process: as much as it prepares while torch is imported, 2 MB of pictures."""


class Preparation:
    """Files being prepared, from now on, and given in order as they are ready; a context, left when all are read.

    Preparing is a hundred short calls of NumPy and SciPy a picture, most of which hold the interpreter: two threads
    took 1.5 times as long as one. Processes do not disturb each other.
    """

    def __init__(self, files: Sequence[Path], size: int) -> None:
        """Begin; ``size`` is the model's, in pixels."""
        cores = usable_cores()
        self.processes = cores // 2 if len(files) > _FEW else 0
        """How many beside this one prepare. A picture takes about as long to be read (five looks): the other half."""
        self._size = size
        self._tasks = (files[start : start + _TOGETHER] for start in range(0, len(files), _TOGETHER))
        self._coming: deque[Future[list[Prepared]]] = deque()
        self._pool: ProcessPoolExecutor | None = None
        if self.processes:
            # Spawned, because a fork would inherit torch's threads and locks.
            context = multiprocessing.get_context("spawn")
            self._pool = ProcessPoolExecutor(self.processes, mp_context=context, initializer=begin_worker)
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
        """Give each file's picture, or the error that says why there is none."""
        if self._pool is None:
            yield from (_prepared(file, self._size) for task in self._tasks for file in task)
            return
        while self._coming:
            yield from self._coming.popleft().result()
            self._fill()

    def _fill(self) -> None:
        assert self._pool
        for files in itertools.islice(self._tasks, _AHEAD * self.processes - len(self._coming)):
            self._coming.append(self._pool.submit(_prepare_all, files, self._size))


def _prepare_all(files: Sequence[Path], size: int) -> list[Prepared]:
    return [_prepared(file, size) for file in files]


def _prepared(file: Path, size: int) -> Prepared:
    try:
        return read_image(file, size)
    except ImageError as error:
        return error

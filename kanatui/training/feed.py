"""Batches made ahead of the trainer, always in the same order, whoever makes them."""

from __future__ import annotations

import dataclasses
import functools
import itertools
import multiprocessing
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from typing import Any

import torch

from kanatui.background import begin_worker
from kanatui.dataset.source import Augmentable, Images, ImageSource, Indices, open_source
from kanatui.errors import RunError
from kanatui.training.order import EpochOrder

Opener = Callable[[Mapping[str, Any]], ImageSource]
Augments = Sequence[Mapping[str, Any]]

_AHEAD = 4
"""Batches under way for each maker: enough to ride out a slow one, few enough that memory stays flat."""

_PATIENCE = 0.5
"""Seconds between signs of life while waiting for a batch."""


@dataclasses.dataclass(frozen=True)
class Batch:
    """``images`` uint8 [n, H, W] and ``labels`` int64 [n], on the CPU; ``waited``: the seconds it was waited for."""

    images: torch.Tensor
    labels: torch.Tensor
    waited: float = 0.0


class Feed:
    """Batches ``first``, ``first + stride``, … counted through all epochs, without end."""

    def __init__(
        self,
        source: ImageSource,
        order: EpochOrder,
        first: int,
        stride: int = 1,
        workers: int = 0,
        opener: Opener = open_source,
    ) -> None:
        """Start making batches.

        Args:
            workers: how many processes, each with a source of its own; 0 for a thread of this one. (Torch and NumPy let
                go of the interpreter while they compute.)
            opener: makes the source from its ``spec()`` in another process; it must be importable there.
        """
        self._order, self._stride, self._workers = order, stride, workers
        self._pool: Executor
        if workers:
            self._make: Callable[[int], tuple[Images, Indices]] = _make_in_worker
            self._pool = ProcessPoolExecutor(
                workers,
                mp_context=multiprocessing.get_context("spawn"),  # a fork would inherit the trainer's threads and locks
                initializer=_start_worker,
                initargs=(opener, source.spec(), order),
            )
        else:
            self._make = functools.partial(make_batch, source, order)
            self._pool = ThreadPoolExecutor(1, "kanatui-feed")
        self._begin(first)

    def _begin(self, first: int) -> None:
        self._positions = itertools.count(first, self._stride)
        self._coming = deque(self._begin_one() for _ in range(_AHEAD * max(1, self._workers)))

    def change(self, first: int, source: ImageSource, augments: Augments) -> None:
        """Throw away what was made ahead and go on from batch ``first`` with other augmentations.

        Args:
            source: with these augmentations in force. Processes change their own, and keep their masters.
        """
        for batch in self._coming:
            batch.cancel()
        if self._workers:
            self._make = functools.partial(_make_in_worker, augments=augments)
        else:
            self._make = functools.partial(make_batch, source, self._order)
        self._begin(first)

    def next(self, still_waiting: Callable[[], None]) -> Batch:
        """Return the next batch, calling ``still_waiting`` now and then until it is there.

        What making it raised is raised here. RunError if a worker process died.
        """
        started = time.perf_counter()
        batch = self._coming.popleft()
        try:
            while not wait([batch], _PATIENCE).done:
                still_waiting()
            images, labels = batch.result()
            self._coming.append(self._begin_one())
        except BrokenProcessPool as error:
            raise RunError("a process that makes batches died, perhaps of memory; try fewer --workers") from error
        return Batch(torch.from_numpy(images), torch.from_numpy(labels), time.perf_counter() - started)

    def close(self) -> None:
        """Stop, waiting for the batches that are being made."""
        self._pool.shutdown(cancel_futures=True)

    def _begin_one(self) -> Future[tuple[Images, Indices]]:
        return self._pool.submit(self._make, next(self._positions))


def make_batch(source: ImageSource, order: EpochOrder, position: int) -> tuple[Images, Indices]:
    """Make the batch at a position counted through all epochs: uint8 [n, H, W] and labels int64 [n]."""
    indices = order.batch(*divmod(position, order.batches))
    return source.images(indices), source.labels(indices)


class _Worker:
    """What a worker process keeps between two batches."""

    def __init__(self, opener: Opener, spec: Mapping[str, Any], order: EpochOrder) -> None:
        self._open = functools.cache(lambda: opener(spec))
        self._order = order
        self._augments: Augments | None = None
        self._changed: ImageSource | None = None

    def make(self, position: int, augments: Augments | None) -> tuple[Images, Indices]:
        """Make a batch; the source is opened at the first one, so that what that raises reaches the trainer.

        Changed augmentations travel with each task: there is no other way to tell all processes of a pool something.
        """
        source = self._open()
        if augments is not None and augments != self._augments:
            assert isinstance(source, Augmentable)
            self._changed, self._augments = source.with_augments(augments), augments
        return make_batch(self._changed or source, self._order, position)


_worker: _Worker | None = None


def _start_worker(opener: Opener, spec: Mapping[str, Any], order: EpochOrder) -> None:
    global _worker  # what a pool's initializer sets up, its tasks find nowhere else
    _worker = _Worker(opener, spec, order)
    torch.set_num_threads(1)
    begin_worker()


def _make_in_worker(position: int, augments: Augments | None = None) -> tuple[Images, Indices]:
    assert _worker is not None
    return _worker.make(position, augments)

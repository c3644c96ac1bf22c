"""Makes batches for the trainer, in the same order for any number of processes."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import itertools
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from typing import Any, Protocol

import numpy as np
import torch

from kanatui.core.errors import RunError
from kanatui.core.processes import begin_worker, spawning, starting_workers
from kanatui.dataset.open import open_source, outliers_of
from kanatui.dataset.outliers import OutlierStream
from kanatui.dataset.source import Augmentable, Images, ImageSource, Indices
from kanatui.model.predictions import UNREAD
from kanatui.training.order import EpochOrder

Opener = Callable[[Mapping[str, Any]], ImageSource]
Augments = Sequence[Mapping[str, Any]]
Made = tuple[Images, Indices]

_AHEAD = 4
"""Batches in progress per process: enough to bridge a slow one, few enough to keep memory low."""

_PATIENCE = 0.5
"""Seconds between calls of ``still_waiting`` while waiting for a batch."""


@dataclasses.dataclass(frozen=True)
class Batch:
    """``images`` uint8 [n, H, W] and ``labels`` int64 [n], on the CPU; ``waited``: seconds spent waiting for it.

    Outliers come last; their label is :data:`~kanatui.model.predictions.UNREAD`.
    """

    images: torch.Tensor
    labels: torch.Tensor
    waited: float = 0.0


class Feed(Protocol):
    """An endless series of batches in the training's order."""

    def next(self, still_waiting: Callable[[], None]) -> Batch:
        """Return the next batch; call ``still_waiting`` every now and then while waiting for it.

        Errors of making it are raised here.
        """

    def making_ahead(self) -> contextlib.AbstractContextManager[None]:
        """Make the next batch in a thread of its own while the block runs, and wait for it at the block's end."""

    def change(self, first: int, source: ImageSource, augments: Augments) -> None:
        """Discard the batches made ahead and continue from batch ``first`` with other augmentations.

        Args:
            first: position of the batch, counted through all epochs.
            source: the source with these augmentations.
            augments: all augmentations, as ``[[augment]]`` tables of a recipe.
        """

    def close(self) -> None:
        """Stop; batches in progress are not finished: a process that starts would take seconds to come to its first."""


def open_feed(
    source: ImageSource,
    order: EpochOrder,
    first: int,
    stride: int = 1,
    workers: int = 0,
    opener: Opener = open_source,
    outliers: OutlierStream | None = None,
) -> Feed:
    """Return batches ``first``, ``first + stride``, … counted through all epochs.

    Args:
        workers: number of processes that make them ahead, each with its own source; 0 for none.
        opener: makes the source from its ``spec()`` in another process; it must be importable there.
        outliers: those of the source, for batches that this process makes; others open them themselves.
    """
    if workers:
        return _Ahead(source, order, first, stride, workers, opener)
    return _InTurn(BatchMaker(source, order, outliers), first, stride)


class BatchMaker:
    """Makes the batch at any position of an order: images of characters, then outliers."""

    def __init__(self, source: ImageSource, order: EpochOrder, outliers: OutlierStream | None) -> None:
        self._source, self._order, self._outliers = source, order, outliers
        self._count = round(outliers.share * order.size / order.batches) if outliers else 0

    def make(self, position: int) -> Made:
        """Make the batch at a position counted through all epochs: uint8 [n, H, W] and labels int64 [n]."""
        indices = self._order.batch(*divmod(position, self._order.batches))
        images, labels = self._source.images(indices), self._source.labels(indices)
        if self._outliers is None or not self._count:
            return images, labels
        strange = self._outliers.images(np.arange(position * self._count, (position + 1) * self._count))
        return np.concatenate([images, strange]), np.concatenate([labels, np.full(self._count, UNREAD)])

    def with_augments(self, augments: Augments, source: ImageSource | None = None) -> BatchMaker:
        """Return one with other augmentations, given the ``source`` that has them or not."""
        if source is None:
            assert isinstance(self._source, Augmentable)
            source = self._source.with_augments(augments)
        return BatchMaker(source, self._order, self._outliers and self._outliers.with_augments(augments))


class _InTurn:
    """Makes each batch on request, with all of torch's threads.

    No thread makes batches ahead unless asked to: torch's threads for it and for the network, four on two cores,
    delayed each other. 2,420 images/s this way, 1,520 with such a thread, 2,350 if torch used one thread in it (AMD
    Zen 5, compact_cnn).
    """

    def __init__(self, maker: BatchMaker, first: int, stride: int) -> None:
        self._maker, self._stride = maker, stride
        self._coming = itertools.count(first, stride)
        self._thread = ThreadPoolExecutor(1, "batches")
        self._ahead: Future[Made] | None = None

    def next(self, still_waiting: Callable[[], None]) -> Batch:
        started = time.perf_counter()
        ahead, self._ahead = self._ahead, None
        return _batch(ahead.result() if ahead else self._maker.make(next(self._coming)), started)

    @contextlib.contextmanager
    def making_ahead(self) -> Iterator[None]:
        self._ahead = self._thread.submit(self._maker.make, next(self._coming))
        try:
            yield
        finally:
            wait([self._ahead])  # what validates or tries augmentations next has the source to itself

    def change(self, first: int, source: ImageSource, augments: Augments) -> None:
        self._maker, self._coming = self._maker.with_augments(augments, source), itertools.count(first, self._stride)
        self._ahead = None

    def close(self) -> None:
        self._thread.shutdown()


class _Ahead:
    """Makes batches ahead in worker processes, in the same order for any number of them."""

    def __init__(
        self, source: ImageSource, order: EpochOrder, first: int, stride: int, workers: int, opener: Opener
    ) -> None:
        self._stride, self._workers = stride, workers
        self._augments: Augments | None = None
        with starting_workers():
            self._pool = ProcessPoolExecutor(
                workers,
                mp_context=spawning(),
                initializer=_start_worker,
                initargs=(opener, source.spec(), order),
            )
        self._begin(first)

    def _begin(self, first: int) -> None:
        self._positions = itertools.count(first, self._stride)
        self._coming = deque(self._begin_one() for _ in range(_AHEAD * self._workers))

    def _begin_one(self) -> Future[Made]:
        with starting_workers():
            return self._pool.submit(_make_in_worker, next(self._positions), self._augments)

    def next(self, still_waiting: Callable[[], None]) -> Batch:
        """As in :class:`Feed`. RunError if a worker process died."""
        started = time.perf_counter()
        batch = self._coming.popleft()
        try:
            while not wait([batch], _PATIENCE).done:
                still_waiting()
            made = batch.result()
            self._coming.append(self._begin_one())
        except BrokenProcessPool as error:
            raise RunError(
                "a process that makes batches died, perhaps for lack of memory; try fewer --workers"
            ) from error
        return _batch(made, started)

    def making_ahead(self) -> contextlib.AbstractContextManager[None]:
        return contextlib.nullcontext()  # the processes do so all the time

    def change(self, first: int, source: ImageSource, augments: Augments) -> None:
        """As in :class:`Feed`; the processes change their own sources and keep their masters."""
        for batch in self._coming:
            batch.cancel()
        self._augments = augments
        self._begin(first)

    def close(self) -> None:
        for process in (self._pool._processes or {}).values():  # Python 3.14 has terminate_workers for it
            process.terminate()
        self._pool.shutdown(cancel_futures=True)


def _batch(made: Made, started: float) -> Batch:
    images, labels = made
    return Batch(torch.from_numpy(images), torch.from_numpy(labels), time.perf_counter() - started)


class _Worker:
    """A worker process's state between batches."""

    def __init__(self, opener: Opener, spec: Mapping[str, Any], order: EpochOrder) -> None:
        self._opener, self._spec, self._order = opener, spec, order
        self._augments: Augments | None = None
        self._changed: BatchMaker | None = None

    @functools.cached_property
    def _maker(self) -> BatchMaker:
        source = self._opener(self._spec)
        return BatchMaker(source, self._order, outliers_of(source))

    def make(self, position: int, augments: Augments | None) -> Made:
        """Make a batch; the source is opened at the first one, so that errors of opening reach the trainer.

        Changed augmentations are sent with each task: a pool has no other way to reach all of its processes.
        """
        if augments is not None and augments != self._augments:
            self._changed, self._augments = self._maker.with_augments(augments), augments
        return (self._changed or self._maker).make(position)


_worker: _Worker | None = None


def _start_worker(opener: Opener, spec: Mapping[str, Any], order: EpochOrder) -> None:
    global _worker  # the only place where a pool's tasks find what its initializer set up
    _worker = _Worker(opener, spec, order)
    torch.set_num_threads(1)
    begin_worker()


def _make_in_worker(position: int, augments: Augments | None) -> Made:
    assert _worker is not None
    return _worker.make(position, augments)

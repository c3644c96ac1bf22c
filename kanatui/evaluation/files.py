"""From picture files to probabilities: the one way, for commands, evaluations and measurements.

Files are prepared by several processes where that pays (:mod:`kanatui.pictures.pool`), and read some at a time.
"""

from __future__ import annotations

import contextlib
import gc
import io
import sys
from collections.abc import Generator, Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import IO, TYPE_CHECKING

import numpy as np

from kanatui.core.errors import ImageError
from kanatui.evaluation.probabilities import Classified, classify_pictures
from kanatui.model.card import read_card
from kanatui.pictures.files import read_image
from kanatui.pictures.pool import Preparation, Prepared

if TYPE_CHECKING:
    from kanatui.model.weights import Classifier

_AT_ONCE = 128
"""Pictures whose looks are made together: few enough to stay in the processor's cache at 48 px."""

_LONGEST_STREAM = 256 << 20  # bytes


def read_files(
    weights: Path, files: Sequence[Path | IO[bytes]], characters: str | None = None
) -> Generator[Classified | ImageError]:
    """Read a picture from each file, in order.

    Args:
        weights: the model's file. Loading it takes a second for torch alone: other processes prepare pictures by then.
        files: pictures of any size and kind; one that is no path is read as standard input is.
        characters: the candidates; None for all that the model knows.

    Yields:
        Of each picture what the model makes of it, or the error that says why there is nothing to read: a
        :class:`~kanatui.core.errors.NoInkError` if nothing is on it.

    Raises:
        WeightsError: the model cannot be loaded.
        UsageError: it knows none of ``characters``.
    """
    size = read_card(weights)["image_size"]
    with Preparation([file for file in files if isinstance(file, Path)], size) as preparation:
        prepared = iter(preparation)
        pictures = (next(prepared) if isinstance(file, Path) else _read_stream(file, size) for file in files)
        with _loaded(weights, preparation.processes) as classifier:
            yield from read_prepared(classifier, pictures, characters)


def read_prepared(
    classifier: Classifier, pictures: Iterable[Prepared], characters: str | None = None
) -> Iterator[Classified | ImageError]:
    """Read pictures that are prepared already; see :func:`read_files`. Errors among them are passed on."""
    coming = iter(pictures)
    while batch := list(islice(coming, _AT_ONCE)):
        prepared = [picture for picture in batch if not isinstance(picture, ImageError)]
        found = classify_pictures(classifier, np.stack(prepared), characters).each() if prepared else iter(())
        for picture in batch:
            yield picture if isinstance(picture, ImageError) else next(found)


def _read_stream(stream: IO[bytes], size: int) -> Prepared:
    data = stream.read(_LONGEST_STREAM)
    try:
        if not data:
            raise ImageError("standard input: empty; pipe a picture into it")
        return read_image(io.BytesIO(data), size, "standard input")
    except ImageError as error:
        return error


@contextlib.contextmanager
def _loaded(weights: Path, helpers: int) -> Iterator[Classifier]:
    """Load a model; while it is in use, torch leaves as many cores as there are ``helpers`` at work."""
    classifier = _load(weights)
    import torch

    threads = torch.get_num_threads()
    # Threads that wait for each other spin, which takes the cores from those who prepare.
    torch.set_num_threads(max(1, threads - helpers))
    try:
        yield classifier
    finally:
        torch.set_num_threads(threads)


def _load(weights: Path) -> Classifier:
    first = "torch" not in sys.modules
    if first:
        gc.disable()  # importing torch makes no garbage, and a tenth of its time was looking for some
    try:
        from kanatui.model.weights import load_weights

        return load_weights(weights)
    finally:
        if first:
            gc.freeze()
            gc.enable()

"""From picture files to probabilities, for commands, evaluations and measurements.

Several processes prepare files where that saves time (:mod:`kanatui.pictures.pool`); the model reads them in batches.
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

from kanatui.core.errors import ImageError
from kanatui.evaluation.probabilities import Classified, classify_hypotheses
from kanatui.model.card import read_card
from kanatui.pictures.files import read_image
from kanatui.pictures.pool import Preparation, Prepared

if TYPE_CHECKING:
    from kanatui.model.weights import Classifier

_AT_ONCE = 128
"""Pictures whose views are made together: few enough to stay in the processor's cache at 48 px."""

LONGEST_STREAM = 256 << 20  # bytes


def read_files(
    weights: Path, files: Sequence[Path | IO[bytes]], characters: str | None = None
) -> Generator[Classified | ImageError]:
    """Read a picture from each file, in order.

    Args:
        weights: the model's file. Importing torch takes a second; meanwhile other processes prepare pictures.
        files: pictures of any size and kind; one that is not a path is read like standard input.
        characters: the candidates; None for all that the model knows.

    Yields:
        What is read in each picture, or the error that says why nothing is: a
        :class:`~kanatui.core.errors.NoInkError` if there is no ink.

    Raises:
        WeightsError: the model cannot be loaded.
        UsageError: the model knows none of ``characters``.
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
        found = classify_hypotheses(classifier, prepared, characters).each() if prepared else iter(())
        for picture in batch:
            yield picture if isinstance(picture, ImageError) else next(found)


def stream_data(stream: IO[bytes]) -> bytes:
    """Return what was piped into standard input. ImageError if that is nothing."""
    data = stream.read(LONGEST_STREAM)
    if not data:
        raise ImageError("standard input: empty; pipe a picture into it")
    return data


def _read_stream(stream: IO[bytes], size: int) -> Prepared:
    try:
        return read_image(io.BytesIO(stream_data(stream)), size, "standard input")
    except ImageError as error:
        return error


@contextlib.contextmanager
def _loaded(weights: Path, helpers: int) -> Iterator[Classifier]:
    """Load a model; while it is in use, torch has ``helpers`` threads fewer, but at least one."""
    classifier = _load(weights)
    import torch

    from kanatui.training.device import keeping_threads

    with keeping_threads():
        # Torch's waiting threads spin, which takes cores from the processes that prepare pictures.
        torch.set_num_threads(max(1, torch.get_num_threads() - helpers))
        yield classifier


def _load(weights: Path) -> Classifier:
    first = "torch" not in sys.modules
    if first:
        gc.disable()  # importing torch makes no garbage, and collection took a tenth of the time
    try:
        from kanatui.model.weights import load_weights

        return load_weights(weights)
    finally:
        if first:
            gc.freeze()
            gc.enable()

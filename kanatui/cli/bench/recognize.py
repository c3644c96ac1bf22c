"""Benchmark of recognition: many pictures at once, and one including the start of the process."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from kanatui.cli.bench.figures import Figure
from kanatui.cli.bench.process import own_home, run_kanatui
from kanatui.cli.bench.rounds import alternate, rate
from kanatui.core.errors import ImageError
from kanatui.dataset.recipe import DEFAULT, find_recipe
from kanatui.dataset.source import OnStage
from kanatui.dataset.stream import GlyphStream
from kanatui.evaluation.files import read_prepared
from kanatui.evaluation.recognize import rank
from kanatui.model.shipped import default_weights
from kanatui.model.weights import Classifier, load_weights
from kanatui.pictures.prepare import hypotheses
from kanatui.plugins.registry import load

ROUNDS = 5

_PICTURES = 1000
_SIDE = 128  # pixels of each picture


def measure_recognize(rounds: int, on_stage: OnStage) -> list[Figure]:
    """Read generated pictures with the model that ships.

    Raises:
        KanatuiError: a measured process failed.
    """
    on_stage(0, 1, "pictures")
    with own_home() as home:
        weights, files = default_weights(), _pictures(home)
        on_stage(1, 1, "pictures")
        classifier = load_weights(weights)
        arrays = [np.asarray(Image.open(file)) for file in files]
        read = functools.partial(run_kanatui, home=home)
        command = ["recognize", "--model", str(weights), "--json"]
        found = alternate(
            {
                "many": rate(_PICTURES, functools.partial(_read, classifier, arrays)),
                "files": rate(_PICTURES, lambda: read([*command, *map(str, files)])),
                "one": lambda: read([*command, str(files[0])]).seconds,
            },
            rounds,
            on_stage,
            "recognize",
        )
    size = f"in memory, {_SIDE}×{_SIDE} px"
    both = zip(found["files"], found["one"], strict=True)
    after_start = [(_PICTURES - 1) / (_PICTURES / files - one) for files, one in both]
    return [
        Figure.median(f"read {_PICTURES:,} pictures", found["many"], "images/s", note=size),
        Figure.median(f"read {_PICTURES:,} files", found["files"], "images/s", note="the whole command"),
        Figure.median(
            "after its start",
            after_start,
            "images/s",
            least=500.0,
            note="the other 999, the time of one file subtracted",
        ),
        Figure.median("read one file", found["one"], "s", most=1.5, note="the whole command, including its start"),
    ]


def _read(classifier: Classifier, pictures: Sequence[npt.NDArray[np.uint8]]) -> None:
    for found in read_prepared(classifier, (hypotheses(picture, classifier.image_size) for picture in pictures)):
        assert not isinstance(found, ImageError)
        rank(found.probabilities[None], classifier.characters)


def _pictures(folder: Path) -> list[Path]:
    """Write pictures of the default recipe as PNG files."""
    stream = GlyphStream(find_recipe(DEFAULT).but(image_size=_SIDE, faces=["handwriting"]), load())
    files = [folder / f"{number}.png" for number in range(_PICTURES)]
    for file, image in zip(files, stream.images(np.linspace(0, len(stream) - 1, _PICTURES).astype(int)), strict=True):
        Image.fromarray(255 - image).save(file)
    return files

"""Draws characters with another program, for `kanatui bench render`: a program of its own, run by that one's Python.

It reads a job as JSON from standard input and writes how long the drawing took. It imports nothing of kanatui, which
need not be installed there, and works with Python 3.8 and newer.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import json
import random
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

Job = dict[str, Any]
"""``glyphs``: [character, font file] for each image; ``size``: pixels of a side; ``degrees``: most it is turned either
way; ``sigma``: most it is blurred, in pixels."""

Draw = Callable[[str, str], Any]
"""Draws a character with a font: something that NumPy makes an array of, None if it gave up."""


_CONTRAST = 30  # of 255: less of it in an image, and nothing was drawn; thin strokes that are blurred have 60


def trdg(job: Job) -> Draw:
    """Draw as TRDG's own generators do: https://github.com/Belval/TextRecognitionDataGenerator."""
    from trdg.generators import GeneratorFromStrings

    def draw(character: str, font: str) -> Any:
        one = GeneratorFromStrings(
            [character],
            count=1,
            fonts=[font],
            size=job["size"],
            width=job["size"],
            skewing_angle=job["degrees"],
            random_skew=True,
            blur=job["sigma"],
            random_blur=True,
            background_type=1,  # plain white
            image_mode="L",
        )
        return next(one)[0]

    return draw


def synthtiger(job: Job) -> Draw:
    """Draw with SynthTIGER's layers and components, as its templates do: https://github.com/clovaai/synthtiger."""
    from synthtiger import components, layers

    size = job["size"]
    turn = components.Rotate(angle=(-job["degrees"], job["degrees"]))
    blur = components.GaussianBlur()

    def draw(character: str, font: str) -> Any:
        text = layers.TextLayer(character, font, size * 3 // 4)
        turn.apply([text])
        text.center = (size / 2, size / 2)
        image = (text + layers.RectLayer((size, size), (255, 255, 255, 255))).merge()
        blur.apply([image], {"sigma": random.uniform(0.0, job["sigma"])})
        return image.output(bbox=(0, 0, size, size))[..., 0].astype(np.uint8)

    return draw


def main() -> None:
    """Do the job with the peer that is named on the command line."""
    name = sys.argv[1]
    job: Job = json.load(sys.stdin)
    with contextlib.suppress(ImportError):
        import cv2

        cv2.setNumThreads(1)
    random.seed(0)
    np.random.seed(0)  # noqa: NPY002  # what SynthTIGER draws its random numbers from
    draw = {"trdg": trdg, "synthtiger": synthtiger}[name](job)
    for glyph in job["glyphs"][:10]:  # loads what is loaded once
        draw(*glyph)
    started = time.perf_counter()
    images = [draw(*glyph) for glyph in job["glyphs"]]
    seconds = time.perf_counter() - started
    arrays = [np.asarray(image) for image in images if image is not None]
    drawn = sum(array.shape[:2] == (job["size"], job["size"]) and np.ptp(array) > _CONTRAST for array in arrays)
    json.dump({"seconds": seconds, "drawn": int(drawn), "version": importlib.metadata.version(name)}, sys.stdout)


if __name__ == "__main__":
    main()

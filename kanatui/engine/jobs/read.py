"""The job of the pane that reads pictures of lines and sheets."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from kanatui.engine.context import Context, Reporter
from kanatui.engine.jobs.recognize import classifier_of
from kanatui.engine.wire import Answer

_SIDE = 128
"""Pixels of each character's picture: enough for a sample of any model's size."""

_LONGEST = 480
"""Pixels along the picture that is shown: more than a terminal has room for."""


def read(context: Context, arguments: Mapping[str, Any], report: Reporter) -> Answer:
    """Read the picture ``path`` with a ``model``, in a ``direction``.

    Returns:
        ``page`` uint8 [H, W], grey, at most 480 pixels a side; ``characters`` uint8 [n, 128, 128], white on black;
        {"lines": for each line its characters, {"box": left, top, right, bottom as shares of the picture,
        "readings": [{"character", "probability", "folded"}, …], "doubtful"}, "vertical"}.

    Raises:
        ImageError: the picture cannot be read.
    """
    from kanatui.core.errors import ImageError
    from kanatui.evaluation.read import read_text
    from kanatui.pictures.files import open_image

    path = Path(arguments["path"])
    image = open_image(path)
    classifier = classifier_of(context, arguments["model"])
    try:
        text = read_text(
            classifier,
            image,
            direction=arguments["direction"],
            on_progress=lambda done, total: report(done, total, "reading"),
            side=_SIDE,
        )
    except ImageError as error:
        raise type(error)(f"{path}: {error}") from None
    lines = [
        [
            {
                "box": (np.array(character.box) / (image.size * 2)).tolist(),
                "readings": [dataclasses.asdict(reading) for reading in character.readings],
                "doubtful": character.doubtful,
            }
            for character in line
        ]
        for line in text.lines
    ]
    pictures = [character.picture for line in text.lines for character in line]
    return Answer(
        {"lines": lines, "vertical": text.vertical}, {"page": _small(image), "characters": np.stack(pictures)}
    )


def _small(image: Image.Image) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    shown = image.convert("RGB")
    shown.thumbnail((_LONGEST, _LONGEST))
    return np.asarray(shown.convert("L"))

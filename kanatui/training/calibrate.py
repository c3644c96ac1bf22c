"""Calibrates weights files (:mod:`kanatui.model.calibration`): the last step of a training, or a command's."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import safetensors.torch

from kanatui.dataset.source import ImageSource
from kanatui.model import seal
from kanatui.model.calibration import Calibration, fit
from kanatui.model.card import KEY, read_card
from kanatui.model.looks import mean_logits
from kanatui.model.weights import Classifier, load_weights, pack
from kanatui.training.splits import Split

IMAGES = 2048
"""The share that the threshold refuses is then right to within 0.3 points; two seconds on one core."""

_AT_ONCE = 256

T = TypeVar("T", np.uint8, np.float32)


def calibrate_files(
    files: Sequence[Path],
    source: ImageSource,
    split: Split,
    most: int = IMAGES,
    between: Callable[[], None] = lambda: None,
) -> bool:
    """Calibrate weights files, those that there are, on images that their training held out.

    They are those of held-out faces, as handwriting is another's, or else of the other faces: changed by the recipe's
    own augmentations, and looked at several times, as pictures are. If the training held nothing out, its files stay as
    they are.

    Args:
        files: weights files of one training.
        source: the training's images.
        split: what it held out.
        most: at most about so many images.
        between: called every second or so; what it raises ends the calibration, and leaves files as they are.

    Returns:
        Whether there were such images.

    Raises:
        WeightsError: a file is damaged.
        StorageError: a file cannot be written.
    """
    # The user's own pictures, which an adapted model holds back, are too few.
    of = "faces" if split.kind == "faces" and len(split.held_out_faces) else "held_out"
    chosen = split.held_out_faces if of == "faces" else split.held_out
    if not len(chosen):
        return False
    indices = chosen.sample(min(most, IMAGES))
    labels = source.labels(indices)
    images = _in_parts(source.images, indices, between)
    found: dict[int, Calibration] = {}
    for file in filter(Path.is_file, files):
        step = int(read_card(file).get("scores", {}).get("step", -1))
        if step not in found:  # the last weights are often the best ones, too
            found[step] = fit(_logits(load_weights(file), images, between), labels, of)
        write_calibration(file, found[step])
    return True


def _logits(
    classifier: Classifier, images: npt.NDArray[np.uint8], between: Callable[[], None]
) -> npt.NDArray[np.float32]:
    return _in_parts(functools.partial(mean_logits, classifier), images, between)


def _in_parts(
    make: Callable[[npt.NDArray[Any]], npt.NDArray[T]], given: npt.NDArray[Any], between: Callable[[], None]
) -> npt.NDArray[T]:
    made = []
    for start in range(0, len(given), _AT_ONCE):
        between()
        made.append(make(given[start : start + _AT_ONCE]))
    return np.concatenate(made)


def write_calibration(file: Path, calibration: Calibration) -> None:
    """Put a calibration into a weights file's card. Raises as :func:`calibrate_files` does."""
    card = calibration.in_card(read_card(file))
    seal.write(file, pack(safetensors.torch.load_file(file), {KEY: json.dumps(card, ensure_ascii=False)}))

"""Calibrates weights files (:mod:`kanatui.model.calibration`): the last step of a training, or a command's."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import safetensors.torch

from kanatui.core import storage
from kanatui.dataset.source import ImageSource
from kanatui.model.calibration import Calibration, fit
from kanatui.model.card import KEY, read_card
from kanatui.model.looks import mean_logits
from kanatui.model.weights import Classifier, load_weights, pack
from kanatui.training.splits import Split

IMAGES = 2048
"""The share that the threshold refuses is then right to within 0.3 points; two seconds on one core."""

_AT_ONCE = 256


def calibrate_files(files: Sequence[Path], source: ImageSource, split: Split, most: int = IMAGES) -> bool:
    """Calibrate weights files, those that there are, on images that their training held out.

    They are those of held-out faces, as handwriting is another's, or else of the other faces: changed by the recipe's
    own augmentations, and looked at several times, as pictures are. If the training held nothing out, its files stay as
    they are.

    Args:
        files: weights files of one training.
        source: the training's images.
        split: what it held out.
        most: at most about so many images.

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
    images, labels = source.images(indices), source.labels(indices)
    found: dict[int, Calibration] = {}
    for file in filter(Path.is_file, files):
        step = int(read_card(file).get("scores", {}).get("step", -1))
        if step not in found:  # the last weights are often the best ones, too
            found[step] = fit(_logits(load_weights(file), images), labels, of)
        write_calibration(file, found[step])
    return True


def _logits(classifier: Classifier, images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    parts = [mean_logits(classifier, images[start : start + _AT_ONCE]) for start in range(0, len(images), _AT_ONCE)]
    return np.concatenate(parts)


def write_calibration(file: Path, calibration: Calibration) -> None:
    """Put a calibration into a weights file's card. Raises as :func:`calibrate_files` does."""
    card = calibration.in_card(read_card(file))
    storage.write_bytes(file, pack(safetensors.torch.load_file(file), {KEY: json.dumps(card, ensure_ascii=False)}))

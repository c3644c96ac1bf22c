"""Several looks at one picture."""

import numpy as np
import pytest
import torch

from kanatui.evaluation.probabilities import classify, classify_pictures
from kanatui.model.calibration import Calibration
from kanatui.model.looks import LOOKS, views


class Brightness:
    """A classifier whose logits follow from the mean brightness of the upper half alone."""

    characters = "あい"
    calibration = Calibration()
    device = torch.device("cpu")

    def logits(self, images):
        bright = torch.from_numpy(images[:, : images.shape[1] // 2].mean(axis=(1, 2)) / 64)
        return torch.stack([bright, -bright], dim=1).float()


@pytest.fixture
def pictures():
    made = np.zeros((3, 48, 48), dtype=np.uint8)
    made[0, 20:28, 8:40] = 255
    made[1, 8:40, 20:28] = 255
    made[2, 8:20, 8:20] = 255
    return made


def test_the_first_look_is_at_the_picture_itself(pictures):
    seen = list(views(pictures))
    assert len(seen) == 1 + len(LOOKS)
    assert np.array_equal(seen[0], pictures)
    assert all(look.dtype == np.uint8 and look.shape == pictures.shape for look in seen)


def test_looks_change_size_and_turn_clockwise(pictures):
    for (scale, degrees), seen in zip(LOOKS, list(views(pictures))[1:], strict=True):
        assert seen.sum(axis=(1, 2), dtype=float) == pytest.approx(pictures.sum(axis=(1, 2)) * scale**2, rel=0.03)
        rows, columns = np.nonzero(seen[0] > 127)
        slope = np.polyfit(columns, rows, 1)[0]  # rows count downwards, so clockwise is positive
        assert np.degrees(np.arctan(slope)) == pytest.approx(degrees, abs=1.0)


def test_a_picture_is_seen_alike_in_any_batch(pictures):
    together, alone = list(views(pictures)), list(views(pictures[1:2]))
    for whole, one in zip(together, alone, strict=True):
        assert np.array_equal(whole[1], one[0])


def test_probabilities_are_those_of_the_mean_logits(pictures):
    classifier = Brightness()
    logits = np.mean([classifier.logits(seen).numpy() for seen in views(pictures)], axis=0)
    expected = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    assert classify_pictures(classifier, pictures).probabilities == pytest.approx(expected, abs=1e-6)
    assert classify_pictures(classifier, pictures, "い").probabilities.tolist() == [[0.0, 1.0]] * 3
    assert not np.allclose(classify(classifier, pictures).probabilities, expected, atol=1e-3)

"""How a drawing is read: by its shape, and by its size and place on the board."""

import numpy as np
import pytest
import torch

from kanatui.core.errors import ImageError
from kanatui.evaluation.recognize import judge_size, read_drawing, smallness
from kanatui.kana.alphabet import SMALL
from kanatui.model.calibration import Calibration
from kanatui.model.weights import Classifier
from kanatui.pictures.drawing import Drawing
from tests.helpers.drawings import STROKES, drawn


class Always(torch.nn.Module):
    def __init__(self, *probabilities):
        super().__init__()
        self.logits = torch.log(torch.tensor(probabilities))

    def forward(self, images):
        return self.logits.expand(len(images), -1)


def classifier(known, *probabilities):
    return Classifier(Always(*probabilities), known, 24, {}, torch.device("cpu"))


def test_size_and_place_on_the_board_tell_small_kana():
    reader = classifier("つっフ", 0.5, 0.3, 0.2)
    (usual, _), (small, _) = read_drawing(reader, drawn("つ")), read_drawing(reader, drawn("つ", 0.5, 0.25, 0.42))
    assert [reading.character for reading in usual] == ["つ", "っ", "フ"]
    assert [reading.character for reading in small] == ["っ", "つ", "フ"]
    assert usual[0].folded == pytest.approx(0.8, abs=1e-5) and usual[0].probability > 0.75
    assert small[0].folded == pytest.approx(0.8, abs=1e-5) and small[0].probability > 0.75


@pytest.mark.parametrize("character", sorted(STROKES))
def test_the_same_strokes_are_normal_at_full_size_and_small_in_the_small_frame(character):
    assert smallness(drawn(character).raster(192)) < 0.25
    if character in SMALL.values():
        assert smallness(drawn(character, 0.55, 0.22, 0.41).raster(192)) > 0.5


def test_an_empty_board_is_neither():
    assert smallness(np.zeros((10, 10), dtype=np.uint8)) == 0.5
    with pytest.raises(ImageError, match="no ink"):
        read_drawing(classifier("か", 1.0), Drawing())


@pytest.mark.parametrize(("threshold", "refused"), [(0.0, False), (0.2, True)])
def test_a_drawing_about_which_the_model_is_unsure_is_refused(threshold, refused):
    card = Calibration(1.0, threshold, 100, "faces").in_card({})
    unsure = Classifier(Always(0.4, 0.3, 0.3), "つっフ", 24, card, torch.device("cpu"))
    readings, doubted = read_drawing(unsure, drawn("つ"))
    assert readings and doubted is refused


def test_look_alikes_stand_together_and_pairs_keep_their_sum():
    reader = classifier("へヘカヵコ", 0.55, 0.05, 0.18, 0.12, 0.1)
    readings, _ = read_drawing(reader, drawn("カ"))
    assert "".join(reading.character for reading in readings) == "へヘカヵコ"
    probabilities = np.array([[0.55, 0.05, 0.18, 0.12, 0.1]], dtype=np.float32)
    judged = judge_size(probabilities, "へヘカヵコ", 0.25)
    assert judged[0] == pytest.approx([0.55, 0.05, 0.225, 0.075, 0.1], abs=1e-6)


def test_a_pair_of_which_one_is_no_candidate_stays_as_it_is():
    probabilities = np.array([[0.0, 0.6, 0.4]], dtype=np.float32)
    judged = judge_size(probabilities, "カヵコ", 0.0, np.array([False, True, True]))
    assert (judged == probabilities).all()

"""Calibration: temperature, certainty, threshold, and the card that they lie in."""

import math

import numpy as np
import pytest
import torch

from kanatui.core.errors import WeightsError
from kanatui.kana.alphabet import KANA
from kanatui.model.calibration import LEFT_OUT, Calibration, certainty, fit, question
from kanatui.model.metrics import auroc
from kanatui.model.weights import read_card, save_weights

CARD = {"model": {"id": "compact_cnn", "parameters": {}}, "characters": "あい", "image_size": 24}


def save(path, card):
    save_weights(path, torch.nn.Linear(1, 1), card)
    return path


def test_certainty_says_how_far_from_even_the_probabilities_are():
    logits = np.full((4, 169), -100.0)
    logits[0, 3] = 0.0
    logits[1, :2] = 0.0
    logits[2] = 7.0
    logits[3] = np.linspace(0.0, 1e4, 169)
    assert certainty(logits) == pytest.approx([1.0, 1.0 - math.log(2) / math.log(169), 0.0, 1.0], abs=1e-6)
    assert certainty(np.zeros((2, 1))).tolist() == [1.0, 1.0]


def test_certainty_does_not_depend_on_the_level_of_the_logits():
    logits = np.random.default_rng(0).normal(size=(5, 20)).astype(np.float32)
    assert certainty(logits + 50.0) == pytest.approx(certainty(logits), abs=1e-4)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.5])
def test_the_temperature_is_found_that_the_truths_were_drawn_with(temperature):
    random = np.random.default_rng(1)
    logits = random.normal(0.0, 3.0, size=(20_000, 6))
    scaled = np.exp(logits / temperature)
    chances = np.cumsum(scaled / scaled.sum(axis=1, keepdims=True), axis=1)
    truths = (chances < random.uniform(size=(len(logits), 1))).sum(axis=1)
    found = fit(logits, truths, "faces")
    assert found.temperature == pytest.approx(temperature, rel=0.05)
    assert (found.images, found.of) == (20_000, "faces")


def test_the_threshold_refuses_a_small_share_of_what_it_was_fitted_to():
    logits = np.random.default_rng(2).normal(0.0, 3.0, size=(5_000, 10))
    found = fit(logits, logits.argmax(axis=1), "held_out")
    assert found.refuses(certainty(logits)).mean() == pytest.approx(LEFT_OUT, abs=0.002)
    assert "5,000 images (held out of training)" in found.in_words()


def test_images_that_are_all_read_rightly_and_surely_have_a_temperature_within_bounds():
    found = fit(np.eye(4) * 1e3, np.arange(4), "held_out")
    assert 0.0 < found.temperature < math.inf


def test_a_card_keeps_it_and_an_older_card_means_nothing_by_it(tmp_path):
    calibration = Calibration(0.7, 0.3, 100, "faces")
    assert Calibration.of_card(read_card(save(tmp_path / "new", calibration.in_card(CARD)))) == calibration
    older = Calibration.of_card(read_card(save(tmp_path / "old", CARD)))
    assert older == Calibration() and not older.refuses([0.0, 0.5]).any()


@pytest.mark.parametrize(
    "calibration",
    [
        {"temperature": 0.0},
        {"temperature": "1"},
        {"temperature": math.nan},
        {"threshold": 2.0},
        [1.0],
        "x",
    ],
)
def test_a_card_that_makes_no_sense_is_refused_in_one_line(tmp_path, calibration):
    file = save(tmp_path / "odd.safetensors", CARD | {"calibration": calibration})
    with pytest.raises(WeightsError, match="odd.safetensors: its card is invalid") as error:
        read_card(file)
    assert "\n" not in str(error.value)


def test_what_is_asked_names_kana_only_where_a_model_reads_them():
    assert question(KANA) == question("あ") == "not a kana?"
    assert "kana" not in question("0123")


def test_auroc_is_the_chance_that_one_inside_is_above_one_outside():
    assert auroc([3.0, 4.0], [1.0, 2.0]) == 1.0
    assert auroc([1.0, 2.0], [3.0, 4.0]) == 0.0
    assert auroc([1.0, 2.0, 3.0], [2.0]) == 0.5
    inside, outside = np.random.default_rng(3).normal(1.0, 1.0, 80), np.random.default_rng(4).normal(0.0, 1.0, 90)
    pairs = (inside[:, None] > outside).mean()
    assert auroc(inside, outside) == pytest.approx(pairs)

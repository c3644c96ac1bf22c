import numpy as np
import pytest
import torch

from kanatui.core.errors import ImageError, NoInkError, UsageError
from kanatui.evaluation.files import read_prepared
from kanatui.evaluation.probabilities import classify, classify_pictures
from kanatui.evaluation.recognize import SERIOUS, rank
from kanatui.model.calibration import Calibration
from kanatui.model.weights import Classifier
from kanatui.pictures.prepare import hypotheses

KNOWN = "つっフへヘか"


class Fixed(torch.nn.Module):
    """Gives the same probabilities for everything."""

    def __init__(self, *probabilities):
        super().__init__()
        self.logits = torch.log(torch.tensor(probabilities))

    def forward(self, images):
        assert images.shape[1:] == (1, 24, 24) and images.max() <= 1.0
        return self.logits.expand(len(images), -1)


def classifier(*probabilities):
    return Classifier(Fixed(*probabilities), KNOWN, 24, {}, torch.device("cpu"))


def picture():
    values = np.full((60, 50), 240, dtype=np.uint8)
    values[20:24, 10:40] = 30
    return values


def recognize(classifier, pictures, top=5, characters=None):
    prepared = (hypotheses(picture, classifier.image_size) for picture in pictures)
    found = np.stack([one.probabilities for one in read_prepared(classifier, prepared, characters)])
    return rank(found, classifier.characters, top, characters)


def order(probabilities, **options):
    return "".join(
        reading.character for reading in rank(np.array([probabilities], dtype=np.float32), KNOWN, **options)[0]
    )


def test_readings_have_their_own_and_their_groups_probability():
    (readings,) = recognize(classifier(0.3, 0.25, 0.4, 0.03, 0.01, 0.01), [picture()], top=6)
    found = {reading.character: (reading.probability, reading.folded) for reading in readings}
    assert found["つ"] == pytest.approx((0.3, 0.55), abs=1e-5)
    assert found["っ"] == pytest.approx((0.25, 0.55), abs=1e-5)
    assert found["フ"] == pytest.approx((0.4, 0.4), abs=1e-5)
    assert found["ヘ"] == pytest.approx((0.01, 0.04), abs=1e-5)


def test_ranked_by_group_and_within_it_by_themselves():
    assert order([0.25, 0.3, 0.4, 0.03, 0.01, 0.01]) == "っつフへヘ"


def test_a_member_that_nobody_thinks_of_does_not_rank_with_its_group():
    share = SERIOUS / 2
    assert order([0.6 * (1 - share), 0.6 * share, 0.25, 0.1, 0.01, 0.04], top=6) == "つフへっかヘ"


def test_restricted_candidates_share_the_whole_probability():
    images = np.zeros((2, 24, 24), dtype=np.uint8)
    probabilities = classify(classifier(0.3, 0.2, 0.1, 0.1, 0.2, 0.1), images, "フヘ漢").probabilities
    assert probabilities == pytest.approx(np.array([[0, 0, 1 / 3, 0, 2 / 3, 0]] * 2), abs=1e-6)
    (readings,) = recognize(classifier(0.3, 0.2, 0.1, 0.1, 0.2, 0.1), [picture()], characters="フヘ")
    assert [reading.character for reading in readings] == ["ヘ", "フ"]
    assert readings[0].folded == readings[0].probability


def test_top_limits_the_list_and_many_images_are_read_at_once():
    lists = recognize(classifier(0.3, 0.2, 0.1, 0.1, 0.2, 0.1), [picture(), 255 - picture()], top=2)
    assert [len(readings) for readings in lists] == [2, 2]
    assert list(read_prepared(classifier(0.3, 0.2, 0.1, 0.1, 0.2, 0.1), [])) == []


def test_candidates_unknown_to_the_model_are_an_error():
    with pytest.raises(UsageError, match="knows none of '漢字'"):
        recognize(classifier(0.3, 0.2, 0.1, 0.1, 0.2, 0.1), [picture()], characters="漢字")


def test_certainty_is_that_of_all_characters_whatever_the_candidates():
    sure, even = classifier(0.96, 0.01, 0.01, 0.01, 0.005, 0.005), classifier(*[1 / 6] * 6)
    images = np.zeros((3, 24, 24), dtype=np.uint8)
    assert classify(even, images).certainty == pytest.approx([0.0] * 3, abs=1e-5)
    whole = classify(sure, images).certainty
    assert (whole > 0.7).all() and classify(sure, images, "フか").certainty == pytest.approx(whole)


def test_the_temperature_of_a_card_sharpens_probabilities_and_leaves_certainty_as_it_is():
    plain = classifier(0.4, 0.2, 0.1, 0.1, 0.1, 0.1)
    sharp = Classifier(plain.module, KNOWN, 24, Calibration(0.5, 0.1, 9, "faces").in_card({}), torch.device("cpu"))
    images = np.zeros((1, 24, 24), dtype=np.uint8)
    squared = np.array([0.16, 0.04, 0.01, 0.01, 0.01, 0.01])
    assert classify(sharp, images).probabilities[0] == pytest.approx(squared / squared.sum(), abs=1e-5)
    assert classify_pictures(sharp, images).probabilities[0] == pytest.approx(squared / squared.sum(), abs=1e-5)
    assert classify(sharp, images).certainty == pytest.approx(classify(plain, images).certainty)


def test_errors_keep_their_place_among_the_pictures():
    missing, blank = ImageError("a.png: no such file"), NoInkError("b.png: no ink found")
    seen = hypotheses(picture(), 24)
    found = list(read_prepared(classifier(0.3, 0.2, 0.1, 0.1, 0.2, 0.1), [missing, seen, blank, seen]))
    assert found[0] is missing and found[2] is blank
    assert found[1].probabilities == pytest.approx(found[3].probabilities)
    assert found[1].probabilities.shape == (len(KNOWN),) and found[1].certainty == found[3].certainty

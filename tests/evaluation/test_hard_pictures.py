"""What people bring that was once read wrongly without a word: tight crops, shadows, things around the character."""

import itertools

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from kanatui.cli.bench.spoil import KINDS
from kanatui.evaluation.probabilities import classify_hypotheses, classify_pictures, softmax
from kanatui.fonts.faces import load_faces
from kanatui.kana.alphabet import FOLD
from kanatui.kana.folding import fold_probabilities
from kanatui.model.looks import LOOKS, mean_logits
from kanatui.model.shipped import default_weights
from kanatui.model.weights import load_weights
from kanatui.pictures.prepare import hypotheses

FACES = {face.id: face for face in load_faces()}


@pytest.fixture(scope="module")
def model():
    return load_weights(default_weights())


def glyph(character, face="klee-regular", size=160):
    """Ink alone, float32 0 to 1, cropped to it."""
    font = ImageFont.truetype(str(FACES[face].path), round(size * 1.3))
    canvas = Image.new("L", (size * 3, size * 3))
    ImageDraw.Draw(canvas).text((size // 2, size // 2), character, font=font, fill=255)
    return np.asarray(canvas.crop(canvas.getbbox()), dtype=np.float32) / 255


def read(model, *pictures):
    found = classify_hypotheses(model, [hypotheses(picture, model.image_size) for picture in pictures])
    return "".join(FOLD.get(c, c) for c in (model.characters[one] for one in found.probabilities.argmax(axis=1)))


@pytest.mark.parametrize("face", ["klee-regular", "seto-regular", "kiloji-regular"])
@pytest.mark.parametrize("character", "いけにほはりシニヌヒラリレロコユヨテエごゾ")
def test_an_outer_stroke_is_read_however_little_paper_is_beside_it(model, character, face):
    ink = np.pad(glyph(character, face), 20)
    crops = []
    for margin in range(0, 9, 2):
        cut = 20 - margin
        whole = ink[cut : len(ink) - cut, cut : ink.shape[1] - cut]
        sides = ink[cut:], ink[: len(ink) - cut], ink[:, cut:], ink[:, : ink.shape[1] - cut]
        crops += [(255 - 255 * part).astype(np.uint8) for part in (whole, *sides)]
    said = read(model, *crops, *(255 - crop for crop in crops))
    assert said == FOLD.get(character, character) * len(said)


@pytest.mark.parametrize(
    "kind", ["small, in a shadow's edge", "lit corner", "red ring", "screenshot", "sheet on a table", "corner marks"]
)
def test_what_is_around_a_character_is_not_read(model, kind):
    expected = "カテトハぬにあキ"
    pictures = [KINDS[kind](glyph(c), np.random.default_rng(n)) for n, c in enumerate(expected)]
    assert read(model, *pictures) == expected


def test_what_cannot_be_chosen_is_not_read_and_the_choice_is_that_among_all(model, monkeypatch):
    rng = np.random.default_rng(0)
    prepared = [hypotheses(kind(glyph("キ"), rng), model.image_size) for kind in KINDS.values()]
    images = np.concatenate([one.images for one in prepared])
    alike = fold_probabilities(softmax(mean_logits(model, images)), model.characters).max(axis=1)
    surety = np.log(np.maximum(alike, 1e-9)) + np.concatenate([one.log_odds for one in prepared])
    starts = np.cumsum([0, *(len(one.images) for one in prepared)])
    best = [int(surety[start:stop].argmax()) for start, stop in itertools.pairwise(starts)]
    read, logits = [], model.logits
    monkeypatch.setattr(model, "logits", lambda images: read.append(len(images)) or logits(images))
    found = classify_hypotheses(model, prepared)
    assert sum(read) / (1 + len(LOOKS)) < 0.8 * len(images)
    assert found.hypothesis.tolist() == best
    chosen = np.stack([one.images[index] for one, index in zip(prepared, best, strict=True)])
    assert found.probabilities == pytest.approx(classify_pictures(model, chosen).probabilities, abs=1e-4)

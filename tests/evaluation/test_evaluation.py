"""Scores by their definition, of folders and of held-out images."""

import json

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from kanatui.core.errors import ImageError, RunError, UsageError, WeightsError
from kanatui.evaluation.scores import Scores
from kanatui.evaluation.scoring import choose_pictures, open_held_out, read_folder, read_source
from kanatui.kana.folding import fold_groups
from kanatui.model.building import build_model
from kanatui.model.predictions import Predictions
from kanatui.model.weights import Classifier, save_weights
from kanatui.pictures.labelled import find_labelled
from kanatui.plugins.registry import load
from kanatui.training.provenance import find_provenance, provenance_of
from tests.helpers.tiny import CHARACTERS, TinySource

# --- metrics ---


def counted(score):
    """Of a score, the images, and how many were right by each of the metrics that count images."""
    return (score.images, *(round(score.images * score[key]) for key in ("strict", "folded", "top5")))


def plainly(probabilities, labels, characters):
    """The scores by their definitions, image by image."""
    groups, index = fold_groups(characters)
    strict = folded = top5 = 0
    for row, label in zip(probabilities, labels, strict=True):
        order = sorted(range(len(characters)), key=lambda c: (-row[c], c))
        strict += order[0] == label
        top5 += label in order[:5]
        sums = [sum(row[c] for c in range(len(characters)) if index[c] == g) for g in range(len(groups))]
        folded += int(np.argmax(sums)) == index[label]
    return len(labels), strict, folded, top5


@given(st.integers(0, 10_000), st.integers(1, 60), st.integers(1, 9))
@settings(max_examples=40, deadline=None)
def test_scores_agree_with_their_definition_however_batched(seed, count, batch):
    characters = "つっあぁへヘリか"
    random = np.random.default_rng(seed)
    probabilities = random.integers(0, 6, (count, len(characters))).astype(np.float32) / 8  # exact sums, many ties
    labels = random.integers(0, len(characters), count)
    predictions = Predictions(characters)
    for start in range(0, count, batch):
        part = slice(start, start + batch)
        predictions.add(probabilities[part], labels[part], np.arange(count)[part])
    scores = Scores.of(predictions)
    assert counted(scores.total) == plainly(probabilities, labels, characters)
    assert sum(score.images for score in scores.per_character.values()) == count
    assert sum(confusion.count for confusion in scores.confusions) == count - round(count * scores.total["strict"])


def certain(reads, characters):
    return np.eye(len(characters), dtype=np.float32)[[characters.index(c) for c in reads]]


def test_scores_name_confusions_scripts_and_characters():
    characters = "かつっカヘへ漢"
    truths, reads = "かかかつっカへ漢漢", "かカカつつかヘ漢か"
    predictions = Predictions(characters)
    predictions.add(certain(reads, characters), [characters.index(c) for c in truths], range(len(truths)))
    predictions.add_unread(characters.index("か"), len(truths))
    scores = Scores.of(predictions)
    assert counted(scores.total) == (10, 3, 5, 7)  # of the wrong ones, those that a tie puts among the first five
    assert [(c.truth, c.read, c.count, c.folded) for c in scores.confusions] == [
        ("か", "カ", 2, False),
        ("か", "", 1, False),
        ("っ", "つ", 1, True),
        ("カ", "か", 1, False),
        ("へ", "ヘ", 1, True),
        ("漢", "か", 1, False),
    ]
    assert list(scores.per_character) == ["か", "つ", "っ", "カ", "へ", "漢"]
    assert counted(scores.per_character["っ"]) == (1, 0, 1, 1)
    assert {name: score.images for name, score in scores.by_script.items()} == {
        "hiragana": 7,
        "katakana": 1,
        "other": 2,
    }
    data = json.loads(json.dumps(scores.to_dict()))
    assert data["images"] == 10 and data["strict"] == 0.3 and data["folded"] == 0.5 and data["top5"] == 0.7
    assert data["per_character"]["か"] == {"images": 4, "strict": 0.25, "folded": 0.25, "top5": 0.75}
    assert data["confusions"][0] == {"truth": "か", "read": "カ", "count": 2, "folded": False}


def test_of_no_images_every_score_is_zero():
    scores = Scores.of(Predictions("かき"))
    assert scores.total.images == 0 and set(scores.total.values.values()) == {0}
    assert not scores.by_script and not scores.per_character and not scores.confusions


# --- folders ---


def test_pictures_that_cannot_be_scored_are_left_out_and_counted(folder):
    chosen, skipped = choose_pictures(find_labelled(folder), CHARACTERS, "かさ")
    assert [label for _, label in chosen.files] == ["か", "か", "さ"]
    assert (skipped.unknown, skipped.outside, skipped.ignored) == (1, 1, 2)
    assert skipped.in_words() == (
        "not scored: 1 of characters that the model does not know (漢), 1 of characters outside the candidates, "
        "2 files that are no pictures in a labelled folder, folder 'not a label'"
    )
    assert len(choose_pictures(find_labelled(folder), CHARACTERS, None, 2)[0].files) == 2
    with pytest.raises(ImageError, match="no picture of a character that can be read here"):
        choose_pictures(find_labelled(folder), "ヌネ")
    with pytest.raises(UsageError, match="--characters"):
        choose_pictures(find_labelled(folder), CHARACTERS, "ネ")


# --- scoring ---


@pytest.fixture
def says_ka(tmp_path):
    """Write a model that takes everything for か."""
    module, parameters = build_model(load(), "compact_cnn", {}, 16, len(CHARACTERS))
    last = [layer for layer in module.modules() if isinstance(layer, torch.nn.Linear)][-1]
    torch.nn.init.zeros_(last.weight)
    last.bias.data = torch.eye(len(CHARACTERS))[CHARACTERS.index("か")] * 5.0
    model = {"id": "compact_cnn", "parameters": parameters}
    path = tmp_path / "says.safetensors"
    save_weights(path, module, {"model": model, "characters": CHARACTERS, "image_size": 16})
    return path


class Constant(torch.nn.Module):
    """Thinks that everything is the same character."""

    def __init__(self, choice, count):
        super().__init__()
        self.logit = torch.zeros(count)
        self.logit[choice] = 5.0

    def forward(self, images):
        return self.logit.expand(len(images), -1)


def says(character, size=16, characters=CHARACTERS):
    module = Constant(characters.index(character), len(characters))
    return Classifier(module, characters, size, {}, torch.device("cpu"))


def test_scoring_a_folder_counts_blank_pictures_as_misread_and_reports_broken_ones(folder, says_ka):
    Image.new("L", (20, 20), 255).save(folder / "が" / "2.png")
    bad = folder / "が" / "3.png"
    bad.write_bytes(b"broken")
    chosen, _ = choose_pictures(find_labelled(folder), CHARACTERS)
    steps = []
    predictions, errors = read_folder(says_ka, chosen, None, steps.append)
    scores = Scores.of(predictions)
    assert counted(scores.total) == (5, 2, 2, 4)
    assert [(c.truth, c.read) for c in scores.confusions] == [("が", "か"), ("が", ""), ("さ", "か")]
    assert len(errors) == 1 and str(bad) in errors[0]
    assert sum(steps) == len(chosen.files) == 6


class Matching(torch.nn.Module):
    """Knows a TinySource's patterns by heart."""

    def __init__(self, source):
        super().__init__()
        self.patterns = torch.from_numpy(source.patterns.reshape(len(source.characters), -1).astype(np.float32))

    def forward(self, images):
        earlier = torch.arange(len(self.patterns), 0, -1) * 1e-3  # of two equal patterns the first wins
        return (images.flatten(1) - 0.4) @ (self.patterns - 0.5).T + earlier


def test_scoring_a_source_tells_look_alikes_only_when_folded():
    source = TinySource(counts=6)
    classifier = Classifier(Matching(source), CHARACTERS, 16, {}, torch.device("cpu"))
    scores = Scores.of(read_source(classifier, source, np.arange(len(source))))
    assert scores.total.images == 54 and scores.total["folded"] == 1.0
    assert scores.total["strict"] == (54 - 12) / 54  # ゃ is read as や, and ヘ as へ
    assert {(c.truth, c.read) for c in scores.confusions} == {("ゃ", "や"), ("ヘ", "へ")}


def test_restricting_the_candidates_leaves_other_characters_out():
    source = TinySource(counts=6)
    classifier = Classifier(Matching(source), CHARACTERS, 16, {}, torch.device("cpu"))
    scores = Scores.of(read_source(classifier, source, np.arange(len(source)), "ゃヘか"))
    assert list(scores.per_character) == ["か", "ゃ", "ヘ"] and scores.total["strict"] == 1.0
    with pytest.raises(UsageError, match="no held-out image"):
        read_source(classifier, source, np.arange(6), "ヘ")


def test_a_run_that_does_not_say_what_it_was_trained_on(tmp_path):
    from kanatui.training.runs import Run

    run = Run.create("odd", {"train": {}})
    with pytest.raises(RunError, match="--images"):
        open_held_out(find_provenance("1"), says("か"))
    assert provenance_of(run.checkpoint("best")).id == run.id
    with pytest.raises(WeightsError, match="no such file"):
        provenance_of(tmp_path / "elsewhere.safetensors")

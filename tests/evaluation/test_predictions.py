"""One record an image: scores, lists of mistakes, files, comparisons."""

import dataclasses
import json
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kanatui.core.errors import RunError
from kanatui.evaluation.compare import Comparison, Share
from kanatui.evaluation.scores import Score, Scores
from kanatui.evaluation.store import Evaluation, Skipped, list_evaluations, read_evaluation, save
from kanatui.model.predictions import RECORD, Predictions

CHARACTERS = "かつっカヘへ漢"


def rows(*predictions):
    """Probabilities from {character: probability}; what is left goes evenly to the others."""
    made = []
    for reading in predictions:
        rest = (1 - sum(reading.values())) / (len(CHARACTERS) - len(reading))
        made.append([reading.get(character, rest) for character in CHARACTERS])
    return np.array(made, dtype=np.float32)


def labels(text):
    return [CHARACTERS.index(character) for character in text]


@pytest.fixture
def predictions():
    made = Predictions(CHARACTERS)
    made.add(rows({"か": 0.9}, {"カ": 0.6}, {"カ": 0.8}), labels("かかか"), [10, 11, 12])
    made.add(rows({"つ": 0.7}, {"っ": 0.55, "つ": 0.4}, {"か": 0.95}), labels("っつへ"), [20, 21, 30])
    made.add_unread(labels("漢")[0], 40)
    return made


def test_a_record_holds_the_five_likeliest_and_the_truth(predictions):
    assert len(predictions) == 7 and predictions.records.dtype == RECORD
    record = predictions.records[4]
    assert predictions.truth(4) == "つ" and record["image"] == 21 and record["of_truth"] == pytest.approx(0.4)
    assert [character for character, _ in predictions.likeliest(4)] == list("っつかカヘ")
    assert [probability for _, probability in predictions.likeliest(4)[:2]] == pytest.approx([0.55, 0.4])
    assert predictions.reading(4, folded=False) == ("っ", pytest.approx(0.55))
    assert predictions.reading(4, folded=True) == ("っ", pytest.approx(0.95)), "つ and っ are one"
    assert predictions.likeliest(6) == [] and predictions.reading(6, True) == predictions.reading(6, False) == ("", 0.0)


def test_the_likeliest_group_need_not_hold_the_likeliest_character():
    made = Predictions(CHARACTERS)
    made.add(rows({"か": 0.36, "つ": 0.3, "っ": 0.34}), labels("か"), [0])
    assert made.reading(0, folded=False)[0] == "か" and made.reading(0, folded=True)[0] == "っ"
    assert made.right(folded=False).tolist() == [True] and made.right(folded=True).tolist() == [False]


def test_fewer_than_five_classes():
    made = Predictions("かき")
    made.add(np.array([[0.25, 0.75]], dtype=np.float32), [0], [0])
    assert made.likeliest(0) == [("き", 0.75), ("か", 0.25)]
    assert Scores.of(made).total["top5"] == 1.0


def test_mistakes_come_surest_first(predictions):
    assert predictions.misread("か").tolist() == [2, 1]
    assert predictions.misread().tolist() == [5, 2, 3, 1, 4, 6]
    assert predictions.misread(folded=True).tolist() == [5, 2, 1, 6], "look-alikes are no mistakes"
    assert predictions.right(folded=True).tolist() == [True, False, False, True, True, False, False]


def test_cells_of_the_confusion_matrix(predictions):
    assert predictions.cell("か", "カ").tolist() == [2, 1]
    assert predictions.cell("漢", "").tolist() == [6]
    assert predictions.cell("へ", "か").tolist() == [5] and predictions.cell("か", "へ").tolist() == []
    predictions.add(rows({"か": 0.3}, {"か": 0.5}), labels("かか"), [13, 14])
    assert predictions.cell("か", "か").tolist() == [7, 8, 0], "of those read rightly the least sure come first"


def test_the_calibration_error_is_how_far_probabilities_are_from_the_truth(predictions):
    sure = Predictions("かき")
    sure.add(np.array([[0.75, 0.25]] * 4, dtype=np.float32), [0, 0, 0, 1], range(4))
    assert Scores.of(sure).total["ece"] == pytest.approx(0), "three in four were right, as it said"
    sure.add(np.array([[0.99, 0.01]] * 4, dtype=np.float32), [1] * 4, range(4, 8))
    assert Scores.of(sure).total["ece"] == pytest.approx(0.99 / 2), "bins do not make up for each other"

    # Each in a bin of its own, the first alone read rightly; what could not be read counts as read with probability 0.
    scores = Scores.of(predictions)
    assert scores.total["ece"] == pytest.approx(((1 - 0.9) + 0.6 + 0.8 + 0.7 + 0.55 + 0.95 + 0) / 7, abs=1e-6)
    assert scores.by_script.keys() == {"hiragana", "other"} and scores.by_script["other"]["ece"] == 0.0
    assert "ece" in scores.to_dict() and "ece" not in scores.per_character["か"].values


# --- files ---


def about(**changes):
    values = {
        "model": "runs/001-a/checkpoints/best.safetensors", "run": "001-a", "step": 7, "characters": CHARACTERS,
        "image_size": 16, "kind": "held_out", "where": "001-a", "data": "abc",
    }  # fmt: skip
    return Evaluation(**(values | changes))


def stored(folder, predictions, files=(), **changes):
    return save(folder, about(**changes), predictions, Scores.of(predictions), list(files))


def test_an_evaluation_comes_back_as_it_was_saved(tmp_path, predictions):
    skipped = Skipped(unknown=2, unreadable=("a.png: empty",))
    made = stored(tmp_path / "new", predictions, faces=("klee",), skipped=skipped, note="mind", candidates="かカ")
    found = read_evaluation(made.path)
    assert found == made
    assert found.total == Scores.of(predictions).total and dict(found.by_script) == Scores.of(predictions).by_script
    again, files = found.load()
    assert files == [] and (again.records == predictions.records).all()
    assert Scores.of(again) == Scores.of(predictions)


def test_an_evaluation_of_an_earlier_version_counted_images(tmp_path, predictions):
    made = stored(tmp_path, predictions)
    data = json.loads(made.path.read_bytes())
    counts = {"images": 7, "strict": 1, "folded": 3, "top5": 5}
    made.path.write_text(json.dumps(data | {"format": 1, "total": counts, "by_script": {"hiragana": counts}}))
    score = Score(7, {"strict": 1 / 7, "folded": 3 / 7, "top5": 5 / 7})
    found = read_evaluation(made.path)
    assert found.total == score and found.by_script == {"hiragana": score}
    assert {key: made.total[key] for key in score.values} == score.values


def test_predictions_of_an_earlier_version_say_nothing_of_certainty(tmp_path, predictions):
    made = stored(tmp_path, predictions)
    older = [name for name in RECORD.names if name not in ("certainty", "refused")]
    records = np.empty(len(predictions), dtype=[(name, RECORD.fields[name][0]) for name in older])
    for name in older:
        records[name] = predictions.records[name]
    np.savez(made.path.with_suffix(".npz"), records=records, files=np.zeros(0, np.uint8))
    again = read_evaluation(made.path).load()[0].records
    assert all((again[name] == predictions.records[name]).all() for name in older)
    assert (again["certainty"] == 1.0).all() and not again["refused"].any()


def test_the_share_refused_is_counted(predictions):
    predictions.add(rows({"か": 0.9}, {"か": 0.2}), labels("かか"), [50, 51], [0.9, 0.1], [False, True])
    assert predictions.records["certainty"][-2:] == pytest.approx([0.9, 0.1])
    assert Scores.of(predictions).total["refused"] == pytest.approx(1 / 9)


def test_names_of_files_survive_whatever_they_are(tmp_path, predictions):
    names = ["か/い ろ.png", "b\udcff.jpg", *map(str, range(39))]
    assert stored(tmp_path, predictions, names, kind="folder").load()[1] == names
    with pytest.raises(RunError, match="lacks names of pictures"):
        stored(tmp_path, predictions, names[:40], kind="folder").load()


def test_evaluations_are_listed_newest_first_and_damaged_ones_left_out(tmp_path, predictions):
    first, second = stored(tmp_path, predictions), stored(tmp_path, predictions, kind="faces")
    made = [first, second]
    third = stored(tmp_path, predictions)
    assert third.path != first.path
    (tmp_path / "99999999-torn.json").write_text('{"format": 1, "model"')
    (tmp_path / "99999998-other.json").write_text(json.dumps({"format": 99}))
    (tmp_path / "99999997-list.json").write_text("[]")
    listed = list_evaluations(tmp_path)
    assert {one.path for one in listed} == {one.path for one in [*made, third]}
    assert [one.name for one in listed] == sorted((one.name for one in listed), reverse=True)
    third.delete()
    assert len(list_evaluations(tmp_path)) == 2 and not third.path.with_suffix(".npz").exists()
    assert list_evaluations(tmp_path / "nowhere") == []


def spoil(path, predictions, how):
    file = path.with_suffix(".npz")
    if how == "missing":
        file.unlink()
    elif how == "torn":
        file.write_bytes(file.read_bytes()[:200])
    elif how == "empty":
        file.write_bytes(b"")
    elif how == "pickled":
        np.savez(file, records=np.array([{"a": 1}], dtype=object), files=np.zeros(0, np.uint8))
    elif how == "beyond":
        records = predictions.records.copy()
        records["classes"][0, 0] = len(CHARACTERS)
        np.savez(file, records=records, files=np.zeros(0, np.uint8))
    elif how == "other":
        np.savez(file, records=np.zeros(3), files=np.zeros(0, np.uint8))


@pytest.mark.parametrize("how", ["missing", "torn", "empty", "pickled", "beyond", "other"])
def test_spoilt_readings_are_an_error_of_one_line(tmp_path, predictions, how):
    made = stored(tmp_path, predictions)
    spoil(made.path, predictions, how)
    with pytest.raises(RunError, match="evaluate again") as caught:
        made.load()
    assert "\n" not in str(caught.value) and str(made.path.with_suffix(".npz")) in str(caught.value)


def test_records_of_before_pictures_had_hypotheses_are_read(tmp_path, predictions):
    made = stored(tmp_path, predictions)
    before = [name for name in RECORD.names if name != "hypothesis"]
    np.savez(made.path.with_suffix(".npz"), records=predictions.records[before].copy(), files=np.zeros(0, np.uint8))
    read, _ = made.load()
    assert (read.records == predictions.records).all()


def test_looking_through_evaluations_needs_no_torch():
    modules = "kanatui.evaluation.store, kanatui.evaluation.compare, kanatui.tui.evaluate.screen"
    code = f"import sys, {modules}; print([name for name in ('torch', 'scipy') if name in sys.modules])"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


# --- comparison ---


def read_as(truths, reads, images=None, characters=CHARACTERS, sure=None):
    made = Predictions(characters)
    probabilities = np.full((len(truths), len(characters)), 0.01, dtype=np.float32)
    for row, read in enumerate(reads):
        probabilities[row, characters.index(read)] = 0.9 if sure is None else sure[row]
    truth = [characters.index(character) for character in truths]
    made.add(probabilities, truth, range(len(truths)) if images is None else images)
    return made


def compared(one, other, files=((), ()), **changes):
    evaluations = [
        dataclasses.replace(about(run=run, **changes), total=Scores.of(predictions).total)
        for run, predictions in (("001-a", one), ("002-b", other))
    ]
    return Comparison(*evaluations, (one, other), files)


def test_what_one_reads_and_the_other_does_not():
    first = read_as("かかかつっ", "かカかつつ", sure=[0.9, 0.8, 0.9, 0.9, 0.7])
    second = read_as("かかかつっ", "カカかっっ", sure=[0.6, 0.8, 0.9, 0.95, 0.9])
    comparison = compared(first, second)
    shares = comparison.shares(folded=False)
    assert shares[""] == Share(both=1, only_first=2, only_second=1, neither=1) and shares[""].images == 5
    assert shares["か"] == Share(1, 1, 0, 1) and shares["っ"] == Share(0, 0, 1, 0)
    assert list(shares) == ["", "か", "つ", "っ"]
    assert comparison.differing() == [(3, 3), (0, 0), (4, 4)], "by who was right, then the surest mistake first"
    assert comparison.differing("か") == [(0, 0)] and comparison.differing("漢") == []
    assert comparison.shares(folded=True)[""] == Share(3, 1, 0, 1)
    assert comparison.differing(folded=True) == [(0, 0)]


def test_images_are_matched_whatever_their_order_and_the_models_classes():
    first = read_as("かつ漢", "かか漢", images=[5, 1, 9])
    second = read_as("漢つか", "漢つか", images=[9, 1, 5], characters="漢つかあ")
    assert compared(first, second).shares(folded=False)["つ"] == Share(only_second=1)
    assert compared(first, second).differing() == [(1, 1)]
    names = (["b", "c", "a"], ["a", "c", "b"])
    by_name = compared(
        read_as("かつ漢", "かか漢"), read_as("漢つか", "漢つか"), names, kind="folder", where="/f", data="/f"
    )
    assert by_name.differing() == [(1, 1)]


def test_evaluations_over_other_images_cannot_be_compared():
    one, other = read_as("かつ", "かつ"), read_as("か", "か")
    with pytest.raises(RunError, match="not the same images of .*: 2 with all .* 1 with all"):
        compared(one, other)
    with pytest.raises(RunError, match="not the same images"):
        compared(one, read_as("つか", "つか"))
    with pytest.raises(RunError, match="not the same images: 2 held-out images .001-a., but 2 pictures in f; evaluate"):
        evaluations = [
            dataclasses.replace(each, total=Scores.of(one).total)
            for each in (about(), about(kind="folder", where="/tmp/f", data="/tmp/f"))
        ]
        Comparison(*evaluations, (one, one))


@given(st.integers(0, 10_000), st.integers(1, 40))
@settings(max_examples=40, deadline=None)
def test_shares_add_up_to_the_scores(seed, count):
    random = np.random.default_rng(seed)
    truth = random.integers(0, len(CHARACTERS), count)
    both = []
    for _ in range(2):
        made = Predictions(CHARACTERS)
        order = random.permutation(count)
        made.add(random.random((count, len(CHARACTERS)), dtype=np.float32), truth[order], order)
        both.append(made)
    comparison = compared(*both)
    for folded in (False, True):
        shares = comparison.shares(folded)
        total = shares.pop("")
        scores = [Scores.of(made).total for made in both]
        right = [round(count * score["folded" if folded else "strict"]) for score in scores]
        assert [total.both + total.only_first, total.both + total.only_second] == right
        assert total.images == count == sum(share.images for share in shares.values())
        assert len(comparison.differing(folded=folded)) == total.only_first + total.only_second

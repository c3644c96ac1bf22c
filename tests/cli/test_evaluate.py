"""evaluate and recognize on a model that is really trained, on eight characters, once for all tests here."""

import io
import json
import os
import re
import shutil

import numpy as np
import pytest
from PIL import Image, ImageOps

from kanatui.cli import run
from kanatui.core import paths
from kanatui.core.errors import WeightsError
from kanatui.evaluation.evaluate import open_pictures
from kanatui.evaluation.store import list_evaluations
from kanatui.model.calibration import Calibration
from kanatui.model.card import read_card
from kanatui.pictures import pool
from kanatui.training.calibrate import write_calibration
from kanatui.training.runs import find_weights, usual_weights

CHARACTERS = "いカコツロむへヘ"
FACES = "noto-sans-cjk-jp-regular,noto-sans-cjk-jp-bold,noto-serif-cjk-jp-regular"
RECOGNIZE = ["recognize", "--model", "latest"]
TRAIN = [
    "train", "quick", "--characters", CHARACTERS, "--faces", FACES, "--hold-out-faces", "noto-serif-cjk-jp-regular",
    "--images-per-character", "150", "--epochs", "3", "--batch-size", "32", "--hold-out", "0.1", "--workers", "0",
]  # fmt: skip


@pytest.fixture(scope="module")
def trained_home(tmp_path_factory, share_cache):
    """A home with one finished run."""
    folder = share_cache(tmp_path_factory.mktemp("trained"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KANATUI_HOME", str(folder))
        assert run(TRAIN) == 0
    return folder


@pytest.fixture
def trained(trained_home, monkeypatch):
    monkeypatch.setenv("KANATUI_HOME", str(trained_home))
    return trained_home / "runs" / "001-quick"


@pytest.fixture(scope="module")
def drawn(trained_home):
    """Glyphs as someone's pictures might be, 80 × 80, dark on light: {character: three pictures}."""
    from kanatui.dataset.recipe import find_recipe
    from kanatui.dataset.stream import GlyphStream
    from kanatui.plugins.registry import load

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KANATUI_HOME", str(trained_home))
        fields = {"characters": CHARACTERS, "faces": FACES.split(","), "image_size": 80, "images_per_character": 3}
        recipe = find_recipe("quick").but(seed=99, **fields)
        stream = GlyphStream(recipe, load())
        pixels = stream.images(np.arange(len(stream))).reshape(len(CHARACTERS), 3, 80, 80)
    return {c: [Image.fromarray(255 - image) for image in images] for c, images in zip(CHARACTERS, pixels, strict=True)}


@pytest.fixture
def labelled(tmp_path, drawn):
    """A folder of labelled pictures of unlike sizes, kinds and polarities."""
    folder = tmp_path / "labelled"
    for character, (plain, light, large) in drawn.items():
        inner = folder / f"U+{ord(character):04X}"
        inner.mkdir(parents=True)
        plain.save(inner / "1.png")
        ImageOps.invert(light).save(inner / "2.jpg", quality=95)
        large.convert("RGB").resize((700, 700)).save(inner / "3.png")
    return folder


def ran(arguments, capsys, status=0):
    capsys.readouterr()
    assert run([str(argument) for argument in arguments]) == status
    return capsys.readouterr()


def one_line(output, *words):
    lines = output.err.strip().splitlines()
    assert lines and "Traceback" not in output.err
    for word in words:
        assert str(word) in lines[-1], f"{word!r} not in {lines[-1]!r}"


# --- evaluate ---


def test_evaluate_scores_the_held_out_images(trained, capsys):
    data = json.loads(ran(["evaluate", "latest", "--json"], capsys).out)
    assert set(data) >= {"images", "strict", "folded", "top5", "per_character", "confusions", "by_script"}
    assert data["run"] == "001-quick" and data["kind"] == "held_out"
    # A tenth of 150 numbers, less those drawn with the face that is held out too.
    assert 50 < data["images"] == data["of"] < 8 * 15
    assert data["strict"] <= data["folded"] <= 1.0 and data["strict"] <= data["top5"]
    assert data["folded"] > 0.6, "it has hardly learnt anything"
    assert set(data["per_character"]) == set(CHARACTERS)
    wrong = sum(confusion["count"] for confusion in data["confusions"])
    assert wrong == round(data["images"] * (1 - data["strict"]))
    weights = trained / "checkpoints" / "best.safetensors"
    again = json.loads(ran(["evaluate", weights, "--json"], capsys).out)
    assert again.pop("kept") != data.pop("kept") and again == data


def test_evaluate_scores_held_out_faces_and_a_bounded_number(trained, capsys):
    data = json.loads(ran(["evaluate", "latest", "--held-out-faces", "--limit", "80", "--json"], capsys).out)
    assert data["kind"] == "faces" and data["faces"] == ["noto-serif-cjk-jp-regular"]
    assert data["images"] == 80 < data["of"]
    assert {score["images"] for score in data["per_character"].values()} == {10}


def test_evaluate_scores_pictures_of_any_size_and_polarity(trained, labelled, capsys):
    data = json.loads(ran(["evaluate", "latest", "--images", labelled, "--json"], capsys).out)
    assert data["images"] == 24 and data["kind"] == "folder" and data["data"] == str(labelled)
    assert data["folded"] > 0.6
    assert not any(data["skipped"].values())


def test_restricting_the_candidates_helps_and_leaves_the_others_out(trained, labelled, capsys):
    data = json.loads(ran(["evaluate", "latest", "--images", labelled, "-c", "hiragana", "--json"], capsys).out)
    assert set(data["per_character"]) == {"い", "む", "へ"} and data["images"] == 9
    assert data["skipped"]["outside"] == 15
    assert {confusion["read"] for confusion in data["confusions"]} <= {"い", "む", "へ", ""}
    assert data["per_character"]["へ"]["strict"] > 0.6  # ヘ is no candidate


def test_evaluate_says_how_it_understood_the_labels(trained, labelled, capsys):
    for character in CHARACTERS:
        code = "".join(f"{byte & 0x7F:02x}" for byte in character.encode("euc_jp"))
        (labelled / f"U+{ord(character):04X}").rename(labelled / code)
    (labelled / "misc").mkdir()
    shutil.copy(next(labelled.glob("*/1.png")), labelled / "misc")
    output = ran(["evaluate", "latest", "--images", labelled], capsys)
    assert "JIS X 0208 codes (2424 is い)" in output.out
    one_line(output, "not scored: folder 'misc'")
    data = json.loads(ran(["evaluate", "latest", "--images", labelled, "--labels", "jis", "--json"], capsys).out)
    assert data["images"] == 24 and data["folded"] > 0.6 and data["labels"] == "8 labels: JIS X 0208 codes (2424 is い)"
    one_line(ran(["evaluate", "latest", "--labels", "jis"], capsys, 2), "--labels needs --images")
    one_line(ran(["evaluate", "latest", "--images", labelled, "--labels", "no.csv"], capsys, 2), "no.csv: no such file")


def test_evaluate_reads_arrays_and_tables_just_as_files(trained, labelled, drawn, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    one = json.loads(ran(["evaluate", "latest", "--images", labelled, "--json"], capsys).out)
    rows = [f"{path.parent.name}/{path.name},{chr(int(path.parent.name[2:], 16))}" for path in labelled.glob("*/*")]
    (tmp_path / "labels.csv").write_text("\n".join(["file,label", *rows]), encoding="utf-8")
    other = json.loads(
        ran(["evaluate", "latest", "--images", labelled, "--labels", "labels.csv", "--json"], capsys).out
    )
    assert other["per_character"] == one["per_character"] and other["images"] == 24
    pictures = np.stack([np.asarray(image) for images in drawn.values() for image in images])
    np.savez(tmp_path / "set-imgs.npz", pictures)
    np.savez(tmp_path / "set-labels.npz", np.repeat(np.arange(len(drawn)), 3))
    array = ["--images", "set-imgs.npz", "--labels", f"index:{CHARACTERS}"]
    data = json.loads(ran(["evaluate", "latest", *array, "--json"], capsys).out)
    assert data["images"] == 24 and data["folded"] > 0.6 and "class numbers" in data["labels"]
    newest = list_evaluations(trained / "evaluations")[0]
    assert newest.notation == f"index:{CHARACTERS}"
    shown, _, errors = open_pictures(newest, [0, 5], lambda spec: None)
    assert not errors and shown.shape[0] == 2 and shown.max() > 200


def test_evaluate_goes_on_past_a_name_that_is_not_utf8(trained, labelled, kanatui):
    bad = os.path.join(labelled, "U+3044", os.fsdecode("壊れ.png".encode("cp932")))
    with open(bad, "w") as file:
        file.write("no picture")
    environment = {"KANATUI_HOME": os.environ["KANATUI_HOME"]}
    for arguments in (["--json"], []):
        result = kanatui("evaluate", "latest", "--images", labelled, *arguments, check=1, env=environment)
        assert "not scored: 1 that cannot be read" in result.stderr and "\\udc89" in result.stderr
    result = kanatui(*RECOGNIZE, bad, labelled / "U+30ED" / "1.png", check=1, env=environment)
    assert "U+30ED/1.png" in result.stdout and "\\udc89" in result.stderr


def test_candidates_that_the_model_does_not_know_are_named(trained, labelled, capsys):
    data = json.loads(ran(["evaluate", "latest", "--images", labelled, "-c", "ロ,ー,漢", "--json"], capsys).out)
    assert "does not know ー漢" in data["note"]
    output = ran([*RECOGNIZE, labelled / "U+30ED" / "1.png", "-c", "ロ,ー,か\u3099", "--json"], capsys)
    one_line(output, "--characters", "does not know ーが")
    assert [reading["character"] for reading in json.loads(output.out)[0]["readings"]] == ["ロ"]


def test_evaluate_on_screen_fits_eighty_columns(trained, labelled, capsys):
    text = ran(["evaluate", "latest", "--images", labelled, "--worst", "3"], capsys).out
    assert re.search(r"all +24 +\d+\.\d % +\d+\.\d % +\d+\.\d %", text)
    assert "hiragana" in text and "katakana" in text and "weakest" in text
    lines = [line for line in text.splitlines() if str(labelled) not in line and str(trained) not in line]
    assert max(len(line) + sum(ord(c) > 0x2E80 for c in line) for line in lines) <= 80


def test_evaluate_goes_on_past_a_broken_picture_and_says_so(trained, labelled, capsys):
    bad = labelled / "U+3044" / "0.png"
    bad.write_bytes((labelled / "U+3044" / "1.png").read_bytes()[:100])
    (labelled / "U+3042").mkdir()
    shutil.copy(labelled / "U+3044" / "1.png", labelled / "U+3042")
    (labelled / "README.md").write_text("")
    output = ran(["evaluate", "latest", "--images", labelled, "--json"], capsys, status=1)
    data = json.loads(output.out)
    assert data["images"] == 24
    assert data["skipped"]["unknown"] == 1 and data["skipped"]["ignored"] == 1
    assert str(bad) in data["skipped"]["unreadable"][0] and str(bad) in output.err
    one_line(output, "not scored: 1 of characters that the model does not know (あ)")


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (["nothing-like-it"], 1, ["nothing-like-it", "kanatui runs"]),
        (["missing.safetensors"], 1, ["missing.safetensors", "no such file"]),
        (["--images", "nowhere"], 1, ["nowhere", "no such folder"]),
        (["--images", "."], 1, ["LABEL/*.png"]),
        (["--images", ".", "--held-out-faces"], 2, ["cannot be combined"]),
        (["--characters", "klingon"], 2, ["--characters", "klingon"]),
        (["--characters", "漢字"], 2, ["--characters", "knows none"]),
        (["--limit", "0"], 2, ["--limit"]),
    ],
)
def test_evaluate_errors_are_one_line(trained, tmp_path, monkeypatch, capsys, arguments, status, words):
    empty = tmp_path / "empty"
    empty.mkdir()
    monkeypatch.chdir(empty)
    model = ["latest"] if arguments[0].startswith("-") else []
    one_line(ran(["evaluate", *model, *arguments], capsys, status), *words)


def test_a_weights_file_far_from_its_run_asks_for_pictures(trained, tmp_path, labelled, capsys):
    alone = shutil.copy(trained / "checkpoints" / "best.safetensors", tmp_path / "alone.safetensors")
    one_line(ran(["evaluate", alone], capsys, 1), "alone.safetensors", "--images DIR")
    assert json.loads(ran(["evaluate", alone, "--images", labelled, "--json"], capsys).out)["images"] == 24


def test_evaluations_are_kept_beside_the_run_where_the_app_finds_them(trained, labelled, capsys):
    data = json.loads(ran(["evaluate", "latest", "--images", labelled, "-c", "hiragana", "--json"], capsys).out)
    newest = list_evaluations(trained / "evaluations")[0]
    assert data["kept"] == str(newest.path) and newest.candidates.startswith("ぁ")
    assert newest.total.to_dict().items() <= data.items()


def test_without_a_name_the_shipped_model_is_taken_else_the_newest_run(trained, tmp_path, monkeypatch, capsys):
    shipped = tmp_path / "default.safetensors"
    monkeypatch.setattr("kanatui.model.shipped.DEFAULT_FILE", shipped)
    assert usual_weights() == trained / "checkpoints" / "best.safetensors"
    with pytest.raises(WeightsError, match="no model ships"):
        find_weights("default")
    shutil.copy(trained / "checkpoints" / "best.safetensors", shipped)
    assert usual_weights() == find_weights("default") == shipped


def test_without_any_model_both_say_how_to_make_one(home, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("kanatui.model.shipped.DEFAULT_FILE", tmp_path / "none.safetensors")
    Image.new("L", (9, 9)).save(tmp_path / "a.png")
    for arguments in (["evaluate"], ["recognize", tmp_path / "a.png"]):
        one_line(ran(arguments, capsys, 1), "no trained model yet", "kanatui train")


# --- recognize ---


def test_recognize_lists_five_characters_with_probabilities(trained, labelled, capsys):
    files = sorted(labelled.glob("*/1.png"))
    data = json.loads(ran([*RECOGNIZE, *files, "--json"], capsys).out)
    assert [entry["file"] for entry in data] == [str(path) for path in files]
    right = 0
    for path, entry in zip(files, data, strict=True):
        readings = entry["readings"]
        assert len(readings) == 5 == len({reading["character"] for reading in readings})
        assert all(0 <= reading["probability"] <= reading["folded"] + 1e-6 <= 1.0001 for reading in readings)
        right += readings[0]["character"] in {"へ": "へヘ", "ヘ": "へヘ"}.get(
            c := chr(int(path.parent.name[2:], 16)), c
        )
    assert right >= 6


def test_recognize_shows_bars_for_one_and_a_line_each_for_many(trained, labelled, capsys):
    files = sorted(labelled.glob("*/1.png"))
    one = ran([*RECOGNIZE, files[0], "--top", "3"], capsys).out.splitlines()
    assert one[0].startswith(str(files[0])) and len(one) == 4
    assert all(re.fullmatch(r"  [\u3040-\u30ff]  +\d+\.\d %  [█▏]+", line) for line in one[1:])
    many = ran([*RECOGNIZE, *files], capsys).out.splitlines()
    assert len(many) == len(files)
    assert all(line.startswith(f"{path}  ") for path, line in zip(files, many, strict=True))


@pytest.fixture
def refusing(trained, tmp_path):
    """Return a weights file of the trained model with a threshold of its own."""

    def write(threshold):
        file = tmp_path / f"{threshold}.safetensors"
        shutil.copyfile(trained / "checkpoints" / "best.safetensors", file)
        write_calibration(file, Calibration(1.0, threshold, 100, "faces"))
        return file

    return write


def test_a_training_ends_with_a_calibration_by_the_held_out_faces(trained):
    for name in ("best", "last"):
        found = Calibration.of_card(read_card(trained / "checkpoints" / f"{name}.safetensors"))
        assert found.of == "faces" and found.images > 100 and 0.0 < found.threshold < 1.0


def test_recognize_marks_what_may_be_no_kana(refusing, labelled, capsys):
    files = sorted(labelled.glob("*/1.png"))
    for threshold, marked in ((0.0, False), (1.0, True)):
        command = ["recognize", "--model", refusing(threshold)]
        for output in (ran([*command, files[0]], capsys).out, ran([*command, *files], capsys).out):
            lines = [line for line in output.splitlines() if str(labelled) in line]
            assert all(line.endswith("  not a kana?") is marked for line in lines)
        entries = json.loads(ran([*command, *files, "--json"], capsys).out)
        assert {entry["refused"] for entry in entries} == {marked}
        assert all(0.0 <= entry["certainty"] <= 1.0 for entry in entries)


def test_candidates_do_not_change_what_is_refused(refusing, labelled, capsys):
    command = ["recognize", "--model", refusing(0.5), *sorted(labelled.glob("*/1.png")), "--json"]
    whole, few = (json.loads(ran([*command, *more], capsys).out) for more in ([], ["-c", "ヘロ"]))
    assert [entry["certainty"] for entry in whole] == [entry["certainty"] for entry in few]


def test_evaluate_counts_what_it_refuses_and_reads_other_characters_for_that_alone(refusing, labelled, capsys):
    for name, character in (("漢", "カ"), ("口", "ロ")):  # 口 looks like ロ: nobody can refuse it
        shutil.copytree(labelled / f"U+{ord(character):04X}", labelled / name)
    command = ["evaluate", refusing(1.0), "--images", labelled]
    data = json.loads(ran([*command, "--json"], capsys).out)
    assert data["images"] == 24 and data["refused"] == 1.0
    assert data["outliers"]["images"] == 3 and data["outliers"]["refused"] == 1.0
    assert 0.0 <= data["outliers"]["auroc"] <= 1.0
    assert "other characters: 3 images, 100.0 % refused, AUROC" in ran(command, capsys).out
    (kept, *_) = list_evaluations(paths.home() / "evaluations")
    assert dict(kept.outliers) == data["outliers"] and kept.load()[0].records["refused"].all()


def test_an_older_model_is_calibrated_by_a_command(trained, capsys):
    weights = trained / "checkpoints" / "last.safetensors"
    as_trained = read_card(weights)["calibration"]
    write_calibration(weights, Calibration())
    output = ran(["models", "calibrate", weights], capsys)
    assert read_card(weights)["calibration"] == as_trained
    assert f"fitted to {as_trained['images']} images (of held-out faces)" in output.out


def test_recognize_reads_standard_input(trained, labelled, kanatui, capsys):
    path = labelled / "U+30ED" / "3.png"
    named = json.loads(ran([*RECOGNIZE, path, "--json"], capsys).out)[0]
    environment = {"KANATUI_HOME": os.environ["KANATUI_HOME"]}
    result = kanatui(*RECOGNIZE, "-", "--json", stdin=path.read_bytes(), check=0, env=environment)
    assert json.loads(result.stdout) == [named | {"file": "-"}]


def test_recognize_with_the_script_given(trained, labelled, capsys):
    (entry,) = json.loads(ran([*RECOGNIZE, labelled / "U+3078" / "1.png", "-c", "katakana", "--json"], capsys).out)
    assert {reading["character"] for reading in entry["readings"]} == set("カコツロヘ")
    assert sum(reading["probability"] for reading in entry["readings"]) == pytest.approx(1, abs=1e-4)
    assert entry["readings"][0]["character"] == "ヘ"


def test_recognize_goes_on_past_bad_files_and_reports_them(trained, labelled, tmp_path, capsys):
    good = labelled / "U+30ED" / "1.png"
    white, text, cut = tmp_path / "white.png", tmp_path / "text.jpg", tmp_path / "cut.jpg"
    Image.new("RGB", (60, 60), "white").save(white)
    text.write_text("hello")
    buffer = io.BytesIO()
    Image.open(labelled / "U+30ED" / "3.png").save(buffer, "JPEG")
    cut.write_bytes(buffer.getvalue()[:2000])
    files = [tmp_path / "missing.png", good, white, text, cut, tmp_path, good]
    output = ran([*RECOGNIZE, *files, "--json"], capsys, status=1)
    data = json.loads(output.out)
    assert ["readings" in entry for entry in data] == [False, True, False, False, False, False, True]
    complaints = output.err.strip().splitlines()
    assert len(complaints) == 6 and "5 of 7 pictures could not be read" in complaints[-1]
    for path, line in zip([files[0], white, text, cut, tmp_path], complaints, strict=False):
        assert line.startswith(f"kanatui: {path}: ")
    one_line(ran([*RECOGNIZE, white], capsys, status=1), "white.png", "no ink")
    one_line(ran([*RECOGNIZE, "-c", "klingon", good], capsys, status=2), "--characters")
    assert run(["recognize"]) == 2


def test_many_files_are_read_by_several_processes_just_as_by_one(trained, labelled, tmp_path, monkeypatch, capsys):
    bad = tmp_path / "bad.png"
    bad.write_text("no picture")
    files = [*sorted(labelled.glob("*/*.*")) * 2, bad, *sorted(labelled.glob("*/*.*")) * 2]
    alone = json.loads(ran([*RECOGNIZE, "--json", *files], capsys, status=1).out)
    used = []
    begin = pool.ProcessPoolExecutor
    monkeypatch.setattr(pool, "ProcessPoolExecutor", lambda *a, **b: used.append(begin(*a, **b)) or used[-1])
    monkeypatch.setattr(pool, "_FEW", 10)
    monkeypatch.setattr(pool, "_TOGETHER", 3)
    monkeypatch.setattr(pool, "usable_cores", lambda: 4)
    shared = json.loads(ran([*RECOGNIZE, "--json", *files], capsys, status=1).out)
    assert used and [entry["file"] for entry in shared] == [entry["file"] for entry in alone]
    for one, other in zip(alone, shared, strict=True):  # threads add up in another order
        assert one.get("error") == other.get("error")
        sure = [[reading["probability"] for reading in entry.get("readings", [])] for entry in (one, other)]
        assert sure[0] == pytest.approx(sure[1], abs=1e-5)


def test_recognize_knows_no_code_in_weights(trained, tmp_path, labelled, capsys):
    import pickle

    class Trap:
        def __reduce__(self):
            return (os.mkdir, (str(tmp_path / "sprung"),))

    fake = tmp_path / "fake.safetensors"
    fake.write_bytes(pickle.dumps(Trap()))
    one_line(ran(["recognize", "--model", fake, labelled / "U+30ED" / "1.png"], capsys, 1), "fake.safetensors")
    assert not (tmp_path / "sprung").exists()

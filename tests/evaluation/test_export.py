"""Models on their own: export, the card as a document, the one that ships."""

import json
from pathlib import Path

import numpy as np

from kanatui.cli import run
from kanatui.dataset.open import open_source
from kanatui.evaluation.evaluate import evaluate, open_pictures
from kanatui.model import shipped
from kanatui.model.card import read_card
from kanatui.model.weights import load_weights
from kanatui.tui.evaluate.finding import evaluations_of
from kanatui.tui.models import models_for_drawing, models_to_evaluate


def silent(done, total, text):
    pass


def test_an_exported_model_is_the_same_and_tells_all_that_its_run_did(base, tmp_path, capsys):
    done = evaluate("1", {"kind": "held_out"}, None, None, silent)
    target = tmp_path / "given.safetensors"
    assert run(["models", "export", "1", str(target)]) == 0
    assert "scores of 1 evaluation in" in capsys.readouterr().out
    card = read_card(target)
    own = read_card(base.weights())
    assert {key: card[key] for key in own} == own
    assert [face["id"] for face in card["faces"]] == ["noto-sans-cjk-jp-regular", "klee-regular"]
    assert all(face["licence"] for face in card["faces"])
    assert card["training"]["images"] == card["training"]["steps"] * 16 > 0
    assert card["evaluations"][0]["scores"]["all"] == done.total.to_dict()
    assert str(tmp_path) not in json.dumps(card), "no folder of this machine"
    one, other = load_weights(base.weights()), load_weights(target)
    images = np.random.default_rng(1).integers(0, 255, (4, one.image_size, one.image_size), dtype=np.uint8)
    assert (one.logits(images) == other.logits(images)).all()

    assert run(["models", "show", str(target)]) == 0
    text = capsys.readouterr().out
    assert text.startswith("# The model given\n") and "Limitations" in text
    assert "| calibration | temperature" in text and "marks most of them with a question" in text
    assert f"{100 * done.total.to_dict()['strict']:.1f} %" in text and "OFL-1.1" in text and card["torch"] in text
    assert run(["models", "show", "1"]) == 0, "a run's own weights have a card, too"


def test_an_exported_model_names_the_folder_of_a_glyph_source_but_not_where_it_lies(base, tmp_path):
    config = json.loads(json.dumps(base.config, default=str))
    config["source"]["recipe"]["source"] = [{"plugin": "pictures", "folder": str(tmp_path), "style": "pen"}]
    base.configure(config)
    target = tmp_path / "given.safetensors"
    assert run(["models", "export", "1", str(target)]) == 0
    card = read_card(target)
    (table,) = card["config"]["source"]["recipe"]["source"]
    assert table == {"plugin": "pictures", "folder": tmp_path.name, "style": "pen"}
    assert [face["id"] for face in card["faces"]] == ["noto-sans-cjk-jp-regular", "klee-regular"]
    assert str(tmp_path) not in json.dumps(card)


def test_export_replaces_nothing_unless_told_to(base, tmp_path, capsys):
    target = tmp_path / "mine.safetensors"
    target.write_text("precious")
    assert run(["models", "export", "1", str(target)]) == 1
    assert "--force" in capsys.readouterr().err and target.read_text() == "precious"
    assert run(["models", "export", "1", str(tmp_path / "none" / "x.safetensors")]) == 1
    assert run(["models", "export", "9", str(target), "--force"]) == 1 and target.read_text() == "precious"
    assert run(["models", "export", "1", str(target), "--force", "--last"]) == 0
    assert read_card(target)["run"] == base.id


def test_the_shipped_model_is_listed_judged_and_looked_through_like_a_run(base, capsys):
    assert run(["models", "export", "1", str(shipped.DEFAULT_FILE)]) == 0
    base.delete()
    capsys.readouterr()
    assert run(["models", "--json"]) == 0
    assert [row["model"] for row in json.loads(capsys.readouterr().out)] == ["default"]
    assert [reference for _, reference in models_for_drawing()] == ["default"]
    assert [reference for _, reference in models_to_evaluate()] == ["default"]
    assert run(["evaluate", "--json"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert data["run"] == data["data"] == "default" and data["images"] > 0
    (evaluation,) = evaluations_of("default")
    assert str(evaluation.path) == data["kept"]
    images, _, errors = open_pictures(evaluation, [0, 1], open_source)
    assert images.any() and not errors


def test_the_document_is_the_shipped_models_card(shipped_model, capsys):
    assert run(["models", "show", "default"]) == 0
    assert (Path(__file__).parent.parent.parent / "docs" / "MODEL.md").read_text() == capsys.readouterr().out

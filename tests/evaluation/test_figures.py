"""Figures as files: from the command line, and what is said where matplotlib is missing."""

import importlib.util

import numpy as np
import pytest

from kanatui.cli import run
from kanatui.core.errors import StorageError, UsageError
from kanatui.evaluation.figures import Line, Panel, check_file, save_curves, save_scores
from kanatui.evaluation.scores import Scores
from kanatui.model.predictions import Predictions
from tests.helpers.train_screen import recorded_run

STARTS = {"png": b"\x89PNG", "svg": b"<?xml", "pdf": b"%PDF"}


def scores():
    predictions, labels = Predictions("きすヌ"), np.repeat([0, 1, 2], 20)
    probabilities = np.full((60, 3), 0.05)
    probabilities[np.arange(60), labels] = 0.9
    probabilities[[3, 4, 22]] = [[0.1, 0.7, 0.2], [0.2, 0.2, 0.6], [0.05, 0.15, 0.8]]
    predictions.add(probabilities, labels, np.arange(60))
    return Scores.of(predictions)


@pytest.mark.parametrize("ending", STARTS)
def test_scores_and_curves_are_drawn(tmp_path, ending):
    save_scores(tmp_path / f"scores.{ending}", scores())
    panel = Panel("loss", "steps", [Line("one", [0, 1, 2], [3.0, 2.0, 1.5], "#0A6A9E", "x")], (1.0, 3.0), log=True)
    save_curves(tmp_path / f"curves.{ending}", [panel, panel])
    for name in ("scores", "curves"):
        assert (tmp_path / f"{name}.{ending}").read_bytes().startswith(STARTS[ending])


def test_runs_are_plotted(tmp_path, capsys):
    recorded_run()
    out = tmp_path / "run.svg"
    assert run(["runs", "plot", "1", "-o", str(out), "--axis", "time", "--log", "-c", "loss"]) == 0
    assert "time trained" in out.read_text(encoding="utf-8") or b"<path" in out.read_bytes()
    assert run(["runs", "plot", "1", "-o", str(out), "--metric", "beauty"]) == 2
    assert "--metric beauty: these charts have loss, validation loss, folded, strict" in capsys.readouterr().err
    assert run(["runs", "plot", "7", "-o", str(out)]) == 1
    assert run(["runs", "plot", "1", "-o", str(tmp_path / "run.bmp")]) == 2
    assert "ends in .png, .svg, .pdf" in capsys.readouterr().err


def test_a_folder_that_is_missing_and_an_extra_that_is_not_installed(tmp_path, monkeypatch):
    with pytest.raises(StorageError, match="nowhere"):
        save_scores(tmp_path / "nowhere" / "a.png", scores())
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UsageError, match="pip install matplotlib"):
        check_file(tmp_path / "a.png")


def test_reliability_agrees_with_the_calibration_error():
    found = scores()
    assert sum(each.images for each in found.reliability) == 60 and len(found.reliability) == 15
    sure = found.reliability[13]
    assert (sure.images, sure.confidence, sure.accuracy) == (57, pytest.approx(0.9), 1.0)
    error = sum(each.images * abs(each.accuracy - each.confidence) for each in found.reliability) / 60
    assert found.total["ece"] == pytest.approx(error)
    assert found.to_dict()["reliability"][13] == {
        "low": pytest.approx(13 / 15),
        "high": pytest.approx(14 / 15),
        "images": 57,
        "confidence": pytest.approx(0.9),
        "accuracy": 1.0,
    }

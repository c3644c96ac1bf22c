"""A finished run with its events, and an evaluation of it, as they lie on disk."""

import json
import shutil
from pathlib import Path

import numpy as np

from kanatui.dataset.recipe import Augment, Recipe
from kanatui.evaluation.scores import Scores
from kanatui.evaluation.store import Evaluation, save
from kanatui.model.predictions import Predictions
from kanatui.training.runs import Run

RECIPE = Recipe(
    "snapshot",
    [Augment("rotate", 1.0, {"degrees": (-12.0, 12.0)}), Augment("blur", 0.5, {"sigma": (0.5, 1.0)})],
    description="three characters of one face",
    characters="きすヌ",
    faces=("klee-regular",),
    image_size=32,
    images_per_character=50,
)
RECORDED = Path(__file__).parent.parent / "data" / "continued.jsonl"


def make_run(**status):
    source = {"recipe": RECIPE.to_dict(), "plugins": []}
    run = Run.create("snapshot", {"recipe": "snapshot", "train": {"minutes": 1.0}, "model": {}, "source": source})
    shutil.copy(RECORDED, run.path / "events.jsonl")
    best = {"step": 225, "strict": 1.0, "folded": 1.0}
    fields = {"state": "finished", "progress": 1.0, "epoch": 7, "step": 277, "elapsed": 14.6, "best": best}
    (run.path / "status.json").write_text(json.dumps(fields | status))
    run.checkpoint("best").parent.mkdir()
    run.checkpoint("best").touch()  # a run without weights has nothing to evaluate
    return run


def evaluated_run():
    """A run whose evaluation has a few misread images."""
    run = make_run()
    characters, labels = "きすヌ", np.repeat([0, 1, 2], 20)
    probabilities = np.full((60, 3), 0.05)
    probabilities[np.arange(60), labels] = 0.9
    probabilities[[3, 4, 22]] = [[0.1, 0.7, 0.2], [0.2, 0.2, 0.6], [0.05, 0.15, 0.8]]
    predictions = Predictions(characters)
    predictions.add(probabilities, labels, np.arange(60))
    scores = Scores.of(predictions)
    about = Evaluation(
        model=str(run.checkpoint("best")), run=run.id, step=225, characters=characters, image_size=32, kind="held_out",
        where=run.id, data=RECIPE.fingerprint(), available=60, seconds=1.0,
        total=scores.total, by_script=scores.by_script,
    )  # fmt: skip
    saved = save(run.path / "evaluations", about, predictions, scores, [])
    saved.path.write_text(json.dumps(json.loads(saved.path.read_text()) | {"made": "2026-01-02T03:04:05+00:00"}))
    return run

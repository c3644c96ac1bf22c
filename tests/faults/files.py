"""Valid files of state, to be damaged by tests."""

import dataclasses
import datetime
import hashlib
import io
import json

import numpy as np
import safetensors.numpy

from kanatui.dataset.manifest import Manifest
from kanatui.evaluation.scores import Scores
from kanatui.evaluation.store import Evaluation, save
from kanatui.model.predictions import RECORD, Predictions
from kanatui.plugins.table import ROW
from tests.helpers.events import EVENTS, event

STATUS = {
    "state": "finished", "reason": "", "pid": 7, "heartbeat": 1.7e9, "progress": 1.0, "epoch": 1, "step": 40,
    "elapsed": 12.5, "seconds_left": None, "best": {"step": 30, "strict": 0.5, "folded": 0.7},
}  # fmt: skip

REPLAY = {
    "run": "001-some", "steps": 8, "precision": "float32", "rates": [[4, 0.01], [8, 0.002]],
    "augments": [[5, [{"plugin": "blur"}]]], "validations": [4, 8],
}  # fmt: skip

CARD = {
    "format": 1, "model": {"id": "compact_cnn", "parameters": {"width": 8}}, "characters": "あいう", "image_size": 32,
    "kanatui": "0.1.0", "torch": "2.13.0", "recipe": "quick", "scores": {"step": 4, "strict": 0.5, "folded": 0.5},
    "seed": 0, "seconds": 4.0, "date": "2026-11-30", "machine": "some",
    "calibration": {"temperature": 0.6, "threshold": 0.2, "images": 40, "of": "held_out"},
    "training": {"weights": 1000, "device": "cpu", "precision": "float32", "steps": 8, "seconds": 4.0, "images": 64},
    "faces": [{"id": "klee", "style": "handwriting", "licence": "OFL-1.1"}],
    "config": {"train": {"minutes": 1.0}},
    "adapt": {"from": "default", "samples": 4, "held_back": 1},
    "evaluations": [
        {
            "kind": "folder", "of": "pictures", "candidates": "any", "made": "2026-11-30",
            "scores": {"all": {"images": 3, "strict": 0.5, "folded": 0.5}}, "confusions": [["あ", "い", 1]],
        }
    ],
}  # fmt: skip


def weights_file(card):
    """Return the bytes of a weights file with a card of these bytes, however wrong."""
    return safetensors.numpy.save({"a": np.zeros(2, dtype=np.float32)}, {"kanatui": card.decode(errors="replace")})


class MANIFEST:
    """A data set of four images of two characters."""

    shard, table = io.BytesIO(), io.BytesIO()
    np.save(shard, np.zeros((4, 8, 8), dtype=np.uint8))
    np.save(table, np.zeros(4, dtype=ROW))
    data = dataclasses.asdict(
        Manifest(
            "あい", [2, 2], 8, 4, ["klee"], "0" * 64, {"kanatui": "0.1.0"}, {}, {},
            {"shard-00000.npy": hashlib.sha256(shard.getvalue()).hexdigest()}, True,
        )
    )  # fmt: skip

    @classmethod
    def files(cls, folder):
        """Write it into a folder."""
        (folder / "manifest.json").write_text(json.dumps(cls.data))
        (folder / "shard-00000.npy").write_bytes(cls.shard.getvalue())
        (folder / "glyphs.npy").write_bytes(cls.table.getvalue())


def write_evaluation(folder):
    """Write an evaluation of three pictures and return its path."""
    records = np.zeros(3, dtype=RECORD)
    records["image"] = range(3)
    predictions = Predictions("あいう", records)
    about = Evaluation(
        "m.safetensors",
        "001-some",
        4,
        "あいう",
        32,
        "folder",
        "/pictures",
        "/pictures",
        outliers={"images": 4, "refused": 0.5},
    )
    return save(folder, about, predictions, Scores.of(predictions), ["a.png", "b.png", "c.png"]).path


def EVALUATION(path):
    """Return what its JSON file says."""
    return json.loads(path.read_text())


PROCESS = {"pid": 7, "created": 1.7e9, "log": 3}

LOG = [event(kind) for kind in EVENTS]

ABOUT = {"title": "some", "note": "one line\nand another"}

CONFIG = {
    "name": "some", "created": datetime.datetime(2026, 11, 30, tzinfo=datetime.UTC), "recipe": "quick",
    "source": {"recipe": {"name": "quick", "faces": ["*"]}}, "train": {"model": "compact_cnn", "batch_size": 8},
    "adapt": {"from": "default", "samples": 3, "held_back": 1},
}  # fmt: skip

RECIPE = {
    "characters": "kana", "faces": ["klee-*"], "image_size": 64, "mode": "random", "images_per_character": 40,
    "seed": 7, "augment": [{"plugin": "rotate", "degrees": [-12.0, 12.0]}, {"plugin": "noise", "p": 0.3}],
}  # fmt: skip

FACES = {
    "face": [
        {"id": "mine", "style": "pen", "weight": "regular", "file": "mine.ttf", "index": 0, "licence": "OFL-1.1"},
        {"id": "other", "style": "brush", "weight": "bold", "glob": ["Klee[[]wght].ttf", "*.otf"]},
    ]
}

SETTINGS = {"theme": "auto", "pictures": "auto", "model": "default", "adapting": "", "run_columns": ["state", "strict"]}

NOTES = {
    "format": 1, "readings": [["あ", 0.5], ["い", 0.25]], "model": "default",
    "strokes": [{"points": [[0.1, 0.2], [0.3, 0.4]], "width": 0.05}],
    "origin": {"sheet": "a1", "page": 1, "box": 2, "photo": "0" * 64, "file": "a.jpg"}, "doubt": "",
}  # fmt: skip

"""Events as a training writes them."""

from __future__ import annotations

import json

SCORES = {"images": 9, "loss": 0.5, "strict": 0.5, "folded": 0.75}

EVENTS = {
    "preparing": {"done": 1, "total": 4, "stage": "drawing the glyphs"},
    "probe": {"seconds": {"float32": 0.2, "bfloat16": 0.1}, "images": 8, "chosen": "bfloat16"},
    "start": {"step": 0, "device": "cpu", "precision": "float32", "processes": 1, "batches": 9, "weights": 1000},
    "step": {
        "step": 3, "epoch": 0, "progress": 0.5, "elapsed": 1.0, "seconds_left": 2.0,
        "loss": 1.5, "rate": 0.01, "images_per_second": 900.0,
    },
    "validation": {"step": 3, "epoch": 0, "best": True, "held_out": SCORES, "faces": SCORES},
    "augment": {"step": 4, "augments": [{"plugin": "blur", "p": 0.5}]},
    "command": {"sequence": 1, "command": "pause", "accepted": True, "note": ""},
    "paused": {"step": 4},
    "warning": {"message": "an observer failed"},
    "end": {"state": "stopped", "reason": "by a test", "step": 4, "elapsed": 1.0},
}  # fmt: skip


def event(kind, **fields):
    """Return a complete event of a kind, with these fields instead of the usual ones."""
    return {"time": 1.7e9, "event": kind, **EVENTS.get(kind, {}), **fields}


def lines(*events):
    """Return events as the text of a log."""
    return "".join(json.dumps(event) + "\n" for event in events)

"""Drawings for tests: kana as strokes of straight pieces."""

import json
from pathlib import Path

from kanatui.pictures.drawing import Drawing, Stroke

STROKES = json.loads((Path(__file__).parent.parent / "data" / "strokes.json").read_text())
"""Kana as strokes of straight pieces, drawn by hand for these tests; places are shares of the board."""

FIVE = "いコシつへ"
"""Characters that a model can be trained on in seconds."""


def drawn(character, scale=1.0, x=0.0, y=0.0):
    lines = [tuple((px * scale + x, py * scale + y) for px, py in line) for line in STROKES[character]]
    return Drawing(tuple(Stroke(line) for line in lines))

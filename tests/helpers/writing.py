"""Lines and sheets for tests, set in a face."""

import numpy as np
from PIL import Image

from kanatui.cli.bench import compose
from kanatui.cli.bench.read import glyphs_of
from kanatui.fonts.faces import load_faces

FACE = "klee-regular"


def glyphs(characters, face=FACE):
    return glyphs_of(next(each for each in load_faces() if each.id == face), characters)


def style(vertical=False, em=64.0, pitch=1.1, **changes):
    return compose.Style(em, pitch, vertical, **{"spacing": 0.02, "drift": 0.02, "sizes": 0.05, **changes})


def line(text, vertical=False, seed=0, **changes):
    """Write one line: a composed picture, dark on light."""
    return compose.compose_line(glyphs(text), text, style(vertical, **changes), np.random.default_rng(seed))


def sheet(texts, vertical=False, seed=0, **changes):
    """Write lines into squares."""
    written = style(vertical, **{"pitch": 1.3, **changes})
    return compose.compose_sheet(glyphs("".join(texts)), texts, written, np.random.default_rng(seed))


def stacked(*pictures, gap=40):
    """Put pictures below each other on white."""
    width = max(picture.shape[1] for picture in pictures)
    rows = [np.pad(picture, ((0, gap), (0, width - picture.shape[1])), constant_values=255) for picture in pictures]
    return np.concatenate(rows)


def image(picture):
    return Image.fromarray(np.ascontiguousarray(picture))

"""Draw what is no character at all, for models to learn from: scribbles, blots, boxes, and surfaces of photos.

What is left of such pictures when they are prepared is one shape, white on black: an empty page with grain becomes a
square full of holes, a blot a disc, a scribble itself.
"""

import dataclasses

import numpy as np

from kanatui import OutlierSource, hookimpl
from kanatui.fonts.faces import Face

COUNT = 192
_ASCENT = 0.88
_KINDS = ("scribble", "tangle", "blot", "box", "surface", "islands", "plate")


@dataclasses.dataclass(frozen=True)
class _Shapes(Face):
    """A face without a font."""

    @property
    def digest(self):
        """What determines its shapes, 64 hex digits."""
        import hashlib

        return hashlib.sha256(f"{self.id} {Shapes.version}".encode()).hexdigest()


class Shapes(OutlierSource):
    id = "shapes"
    version = "3"
    shapes = "".join(chr(0xE000 + n) for n in range(COUNT))

    def faces(self):
        return [_Shapes(f"shapes-{kind}", "pen", "regular", "", "", None, 0, "", self.id) for kind in _KINDS]

    def coverage(self, face, characters):
        return np.isin(list(characters), list(self.shapes))

    def masters(self, face, characters, em):
        from kanatui.fonts.masters import stroke_masters

        kind = face.id.removeprefix("shapes-")
        if kind in _FIELDS:
            return _masters([_FIELDS[kind](_keys(kind, character), em) for character in characters], em)
        return stroke_masters(face, characters, em, lambda character: _DRAWN[kind](_keys(kind, character)), _ASCENT)


def _keys(kind, character):
    from kanatui.core.rng import Keys, mix64

    return Keys(mix64(np.array([ord(character)], dtype=np.uint64)), kind)


def _between(keys, low, high):
    return float(keys.uniform(low, high)[0])


def _scribble(keys):
    """A handful of long strokes that turn at random: five of them are hardly ever a kana, two or three may be."""
    count = 5 + int(keys.integers(9)[0])
    lines = [_walk(keys, _between(keys, 0.3, 1.6), _between(keys, 1.0, 14.0)) for _ in range(count)]
    return lines, _between(keys, 0.02, 0.09)


def _walk(keys, length, bend):
    """A line of some ems from anywhere in the em box, whose direction wanders by ``bend`` radians over an em."""
    steps = max(3, round(length / 0.02))
    turns = keys.normal(bend * 0.02, (steps,))[0] + keys.normal(bend * 0.02)[0]
    angles = keys.uniform(0.0, 2 * np.pi)[0] + np.cumsum(turns)
    moves = 0.02 * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    return _reflected(keys.uniform(shape=(2,))[0] + np.cumsum(moves, axis=0))


def _reflected(line):
    """Keep a line in the em box by reflecting it at the edges."""
    return np.abs((line + 1.0) % 2.0 - 1.0)


def _tangle(keys):
    """One line to and fro, as somebody crosses something out: between random places, or in rows."""
    count = 8 + int(keys.integers(60)[0])
    places = keys.uniform(shape=(count, 2))[0]
    if keys.uniform()[0] < 0.5:
        places[:, 0] = np.linspace(0.0, 1.0, count) + keys.normal(0.03, (count,))[0]
        places[:, 1] = np.arange(count) % 2 * _between(keys, 0.4, 0.9) + keys.normal(0.06, (count,))[0]
    angle = _between(keys, 0.0, np.pi)
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    return [np.clip((places - 0.5) @ turn + 0.5, 0.0, 1.0)], _between(keys, 0.015, 0.07)


def _blot(keys):
    """Ink that ran: short broad strokes over each other, from one disc to a spatter."""
    count = 1 + int(keys.integers(12)[0])
    pen = _between(keys, 0.12, 0.7) / np.sqrt(count)
    middles = 0.5 + keys.normal(_between(keys, 0.02, 0.22), (count, 2))[0]
    return [np.clip(middle + keys.normal(0.05, (3, 2))[0], 0.05, 0.95) for middle in middles], pen


def _box(keys):
    """A printed frame, whole or in pieces, with strokes inside: what a form's field leaves. A ロ has none inside."""
    low, high = np.array([[0.05, 0.05], [0.95, 0.95]]) + keys.uniform(-0.05, 0.05, (2, 2))[0]
    corners = np.array([low, (high[0], low[1]), high, (low[0], high[1]), low])
    sides = [corners[i : i + 2] for i in range(4)]
    kept = sides if keys.uniform()[0] < 0.7 else sides[: 2 + int(keys.integers(2)[0])]
    count = 2 + int(keys.integers(4)[0])
    inside = [0.25 + 0.5 * _walk(keys, _between(keys, 0.5, 1.5), _between(keys, 0.5, 6.0)) for _ in range(count)]
    return [*kept, *inside], _between(keys, 0.02, 0.06)


_DRAWN = {"scribble": _scribble, "tangle": _tangle, "blot": _blot, "box": _box}


def _masters(images, em):
    from kanatui.fonts.masters import Masters

    ends = [(np.array([em, em]) - image.shape[::-1]) // 2 - (0, round(_ASCENT * em)) for image in images]
    ones = np.ones(len(images), dtype=np.float32)
    return Masters(images, np.array(ends, dtype=np.int32).reshape(-1, 2), em, ones, ones, _ASCENT, _ASCENT - 1.0)


def _surface(keys, em):
    """A rectangle full of grain, spots or slow waves, as grey as a photo or cut at a level."""
    height, width = (max(16, round(em * side)) for side in keys.uniform(0.35, 0.95, (2,))[0])
    field = _field(keys, height, width, (2, 4, 8, 16, 32))
    level, sharpness = _between(keys, -1.8, 0.6), 10.0 ** _between(keys, -0.2, 1.2)
    return (255.0 / (1.0 + np.exp(-sharpness * (field - level)))).astype(np.uint8)


def _islands(keys, em):
    """Dark places of a photo, or of a shadow: what is left of slow waves above a level."""
    field = _field(keys, em, em, (3, 5, 7) if keys.uniform()[0] < 0.5 else (5, 9))
    edge = np.minimum(np.arange(em), np.arange(em)[::-1]) / (0.15 * em)
    field = field - 4.0 * np.maximum(0.0, 1.0 - np.minimum(edge[:, None], edge))  # nothing is cut off at the edge
    level = np.quantile(field, _between(keys, 0.75, 0.97))
    return (255.0 / (1.0 + np.exp(-12.0 * (field - level)))).astype(np.uint8)


def _field(keys, height, width, octaves):
    """Return noise of mean 0 and deviation 1, [height, width], from waves of so many to a side."""
    from scipy.ndimage import zoom

    field = np.zeros((height, width))
    roughness = _between(keys, 0.3, 1.2)
    for cells in octaves:
        rough = keys.normal(shape=(cells + 1, cells + 1))[0] * cells ** (roughness - 1.0)
        field += zoom(rough, (height / (cells + 1), width / (cells + 1)), order=1)[:height, :width]
    return (field - field.mean()) / field.std()


def _plate(keys, em):
    """A rectangle with strokes cut out: paper taken for ink, and the ink for holes."""
    from PIL import Image, ImageDraw

    width, height = (max(16, round(em * side)) for side in keys.uniform(0.45, 0.95, (2,))[0])
    plate = Image.new("L", (width, height), 255)
    canvas = ImageDraw.Draw(plate)
    for _ in range(1 + int(keys.integers(4)[0])):
        line = _walk(keys, _between(keys, 0.4, 1.2), _between(keys, 0.5, 6.0)) * (width, height)
        canvas.line([(float(x), float(y)) for x, y in line], fill=0, width=round(_between(keys, 0.05, 0.2) * em))
    return np.asarray(plate)


_FIELDS = {"surface": _surface, "islands": _islands, "plate": _plate}


@hookimpl
def kanatui_glyph_sources():
    return [Shapes]

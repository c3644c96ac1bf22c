"""Simulate handwriting: centre-lines of every kana's strokes, distorted by imaginary writers, drawn by ImageMagick.

Fonts agree on where strokes begin, end and meet. People do not: they overshoot a corner, stop short of a line, or put a
stroke too high. So each face here is a *writer* with its own pen and habits, who writes every stroke slightly
inaccurately. The strokes come from KanjiVG (Ulrich Apel, https://kanjivg.tagaini.net, CC BY-SA 3.0), package `kanjivg`.
"""

import dataclasses
import functools
from pathlib import Path

import numpy as np

from kanatui import GlyphSource, hookimpl
from kanatui.fonts.faces import Face
from kanatui.kana.alphabet import SMALL

WRITERS = 32
ASCENT = 0.88  # of Japanese fonts; KanjiVG's box is treated as their em box
_BOX = 109.0  # KanjiVG's units along the em
_ENLARGED = 1.18  # KanjiVG's kana fill 0.6 to 0.7 of their box, those of fonts 0.7 to 0.85 of theirs
_SMALLER = 0.82  # KanjiVG's small kana are 0.87 of the normal ones, those of fonts 0.72
_LOW = np.array([0.5, 0.6])  # the point that small kana shrink towards
_STEP = 0.025  # ems between the sampled points of a stroke
_HOOK = 0.12  # ems, at most
_LONGEST_WAY = 0.4  # ems, the longest gap over which two strokes are joined
_LOOP = 1.25  # strokes longer than this many times their chord are not straightened or bent


@dataclasses.dataclass(frozen=True)
class Writer(Face):
    """A face without a font file; its ``path`` only says where the strokes are."""

    @property
    def digest(self):
        """SHA-256 of what determines its glyphs (release of the strokes, id, plugin version), 64 hex digits."""
        return _digest(self.id)


class PenStrokes(GlyphSource):
    id = "pen"
    version = "2"

    def faces(self):
        folder = kanji_folder()
        path = folder / "03042.svg" if folder else None
        return [
            Writer(f"pen-{n:02d}", "pen", "regular", "CC-BY-SA-3.0", "", path, 0, "", self.id)
            for n in range(1, WRITERS + 1)
        ]

    def coverage(self, face, characters):
        folder = kanji_folder()
        return np.array([(folder / f"{ord(c):05x}.svg").is_file() for c in characters], dtype=bool)

    def masters(self, face, characters, em):
        from kanatui.fonts.masters import stroke_masters

        return stroke_masters(face, characters, em, functools.partial(write, face.id), ASCENT)


@functools.cache
def kanji_folder():
    """Return the folder of KanjiVG's files, or None if the package is not installed."""
    import importlib.metadata

    try:
        folder = Path(importlib.metadata.distribution("kanjivg").locate_file("kanji"))
    except importlib.metadata.PackageNotFoundError:
        return None
    return folder if folder.is_dir() else None


@functools.cache
def _digest(id):
    import hashlib
    import importlib.metadata

    return hashlib.sha256(f"{id} {PenStrokes.version} {importlib.metadata.version('kanjivg')}".encode()).hexdigest()


# --- Original strokes


@functools.lru_cache(maxsize=512)
def strokes_of(character):
    """Return a character's centre-lines in stroke order, float64 [n, 2] each, in ems from the box's corner."""
    import re

    from fontTools.pens.recordingPen import RecordingPen
    from fontTools.svgLib.path import parse_path

    text = (kanji_folder() / f"{ord(character):05x}.svg").read_text(encoding="utf-8")
    strokes = []
    for path in re.findall(r'<path [^>]*\bd="([^"]+)"', text):
        pen = RecordingPen()
        parse_path(path, pen)
        line = (_evenly(_flattened(pen.value)) / _BOX - 0.5) * _ENLARGED + 0.5
        strokes.append((line - _LOW) * _SMALLER + _LOW if character in SMALL else line)
    return strokes


def _flattened(commands):
    points = []
    for command, places in commands:
        if command in ("moveTo", "lineTo"):
            points.append(places)
        elif command == "curveTo":
            a, b, c, d = np.array([points[-1][-1], *places])
            t = np.linspace(0.0, 1.0, 17)[1:, None]
            points.append((1 - t) ** 3 * a + 3 * (1 - t) ** 2 * t * b + 3 * (1 - t) * t**2 * c + t**3 * d)
    return np.concatenate([np.asarray(part, dtype=np.float64) for part in points])


def _lengths(line):
    return np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(line, axis=0).T))])


def _evenly(line, step=_STEP * _BOX):
    """Sample a line at equal intervals of about ``step``."""
    along = _lengths(line)
    places = np.linspace(0.0, along[-1], max(3, round(along[-1] / step) + 1))
    return np.column_stack([np.interp(places, along, axis) for axis in line.T])


# --- Strokes of a writer


@dataclasses.dataclass(frozen=True)
class _Habits:
    """How a writer writes; lengths in ems. The last six are typical deviations of strokes."""

    pen: float
    corners: float
    bow: float
    hooks: float  # share of stroke ends with a hook
    joins: float  # share of the gaps between strokes where the pen is not lifted
    turn: float
    grow: float
    move: float
    bend: float
    ends: float
    wobble: float

    @classmethod
    def of(cls, keys):
        """Generate a writer: a careful one deviates little, a hasty one a lot, and in some ways more than in others."""
        haste = keys.uniform(0.3, 1.3)

        def up_to(most):
            return float((haste * most * keys.uniform(0.3, 1.0))[0])

        return cls(
            pen=float(keys.uniform(0.03, 0.085)[0]),
            corners=float(keys.uniform(0.0, 0.05)[0]),
            bow=float(keys.uniform(0.4, 1.4)[0]),
            hooks=float(keys.uniform(-0.3, 0.4)[0]),  # below 0: none
            joins=float(keys.uniform(-0.3, 0.2)[0]),
            turn=up_to(0.15),  # radians
            grow=up_to(0.20),  # of the stroke's size
            move=up_to(0.045),
            bend=up_to(0.09),  # of the stroke's length
            ends=up_to(0.08),
            wobble=up_to(0.008),
        )


def write(id, character):
    """Return a character as this writer writes it: lines [n, 2] in ems from the box's corner, and the pen's width."""
    from kanatui.core.rng import Keys, mix64, word_key

    writer = np.array([word_key(id)], dtype=np.uint64)
    habits = _Habits.of(Keys(writer, "habits"))
    keys = Keys(mix64(writer ^ np.uint64(ord(character))), "strokes")
    strokes = strokes_of(character)
    count = (len(strokes),)
    strays = zip(
        strokes,
        habits.bow * np.exp(keys.normal(0.3, count)[0]),
        keys.normal(habits.bend, count)[0],
        keys.normal(habits.ends, (*count, 2))[0],
        keys.normal(habits.wobble, (*count, 2, 3))[0],
        keys.uniform(0.0, 2 * np.pi, (*count, 2, 3))[0],
        keys.normal(habits.turn, count)[0],
        np.exp(keys.normal(habits.grow, (*count, 2))[0]),
        keys.normal(habits.move, (*count, 2))[0],
        _HOOK * keys.uniform(0.3, 1.0, (*count, 2))[0] * (keys.uniform(shape=(*count, 2))[0] < habits.hooks),
        keys.uniform(-2.8, 2.8, (*count, 2))[0],
        strict=True,
    )
    written = []
    for stroke, bow, bend, ends, wobble, phase, turn, grow, move, hooks, angles in strays:
        line = lengthened(_rounded(_bowed(stroke, bow, bend), habits.corners), ends)
        line = _moved(_trembling(line, wobble, phase), turn, grow, move)
        written.append(_hooked(line, hooks, angles))
    joined = keys.uniform(shape=count)[0] < habits.joins
    ways = [np.array([a[-1], b[0]]) for a, b, join in zip(written, written[1:], joined[1:], strict=False) if join]
    short = [way for way in ways if np.hypot(*np.diff(way, axis=0)[0]) < _LONGEST_WAY]
    return _within_the_box([*written, *short]), habits.pen


def _within_the_box(lines):
    """Shrink what is larger than the em box and move inside what is outside it; people keep to the squares too.

    One larger glyph would enlarge the masters of all faces, which share one size in memory.
    """
    low, high = (end(np.concatenate(lines), axis=0) for end in (np.min, np.max))
    scale = 1.0 / max(1.0, *(high - low))
    middle = (low + high) / 2
    half = (high - low) / 2 * scale
    place = np.clip(middle, half, 1.0 - half)
    return [(line - middle) * scale + place for line in lines]


def _bowed(line, factor, bend):
    """Multiply a simple stroke's curvature by a factor, and bend it to one side by a share of its length."""
    chord = line[-1] - line[0]
    length = np.hypot(*chord)
    if length == 0.0 or _lengths(line)[-1] > _LOOP * length:
        return line
    along = np.array(chord / length)
    across = np.array([-along[1], along[0]])
    share = (line - line[0]) @ along
    away = (line - line[0]) @ across
    t = np.clip(share / length, 0.0, 1.0)
    away = away * factor + 4 * bend * length * t * (1 - t)
    return line[0] + share[:, None] * along + away[:, None] * across


def _rounded(line, reach):
    """Round corners: each point becomes the mean of the points within ``reach`` ems of it; the ends stay."""
    window = round(reach / _STEP)
    if window < 1:
        return line
    padded = np.pad(line, ((window, window), (0, 0)), mode="reflect", reflect_type="odd")
    kernel = np.ones(2 * window + 1) / (2 * window + 1)
    return np.column_stack([np.convolve(axis, kernel, mode="valid") for axis in padded.T])


def lengthened(line, ends):
    """Lengthen or shorten each end by some ems, at most by a quarter of the stroke."""
    along = _lengths(line)
    start, end = np.clip(ends, -0.25 * along[-1], 0.25 * along[-1])
    first, last = max(0.0, -start), along[-1] + min(0.0, end)
    places = [first, *along[(along > first) & (along < last)], last]
    kept = np.column_stack([np.interp(places, along, axis) for axis in line.T])
    return np.concatenate([_beyond(line[1], line[0], start), kept, _beyond(line[-2], line[-1], end)])


def _beyond(before, end, by, turn=0.0):
    """Return the point ``by`` ems beyond an end, off its direction by an angle, [1, 2]; or none, [0, 2], if by ≤ 0."""
    step = (end - before) @ _rotation(turn)
    return (end + step / max(np.hypot(*step), 1e-9) * by)[None] if by > 0 else np.empty((0, 2))


def _hooked(line, sizes, angles):
    """Add hooks where the pen lands and lifts: a short straight line at each end, or none where the size is 0."""
    start = _beyond(line[1], line[0], sizes[0], angles[0])
    return np.concatenate([start, line, _beyond(line[-2], line[-1], sizes[1], angles[1])])


def _trembling(line, wobble, phase):
    """Add a tremble: three slow waves in each direction."""
    place = _lengths(line)[:, None]
    waves = np.array([8.0, 16.0, 32.0])  # radians per em
    moves = [(size * np.sin(waves * place + start)).sum(axis=1) for size, start in zip(wobble, phase, strict=True)]
    return line + np.column_stack(moves)


def _moved(line, turn, grow, move):
    """Rotate a stroke about its middle, scale it by a factor in x and in y, and shift it."""
    centre = (line.min(axis=0) + line.max(axis=0)) / 2
    return (line - centre) * grow @ _rotation(turn) + centre + move


def _rotation(angle):
    """Return the matrix that rotates rows (x, y) when they are multiplied by it."""
    cos, sin = np.cos(angle), np.sin(angle)
    return np.array([[cos, sin], [-sin, cos]])


@hookimpl
def kanatui_glyph_sources():
    return [PenStrokes]

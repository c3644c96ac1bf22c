"""Simulate handwriting: centre-lines of every kana's strokes, distorted by imaginary writers, drawn by ImageMagick.

Fonts agree on where strokes begin, end and meet. People do not: they overshoot a corner, stop short of a line, or put a
stroke too high. So each face here is a *writer* with its own pen and habits, who writes every stroke slightly
inaccurately. The strokes come from KanjiVG (Ulrich Apel, https://kanjivg.tagaini.net, CC BY-SA 3.0), package `kanjivg`.
Digits are written in several ways, of which no Japanese font has some (a seven with a bar): each writer has one.
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
_DIGITS = {
    "1": (("M36,44 L57,20 L56,90",), ("M38,42 L57,20 L57,90", "M38,90 L76,90"), ("M34,56 C44,46 52,34 58,20 L54,90",)),
    "2": (("M34,38 C36,16 72,16 70,38 C68,58 46,72 36,84 C28,92 32,72 46,80 C58,88 70,92 80,82",),),
    "3": (("M34,22 L74,22 L50,46 C84,46 84,90 52,90 C42,90 34,86 30,78",),),
    "4": (
        ("M42,20 C40,36 36,48 31,60 L78,58", "M64,34 C63,54 62,74 60,92"),
        ("M64,92 C65,68 65,44 64,20 L30,66 L82,66",),
        ("M36,20 C32,34 30,44 32,50 C40,56 60,54 68,48", "M70,20 C68,44 64,68 62,92"),
    ),
    "5": (("M74,20 L42,22 C40,34 38,42 37,48 C60,38 84,56 70,78 C60,92 42,92 31,82",),),
    "6": (("M66,20 C44,32 32,54 36,74 C40,94 70,94 72,74 C72,56 46,54 38,72",),),
    "7": (
        ("M30,24 L76,22 C66,44 58,66 52,90", "M36,56 L74,54"),
        ("M30,34 C32,20 44,26 54,25 L76,22 C64,46 56,68 52,90", "M40,58 C50,54 62,56 76,52"),
        ("M30,24 L76,22 C66,44 58,66 52,90",),
    ),
    "8": (("M68,30 C58,12 32,20 38,38 C44,54 72,56 72,76 C68,94 36,94 36,74 C38,56 66,50 68,30",),),
    "9": (
        ("M70,34 C66,16 34,18 36,38 C38,56 66,54 70,34 C72,60 70,76 62,86 C54,94 40,92 33,82",),
        ("M70,30 C58,14 34,22 36,40 C40,56 64,50 70,34 C70,54 66,74 58,92",),
        ("M68,32 C62,18 38,20 38,36 C40,50 62,48 68,34 C72,54 74,70 64,82 C56,90 44,88 34,88",),
    ),
}
"""Ways to write digits besides KanjiVG's: the strokes of each as an SVG path, in the same box."""

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
    version = "3"

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
def strokes_of(character, way=0):
    """Return a character's centre-lines in stroke order, float64 [n, 2] each, in ems from the box's corner.

    ``way`` 0 is KanjiVG's, and more are those of ``_DIGITS``.
    """
    import re

    from fontTools.pens.recordingPen import RecordingPen
    from fontTools.svgLib.path import parse_path

    if way:
        paths = _DIGITS[character][way - 1]
    else:
        text = (kanji_folder() / f"{ord(character):05x}.svg").read_text(encoding="utf-8")
        paths = re.findall(r'<path [^>]*\bd="([^"]+)"', text)
    strokes = []
    for path in paths:
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
    choice = Keys(mix64(writer ^ np.uint64(ord(character))), "way").uniform(0.0, 1.0 + len(_DIGITS.get(character, ())))
    way = int(choice[0])
    keys = Keys(mix64(writer ^ np.uint64(ord(character))), "strokes")
    strokes = strokes_of(character, way)
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

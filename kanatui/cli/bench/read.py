"""Benchmark of reading lines and sheets: character error rate on composed pictures, and speed."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from kanatui.cli.bench import compose
from kanatui.cli.bench.compose import Composed, Glyph, Pixels
from kanatui.cli.bench.figures import Figure
from kanatui.core.errors import FontError, ImageError, KanatuiError
from kanatui.dataset.source import OnStage
from kanatui.evaluation.read import read_text
from kanatui.fonts.faces import Face
from kanatui.kana.alphabet import FOLD, KANA, SETS, script
from kanatui.model.weights import Classifier, load_weights

LINES = 200
"""In each direction."""

_EM = 96  # pixels of the faces' masters
_SHEET = (3, 7)  # lines, and squares in each
_BOTH = ("horizontal", "vertical")

Writers = Mapping[str, Mapping[str, Glyph]]
"""Each writer's glyphs."""


@dataclasses.dataclass(frozen=True)
class Score:
    """What reading some pictures came to."""

    characters: int
    wrong: int
    """Edits from what was read to what was written, look-alikes folded."""
    seconds: float

    @property
    def rate(self) -> float:
        """Character error rate in per cent."""
        return 100.0 * self.wrong / max(self.characters, 1)


def measure_read(weights: Path, drawings: Path | None, lines: int, on_stage: OnStage) -> list[Figure]:
    """Compose lines and sheets of single characters, read them, and compare.

    Args:
        weights: the model.
        drawings: labelled drawings, in which a file's name says who drew it; without, only faces are used.
        lines: how many lines to compose in each direction; a third as many sheets.
        on_stage: called with the progress.

    Raises:
        ImageError: there are no drawings, or too few of one person.
        FontError: no handwriting face is installed.
    """
    classifier = load_weights(weights)
    bench = _Bench(classifier, lines, on_stage)
    figures: list[Figure] = []
    faces, note = _held_out(classifier)
    people = _writers(drawings) if drawings else {}
    if people:
        figures += bench.lines("drawings", people, 8.0, 6.0, f"{len(people)} writers")
    figures += bench.lines("faces", faces, 4.0, None, note)
    figures += bench.sheets(people or faces, "drawings" if people else note)
    figures += bench.spoilt(people or faces)
    figures.append(Figure("reading", bench.speed, "characters/s", least=50.0, note="all of the above, in memory"))
    return figures


class _Bench:
    """Reads composed pictures and counts errors."""

    def __init__(self, classifier: Classifier, lines: int, on_stage: OnStage) -> None:
        self.classifier, self.count, self.on_stage = classifier, lines, on_stage
        self.characters, self.seconds = 0, 0.0

    @property
    def speed(self) -> float:
        """Characters a second, of all that was read."""
        return self.characters / max(self.seconds, 1e-9)

    def lines(self, title: str, writers: Writers, most: float, given: float | None, note: str) -> Iterator[Figure]:
        """Measure lines in both directions; with a goal ``given``, also those whose script is given."""
        for direction in _BOTH:
            composed = list(_composed_lines(writers, self.count, direction == "vertical"))
            name = f"lines of {title}, {direction}"
            yield self._figure(name, self._score(name, composed), most, note)
            if given is not None:
                score = self._score(f"{name}, script given", composed, scripted=True)
                yield self._figure(f"{name}, script given", score, given, note)

    def sheets(self, writers: Writers, note: str) -> Iterator[Figure]:
        """Measure squared paper in both directions."""
        for direction in _BOTH:
            composed = list(_composed_sheets(writers, -(-self.count // 3), direction == "vertical"))
            name = f"squared paper, {direction}"
            yield self._figure(name, self._score(name, composed), 8.0, note)

    def spoilt(self, writers: Writers) -> Iterator[Figure]:
        """Measure lines as cameras and crooked hands show them: a quarter as many of each kind."""
        count = max(1, self.count // 8)
        clean = [*_composed_lines(writers, count, False), *_composed_lines(writers, count, True)]
        for name, spoil in _SPOILT.items():
            spoiled = [
                dataclasses.replace(each, picture=spoil(each.picture, np.random.default_rng([8, number])))
                for number, each in enumerate(clean)
            ]
            score = self._score(name, spoiled)
            yield Figure(f"lines, {name}", score.rate, "% CER", note=f"n = {score.characters:,} characters, both ways")

    def _score(self, title: str, composed: Sequence[Composed], scripted: bool = False) -> Score:
        wrong = characters = 0
        started = time.perf_counter()
        for done, each in enumerate(composed, start=1):
            written = "".join(each.lines)
            candidates = SETS.get(script(written[0])) if scripted else None
            found = str(read_text(self.classifier, Image.fromarray(each.picture), candidates))
            # Lines count only through the order of what is in them.
            wrong += edit_distance(folded(written), folded(found.replace("\n", "")))
            characters += len(written)
            self.on_stage(done, len(composed), title)
        seconds = time.perf_counter() - started
        self.characters, self.seconds = self.characters + characters, self.seconds + seconds
        return Score(characters, wrong, seconds)

    @staticmethod
    def _figure(name: str, score: Score, most: float, note: str) -> Figure:
        return Figure(name, score.rate, "% CER", most=most, note=f"n = {score.characters:,} characters; {note}")


def folded(text: str) -> str:
    """Replace characters by their look-alikes' representatives."""
    return "".join(FOLD.get(character, character) for character in text)


def edit_distance(one: str, other: str) -> int:
    """Return how many insertions, deletions and replacements turn one text into the other (Levenshtein 1966)."""
    row = list(range(len(other) + 1))
    for at, character in enumerate(one, start=1):
        corner, row[0] = row[0], at
        for place, wanted in enumerate(other, start=1):
            corner, row[place] = row[place], min(row[place] + 1, row[place - 1] + 1, corner + (character != wanted))
    return row[-1]


# --- What is written


def _composed_lines(writers: Writers, count: int, vertical: bool) -> Iterator[Composed]:
    names = sorted(writers)
    for number in range(count):
        rng = np.random.default_rng([1, number, vertical])
        glyphs = writers[names[number % len(names)]]
        text = compose.random_text(rng, _characters(glyphs, number // len(names)))
        yield compose.compose_line(glyphs, text, compose.random_style(rng, vertical), rng)


def _composed_sheets(writers: Writers, count: int, vertical: bool) -> Iterator[Composed]:
    names, (rows, columns) = sorted(writers), _SHEET
    for number in range(count):
        rng = np.random.default_rng([2, number, vertical])
        glyphs = writers[names[number % len(names)]]
        characters = _characters(glyphs, number // len(names))
        texts = [compose.random_text(rng, characters, columns, columns) for _ in range(rows)]
        style = dataclasses.replace(compose.random_style(rng, vertical), pitch=float(rng.uniform(1.1, 1.4)))
        yield compose.compose_sheet(glyphs, texts, style, rng)


def _characters(glyphs: Mapping[str, Glyph], turn: int) -> str:
    """Return the characters of a line: of one script or, if the writer has both, now and then of both."""
    usable = [set_ for set_ in (SETS["hiragana"], SETS["katakana"]) if any(c in glyphs for c in set_)]
    chosen = usable[turn % len(usable)] if turn % 3 < 2 else KANA
    return "".join(sorted(character for character in glyphs if character in chosen)) or "".join(sorted(glyphs))


_SPOILT: Mapping[str, Callable[[Pixels, np.random.Generator], Pixels]] = {
    "as composed": lambda picture, rng: picture,
    "skewed by up to 10°": lambda picture, rng: compose.skewed(picture, float(rng.uniform(-10, 10))),
    "in shadow": compose.shadowed,
    "blurred, poor JPEG": lambda picture, rng: compose.jpeg(picture),
    "in mild perspective": compose.tilted,
    "light on dark": lambda picture, rng: 255 - picture,
    "skewed, tilted, in shadow and JPEG": lambda picture, rng: compose.jpeg(
        compose.shadowed(compose.tilted(compose.skewed(picture, float(rng.uniform(-6, 6))), rng), rng), 50
    ),
}


# --- Who writes


def _writers(folder: Path) -> dict[str, dict[str, Glyph]]:
    """Return the glyphs of everybody who drew, by the files' names and by script: in Omniglot others drew katakana."""
    from kanatui.pictures.files import open_image
    from kanatui.pictures.labelled import find_labelled

    drawings: dict[str, dict[str, np.ndarray[tuple[int, ...], np.dtype[np.bool_]]]] = {}
    for file, character in find_labelled(folder).files:
        ink = np.asarray(open_image(file).convert("L")) < 128
        if ink.any():
            drawings.setdefault(f"{script(character)} {file.stem}", {})[character] = ink
    writers = {name: compose.from_drawings(own) for name, own in drawings.items() if len(own) >= 20}
    if not writers:
        raise ImageError(f"--drawings {folder}: nobody drew 20 characters; expected LABEL/WRITER.png")
    return writers


def _held_out(classifier: Classifier) -> tuple[dict[str, dict[str, Glyph]], str]:
    """Return glyphs of the handwriting faces that the model was not trained on, or of all if there are none."""
    from kanatui.fonts.faces import load_faces

    seen = {entry.get("id") for entry in classifier.card.get("faces", [])}
    faces = [face for face in load_faces() if face.style == "handwriting" and face.path]
    if not faces:
        raise FontError("bench read: no handwriting face is installed; `kanatui fonts --missing` lists those there are")
    unseen = [face for face in faces if face.id not in seen]
    note = (
        f"held out: {', '.join(face.id for face in unseen)}" if unseen else "faces of training: no other is installed"
    )
    return {face.id: glyphs for face in unseen or faces if (glyphs := glyphs_of(face))}, note


def glyphs_of(face: Face, wanted: str = KANA) -> dict[str, Glyph]:
    """Return those glyphs of a face that it has. FontError if it cannot be drawn."""
    from kanatui.fonts.faces import coverage
    from kanatui.fonts.masters import font_masters

    try:
        characters = "".join(c for c, drawn in zip(wanted, coverage(face, wanted), strict=True) if drawn)
        masters = font_masters(face, characters, _EM)
    except KanatuiError as error:
        raise FontError(f"bench read: face {face.id}: {error}") from None
    measured: Iterable[tuple[str, Pixels, Sequence[int], float]] = zip(
        characters, masters.images, masters.corners.tolist(), masters.advance.tolist(), strict=True
    )
    middle = (masters.ascent + masters.descent) / 2
    return {
        character: Glyph(
            image, ((x + image.shape[1] / 2) / _EM - advance / 2, (y + image.shape[0] / 2) / _EM + middle), float(_EM)
        )
        for character, image, (x, y), advance in measured
    }

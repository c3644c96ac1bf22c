"""Reads a picture of handwriting with any number of characters: from a page to lines of text.

The page's ink is found and cut into segments (:mod:`kanatui.pictures.page`, :mod:`~kanatui.pictures.lines`), the best
way to join these is found line by line (:mod:`kanatui.evaluation.lattice`), and each character is then read once more,
looked at several times. Small kana are told by their size and place in the line, へ and り by their neighbours' script.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from typing_extensions import override

from kanatui.evaluation import lattice
from kanatui.evaluation.probabilities import candidates as allowed_among
from kanatui.evaluation.probabilities import classify_pictures
from kanatui.evaluation.recognize import Reading
from kanatui.kana.alphabet import FOLD, LOOK_ALIKES, script
from kanatui.kana.folding import fold_groups, fold_probabilities
from kanatui.pictures.ink import Numbers, box_of, pen_width
from kanatui.pictures.lines import Layout, Line, find_lines
from kanatui.pictures.page import Page, find_page
from kanatui.pictures.prepare import Ink, framed

if TYPE_CHECKING:
    from PIL import Image

    from kanatui.model.weights import Classifier

DIRECTIONS = ("auto", "horizontal", "vertical")

DOUBT = 0.5
"""A character that is less probable is marked as doubtful."""

MARKS = "ー、。・"
"""Told by their shape alone if the model does not know them."""

_AT_ONCE = 512  # candidates framed and classified together
_MARK = 0.7  # probability of a mark whose shape is right
_FEW = 5  # characters, too few to say how large a line is written
_SAME_SCRIPT = 0.9  # probability that a へ or り is of its neighbours' script

OnProgress = Callable[[int, int], None]
"""Called with how many candidates are read, and how many there are."""


@dataclasses.dataclass(frozen=True)
class Character:
    """One character that was found."""

    readings: tuple[Reading, ...]
    """What it may be, the likeliest first."""
    outline: tuple[tuple[float, float], ...]
    """The four corners of its box in pixels of the picture, clockwise from the upper left."""
    picture: npt.NDArray[np.uint8]
    """Its ink alone, framed as for a model, white on black: uint8 [S, S]."""
    refused: bool = False
    """Whether the model doubts that it is any of its characters."""

    @property
    def character(self) -> str:
        """The likeliest reading."""
        return self.readings[0].character

    @property
    def probability(self) -> float:
        """Of the likeliest reading or one that looks like it, 0 … 1."""
        return self.readings[0].folded

    @property
    def doubtful(self) -> bool:
        """Whether it is as likely something else, or no kana at all."""
        return self.refused or self.probability < DOUBT

    @property
    def box(self) -> tuple[int, int, int, int]:
        """Left, top, right, bottom in pixels of the picture, upright."""
        x, y = zip(*self.outline, strict=True)
        return int(min(x)), int(min(y)), int(np.ceil(max(x))), int(np.ceil(max(y)))


@dataclasses.dataclass(frozen=True)
class Text:
    """What is written on a page."""

    lines: tuple[tuple[Character, ...], ...]
    vertical: bool
    degrees: float
    """By which the picture was turned to be read, anticlockwise positive."""

    @override
    def __str__(self) -> str:
        return "\n".join("".join(character.character for character in line) for line in self.lines)


def read_text(
    classifier: Classifier,
    image: Image.Image,
    characters: str | None = None,
    direction: str = "auto",
    top: int = 5,
    on_progress: OnProgress = lambda done, total: None,
    side: int = 0,
) -> Text:
    """Read a picture of handwriting.

    Args:
        classifier: the model.
        image: a picture of any mode and size; dark on light or light on dark, turned by up to 12 degrees.
        characters: the candidates, where the script is known; None for all that the model knows.
        direction: one of :data:`DIRECTIONS`; vertical lines run from right to left.
        top: how many readings to give of each character.
        on_progress: called after each batch.
        side: pixels of each character's picture; those of the model if 0.

    Raises:
        NoInkError: the picture holds no ink.
        UsageError: the model knows none of ``characters``.
    """
    page = find_page(image)
    return PageReader(classifier, characters, page, find_lines(page, direction), on_progress).read(top, side)


class PageReader:
    """Reads one page whose lines are found, as :func:`read_text` does."""

    def __init__(
        self,
        classifier: Classifier,
        characters: str | None,
        page: Page,
        layout: Layout,
        on_progress: OnProgress = lambda done, total: None,
    ) -> None:
        self.classifier, self.characters = classifier, characters
        self.page, self.layout, self.on_progress = page, layout, on_progress
        self.marks = "".join(
            mark for mark in MARKS if mark not in classifier.characters and (characters is None or mark in characters)
        )
        self.known = classifier.characters + self.marks
        allowed = allowed_among(classifier.characters, characters)
        self.allowed = np.concatenate([allowed, np.ones(len(self.marks), dtype=bool)])
        self.shapes = lattice.shapes(self.known, layout.vertical)
        # The soft edge of ink belongs to the nearest segment.
        self.owner = np.where(layout.labels > 0, layout.labels, ndimage.maximum_filter(layout.labels, 3))
        self.slices = ndimage.find_objects(self.owner)

    def read(self, top: int = 5, side: int = 0) -> Text:
        """Find the best path through each line, and read what is on it."""
        lines = [_Candidates(line, lattice.join(self._spans(line), line.em)) for line in self.layout.lines]
        pictures = [picture for line in lines for picture in self._pictures(line)]
        logits = self._logits(pictures)
        ends = np.cumsum([len(line.candidates) for line in lines])
        for line, own in zip(lines, np.split(logits, ends[:-1]), strict=True):
            line.logits = own
        paths = self._paths(lines)
        starts = [0, *ends[:-1].tolist()]
        chosen = [start + index for start, path in zip(starts, paths, strict=True) for index in path]
        looked, refused = self._classified(np.stack([pictures[index] for index in chosen]))
        found, at = [], 0
        for line, path in zip(lines, paths, strict=True):
            judged = self._judged(line, path, looked[at : at + len(path)])
            readings = [self._ranked(own, top) for own in judged]
            no = refused[at : at + len(path)] & ~line.marked(self, path)
            at += len(path)
            each = zip(path, readings, no.tolist(), strict=True)
            found.append(tuple(self._character(line, i, r, doubt, side) for i, r, doubt in each))
        return Text(tuple(found), self.layout.vertical, self.page.degrees)

    def _spans(self, line: Line) -> list[tuple[float, float, float, float]]:
        """Return each segment's extent along and across its line, the latter from the line's middle."""
        spans = []
        for segment in line.segments:
            left, top, right, bottom = segment.box
            start, stop, low, high = (top, bottom, left, right) if self.layout.vertical else (left, right, top, bottom)
            middle = line.middle + line.slope * (start + stop) / 2
            spans.append((float(start), float(stop), low - middle, high - middle))
        return spans

    def _pictures(self, line: _Candidates) -> list[npt.NDArray[np.uint8]]:
        pictures = [self._picture(line.labels(candidate)) for candidate in line.candidates]
        line.rings = np.array([ndimage.label(picture < 128)[1] > 1 for picture in pictures], dtype=bool)
        return pictures

    def _picture(self, labels: Sequence[int], side: int = 0) -> npt.NDArray[np.uint8]:
        """Frame the ink of some segments, and of nothing else, as for the model (or a ``side``): uint8 [side, side]."""
        area, own = _ink_of(self.owner, self.slices, labels)
        alpha = self.page.alpha[area] * own
        mask = own & (self.layout.labels[area] > 0)
        return framed(Ink(alpha, box_of(mask), pen_width(mask)), side or self.classifier.image_size)

    def _logits(self, pictures: Sequence[npt.NDArray[np.uint8]]) -> npt.NDArray[np.float32]:
        """Return the model's outputs for all candidates, -inf where a character is not allowed or is a mark."""
        found = np.full((len(pictures), len(self.known)), -np.inf, dtype=np.float32)
        model = len(self.classifier.characters)
        for start in range(0, len(pictures), _AT_ONCE):
            batch = np.stack(pictures[start : start + _AT_ONCE])
            found[start : start + len(batch), :model] = self.classifier.logits(batch).numpy()
            self.on_progress(start + len(batch), len(pictures))
        found[:, ~self.allowed] = -np.inf
        return found

    def _paths(self, lines: Sequence[_Candidates]) -> list[list[int]]:
        """Find the best path of each line; once more when its characters have told how large it is written."""
        paths = [line.path(self) for line in lines]
        if self.page.ruling.count:
            return paths
        ratios = [line.ratios(self, path) for line, path in zip(lines, paths, strict=True)]
        usual = float(np.median(np.concatenate(ratios)))
        for line, own in zip(lines, ratios, strict=True):
            line.em *= float(np.clip(np.median(own) if len(own) >= _FEW else usual, 0.7, 1.4))
        return [line.path(self) for line in lines]

    def _classified(self, pictures: npt.NDArray[np.uint8]) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_]]:
        """Look at the chosen candidates several times.

        Returns:
            Probabilities, float32 [n, C] over the model's characters and the marks; and which the model refuses, [n].
        """
        found = [
            classify_pictures(self.classifier, pictures[start : start + _AT_ONCE], self.characters)
            for start in range(0, len(pictures), _AT_ONCE)
        ]
        probabilities = np.concatenate([one.probabilities for one in found])
        refused = self.classifier.calibration.refuses(np.concatenate([one.certainty for one in found]))
        return np.pad(probabilities, ((0, 0), (0, len(self.marks)))), refused

    def _judged(
        self, line: _Candidates, path: Sequence[int], looked: npt.NDArray[np.float32]
    ) -> npt.NDArray[np.float32]:
        """Weigh probabilities by size and place in the line, and へ and り by their neighbours' script."""
        fit = line.fits(self)[list(path)]
        shape = fold_probabilities(looked, self.known)[:, fold_groups(self.known)[1]]
        for row, index in enumerate(path):
            if line.marked(self, [index])[0]:
                shape[row] *= 1.0 - _MARK
                shape[row, line.choice[index]] = _MARK
        weighed = np.where(self.allowed, shape * np.exp(lattice.SHAPE * fit), 0.0) * _own_share(looked, self.known)
        weighed /= np.maximum(weighed.sum(axis=1, keepdims=True), 1e-30)
        return _by_script(weighed, self.known)

    def _ranked(self, judged: npt.NDArray[np.float32], top: int) -> tuple[Reading, ...]:
        folded = fold_probabilities(judged[None], self.known)[0, fold_groups(self.known)[1]]
        order = np.argsort(-judged, kind="stable")[:top]
        return tuple(
            Reading(self.known[i], float(judged[i]), min(1.0, float(folded[i]))) for i in order if self.allowed[i]
        )

    def _character(
        self, line: _Candidates, index: int, readings: tuple[Reading, ...], refused: bool, side: int
    ) -> Character:
        candidate = line.candidates[index]
        boxes = np.array([segment.box for segment in line.line.segments[candidate.first : candidate.stop]])
        left, top = boxes[:, :2].min(axis=0)
        right, bottom = boxes[:, 2:].max(axis=0)
        outline = tuple(self.page.outline((int(left), int(top), int(right), int(bottom))))
        return Character(readings, outline, self._picture(line.labels(candidate), side), refused)


class _Candidates:
    """The candidates of one line, and what the model says of them."""

    def __init__(self, line: Line, candidates: list[lattice.Candidate]) -> None:
        self.line, self.em = line, line.em
        if line.segments and line.segments[0].square:
            candidates = [candidate for candidate in candidates if candidate.stop == candidate.first + 1]
        self.candidates = candidates
        self.logits = np.empty((0, 0), dtype=np.float32)
        self.choice = np.empty(0, dtype=np.int64)
        self.rings = np.zeros(len(candidates), dtype=bool)
        """Which candidates enclose paper."""

    def labels(self, candidate: lattice.Candidate) -> list[int]:
        return [segment.label for segment in self.line.segments[candidate.first : candidate.stop]]

    def fits(self, reader: PageReader) -> npt.NDArray[np.float64]:
        return lattice.fits(self.candidates, self.em, reader.shapes)

    def path(self, reader: PageReader) -> list[int]:
        """Find the best path, and what each candidate is read as."""
        fit = self.fits(reader)
        logits = self._with_marks(reader)
        described, self.choice = lattice.features(
            self.candidates, logits, fit, reader.known, len(reader.classifier.characters), self.em
        )
        return lattice.best_path(self.candidates, described, self.em, lattice.WEIGHTS)

    def _with_marks(self, reader: PageReader) -> npt.NDArray[np.float32]:
        """Let marks that the model does not know compete: where the shape is right, with most of the probability."""
        logits = self.logits.copy()
        model = len(reader.classifier.characters)
        total = np.log(np.exp(logits[:, :model] - logits[:, :model].max(axis=1, keepdims=True)).sum(axis=1))
        total += logits[:, :model].max(axis=1)
        boxes = np.array([candidate.box for candidate in self.candidates]) / self.em
        for place, mark in enumerate(reader.marks, start=model):
            possible = _may_be(mark, boxes, self.rings)
            logits[possible, place] = total[possible] + np.log(_MARK / (1.0 - _MARK))
        return logits

    def marked(self, reader: PageReader, path: Sequence[int]) -> npt.NDArray[np.bool_]:
        """Return which candidates are read as marks that the model does not know."""
        return np.asarray(self.choice[list(path)] >= len(reader.classifier.characters))

    def ratios(self, reader: PageReader, path: Sequence[int]) -> npt.NDArray[np.float64]:
        """Return how much larger each character is than was thought: its longer side over the usual one."""
        boxes = np.array([self.candidates[index].box for index in path])
        sides = np.column_stack([boxes[:, 1] - boxes[:, 0], boxes[:, 3] - boxes[:, 2]]).max(axis=1)
        usual = reader.shapes.sizes[self.choice[path]].max(axis=1)
        return np.asarray(sides / (usual * self.em))


def _may_be(mark: str, boxes: npt.NDArray[np.float64], rings: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Say which candidates have the shape of a mark.

    Args:
        mark: one of :data:`MARKS`.
        boxes: float64 [n, 4], in ems along and across the line from its middle.
        rings: bool [n], which of them enclose paper.
    """
    along, across = boxes[:, 1] - boxes[:, 0], boxes[:, 3] - boxes[:, 2]
    middle, longer = (boxes[:, 2] + boxes[:, 3]) / 2, np.maximum(along, across)
    if mark == "ー":
        return np.asarray((along > 0.4) & (across < 0.2) & (np.abs(middle) < 0.2))
    if mark == "・":
        return np.asarray((longer > 0.06) & (longer < 0.25) & (np.abs(middle) < 0.12) & ~rings)
    return np.asarray((longer > 0.08) & (longer < 0.36) & (middle > 0.15) & (rings == (mark == "。")))


def _ink_of(
    owner: Numbers, slices: Sequence[tuple[slice, ...]], labels: Sequence[int]
) -> tuple[tuple[slice, slice], npt.NDArray[np.bool_]]:
    """Return the area of some segments, and which of its pixels are theirs."""
    parts = [slices[label - 1] for label in labels]
    area = (
        slice(min(part[0].start for part in parts), max(part[0].stop for part in parts)),
        slice(min(part[1].start for part in parts), max(part[1].stop for part in parts)),
    )
    inside = owner[area]
    own = inside == labels[0]
    for label in labels[1:]:
        own |= inside == label
    return area, own


def _own_share(looked: npt.NDArray[np.float32], known: str) -> npt.NDArray[np.float32]:
    """Return each character's share of its look-alikes' probability; of small and normal kana, no matter: one."""
    share = np.ones_like(looked)
    for pair in LOOK_ALIKES:
        if all(character in known for character in pair):
            places = [known.index(character) for character in pair]
            both = looked[:, places].sum(axis=1, keepdims=True)
            share[:, places] = looked[:, places] / np.maximum(both, 1e-30)
    return share


def _by_script(judged: npt.NDArray[np.float32], known: str) -> npt.NDArray[np.float32]:
    """Decide between へ and ヘ, り and リ by the script of the nearest characters that tell it."""
    found = judged.copy()
    pairs = {FOLD[pair[0]]: pair for pair in LOOK_ALIKES if all(character in known for character in pair)}
    best = [known[int(row.argmax())] for row in judged]
    scripts = ["other" if FOLD.get(c, c) in pairs else script(c) for c in best]
    for row, character in enumerate(best):
        if FOLD.get(character, character) not in pairs:
            continue
        telling = [other for other, kind in enumerate(scripts) if kind != "other"]
        if not telling:
            break
        near = min(telling, key=lambda other: abs(row - other))
        for pair in pairs.values():
            places = [known.index(character) for character in pair]
            share = _SAME_SCRIPT if scripts[near] == "hiragana" else 1.0 - _SAME_SCRIPT
            odds = judged[row, places] * (share, 1.0 - share)
            found[row, places] = odds / max(float(odds.sum()), 1e-30) * judged[row, places].sum()
    return found

"""Scores: counted batch by batch, in memory that does not grow with the number of images."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import numpy.typing as npt

from kanatui.folding import fold_groups, fold_probabilities
from kanatui.kana import script

Counts = npt.NDArray[np.int64]


@dataclasses.dataclass(frozen=True)
class Score:
    """How many images were read, and how many of them rightly."""

    images: int = 0
    strict: int = 0
    """The likeliest of all characters was the right one."""
    folded: int = 0
    """The likeliest group of look-alikes held the right one."""
    top5: int = 0
    """The right character was among the five likeliest."""

    def __add__(self, other: Score) -> Score:
        own, others = dataclasses.astuple(self), dataclasses.astuple(other)
        return Score(*(a + b for a, b in zip(own, others, strict=True)))

    def to_dict(self) -> dict[str, float | int]:
        """Return ``images`` and the shares ``top1``, ``top1_folded``, ``top5`` (0 … 1)."""
        among = max(self.images, 1)
        shares = {"top1": self.strict, "top1_folded": self.folded, "top5": self.top5}
        return {"images": self.images} | {name: count / among for name, count in shares.items()}


@dataclasses.dataclass(frozen=True)
class Confusion:
    """``count`` images of ``truth`` were read as ``read``; an empty ``read`` means that nothing was."""

    truth: str
    read: str
    count: int
    folded: bool
    """Whether the two are look-alikes, so that the folded score does not mind."""


@dataclasses.dataclass(frozen=True)
class Report:
    """The outcome of an evaluation."""

    total: Score
    per_character: dict[str, Score]
    """Characters of which there were images, in the model's order."""
    confusions: tuple[Confusion, ...]
    """Most frequent first; ties in the model's order."""

    @property
    def by_script(self) -> dict[str, Score]:
        """Scores of hiragana, katakana and other characters, those that there are."""
        scores: dict[str, Score] = {}
        for character, score in self.per_character.items():
            name = script(character)
            scores[name] = scores.get(name, Score()) + score
        return scores

    def to_dict(self) -> dict[str, Any]:
        """Return plain data: the total's, ``by_script``, ``per_character`` and ``confusions`` (all of them)."""
        return {
            **self.total.to_dict(),
            "by_script": {name: score.to_dict() for name, score in self.by_script.items()},
            "per_character": {character: score.to_dict() for character, score in self.per_character.items()},
            "confusions": [dataclasses.asdict(confusion) for confusion in self.confusions],
        }


class Tally:
    """Counts what a classifier says against what is true."""

    def __init__(self, characters: str) -> None:
        """Begin at nothing. ``characters`` are the classes, in the order of the probabilities' columns."""
        self.characters = characters
        self._group = fold_groups(characters)[1]
        count = len(characters)
        # Columns: images, strict, folded, top5.
        self._scores = np.zeros((count, 4), dtype=np.int64)
        # The last column is for images that could not be read as anything.
        self._read_as = np.zeros((count, count + 1), dtype=np.int64)

    def add(self, probabilities: npt.NDArray[np.floating], labels: npt.ArrayLike) -> None:
        """Count a batch: probabilities [N, C], true classes [N]. A tie counts as the class that comes first."""
        truth = np.asarray(labels, dtype=np.int64)
        best = probabilities.argmax(axis=1)
        folded = fold_probabilities(probabilities, self.characters).argmax(axis=1)
        own = np.take_along_axis(probabilities, truth[:, None], axis=1)
        earlier = np.arange(len(self.characters)) < truth[:, None]
        rank = ((probabilities > own) | ((probabilities == own) & earlier)).sum(axis=1)
        right = (np.ones_like(truth), best == truth, folded == self._group[truth], rank < 5)
        np.add.at(self._scores, truth, np.stack(right, axis=1).astype(np.int64))
        np.add.at(self._read_as, (truth, best), 1)

    def add_unread(self, label: int) -> None:
        """Count an image in which nothing could be read: wrong in every score."""
        self._scores[label, 0] += 1
        self._read_as[label, -1] += 1

    def report(self) -> Report:
        """Return what has been counted so far."""
        rows = [Score(*(int(count) for count in row)) for row in self._scores]
        seen = {character: row for character, row in zip(self.characters, rows, strict=True) if row.images}
        return Report(sum(seen.values(), Score()), seen, tuple(self._confusions()))

    def _confusions(self) -> list[Confusion]:
        wrong = self._read_as.copy()
        np.fill_diagonal(wrong, 0)
        truths, reads = np.nonzero(wrong)
        order = np.argsort(-wrong[truths, reads], kind="stable")
        return [self._confusion(int(truths[i]), int(reads[i]), int(wrong[truths[i], reads[i]])) for i in order]

    def _confusion(self, truth: int, read: int, count: int) -> Confusion:
        if read == len(self.characters):
            return Confusion(self.characters[truth], "", count, folded=False)
        alike = bool(self._group[truth] == self._group[read])
        return Confusion(self.characters[truth], self.characters[read], count, alike)

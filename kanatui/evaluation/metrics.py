"""Scores and confusions, counted from what was read."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import numpy.typing as npt

from kanatui.kana.alphabet import script
from kanatui.kana.folding import fold_groups

Classes = npt.NDArray[np.integer[Any]]
Flags = npt.NDArray[np.bool_]

UNREAD = -1
"""The class that an image is read as in which nothing can be read."""


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


def count(characters: str, truth: Classes, read: Classes, folded: Flags, top5: Flags) -> Report:
    """Count what was read.

    Args:
        characters: the classes.
        truth: the true class of each image, [n].
        read: the likeliest class of each, or :data:`UNREAD`, [n].
        folded: whether the likeliest group of look-alikes held the true class, [n].
        top5: whether the true class was among the five likeliest, [n].
    """
    everything = np.ones(len(truth), dtype=bool)
    columns = (everything, read == truth, folded, top5)
    counts = np.stack([np.bincount(truth[flags], minlength=len(characters)) for flags in columns], axis=1)
    rows = [Score(*row) for row in counts.tolist()]
    seen = {character: row for character, row in zip(characters, rows, strict=True) if row.images}
    wrong = read != truth
    return Report(sum(seen.values(), Score()), seen, _confusions(characters, truth[wrong], read[wrong]))


def _confusions(characters: str, truth: Classes, read: Classes) -> tuple[Confusion, ...]:
    group = fold_groups(characters)[1]
    # Nothing read comes after all characters. Pairs are numbered, so that none is counted that did not occur.
    pairs = truth.astype(np.int64) * (len(characters) + 1) + np.where(read == UNREAD, len(characters), read)
    distinct, counts = np.unique(pairs, return_counts=True)
    order = np.argsort(-counts, kind="stable")
    found = []
    for pair, often in zip(distinct[order].tolist(), counts[order].tolist(), strict=True):
        true, said = divmod(pair, len(characters) + 1)
        nothing = said == len(characters)
        alike = not nothing and bool(group[true] == group[said])
        found.append(Confusion(characters[true], "" if nothing else characters[said], often, alike))
    return tuple(found)

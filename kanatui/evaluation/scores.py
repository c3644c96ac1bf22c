"""The scores of an evaluation: every metric in total, by script and by character, and the confusions."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from kanatui.core.checked import Count, Finite
from kanatui.kana.alphabet import script
from kanatui.kana.folding import fold_groups
from kanatui.model.metrics import METRICS, PER_CHARACTER, Bin, Metric, all_metrics, compute, reliability
from kanatui.model.predictions import UNREAD, Predictions


@dataclasses.dataclass(frozen=True)
class Score:
    """How well some images were read."""

    images: Count = 0
    values: Mapping[str, Finite] = dataclasses.field(default_factory=dict)
    """Shares (0 … 1) by the keys of :func:`~kanatui.model.metrics.all_metrics`, if they were computed."""

    @classmethod
    def of(cls, predictions: Predictions, metrics: tuple[Metric, ...] | None = None) -> Score:
        """Compute the metrics of some predictions; all if none are given."""
        return cls(len(predictions), compute(predictions, all_metrics() if metrics is None else metrics))

    def __getitem__(self, key: str) -> float:
        return self.values[key]

    def texts(self, metrics: Sequence[Metric] = METRICS) -> list[str]:
        """Return the metrics as text, "–" for one that was not computed."""
        return [metric.text(self.values[metric.key]) if metric.key in self.values else "–" for metric in metrics]

    def to_dict(self) -> dict[str, float | int]:
        """Return plain data: ``images``, and the metrics by their keys."""
        return {"images": self.images, **self.values}


@dataclasses.dataclass(frozen=True)
class Confusion:
    """``count`` images of ``truth`` were read as ``read``; an empty ``read`` means that nothing could be read."""

    truth: str
    read: str
    count: int
    folded: bool
    """Whether the two are look-alikes, so that the folded score does not count this as an error."""


@dataclasses.dataclass(frozen=True)
class Scores:
    """The scores of a model on some images."""

    total: Score
    by_script: Mapping[str, Score]
    """Of hiragana, katakana and other characters, if there are images of them, in the model's order."""
    per_character: Mapping[str, Score]
    """Of each character that there are images of, in the model's order."""
    confusions: tuple[Confusion, ...]
    """Most frequent first; ties in the model's order."""
    reliability: tuple[Bin, ...] = ()
    """How often the model was right at each of its probabilities."""

    @classmethod
    def of(cls, predictions: Predictions) -> Scores:
        """Compute all scores of some predictions."""
        per_character = {c: Score.of(part, PER_CHARACTER) for c, part in predictions.by_character().items()}
        scripts = dict.fromkeys(map(script, per_character))
        by_script = {
            name: Score.of(predictions.only("".join(c for c in per_character if script(c) == name))) for name in scripts
        }
        return cls(Score.of(predictions), by_script, per_character, _confusions(predictions), reliability(predictions))

    def to_dict(self) -> dict[str, Any]:
        """Return plain data: the total score, and ``by_script``, ``per_character``, ``confusions``, ``reliability``."""
        return {
            **self.total.to_dict(),
            "by_script": {name: score.to_dict() for name, score in self.by_script.items()},
            "per_character": {character: score.to_dict() for character, score in self.per_character.items()},
            "confusions": [dataclasses.asdict(confusion) for confusion in self.confusions],
            "reliability": [dataclasses.asdict(bin) for bin in self.reliability],
        }


def _confusions(predictions: Predictions) -> tuple[Confusion, ...]:
    characters, wrong = predictions.characters, predictions.records[~predictions.right(folded=False)]
    truth, read = wrong["truth"], wrong["classes"][:, 0]
    group = fold_groups(characters)[1]
    # "Nothing" is numbered after all characters. Pairs are numbered too, so that only those that occur are counted.
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

"""An evaluation in memory, its images one by one, and its scores in words."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING

from kanatui.core.units import percent
from kanatui.model.metrics import METRICS, PER_CHARACTER

if TYPE_CHECKING:
    from kanatui.evaluation.scores import Scores
    from kanatui.evaluation.store import Evaluation
    from kanatui.model.predictions import Predictions

MOST_SHOWN = 60
"""Images on a sheet; the surest mistakes come first."""


@dataclasses.dataclass(frozen=True)
class LoadedEvaluation:
    """An evaluation in memory."""

    evaluation: Evaluation
    predictions: Predictions
    scores: Scores
    files: Sequence[str]
    """A folder's pictures, by the records' ``image``."""

    @classmethod
    def load(cls, evaluation: Evaluation) -> LoadedEvaluation:
        """Read it; some 0.1 s for 20,000 images. RunError if its files are missing or damaged."""
        from kanatui.evaluation.scores import Scores

        predictions, files = evaluation.load()
        return cls(evaluation, predictions, Scores.of(predictions), files)

    def origin(self, place: int) -> str:
        """Say where the image of a record is from."""
        image = int(self.predictions.records["image"][place])
        return self.files[image] if self.files else f"image {image:,} of {self.evaluation.where}"


@dataclasses.dataclass(frozen=True)
class SheetImage:
    """An image on the sheet and what is said about it."""

    record: int
    """Its place among the evaluation's records."""
    truth: str
    caption: str
    origin: str
    opinions: tuple[Opinion, ...]


@dataclasses.dataclass(frozen=True)
class Opinion:
    """What a model makes of an image."""

    whose: str
    """Which model, "" if there is but one."""
    likeliest: Sequence[tuple[str, float]]
    """The five likeliest characters with their probabilities (0 … 1)."""
    alike: tuple[str, float]
    """The likeliest group of look-alikes, by its likeliest member, and the group's probability."""


def opinion(predictions: Predictions, place: int, whose: str = "") -> Opinion:
    """Return what a model made of the image of a record."""
    return Opinion(whose, predictions.likeliest(place), predictions.reading(place, folded=True))


@dataclasses.dataclass(frozen=True)
class Selection:
    """Images to look at."""

    about: str
    """What they are, "" if nothing is chosen."""
    images: Sequence[SheetImage]
    """At most :data:`MOST_SHOWN` of them."""
    total: int
    """How many there are in all."""


def select(loaded: LoadedEvaluation, about: str, places: Sequence[int], folded: bool, with_truth: bool) -> Selection:
    """Choose images of an evaluation, and describe them.

    Args:
        loaded: the evaluation.
        about: what they are.
        places: which of its records.
        folded: say which group of look-alikes each was read as, rather than which character.
        with_truth: say in each caption what the image shows; where that is the same for all, leave it out.
    """
    made = []
    for place in places[:MOST_SHOWN]:
        truth, caption = loaded.predictions.truth(place), surely(*loaded.predictions.reading(place, folded))
        if with_truth:
            caption = f"{truth}→{caption}"
        opinions = (opinion(loaded.predictions, place),)
        made.append(SheetImage(int(place), truth, caption, loaded.origin(place), opinions))
    return Selection(about, made, len(places))


def surely(read: str, probability: float) -> str:
    """Write what was read and how surely: ツ 87 %."""
    return f"{read} {whole_percent(probability)}" if read else "nothing"


def share_of(count: int, among: int) -> str:
    """Write a part of a whole: 12 of 84 (14 %)."""
    return f"{count:,} of {among:,} ({whole_percent(count / max(among, 1))})"


def whole_percent(share: float) -> str:
    """Write a share (0 … 1) in whole per cent: 14 %."""
    return f"{100 * share:.0f} %"


def in_short(strict: float, folded: float) -> str:
    """Write the two scores (0 … 1) in few cells: 94.4 % (99.3 % folded)."""
    return f"{percent(strict)} ({percent(folded)} folded)"


def summary(evaluation: Evaluation) -> str:
    """Write an evaluation in one line, for choosing among several."""
    when = f"{evaluation.made[:10]} {evaluation.made[11:16]}"
    among = f", {len(evaluation.candidates)} candidates" if evaluation.candidates else ""
    how_well = in_short(evaluation.total["strict"], evaluation.total["folded"])
    return f"{how_well} · {evaluation.total.images:,} {evaluation.source}{among} · {when}"


def headline(loaded: LoadedEvaluation) -> str:
    """Write the scores, by script too, and what to bear in mind about them."""
    evaluation, scores = loaded.evaluation, loaded.scores
    figures = (f"{metric.heading} {text}" for metric, text in zip(METRICS, scores.total.texts(), strict=True))
    lines = ["   ".join([*figures, f"of {scores.total.images:,} images"])]
    if len(scores.by_script) > 1:
        # No more than these fit into 80 columns; the command line has all of them.
        scripts = (f"{name} {' '.join(score.texts(PER_CHARACTER))}" for name, score in scores.by_script.items())
        lines.append("   ".join(scripts))
    return "\n".join(filter(None, [*lines, evaluation.note, _left_out(evaluation)]))


def _left_out(evaluation: Evaluation) -> str:
    skipped = evaluation.skipped
    parts = [
        f"{count:,} {what}"
        for count, what in (
            (skipped.get("unknown", 0), "of characters that the model does not know"),
            (skipped.get("outside", 0), "of characters that are no candidates"),
            (skipped.get("ignored", 0), "not named LABEL/*.png or *.jpg"),
            (len(skipped.get("unreadable", ())), "damaged"),
        )
        if count
    ]
    return f"not scored: {', '.join(parts)}" if parts else ""

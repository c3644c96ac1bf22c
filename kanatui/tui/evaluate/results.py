"""A loaded evaluation, selections of its images, and its scores as text."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING

from kanatui.core.harmless import harmless
from kanatui.core.units import percent
from kanatui.model.metrics import PER_CHARACTER, all_metrics

if TYPE_CHECKING:
    from kanatui.evaluation.scores import Scores
    from kanatui.evaluation.store import Evaluation
    from kanatui.model.predictions import Predictions

MOST_SHOWN = 60
"""The most images on a sheet; the surest mistakes come first."""


@dataclasses.dataclass(frozen=True)
class LoadedEvaluation:
    """An evaluation with its records, predictions and scores in memory."""

    evaluation: Evaluation
    predictions: Predictions
    scores: Scores
    files: Sequence[str]
    """The pictures of a folder, indexed by the records' ``image``."""

    @classmethod
    def load(cls, evaluation: Evaluation) -> LoadedEvaluation:
        """Load it, in about 0.1 s for 20,000 images. Raises RunError if its files are missing or damaged."""
        from kanatui.evaluation.scores import Scores

        predictions, files = evaluation.load()
        return cls(evaluation, predictions, Scores.of(predictions), files)

    def origin(self, place: int) -> str:
        """Return where a record's image comes from."""
        image = int(self.predictions.records["image"][place])
        return harmless(self.files[image]) if self.files else f"image {image:,} of {self.evaluation.where}"


@dataclasses.dataclass(frozen=True)
class SheetImage:
    """An image on the sheet, with its caption and readings."""

    record: int
    """Its index among the evaluation's records."""
    truth: str
    caption: str
    origin: str
    opinions: tuple[Opinion, ...]
    made: str = ""
    """How a generated image was made: its face, and what the augmentations drew for it."""


@dataclasses.dataclass(frozen=True)
class Opinion:
    """How a model reads an image."""

    whose: str
    """Which model, "" if there is only one."""
    likeliest: Sequence[tuple[str, float]]
    """The five most likely characters with their probabilities (0 … 1)."""
    alike: tuple[str, float]
    """The most likely group of look-alikes, by its most likely member, and the group's probability (0 … 1)."""


def opinion(predictions: Predictions, place: int, whose: str = "") -> Opinion:
    """Return how a model read the image of the record at index ``place``."""
    return Opinion(whose, predictions.likeliest(place), predictions.reading(place, folded=True))


@dataclasses.dataclass(frozen=True)
class Selection:
    """A selection of images to show."""

    about: str
    """What the images are, "" if nothing is selected."""
    images: Sequence[SheetImage]
    """At most :data:`MOST_SHOWN` of them."""
    total: int
    """The total number, including those not shown."""


def select(loaded: LoadedEvaluation, about: str, places: Sequence[int], folded: bool, with_truth: bool) -> Selection:
    """Select images of an evaluation and describe them.

    Args:
        loaded: the evaluation.
        about: what the images are.
        places: indices of the records.
        folded: caption each with the group of look-alikes it was read as, not the character.
        with_truth: include the true character in each caption, for images of several characters.
    """
    made = []
    for place in places[:MOST_SHOWN]:
        truth, caption = loaded.predictions.truth(place), surely(*loaded.predictions.reading(place, folded))
        if with_truth:
            caption = f"{truth}→{caption}"
        opinions = (opinion(loaded.predictions, place),)
        made.append(SheetImage(int(place), truth, caption, loaded.origin(place), opinions))
    return Selection(about, made, len(places))


def select_bin(loaded: LoadedEvaluation, place: int | None) -> Selection:
    """Select the misread images whose probability is in a bin of the reliability diagram."""
    from kanatui.model.metrics import bins_of

    if place is None:
        return Selection("", [], 0)
    each = loaded.scores.reliability[place]
    inside = bins_of(loaded.predictions) == place
    places = [int(found) for found in loaded.predictions.misread() if inside[found]]
    about = f"{100 * each.low:.0f} … {100 * each.high:.0f} % sure: {len(places):,} of {each.images:,} misread"
    return select(loaded, about, places, folded=False, with_truth=True)


def surely(read: str, probability: float) -> str:
    """Format a reading with its probability (0 … 1): ツ 87 %."""
    return f"{read} {whole_percent(probability)}" if read else "nothing"


def share_of(count: int, among: int) -> str:
    """Format a part of a whole: 12 of 84 (14 %)."""
    return f"{count:,} of {among:,} ({whole_percent(count / max(among, 1))})"


def whole_percent(share: float) -> str:
    """Format a share (0 … 1) in whole per cent: 14 %."""
    return f"{100 * share:.0f} %"


def in_short(strict: float, folded: float) -> str:
    """Format the two scores (0 … 1): 94.4 % (99.3 % folded)."""
    return f"{percent(strict)} ({percent(folded)} folded)"


def summary(evaluation: Evaluation) -> str:
    """Return an evaluation in one line, for a list to choose from."""
    when = f"{evaluation.made[:10]} {evaluation.made[11:16]}"
    among = f", {len(evaluation.candidates)} candidates" if evaluation.candidates else ""
    how_well = in_short(evaluation.total["strict"], evaluation.total["folded"])
    return f"{how_well} · {evaluation.total.images:,} {evaluation.source}{among} · {when}"


def headline(loaded: LoadedEvaluation) -> str:
    """Return the scores, overall and by script, and any reservations about them."""
    evaluation, scores = loaded.evaluation, loaded.scores
    metrics = all_metrics()
    figures = (f"{metric.heading} {text}" for metric, text in zip(metrics, scores.total.texts(metrics), strict=True))
    lines = ["   ".join(figures)]  # of how many images, the list of evaluations says
    if len(scores.by_script) > 1:
        # No more than these fit into 80 columns; the command line prints all of them.
        scripts = (f"{name} {' '.join(score.texts(PER_CHARACTER))}" for name, score in scores.by_script.items())
        lines.append("   ".join(scripts))
    about = (evaluation.labels, evaluation.of_outliers, evaluation.note, _left_out(evaluation))
    return "\n".join(filter(None, [*lines, *about]))


def _left_out(evaluation: Evaluation) -> str:

    return evaluation.skipped.in_words()

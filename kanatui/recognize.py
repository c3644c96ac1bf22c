"""Reading pictures: an image in, ranked characters out.

The size that a character was meant to have cannot be seen in a free picture, nor whether へ is hiragana or katakana.
So readings are ranked by the probability of their look-alike group (:mod:`kanatui.folding`), and within a
group by their own. A member that holds less than :data:`SERIOUS` of its group's probability ranks by its own alone, or
the list would fill up with small kana that nobody thought of.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from kanatui.evaluation.probabilities import Probabilities, candidates, classify
from kanatui.folding import fold_groups, fold_probabilities

if TYPE_CHECKING:
    from PIL import Image

    from kanatui.weights import Classifier

SERIOUS = 0.2
"""Share of its group's probability that lets a character rank with its group."""


@dataclasses.dataclass(frozen=True)
class Reading:
    """One character that a picture may show."""

    character: str
    probability: float
    """Of this very character, 0 … 1."""
    folded: float
    """Of this character or one that looks like it."""


def recognize(
    classifier: Classifier,
    images: Iterable[Image.Image | npt.NDArray[np.generic]],
    top: int = 5,
    characters: str | None = None,
) -> list[list[Reading]]:
    """Read pictures of single characters.

    Args:
        classifier: the model.
        images: Pillow images of any mode, or arrays as :func:`kanatui.prepare.prepare` takes them.
        top: how many readings to give of each.
        characters: the candidates, where the script is known; None for all that the model knows.

    Returns:
        For each image its readings, the likeliest first (ranked as in this module's docstring).

    Raises:
        ImageError: a picture holds no ink.
        UsageError: the model knows none of ``characters``.
    """
    from kanatui.prepare import prepare

    prepared = [prepare(image, classifier.image_size) for image in images]
    if not prepared:
        return []
    return rank(classify(classifier, np.stack(prepared), characters), classifier.characters, top, characters)


def rank(probabilities: Probabilities, known: str, top: int = 5, characters: str | None = None) -> list[list[Reading]]:
    """Turn probabilities [n, C] over the characters ``known`` into the ``top`` readings of each image."""
    allowed = np.flatnonzero(candidates(known, characters))
    folded = fold_probabilities(probabilities, known)[:, fold_groups(known)[1]]
    weight = np.where(probabilities >= SERIOUS * folded, folded, probabilities)
    return [
        _readings(own[allowed], alike[allowed], key[allowed], [known[i] for i in allowed], top)
        for own, alike, key in zip(probabilities, folded, weight, strict=True)
    ]


def _readings(
    own: Probabilities, alike: Probabilities, key: Probabilities, names: Sequence[str], top: int
) -> list[Reading]:
    order = np.lexsort((-own, -key))[:top]
    return [Reading(names[i], float(own[i]), min(1.0, float(alike[i]))) for i in order]

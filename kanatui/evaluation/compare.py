"""Two models compared on the same images: which ones does one read correctly and the other not?"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from kanatui.core.errors import RunError
from kanatui.evaluation.store import Evaluation
from kanatui.model.predictions import Places, Predictions


@dataclasses.dataclass(frozen=True)
class Share:
    """How many images both models, one of them or neither read correctly."""

    both: int = 0
    only_first: int = 0
    only_second: int = 0
    neither: int = 0

    @property
    def images(self) -> int:
        """The number of all images."""
        return self.both + self.only_first + self.only_second + self.neither


class Comparison:
    """Two evaluations over the same images."""

    def __init__(
        self,
        first: Evaluation,
        second: Evaluation,
        predictions: tuple[Predictions, Predictions],
        files: tuple[Sequence[str], Sequence[str]] = ((), ()),
    ) -> None:
        """Match the records of two evaluations.

        Args:
            first: one evaluation.
            second: the other one.
            predictions: those of the first and of the second.
            files: the picture files of the first and of the second, if they are of a folder.

        Raises:
            RunError: they are not over the same images; the message says what differs.
        """
        if first.data != second.data:
            raise RunError(
                f"not the same images: {_describe(first)}, but {_describe(second)}; evaluate both on the same images"
            )
        self.first, self.second = first, second
        self.predictions = predictions
        orders = [_order(one, names) for one, names in zip(predictions, files, strict=True)]
        self._orders: tuple[Places, Places] = (orders[0][1], orders[1][1])
        if orders[0][0] != orders[1][0]:
            raise RunError(
                f"not the same images of {_describe(first)}: {first.total.images:,} with {_candidates(first)} for the "
                f"first, {second.total.images:,} with {_candidates(second)} for the second; evaluate both the same way"
            )

    def right(self, folded: bool) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
        """Return which images the first and the second read correctly, bool [n] each, both in the same order."""
        one, other = (made.right(folded)[order] for made, order in zip(self.predictions, self._orders, strict=True))
        return one, other

    def shares(self, folded: bool) -> dict[str, Share]:
        """Return the counts over all characters (key "") and by character, in the first model's order."""
        first, second = self.right(folded)
        truth = self.predictions[0].records["truth"][self._orders[0]]
        columns = (first & second, first & ~second, ~first & second, ~first & ~second)
        characters = self.predictions[0].characters
        counts = np.stack([np.bincount(truth[flags], minlength=len(characters)) for flags in columns], axis=1)
        shares = {
            character: Share(*row) for character, row in zip(characters, counts.tolist(), strict=True) if any(row)
        }
        return {"": Share(*counts.sum(axis=0).tolist()), **shares}

    def differing(self, truth: str = "", folded: bool = False) -> list[tuple[int, int]]:
        """Return the images that exactly one of the two reads correctly, as pairs of record numbers.

        Those that only the first reads correctly come before those that only the second does. Within each group the
        surest mistake comes first.
        """
        first, second = self.right(folded)
        wanted = first != second
        one, other = self._orders
        if truth:
            wanted &= self.predictions[0].records["truth"][one] == self.predictions[0].characters.index(truth)
        places = np.flatnonzero(wanted)
        surely, others_surely = (
            made.said(folded)[1][order] for made, order in zip(self.predictions, self._orders, strict=True)
        )
        mistake = np.where(first, others_surely, surely)[places]
        ranked = places[np.lexsort((-mistake, second[places]))]
        return list(zip(one[ranked].tolist(), other[ranked].tolist(), strict=True))


def _order(predictions: Predictions, files: Sequence[str]) -> tuple[list[tuple[str | int, str]], Places]:
    """Return what identifies each image, sorted, and the record numbers in that order."""
    truth, images = predictions.records["truth"].tolist(), predictions.records["image"].tolist()
    keys: list[str | int] = [files[image] for image in images] if files else images
    order = sorted(range(len(keys)), key=keys.__getitem__)
    return [(keys[place], predictions.characters[truth[place]]) for place in order], np.array(order, dtype=np.int64)


def _describe(evaluation: Evaluation) -> str:
    where = Path(evaluation.where).name if evaluation.kind == "folder" else evaluation.where
    return f"{evaluation.total.images:,} {evaluation.source}" + (
        f" ({where})" if where not in evaluation.source else ""
    )


def _candidates(evaluation: Evaluation) -> str:
    return f"{len(evaluation.candidates)} candidates" if evaluation.candidates else "all characters as candidates"

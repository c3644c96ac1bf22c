"""What a classifier predicted: one record per image, from which every score and list is made.

A record takes 70 bytes, so that all of the article's 715,884 images fit into 50 MB. Nothing here needs torch:
the app shows evaluations that another process made.
"""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import numpy.typing as npt

from kanatui.kana.folding import fold_groups, fold_probabilities

UNREAD = -1
"""The class of an image in which nothing could be read."""

TOP = 5
"""How many of the likeliest classes are kept for each image."""

RECORD = np.dtype(
    [
        ("image", "<i8"),  # the image's index in the source, or among the files of a folder
        ("truth", "<i4"),
        ("classes", "<i4", (TOP,)),  # the likeliest first; UNREAD where there are no more
        ("probabilities", "<f4", (TOP,)),
        ("of_truth", "<f4"),  # the true class's probability
        ("alike", "<i4"),  # the likeliest class of the likeliest group of look-alikes, or UNREAD
        ("alike_probability", "<f4"),  # that group's
        ("certainty", "<f4"),  # that it is one of the model's characters (kanatui.model.calibration), 1 if not known
        ("refused", "?"),  # whether that was too little
        ("hypothesis", "u1"),  # which of the things that the picture may show was read; 0 of generated images
    ]
)
"""The layout of a record."""

Records = npt.NDArray[np.void]
Places = npt.NDArray[np.int64]


class Predictions:
    """Records of images, which are added in batches."""

    def __init__(self, characters: str, records: Records | None = None) -> None:
        """Start with ``records`` (:data:`RECORD`, [n]) or none; ``characters`` are the classes, in order."""
        self.characters = characters
        self._parts = [np.empty(0, dtype=RECORD) if records is None else records]
        self._group = fold_groups(characters)[1]

    @property
    def records(self) -> Records:
        """All records, [n], in the order in which they were added."""
        if len(self._parts) > 1:
            self._parts = [np.concatenate(self._parts)]
        return self._parts[0]

    def __len__(self) -> int:
        return sum(len(part) for part in self._parts)

    def add(
        self,
        probabilities: npt.NDArray[np.floating],
        labels: npt.ArrayLike,
        images: npt.ArrayLike,
        certainty: npt.ArrayLike = 1.0,
        refused: npt.ArrayLike = False,
        hypotheses: npt.ArrayLike = 0,
    ) -> None:
        """Add a batch.

        Args:
            probabilities: [n, C]. A tie counts as the class that comes first.
            labels: the true classes, [n].
            images: the images' indices in the source or among the files, [n].
            certainty: that they show characters, 0 … 1, [n].
            refused: for which of them that is too little, [n].
            hypotheses: which of a picture's :class:`~kanatui.pictures.prepare.Hypotheses` were read, [n].
        """
        truth = np.asarray(labels, dtype=np.int64)
        made = np.empty(len(truth), dtype=RECORD)
        order = np.argsort(-probabilities, axis=1, kind="stable")[:, :TOP]
        known = order.shape[1]
        made["classes"], made["probabilities"] = UNREAD, 0.0
        made["classes"][:, :known] = order
        made["probabilities"][:, :known] = np.take_along_axis(probabilities, order, axis=1)
        made["image"], made["truth"], made["certainty"], made["refused"] = images, truth, certainty, refused
        made["hypothesis"] = hypotheses
        made["of_truth"] = np.take_along_axis(probabilities, truth[:, None], axis=1)[:, 0]
        folded = fold_probabilities(probabilities, self.characters)
        made["alike_probability"] = np.minimum(folded.max(axis=1), 1.0)
        outside = self._group != folded.argmax(axis=1)[:, None]
        made["alike"] = np.where(outside, -1.0, probabilities).argmax(axis=1)
        self._parts.append(made)

    def add_unread(self, label: int, image: int) -> None:
        """Add an image in which nothing could be read: wrong in every score."""
        made = np.zeros(1, dtype=RECORD)
        made["image"], made["truth"], made["classes"], made["alike"] = image, label, UNREAD, UNREAD
        self._parts.append(made)

    def by_character(self) -> dict[str, Predictions]:
        """Return the predictions of each character that has images, in the model's order."""
        records = self.records[np.argsort(self.records["truth"], kind="stable")]
        present, starts = np.unique(records["truth"], return_index=True)
        parts = np.split(records, starts[1:])
        return {self.characters[label]: self._part(part) for label, part in zip(present, parts, strict=False)}

    def only(self, characters: str) -> Predictions:
        """Return the predictions of images of some characters."""
        labels = [self.characters.index(character) for character in characters]
        return self._part(self.records[np.isin(self.records["truth"], labels)])

    def _part(self, records: Records) -> Predictions:
        part = copy.copy(self)
        part._parts = [records]
        return part

    def right(self, folded: bool) -> npt.NDArray[np.bool_]:
        """Return which images were read correctly, bool [n]; if ``folded``, as the character or a look-alike."""
        truth, said = self.records["truth"], self.said(folded)[0]
        if not folded:
            return np.asarray(said == truth)
        return np.asarray((said != UNREAD) & (self._group[said] == self._group[truth]))

    def said(self, folded: bool) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.float32]]:
        """Return the class that each image was read as, and its probability, [n] each.

        If ``folded``: the likeliest class of the likeliest group of look-alikes, and the group's probability.
        """
        records = self.records
        if folded:
            return records["alike"], records["alike_probability"]
        return records["classes"][:, 0], records["probabilities"][:, 0]

    def misread(self, truth: str = "", folded: bool = False) -> Places:
        """Return which records are wrong, the surest first: of the character ``truth``, or of all."""
        wrong = ~self.right(folded)
        if truth:
            wrong &= self.records["truth"] == self.characters.index(truth)
        return self._surest(np.flatnonzero(wrong), folded)

    def of(self, truth: str) -> Places:
        """Return which records are of the character ``truth``: the surest mistakes first, right readings last."""
        found = np.flatnonzero(self.records["truth"] == self.characters.index(truth))
        right = self.right(folded=False)[found]
        return np.concatenate(
            [self._surest(found[~right], folded=False), self._surest(found[right], folded=False)[::-1]]
        )

    def cell(self, truth: str, read: str) -> Places:
        """Return which images of ``truth`` were read as ``read`` ("" for nothing), the most interesting first.

        These are the surest mistakes, or the least sure correct readings.
        """
        records = self.records
        said = self.characters.index(read) if read else UNREAD
        found = np.flatnonzero((records["truth"] == self.characters.index(truth)) & (records["classes"][:, 0] == said))
        ranked = self._surest(found, folded=False)
        return ranked[::-1] if truth == read else ranked

    def _surest(self, places: Places, folded: bool) -> Places:
        return places[np.argsort(-self.said(folded)[1][places], kind="stable")]

    def likeliest(self, place: int) -> list[tuple[str, float]]:
        """Return the up to five likeliest characters of a record with their probabilities (0 … 1)."""
        record: Any = self.records[place]
        return [
            (self.characters[said], float(probability))
            for said, probability in zip(record["classes"], record["probabilities"], strict=True)
            if said != UNREAD
        ]

    def reading(self, place: int, folded: bool) -> tuple[str, float]:
        """Return what a record's image was read as, "" for nothing, and its probability (0 … 1); see :meth:`said`."""
        said, probability = self.said(folded)
        return "" if said[place] == UNREAD else self.characters[said[place]], float(probability[place])

    def truth(self, place: int) -> str:
        """Return the character that the image of a record shows."""
        return self.characters[self.records["truth"][place]]

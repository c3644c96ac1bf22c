"""The order of training images: batch k of epoch e is a pure function of (seed, e, k)."""

from __future__ import annotations

import dataclasses

import numpy as np
import numpy.typing as npt

from kanatui.core.errors import RunError
from kanatui.core.rng import U64, mix64, word_key
from kanatui.dataset.source import Indices
from kanatui.training.splits import ImageSet


@dataclasses.dataclass(frozen=True)
class _Epoch:
    """The shuffled lists of one epoch."""

    number: int
    key: U64
    ranks: npt.NDArray[np.int32]
    """All lists of image ranks concatenated, each shuffled."""
    shifts: Indices
    """Start position of each character in its list, [C]."""

    def keys(self, purpose: str, first: int, end: int) -> U64:
        """Return the epoch's random keys of the numbers from ``first`` to ``end`` − 1."""
        counters: U64 = np.arange(first, end).astype(np.uint64)
        return mix64((self.key ^ word_key(purpose)) + counters)


class EpochOrder:
    """Repeated walks over all characters, cut into batches.

    Each walk takes every character once, in a shuffled order, so characters are trained on evenly; one with fewer
    images repeats its list. Image numbers are shuffled for each epoch. With ``by_number`` a walk shows the
    same image number of every character, as in the article; otherwise each character starts at its own place in
    the shuffled list, so that a batch mixes faces and placements (batch normalisation sees all of them at once).

    Epochs are divided evenly: batch sizes differ by at most one image, and no image is left out. Memory grows with the
    number of image numbers. Objects of this class can be pickled.
    """

    def __init__(
        self, images: ImageSet, batch_size: int, seed: int, *, by_number: bool = False, ranks: int = 1
    ) -> None:
        """Prepare the order; the number of batches is a multiple of ``ranks``, the processes that share them.

        RunError if there are fewer images than batches.
        """
        self.images = images
        self.seed = seed
        self.by_number = by_number
        self.characters = len(images.list_of)
        self.size = int(images.counts.max()) * self.characters
        """Images per epoch, repeated ones included."""
        self.batches = -(-self.size // (batch_size * ranks)) * ranks
        """Batches per epoch."""
        if self.batches > self.size:
            raise RunError(f"too few images ({self.size}) for {ranks} processes; start fewer")
        lengths = [len(ranks_) for ranks_, _ in images.lists]
        self._group = np.repeat(np.arange(len(lengths)), lengths)
        self._starts = np.concatenate([[0], np.cumsum(lengths)])[images.list_of]
        self._counts = images.counts
        self._latest = self._shuffle(0)

    def batch(self, epoch: int, k: int) -> Indices:
        """Return the source indices of batch ``k`` (0 … batches − 1) of an epoch, int64 [n]."""
        shuffled = self._latest
        if shuffled.number != epoch:
            shuffled = self._latest = self._shuffle(epoch)
        positions = np.arange(k * self.size // self.batches, (k + 1) * self.size // self.batches)
        walks, places = np.divmod(positions, self.characters)
        labels = self._walk_order(shuffled, int(walks[0]), int(walks[-1]))[walks - walks[0], places]
        turns = (walks + shuffled.shifts[labels]) % self._counts[labels]
        chosen: Indices = self.images.offsets[labels] + shuffled.ranks[self._starts[labels] + turns]
        return chosen

    def _shuffle(self, epoch: int) -> _Epoch:
        """Shuffle every list by image number, so that lists with the same numbers get the same order."""
        key = mix64(mix64(np.array([self.seed], dtype=np.uint64) ^ word_key("order")) + np.uint64(epoch))
        ranks = np.concatenate([ranks_ for ranks_, _ in self.images.lists])
        numbers = np.concatenate([numbers_ for _, numbers_ in self.images.lists]).astype(np.uint64)
        plain = _Epoch(epoch, key, ranks[np.lexsort((mix64(key + numbers), self._group))], np.zeros_like(self._counts))
        if self.by_number:
            return plain
        shifts = plain.keys("shift", 0, self.characters) % self._counts.astype(np.uint64)
        return dataclasses.replace(plain, shifts=shifts.astype(np.int64))

    def _walk_order(self, shuffled: _Epoch, first: int, last: int) -> npt.NDArray[np.int64]:
        """Return the order of the characters in each walk from ``first`` to ``last``, [last − first + 1, C]."""
        walks = shuffled.keys("walk", first, last + 1)
        keys = mix64(walks[:, None] + shuffled.keys("character", 0, self.characters))
        return np.argsort(keys, axis=1, kind="stable")

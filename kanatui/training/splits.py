"""Splits a source into images to train on and images held out for validation.

There are two ways, which can be combined. The article's: 5 % of the image numbers, the same for every character, so
that a place in the grid is held out rather than a random picture. By face: every image of some faces, which says more
about unseen handwriting.
"""

from __future__ import annotations

import dataclasses
import fnmatch
import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from kanatui.core.errors import RunError
from kanatui.core.rng import mix64, word_key
from kanatui.core.units import counted
from kanatui.dataset.mixed import FACE, MixedStream
from kanatui.dataset.source import ImageSource, Indices

_SLICE = 65_536
"""Images whose faces are determined at once; a random recipe has to draw a whole table row for each."""


@dataclasses.dataclass(frozen=True)
class ImageSet:
    """Some of a source's images: for each character, which of its images, by number.

    Characters with the same images share one list, so memory grows with the image numbers, not with the images.
    """

    offsets: Indices
    """The source's offsets, [C + 1]."""
    lists: tuple[tuple[npt.NDArray[np.int32], Indices], ...]
    """Distinct lists: ranks (index minus offset) and their image numbers, both [n]."""
    list_of: Indices
    """Index in ``lists`` for each character, [C]."""

    @property
    def counts(self) -> Indices:
        """Images of each character, [C] int64."""
        lengths = np.array([len(ranks) for ranks, _ in self.lists], dtype=np.int64)
        return np.asarray(lengths[self.list_of])

    def __len__(self) -> int:
        return int(self.counts.sum())

    def of(self, label: int) -> Indices:
        """Return the source indices of one character, in rank order, int64."""
        return np.asarray(self.offsets[label] + self.lists[self.list_of[label]][0])

    def sample(self, most: int, seed: int = 0) -> Indices:
        """Return at most about ``most`` source indices, evenly over the characters, always the same for a seed.

        It has at least one image of every character that has any, and all images if ``most`` allows.
        """
        each = max(1, most // len(self.list_of))
        chosen = []
        for label in range(len(self.list_of)):
            indices = self.of(label)
            if len(indices) > each:
                indices = np.sort(indices[np.argsort(_scramble(seed, "sample", indices))[:each]])
            chosen.append(indices)
        return np.concatenate(chosen)


@dataclasses.dataclass(frozen=True)
class Split:
    """The images to train on and to validate on: held-out image numbers (of known faces), and held-out faces."""

    train: ImageSet
    held_out: ImageSet
    held_out_faces: ImageSet
    faces: tuple[str, ...]
    """Ids of the held-out faces."""
    kind: str = "faces"
    """Their name in events: ``faces``, or ``samples`` if they are the user's own pictures."""


def split_source(
    source: ImageSource, hold_out: float = 0.05, hold_out_faces: Sequence[str] = (), seed: int = 0
) -> Split:
    """Split a source.

    Args:
        hold_out: share of the image numbers to hold out, 0 … 0.9; the same numbers for every character.
        hold_out_faces: face ids, with ``*`` and ``?`` allowed, to hold out completely.
        seed: selects the numbers. It is not the training's seed, so that runs with different seeds are comparable.

    Raises:
        RunError: a face is not in the source, or a character has no image left to train on.
    """
    held_faces = _match_faces(source.face_ids, hold_out_faces)
    numbers, list_of = _distinct_numbers(source)
    held_numbers = _held_numbers(numbers, hold_out, seed)
    parts: list[list[npt.NDArray[np.bool_]]] = [[], [], []]
    if held_faces:
        numbers, list_of = [numbers[i] for i in list_of], np.arange(len(list_of))
    for label, own in enumerate(numbers):
        by_number = np.isin(own, held_numbers)
        by_face = _drawn_with(source, label, held_faces) if held_faces else np.zeros(len(own), dtype=bool)
        for part, mask in zip(parts, (~by_number & ~by_face, by_number & ~by_face, by_face), strict=True):
            part.append(mask)
    offsets = np.asarray(source.offsets, dtype=np.int64)
    train, held, faces = (ImageSet(offsets, _choose(numbers, masks), list_of) for masks in parts)
    _require_images(source.characters, train)
    return Split(train, held, faces, held_faces)


def split_mixed(
    source: MixedStream, hold_out: float = 0.05, hold_out_faces: Sequence[str] = (), seed: int = 0
) -> Split:
    """Split generated images like :func:`split_source`; sample variants are trained on, held-back pictures are not.

    The held-out images are thus the same as in a training on the generated images alone. Held-out faces are not trained
    on either, but the held-back pictures are validated on in their place. If there are only pictures, they are what is
    held out.
    """
    if source.alone:
        return _split_pictures(source)
    drawn = split_source(source.stream, hold_out, hold_out_faces, seed)
    ends = source.generated + source.variants
    train = [
        np.concatenate([drawn.train.lists[drawn.train.list_of[label]][0], np.arange(source.generated[label], end)])
        for label, end in enumerate(ends)
    ]
    held = [np.arange(end, count) for end, count in zip(ends, source.counts, strict=True)]
    held_out = dataclasses.replace(drawn.held_out, offsets=source.offsets)
    return Split(_image_set(source, train), held_out, _image_set(source, held), (FACE,), kind=FACE)


def _split_pictures(source: MixedStream) -> Split:
    train = _image_set(source, [np.arange(end) for end in source.variants])
    _require_images(source.characters, train)
    held = [np.arange(end, count) for end, count in zip(source.variants, source.counts, strict=True)]
    return Split(train, _image_set(source, held), _image_set(source, [np.arange(0)] * len(held)), ())


def _image_set(source: ImageSource, ranks: Sequence[npt.NDArray[np.integer[Any]]]) -> ImageSet:
    """Make a set from the ranks of each character's images; characters with the same ones share a list."""
    places: dict[bytes, int] = {}
    lists: list[tuple[npt.NDArray[np.int32], Indices]] = []
    list_of = np.empty(len(ranks), dtype=np.int64)
    for label, own in enumerate(ranks):
        numbers = source.numbers(label)[own]
        key = hashlib.blake2b(own.astype(np.int64).tobytes() + b"|" + numbers.tobytes()).digest()
        list_of[label] = places.setdefault(key, len(lists))
        if list_of[label] == len(lists):
            lists.append((own.astype(np.int32), numbers))
    return ImageSet(np.asarray(source.offsets, dtype=np.int64), tuple(lists), list_of)


def _scramble(seed: int, purpose: str, numbers: npt.NDArray[np.int64]) -> npt.NDArray[np.uint64]:
    """Return a random sort key for each number, which depends only on seed, purpose and number."""
    base = mix64(np.array([seed], dtype=np.uint64) ^ word_key(purpose))
    return mix64(base + numbers.astype(np.uint64))


def _match_faces(face_ids: Sequence[str], patterns: Sequence[str]) -> tuple[str, ...]:
    for pattern in patterns:
        if not fnmatch.filter(face_ids, pattern):
            raise RunError(f"train.hold_out_faces: no face {pattern!r} in the data (there are: {', '.join(face_ids)})")
    return tuple(id for id in face_ids if any(fnmatch.fnmatch(id, pattern) for pattern in patterns))


def _distinct_numbers(source: ImageSource) -> tuple[list[Indices], Indices]:
    """Return the distinct lists of image numbers, and the index of each character's list."""
    places: dict[bytes, int] = {}
    lists: list[Indices] = []
    list_of = np.empty(len(source.characters), dtype=np.int64)
    for label in range(len(source.characters)):
        own = np.asarray(source.numbers(label), dtype=np.int64)
        place = places.setdefault(hashlib.blake2b(own.tobytes()).digest(), len(lists))
        if place == len(lists):
            lists.append(own)
        list_of[label] = place
    return lists, list_of


def _held_numbers(lists: Sequence[Indices], share: float, seed: int) -> Indices:
    numbers = np.unique(np.concatenate([np.zeros(0, dtype=np.int64), *lists]))
    count = round(share * len(numbers))
    return numbers[np.argsort(_scramble(seed, "hold out", numbers))[:count]]


def _drawn_with(source: ImageSource, label: int, faces: Sequence[str]) -> npt.NDArray[np.bool_]:
    """Return which of a character's images are drawn with one of ``faces``: bool [count]."""
    wanted = np.isin(source.face_ids, faces)
    first, end = int(source.offsets[label]), int(source.offsets[label + 1])
    found = [wanted[source.faces(np.arange(at, min(at + _SLICE, end)))] for at in range(first, end, _SLICE)]
    return np.concatenate([np.zeros(0, dtype=bool), *found])


def _choose(
    numbers: Sequence[Indices], masks: Sequence[npt.NDArray[np.bool_]]
) -> tuple[tuple[npt.NDArray[np.int32], Indices], ...]:
    pairs = zip(numbers, masks, strict=True)
    return tuple((np.flatnonzero(mask).astype(np.int32), own[mask]) for own, mask in pairs)


def _require_images(characters: str, train: ImageSet) -> None:
    empty = [character for character, count in zip(characters, train.counts, strict=True) if count == 0]
    if empty:
        raise RunError(
            f"nothing to train on for {counted(len(empty), 'character')} ({''.join(empty[:8])}); "
            "lower train.hold_out, hold out fewer faces, or leave these characters out"
        )

"""Generated images mixed with a person's own pictures: a model learns that handwriting without forgetting the rest.

If a character has pictures, half of its images are variants of them: moved a little, then changed by the recipe's pixel
augmentations. Variant j is a pure function of (recipe, the picture's file, j). One picture in five is held out for
scoring: it is never varied, and comes after its character's other images. Whether a picture is held out depends only
on its file. So a picture held out from a model is also held out from the models that are adapted from that one.
"""

from __future__ import annotations

import copy
import dataclasses
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import torch
from torch.nn.functional import grid_sample

from kanatui.core import arrayfiles, storage
from kanatui.core.errors import DatasetError
from kanatui.core.rng import U64, Keys, mix64, sample_keys
from kanatui.dataset.source import Images, Indices, OnProgress
from kanatui.dataset.stream import GlyphStream, finished
from kanatui.kana.alphabet import SMALL
from kanatui.plugins.table import GlyphTable

FACE = "samples"
"""The id of the face that the pictures count as."""

_ONE_IN = 5
_FIRST_VARIANT, _FIRST_HELD = 1 << 32, 1 << 33
"""Image numbers of variants and of pictures held out; generated images have smaller ones."""

_SMALL = 0.72
"""Scale of a small kana. Prepared pictures all fill the frame; this makes it as small as fonts, and so models, do."""


@dataclasses.dataclass(frozen=True)
class Pictures:
    """Labelled pictures, prepared (:mod:`kanatui.pictures.prepare`)."""

    images: Images
    """uint8 [n, S, S]"""
    characters: str
    """The character that each shows, n in all."""
    keys: U64
    """64 bits of each picture's file's SHA-256, [n]."""

    @property
    def held_back(self) -> npt.NDArray[np.bool_]:
        """Which are for scoring only, bool [n]."""
        return np.asarray(self.keys % np.uint64(_ONE_IN) == 0)

    def save(self, path: Path) -> None:
        """Write them as an .npz file. StorageError if that fails."""
        file = io.BytesIO()
        codes = np.array([ord(character) for character in self.characters], dtype=np.uint32)
        np.savez_compressed(file, images=self.images, characters=codes, keys=self.keys)
        storage.write_bytes(path, file.getvalue())

    @classmethod
    def load(cls, path: Path) -> Pictures:
        """Read what :meth:`save` wrote. DatasetError if it is missing or damaged."""
        try:
            images, codes, keys = arrayfiles.read_arrays(path, ("images", "characters", "keys"))
            right = images.dtype == np.uint8 and codes.dtype == np.uint32 and keys.dtype == np.uint64
            if not right or images.ndim != 3 or not codes.shape == keys.shape == (len(images),):
                raise ValueError("it holds no pictures")
            return cls(images, "".join(map(chr, codes.tolist())), keys)
        except (OSError, ValueError, OverflowError) as error:
            raise DatasetError(f"{path}: missing or damaged ({error}); kanatui adapt collects samples again") from None


class MixedStream:
    """An :class:`~kanatui.dataset.source.ImageSource`.

    For each character it has generated images, then variants of pictures, then the pictures that are held out.
    """

    def __init__(self, stream: GlyphStream, pictures: Pictures, file: Path, alone: bool = False) -> None:
        """Combine a recipe's images with pictures; ``file`` is where the pictures are kept.

        If they stand ``alone``, nothing is generated: there are as many variants as the recipe has images.

        DatasetError if the pictures are of another size, or of characters that the recipe lacks.
        """
        strange = sorted(set(pictures.characters) - set(stream.characters))
        if strange or pictures.images.shape[-1] != stream.image_size:
            raise DatasetError(f"{file}: does not fit its recipe ({''.join(strange)[:12] or 'another image size'})")
        self.stream, self.pictures, self._file = stream, pictures, file
        self.characters = stream.characters
        self.image_size = stream.image_size
        self.face_ids = (*stream.face_ids, FACE)
        held = pictures.held_back
        shown = np.array([stream.characters.index(character) for character in pictures.characters], dtype=np.int64)
        labels = range(len(stream.characters))
        self._varied = [np.flatnonzero((shown == label) & ~held) for label in labels]
        self._held = [np.flatnonzero((shown == label) & held) for label in labels]
        self.alone = alone
        self.generated: Indices = np.zeros_like(stream.counts) if alone else stream.counts
        """Generated images of each character, [C]."""
        self.variants: Indices = np.where([len(own) > 0 for own in self._varied], stream.counts, 0)
        """Variants of each character's pictures, [C]."""
        self.held: Indices = np.array([len(own) for own in self._held], dtype=np.int64)
        """Pictures of each character that are held out, [C]."""
        self.counts: Indices = self.generated + self.variants + self.held
        self.offsets: Indices = np.concatenate([[0], np.cumsum(self.counts)])

    def __len__(self) -> int:
        return int(self.offsets[-1])

    def labels(self, indices: npt.ArrayLike) -> Indices:
        """See :class:`~kanatui.dataset.source.ImageSource`, here and below."""
        return np.searchsorted(self.offsets, np.asarray(indices, dtype=np.int64), side="right") - 1

    def numbers(self, label: int) -> Indices:
        variants = _FIRST_VARIANT + np.arange(self.variants[label])
        generated = self.stream.numbers(label)[: self.generated[label]]
        return np.concatenate([generated, variants, _FIRST_HELD + np.arange(self.held[label])])

    def faces(self, indices: npt.ArrayLike) -> Indices:
        labels, ranks = self._places(indices)
        drawn = ranks < self.generated[labels]
        faces = np.full(len(ranks), len(self.face_ids) - 1, dtype=np.int64)
        faces[drawn] = self.stream.faces(self.stream.offsets[labels[drawn]] + ranks[drawn])
        return faces

    def spec(self) -> dict[str, Any]:
        return self.stream.spec() | {"samples": str(self._file)} | ({"alone": True} if self.alone else {})

    def prepare(self, on_progress: OnProgress | None = None) -> None:
        """Draw or load every master now rather than at the first image."""
        if not self.alone:
            self.stream.prepare(on_progress)

    @property
    def augments(self) -> list[dict[str, Any]]:
        """See :class:`~kanatui.dataset.source.Augmentable`, here and below."""
        return self.stream.augments

    def with_augments(self, augments: Sequence[Mapping[str, Any]]) -> Self:
        changed = copy.copy(self)
        changed.stream = self.stream.with_augments(augments)
        return changed

    def images(self, indices: npt.ArrayLike) -> Images:
        """Make images. PluginError names the augmentation, its parameters and the samples if one fails."""
        labels, ranks = self._places(indices)
        made = np.empty((len(ranks), self.image_size, self.image_size), dtype=np.uint8)
        drawn = ranks < self.generated[labels]
        held = ranks >= (self.generated + self.variants)[labels]
        made[drawn] = self.stream.images(self.stream.offsets[labels[drawn]] + ranks[drawn])
        made[held] = self.pictures.images[self._pictures(labels[held], ranks[held], self._held)]
        varied = ~drawn & ~held
        if varied.any():
            made[varied] = self._vary(labels[varied], ranks[varied])
        return made

    def _places(self, indices: npt.ArrayLike) -> tuple[Indices, Indices]:
        """Return the label of each image and its place among the images of its character, [n] each."""
        wanted = np.atleast_1d(np.asarray(indices, dtype=np.int64))
        labels = self.labels(wanted)
        return labels, wanted - self.offsets[labels]

    def _pictures(self, labels: Indices, ranks: Indices, of: Sequence[npt.NDArray[np.intp]]) -> Indices:
        """Return which picture each image is or is made of; pictures of a character take turns."""
        before = self.generated + (self.variants if of is self._held else 0)
        pairs = zip(labels.tolist(), (ranks - before[labels]).tolist(), strict=True)
        return np.array([of[label][turn % len(of[label])] for label, turn in pairs], dtype=np.int64)

    def _vary(self, labels: Indices, ranks: Indices) -> Images:
        which = self._pictures(labels, ranks, self._varied)
        table = GlyphTable.blank(len(which))
        table.rows["character"] = [ord(self.characters[label]) for label in labels]
        numbers = _FIRST_VARIANT + ranks - self.generated[labels]
        table.rows["number"] = ranks - self.generated[labels]
        keys = sample_keys(self.stream.layout.recipe.seed, table["character"], numbers)
        table.rows["key"] = mix64(keys ^ self.pictures.keys[which])
        small = np.array([chr(code) in SMALL for code in table["character"].tolist()])
        with torch.inference_mode():
            images = torch.from_numpy(self.pictures.images[which]).unsqueeze(1).float().div_(255.0)
            moved = _moved(images, Keys(table["key"], FACE), np.where(small, _SMALL, 1.0))
            return finished(moved, table, self.stream.layout.pixels)


def _moved(images: torch.Tensor, keys: Keys, size: npt.NDArray[np.float64]) -> torch.Tensor:
    """Scale, stretch, turn, slant and shift pictures a little, as handwriting varies from one time to the next.

    Args:
        images: float32 [n, 1, S, S].
        keys: the source of random numbers, [n].
        size: a scale factor for each, [n].
    """
    height = torch.from_numpy(keys.uniform(0.78, 1.12) * size.astype(np.float32))
    width = height * torch.from_numpy(keys.uniform(0.88, 1.14))
    angle = torch.deg2rad(torch.from_numpy(keys.uniform(-7.0, 7.0)))
    slant = torch.from_numpy(keys.uniform(-0.12, 0.12))
    right, down = (torch.from_numpy(keys.uniform(-0.12, 0.12))[:, None, None] for _ in range(2))
    side = images.shape[-1]
    middle = (torch.arange(side) + 0.5) * (2 / side) - 1
    x, y = middle[None, None, :] - right, middle[None, :, None] - down
    cos, sin = torch.cos(angle)[:, None, None], torch.sin(angle)[:, None, None]
    across, along = cos * x + sin * y, cos * y - sin * x
    across = across + slant[:, None, None] * along
    grid = torch.stack([across / width[:, None, None], along / height[:, None, None]], dim=-1)
    return grid_sample(images, grid, align_corners=False)

"""What every format is given: a source's images in named parts, batch by batch, with the names that files are given."""

from __future__ import annotations

import dataclasses
import io
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image

from kanatui.core.processes import usable_cores
from kanatui.dataset.source import Images, ImageSource, Indices, OnProgress

_PIXELS_AT_ONCE = 1 << 22
"""Pixels to take from a source at once: 1,024 images of 64 px."""

ALL = "all"
"""The name of the only part where nothing is kept apart for testing."""


@dataclasses.dataclass(frozen=True)
class Batch:
    """Some images of a part, in the order in which they are written."""

    images: Images
    """uint8 [n, S, S], white ink (255) on black."""
    labels: Indices
    """Which of the source's characters each shows, [n]."""
    numbers: Indices
    """Each one's image number among those of its character, [n]."""
    faces: tuple[str, ...]
    """The id of the face that drew each, n in all."""

    def pngs(self) -> Iterator[bytes]:
        """Give each image as a PNG file."""
        # zlib lets other threads run.
        with ThreadPoolExecutor(usable_cores()) as pool:
            yield from pool.map(png, self.images)


@dataclasses.dataclass(frozen=True)
class Parts:
    """The images to write."""

    source: ImageSource
    indices: Mapping[str, Indices]
    """The source's indices of each part by its name: ``train`` and ``test``, or :data:`ALL`."""
    on_progress: OnProgress = lambda done, total: None

    @property
    def total(self) -> int:
        """Images in all parts."""
        return sum(map(len, self.indices.values()))

    def shape(self, part: str) -> tuple[int, int, int]:
        """Return the shape of all images of a part, [n, S, S]."""
        return len(self.indices[part]), self.source.image_size, self.source.image_size

    def batches(self, part: str, first: int = 0, end: int | None = None) -> Iterator[Batch]:
        """Give a part's images, or some of them in a row, and report the progress over all parts."""
        names = list(self.indices)
        before = sum(len(self.indices[name]) for name in names[: names.index(part)])
        wanted, at_once = self.indices[part][:end], max(1, _PIXELS_AT_ONCE // self.source.image_size**2)
        for start in range(first, len(wanted), at_once):
            chosen = wanted[start : start + at_once]
            yield self._batch(chosen)
            self.on_progress(before + start + len(chosen), self.total)

    def _batch(self, chosen: Indices) -> Batch:
        source = self.source
        labels = np.asarray(source.labels(chosen), dtype=np.int64)
        numbers = np.empty(len(chosen), dtype=np.int64)
        for label in np.unique(labels).tolist():
            own = labels == label
            numbers[own] = source.numbers(label)[chosen[own] - source.offsets[label]]
        faces = tuple(source.face_ids[face] for face in source.faces(chosen).tolist())
        return Batch(source.images(chosen), labels, numbers, faces)


Writer = Callable[[Parts, Path], None]
"""Writes all parts to a folder, which exists and is empty, or to a file."""


def png(image: Images) -> bytes:
    """Return an image, uint8 [S, S], as a PNG file."""
    data = io.BytesIO()
    Image.fromarray(image).save(data, "PNG")
    return data.getvalue()

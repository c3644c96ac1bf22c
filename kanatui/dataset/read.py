"""Reading a written data set: shards stay on disk, memory-mapped, however many there are."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from kanatui.core import arrayfiles, paths, storage
from kanatui.core.errors import DatasetError
from kanatui.dataset.catalogue import unknown
from kanatui.dataset.manifest import Manifest, read_manifest, shard_name
from kanatui.dataset.source import Images, Indices
from kanatui.plugins.table import ROW, GlyphTable, in_words


class Dataset:
    """An :class:`~kanatui.dataset.source.ImageSource` over a written data set."""

    def __init__(self, folder: Path, manifest: Manifest) -> None:
        """Open the files of a complete data set. DatasetError names the one that is missing or of the wrong size."""
        self.folder = folder
        self.manifest = manifest
        self.characters = manifest.characters
        self.image_size = manifest.image_size
        self.face_ids = tuple(manifest.faces)
        self.counts = np.asarray(manifest.counts, dtype=np.int64)
        self.offsets = np.concatenate([[0], np.cumsum(self.counts)])
        self._table = _map(folder / "glyphs.npy", (len(self),), ROW)
        side = self.image_size
        self._shards = []
        for shard in range(manifest.shard_count):
            first, end = manifest.shard_range(shard)
            self._shards.append(_map(folder / shard_name(shard), (end - first, side, side), np.dtype(np.uint8)))

    def __len__(self) -> int:
        return int(self.offsets[-1])

    def labels(self, indices: npt.ArrayLike) -> Indices:
        """See :class:`~kanatui.dataset.source.ImageSource`, here and below."""
        return np.searchsorted(self.offsets, np.asarray(indices, dtype=np.int64), side="right") - 1

    def numbers(self, label: int) -> Indices:
        rows = self._table[self.offsets[label] : self.offsets[label + 1]]
        return np.asarray(rows["number"], dtype=np.int64)

    def faces(self, indices: npt.ArrayLike) -> Indices:
        return np.asarray(self._table["face"][np.asarray(indices, dtype=np.int64)], dtype=np.int64)

    def placements(self, indices: npt.ArrayLike) -> list[str]:
        """Return how each glyph was placed, in words."""
        usual = GlyphTable.blank(1).rows[0]
        rows = self._table[np.asarray(indices, dtype=np.int64)]
        return [", ".join(in_words(row, usual)) or "placed as usual" for row in rows]

    def spec(self) -> dict[str, Any]:
        return {"dataset": str(self.folder)}

    def images(self, indices: npt.ArrayLike) -> Images:
        wanted = np.atleast_1d(np.asarray(indices, dtype=np.int64))
        found = np.empty((len(wanted), self.image_size, self.image_size), dtype=np.uint8)
        shards, places = np.divmod(wanted, self.manifest.shard_images)
        for shard in np.unique(shards):
            chosen = shards == shard
            found[chosen] = self._shards[shard][places[chosen]]
        return found


def _map(path: Path, shape: tuple[int, ...], dtype: np.dtype[Any]) -> npt.NDArray[Any]:
    try:
        return arrayfiles.map_array(path, shape, dtype)
    except (OSError, ValueError) as error:
        raise DatasetError(f"{path}: missing or damaged ({error}); kanatui generate --resume makes it again") from None


def find_dataset(reference: str) -> Path:
    """Return the folder of a data set, by name or path. DatasetError if there is none."""
    for folder in (paths.datasets() / reference, Path(reference)):
        if os.path.isfile(folder / "manifest.json"):
            return folder.resolve()
    raise unknown(reference, sorted(path.parent.name for path in paths.datasets().glob("*/manifest.json")))


def open_dataset(folder: Path) -> Dataset:
    """Open a finished data set.

    Raises:
        DatasetError: it is missing, unfinished, damaged or of another version.
        StorageError: a file of it is a link that leads out of it.
    """
    manifest = read_manifest(folder)
    if not manifest.complete:
        done = f"{len(manifest.shards)} of {manifest.shard_count} shards"
        raise DatasetError(f"{folder}: unfinished ({done}); kanatui generate --resume {folder.name} completes it")
    storage.refuse_links(folder)
    return Dataset(folder, manifest)

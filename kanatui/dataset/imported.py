"""Data sets made of labelled pictures instead of glyphs: written like any other, so that all that reads one reads them.

Every picture counts as drawn with a face: that of the data set's name, or, of the ETL databases, the sheet that it was
written on. So ``--hold-out-faces`` holds out writers.
"""

from __future__ import annotations

import dataclasses
import hashlib
import importlib.metadata
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from kanatui.core import paths, storage
from kanatui.core.errors import DatasetError, ImageError
from kanatui.core.rng import sample_keys
from kanatui.core.version import __version__
from kanatui.dataset.generation import new_name_problem
from kanatui.dataset.manifest import Manifest, images_per_shard, shard_name
from kanatui.dataset.recipe import Recipe
from kanatui.dataset.source import Images, OnProgress
from kanatui.kana.sets import spell_characters
from kanatui.plugins.table import GlyphTable

_MOST_FACES = 1 << 16  # a row of the glyph table numbers them with two bytes
_MORE_ROOM = "make room, import fewer or smaller pictures (--limit, --image-size), or set KANATUI_HOME to another disk"


@dataclasses.dataclass(frozen=True)
class Picture:
    """A picture that belongs into a data set."""

    character: str
    face: str
    image: Images | ImageError
    """uint8 [S, S], white on black, or why there is none."""


@dataclasses.dataclass(frozen=True)
class Imported:
    """A data set that was made of pictures."""

    folder: Path
    manifest: Manifest
    unreadable: tuple[str, ...]
    """Why each other picture was left out."""


def require_free_name(name: str) -> None:
    """Raise DatasetError if a new data set cannot have this name."""
    if problem := new_name_problem(name):
        raise DatasetError(f"data set {name!r}: {problem}; choose another (--name)")


def write_imported(
    name: str,
    pictures: Iterable[Picture],
    count: int,
    image_size: int,
    about: str,
    on_progress: OnProgress = lambda done, total: None,
) -> Imported:
    """Write a data set of pictures; if that fails or is interrupted, nothing is left of it.

    Args:
        name: of the new data set.
        pictures: by character; those that could not be read are left out.
        count: how many they are.
        image_size: in pixels.
        about: where they come from, for the recipe's description.
        on_progress: counts pictures.

    Raises:
        DatasetError: the name is taken or not a plain one, or no picture could be read.
        StorageError: it cannot be written, or the disk has too little space.
    """
    require_free_name(name)
    folder = paths.datasets() / name
    storage.require_space(folder, count * image_size**2, _MORE_ROOM)
    with storage.new_folder(folder) as working, storage.storing(folder):
        writer = _Writer(working, image_size, images_per_shard(image_size, count))
        for done, picture in enumerate(pictures, start=1):
            writer.add(picture)
            on_progress(done, count)
        if not writer.counts:
            raise DatasetError(f"{about}: none of its {count:,} pictures can be read ({writer.unreadable[0]})")
        manifest = writer.finish(name, about)
    return Imported(folder, manifest, tuple(writer.unreadable))


class _Writer:
    """Writes images in the order in which they come, a shard at a time."""

    def __init__(self, folder: Path, image_size: int, shard_images: int) -> None:
        self.folder, self.image_size, self.shard_images = folder, image_size, shard_images
        self.counts: dict[str, int] = {}
        self.faces: dict[str, int] = {}
        self.unreadable: list[str] = []
        self._waiting: list[Images] = []
        self._drawn_with: list[int] = []
        self._shards: dict[str, str] = {}
        self._content = hashlib.sha256()

    def add(self, picture: Picture) -> None:
        if isinstance(picture.image, ImageError):
            self.unreadable.append(str(picture.image))
            return
        self.counts[picture.character] = self.counts.get(picture.character, 0) + 1
        self._drawn_with.append(self.faces.setdefault(picture.face, len(self.faces)))
        if len(self.faces) > _MOST_FACES:
            raise DatasetError(f"more than {_MOST_FACES:,} faces or sheets; import it in parts (--limit)")
        self._waiting.append(picture.image)
        if len(self._waiting) == self.shard_images:
            self._write_shard()

    def _write_shard(self) -> None:
        path = self.folder / shard_name(len(self._shards))
        images = np.stack(self._waiting)
        with path.open("wb") as file:
            np.lib.format.write_array(file, images, version=(1, 0), allow_pickle=False)
        self._shards[path.name] = hashlib.sha256(path.read_bytes()).hexdigest()
        self._content.update(self._shards[path.name].encode())
        self._waiting = []

    def finish(self, name: str, about: str) -> Manifest:
        if self._waiting:
            self._write_shard()
        characters = "".join(self.counts)
        rows = self._rows(characters)
        self._content.update(rows.tobytes())
        np.save(self.folder / "glyphs.npy", rows)
        recipe = Recipe(
            name,
            description=about,
            characters=spell_characters(characters),
            faces=tuple(self.faces) if len(self.faces) == 1 else (f"{name}-*",),
            image_size=self.image_size,
            images_per_character=max(self.counts.values()),
            # A recipe's fingerprint tells data sets apart, and pictures have no recipe: their hash takes its place.
            seed=int.from_bytes(self._content.digest()[:6], "big"),
        )
        (self.folder / "recipe.toml").write_bytes(recipe.to_toml().encode())
        versions = {"kanatui": __version__} | {each: importlib.metadata.version(each) for each in ("numpy", "pillow")}
        manifest = Manifest(
            characters=characters,
            counts=list(self.counts.values()),
            image_size=self.image_size,
            shard_images=self.shard_images,
            faces=list(self.faces),
            recipe_sha256=recipe.fingerprint(),
            versions=versions,
            fonts={},
            plugins={},
            shards=self._shards,
            complete=True,
        )
        manifest.write(self.folder)
        return manifest

    def _rows(self, characters: str) -> np.ndarray[Any, Any]:
        rows = GlyphTable.blank(sum(self.counts.values())).rows
        rows["character"] = np.repeat([ord(c) for c in characters], list(self.counts.values()))
        rows["number"] = np.concatenate([np.arange(count) for count in self.counts.values()])
        rows["face"] = self._drawn_with
        rows["key"] = sample_keys(0, rows["character"], rows["number"])
        return rows

"""The manifest of a data set, beside its shards: how it was made, and which shards are finished."""

from __future__ import annotations

import dataclasses
import hashlib
import importlib.metadata
from pathlib import Path
from typing import Annotated

import msgspec

from kanatui.core import checked, storage
from kanatui.core.checked import Count, Positive
from kanatui.core.errors import DatasetError
from kanatui.core.version import __version__
from kanatui.dataset.recipe import Recipe
from kanatui.plugins.registry import Registry

FORMAT = 1
"""Increased when the layout on disk changes; data sets of other formats are refused rather than misread."""

SHARD_BYTES = 8 * 2**20
"""Half a second to a few seconds of work on one core: progress is visible, and an interruption loses little."""

_MOST_SHARDS = 1024
"""Large data sets have larger shards instead of more: the manifest, which names them all, is rewritten for each."""


_LARGEST_IMAGE = 4096

_ShardName = Annotated[str, msgspec.Meta(pattern=r"^shard-\d{5}\.npy$")]


@dataclasses.dataclass
class _Versioned:
    """What every version's manifest says."""

    format: int


@dataclasses.dataclass
class Manifest:
    """The content of ``manifest.json``: the same, byte for byte, whenever the same data set is made."""

    characters: str
    counts: list[Count]
    image_size: Annotated[int, msgspec.Meta(ge=1, le=_LARGEST_IMAGE)]
    shard_images: Positive
    faces: list[str]
    recipe_sha256: str
    versions: dict[str, str]
    fonts: dict[str, str]
    plugins: dict[str, str]
    shards: dict[_ShardName, str] = dataclasses.field(default_factory=dict)
    """SHA-256 of each finished shard, by file name."""
    complete: bool = False
    format: int = FORMAT

    @property
    def images(self) -> int:
        """Images in the complete data set."""
        return sum(self.counts)

    def shard_range(self, shard: int) -> tuple[int, int]:
        """Return the first image of a shard and the one after its last."""
        return shard * self.shard_images, min((shard + 1) * self.shard_images, self.images)

    @property
    def shard_count(self) -> int:
        """Shards in the complete data set."""
        return -(-self.images // self.shard_images)

    def write(self, folder: Path) -> None:
        """Write ``manifest.json`` by atomic rename. StorageError if that fails."""
        data = dataclasses.asdict(self)
        data["shards"] = dict(sorted(self.shards.items()))
        storage.write_json(folder / "manifest.json", data)

    def differences(self, other: Manifest) -> list[str]:
        """Return the names of the fields that differ; empty if one can continue what the other began."""
        ignored = {"shards", "complete"}
        return [
            field.name
            for field in dataclasses.fields(self)
            if field.name not in ignored and getattr(self, field.name) != getattr(other, field.name)
        ]


def shard_name(shard: int) -> str:
    """Return the file name of a shard."""
    return f"shard-{shard:05d}.npy"


def images_per_shard(image_size: int, images: int) -> int:
    """Return how many of ``images`` go into each shard: about :data:`SHARD_BYTES`, more in a large data set."""
    return max(1, SHARD_BYTES // image_size**2, -(-images // _MOST_SHARDS))


def read_manifest(folder: Path) -> Manifest:
    """Read ``manifest.json``. DatasetError if it is missing, damaged or of another version."""
    path = folder / "manifest.json"
    try:
        text = storage.read_bytes(path)
        found = checked.parse(text, _Versioned).format
        if found != FORMAT:
            raise DatasetError(f"{path}: data set format {found}, this kanatui reads {FORMAT}; generate it again")
        manifest = checked.parse(text, Manifest)
        if len(manifest.counts) != len(manifest.characters):
            raise ValueError("counts and characters differ in length")
        if any(int(name[6:-4]) >= manifest.shard_count for name in manifest.shards):
            raise ValueError("it names more shards than there can be")
        return manifest
    except FileNotFoundError:
        raise DatasetError(f"{folder}: not a data set (no manifest.json); kanatui datasets lists them") from None
    except (OSError, ValueError) as error:
        raise DatasetError(f"{path}: damaged ({error}); generate the data set again") from None


def writer_of(folder: Path) -> int | None:
    """Return the id of the process that is writing a data set, or None."""
    return storage.lock_holder(folder / ".lock")


def versions(image_magick: str) -> dict[str, str]:
    """Return the versions that pixels may depend on."""
    return {
        "kanatui": __version__,
        "torch": importlib.metadata.version("torch").partition("+")[0],
        "numpy": importlib.metadata.version("numpy"),
        "ImageMagick": image_magick,
    }


def plugin_versions(recipe: Recipe, registry: Registry) -> dict[str, str]:
    """Return the version of each augmentation in use; for a user's own file it includes a hash of the content."""
    found = {}
    for step in recipe.augments:
        module = registry.module_of[step.plugin]
        version = registry.augmentation(step.plugin).version
        if module.found_as == "folder":
            version += "+sha256." + hashlib.sha256(Path(module.location).read_bytes()).hexdigest()[:16]
        elif module.version:
            version += f" ({module.name} {module.version})"
        found[step.plugin] = version
    return found

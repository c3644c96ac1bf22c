"""Images made on demand: an index always gives the same pixels."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import torch

from kanatui.core.rng import Keys
from kanatui.dataset.layout import Layout, change_augments, lay_out
from kanatui.dataset.plan import GlyphPlan, failed
from kanatui.dataset.recipe import Recipe
from kanatui.dataset.render import Renderer, exact
from kanatui.dataset.source import Images, Indices, OnProgress
from kanatui.fonts.faces import Face
from kanatui.fonts.masters import Masters
from kanatui.plugins.bases import Pixel
from kanatui.plugins.contained import contained
from kanatui.plugins.registry import Registry
from kanatui.plugins.table import GlyphTable

_AT_ONCE = 256
"""Images per pass: at 64 px the batch and its intermediate copies fit in a core's share of the L2 and L3 caches."""


class GlyphStream:
    """An :class:`~kanatui.dataset.source.ImageSource` over a recipe; nothing is written to disk."""

    def __init__(
        self,
        recipe: Recipe,
        registry: Registry,
        on_progress: OnProgress | None = None,
        layout: Layout | None = None,
    ) -> None:
        """Lay the recipe out, unless its ``layout`` is given. Raises what :func:`.lay_out` does."""
        self.registry = registry
        self.layout: Layout = layout or lay_out(recipe, registry, on_progress)
        self.plan: GlyphPlan = self.layout.plan
        self.characters = self.plan.characters
        self.image_size = recipe.image_size
        self.face_ids = tuple(face.id for face in self.layout.faces)
        self.counts = self.plan.counts
        self.offsets = self.plan.offsets
        self._renderer: Renderer | None = None

    def __len__(self) -> int:
        return len(self.plan)

    def labels(self, indices: npt.ArrayLike) -> Indices:
        """See :class:`~kanatui.dataset.source.ImageSource`, here and below."""
        return self.plan.labels(indices)

    def numbers(self, label: int) -> Indices:
        return self.plan.numbers(label)

    def faces(self, indices: npt.ArrayLike) -> Indices:
        return self.plan.rows(indices)["face"].astype(np.int64)

    def spec(self) -> dict[str, Any]:
        return {"recipe": self.layout.recipe.to_dict(), "plugins": list(self.registry.folders)}

    @property
    def augments(self) -> list[dict[str, Any]]:
        """See :class:`~kanatui.dataset.source.Augmentable`, here and below."""
        return [augment.to_dict() for augment in self.layout.recipe.augments]

    def with_augments(self, augments: Sequence[Mapping[str, Any]]) -> Self:
        self._ready()  # so that both share one set of masters, which may take hundreds of megabytes
        changed = copy.copy(self)
        changed.layout = change_augments(self.layout, augments, self.registry)
        changed.plan = changed.layout.plan
        return changed

    def images(self, indices: npt.ArrayLike) -> Images:
        """Make images. PluginError names the augmentation, its parameters and the images if one fails."""
        wanted = np.atleast_1d(np.asarray(indices, dtype=np.int64))
        made = np.empty((len(wanted), self.image_size, self.image_size), dtype=np.uint8)
        for start in range(0, len(wanted), _AT_ONCE):
            part = slice(start, start + _AT_ONCE)
            made[part] = self.draw(self.plan.rows(wanted[part]))
        return made

    def draw(self, table: GlyphTable) -> Images:
        """Make the images of some rows, uint8 [n, H, W]."""
        with torch.inference_mode():
            return finished(self.rendered(table), table, self.layout.pixels)

    def rendered(self, table: GlyphTable) -> torch.Tensor:
        """Draw some rows, without pixel augmentations: float32 [n, 1, H, W] in 0 … 1."""
        if self.layout.recipe.rendering == "exact":
            return drawn_exactly(self.layout, table)
        return self._ready().placed(table)

    def prepare(self, on_progress: OnProgress | None = None) -> None:
        """Draw or load every master now rather than at the first image."""
        self._ready().load(on_progress)

    def _ready(self) -> Renderer:
        if self._renderer is None:
            layout = self.layout
            self._renderer = Renderer(layout.faces, self._masters, self.characters, self.plan.coverage, self.image_size)
        return self._renderer

    def _masters(self, face: Face, characters: str, em: int) -> Masters:
        return self.layout.glyph_sources[face.source].masters(face, characters, em)


def drawn_exactly(layout: Layout, table: GlyphTable) -> torch.Tensor:
    """Have ImageMagick draw every row, without pixel augmentations: float32 [n, 1, H, W] in 0 … 1."""
    drawn = exact(table, layout.faces, layout.recipe.image_size)
    return torch.from_numpy(drawn).unsqueeze(1).float().div_(255.0)


def finished(images: torch.Tensor, table: GlyphTable, augmentations: Sequence[tuple[str, Pixel, float]]) -> Images:
    """Apply pixel augmentations in order to drawn rows, which may be overwritten: uint8 [n, H, W]."""
    for stream, augmentation, p in augmentations:
        images = apply_pixel(augmentation, images, table, stream, p)
    # NumPy converts floats to bytes in a third of the time that one thread of torch takes.
    pixels: Images = images[:, 0].mul(255.0).round_().numpy().astype(np.uint8)
    return pixels


def apply_pixel(augmentation: Pixel, images: torch.Tensor, table: GlyphTable, stream: str, p: float) -> torch.Tensor:
    """Apply one pixel augmentation to the images that its probability picks, and check what comes back.

    Args:
        images: float32 [n, 1, H, W] in 0 … 1; may be overwritten.
        stream: names the random stream, so that two uses of one plugin draw different numbers.
        p: the share of images to change.

    Raises:
        PluginError: the plugin failed or did not return images; the message names image and parameters.
    """
    keys = Keys(table["key"], stream)
    chosen = np.arange(len(table))
    if p < 1.0:
        chosen = np.flatnonzero(Keys(table["key"], f"{stream}?").uniform() < p)
        if not len(chosen):
            return images
    whole = len(chosen) == len(table)
    part = images if whole else images.index_select(0, torch.from_numpy(chosen))
    try:
        with contained():
            drawn = augmentation.draw(keys if whole else keys.take(chosen), images.shape[-1])
            tensors = {name: torch.from_numpy(np.ascontiguousarray(v)) for name, v in drawn.items()}
            changed = augmentation.apply(part, tensors)
        if not isinstance(changed, torch.Tensor):
            raise TypeError(f"returned {type(changed).__name__}, not a tensor")
        changed = changed.clamp_(0.0, 1.0)
        if changed.shape != part.shape or changed.dtype != part.dtype:
            raise ValueError(f"returned {changed.dtype} {list(changed.shape)}, not {part.dtype} {list(part.shape)}")
        if bool(changed.sum().isnan()):
            raise ValueError("returned NaN")
    except (Exception, SystemExit) as error:  # a plugin may raise anything; skipping its images would falsify the data
        raise failed(augmentation, error, table.rows[chosen]) from error
    if whole:
        return changed
    images.numpy()[chosen] = changed.numpy()  # 0.2 to 0.4 times as long as `index_copy_`
    return images

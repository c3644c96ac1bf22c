"""Draws a few images of a large data set quickly: the same pixels, with only the masters that they need."""

from __future__ import annotations

import collections
from collections.abc import Callable
from typing import TypeVar

import numpy as np
import torch
from typing_extensions import override

from kanatui.dataset.layout import Layout
from kanatui.dataset.mastercache import MasterCache
from kanatui.dataset.plan import GlyphPlan
from kanatui.dataset.render import Renderer, master_em
from kanatui.dataset.source import Images, Indices, OnProgress
from kanatui.dataset.stream import GlyphStream, drawn_exactly, finished
from kanatui.fonts.faces import Face
from kanatui.fonts.masters import Masters
from kanatui.plugins.registry import Registry
from kanatui.plugins.table import GlyphTable

_KEPT = 4
"""Sheets that are kept without pixel augmentations: while one of those is edited, nothing is drawn again. This matters
for `exact` rendering, where ImageMagick needs a second for sixty rows."""

_Key = tuple[object, ...]
T = TypeVar("T")


class SparseRenderer:
    """Draws a few rows of any laid-out recipe, from the masters of those rows alone."""

    def __init__(self, cache: MasterCache) -> None:
        self._cache = cache
        self._drawn: collections.OrderedDict[_Key, torch.Tensor] = collections.OrderedDict()
        self._renderers: collections.OrderedDict[_Key, Renderer] = collections.OrderedDict()

    def images(self, layout: Layout, table: GlyphTable, on_progress: OnProgress | None = None) -> Images:
        """Make the images of some rows, uint8 [n, H, W]; ``on_progress`` counts masters that have to be fetched.

        As long as the cache has not seen all masters of the layout, a few pixels may differ by a grey level or two
        from those of the whole data set (8 of 138,240, measured): the rounding of bilinear sample positions depends on
        the size of the largest master.
        """
        with torch.inference_mode():
            return finished(self.rendered(layout, table, on_progress), table, layout.pixels)

    def rendered(self, layout: Layout, table: GlyphTable, on_progress: OnProgress | None = None) -> torch.Tensor:
        """Draw rows without pixel augmentations: float32 [n, 1, H, W] in 0 … 1."""
        recipe = layout.recipe
        longest = self._cache.longest(layout, master_em(recipe.image_size))
        faces = tuple(face.key for face in layout.faces)
        key = (recipe.rendering, recipe.image_size, longest, faces, table.rows.tobytes())

        def draw() -> torch.Tensor:
            if recipe.rendering == "exact":
                return drawn_exactly(layout, table)
            return self.renderer(layout, table, on_progress).placed(table)

        return _kept(self._drawn, key, draw).clone()

    def renderer(self, layout: Layout, table: GlyphTable, on_progress: OnProgress | None = None) -> Renderer:
        """Return a renderer with only the masters of some rows; it can also draw other rows of the same glyphs."""
        plan, size = layout.plan, layout.recipe.image_size
        longest = self._cache.longest(layout, master_em(size))
        place = {ord(c): i for i, c in enumerate(plan.characters)}
        needed = np.zeros_like(plan.coverage)
        needed[[place[c] for c in table["character"].tolist()], table["face"]] = True

        def masters(face: Face, characters: str, em: int) -> Masters:
            return self._cache.masters(layout.glyph_sources[face.source], face, characters, em)

        def make() -> Renderer:
            made = Renderer(layout.faces, masters, plan.characters, needed, size, longest)
            made.load(on_progress)
            return made

        faces = tuple(face.key for face in layout.faces)
        return _kept(self._renderers, (size, longest, faces, plan.characters, needed.tobytes()), make)


def _kept(those: collections.OrderedDict[_Key, T], key: _Key, make: Callable[[], T]) -> T:
    """Return what was made for a key; it is made again unless it is among the :data:`_KEPT` most recently used."""
    if key not in those:
        those[key] = make()
        if len(those) > _KEPT:
            those.popitem(last=False)
    those.move_to_end(key)
    return those[key]


class SparseStream(GlyphStream):
    """A stream for a few images of a large set; it fetches only the masters that these images need."""

    def __init__(self, layout: Layout, registry: Registry, sparse: SparseRenderer) -> None:
        super().__init__(layout.recipe, registry, layout=layout)
        self._sparse = sparse

    @override
    def rendered(self, table: GlyphTable) -> torch.Tensor:
        return self._sparse.rendered(self.layout, table)


def spread(plan: GlyphPlan, count: int, draw: int = 0) -> Indices:
    """Return [n] indices spread evenly over all characters, each in another part of its character's images.

    Args:
        plan: of the data set.
        count: how many; fewer if there are not so many.
        draw: another number gives other images.
    """
    there = np.flatnonzero(plan.counts)
    labels = there[np.linspace(0, len(there) - 1, min(count, len(plan))).round().astype(np.int64)]
    golden, silver = 0.6180339887, 0.4142135624  # consecutive multiples of either are spread evenly over 0 … 1
    parts = (np.arange(len(labels)) * golden + draw * silver) % 1.0
    return plan.offsets[labels] + (parts * plan.counts[labels]).astype(np.int64)

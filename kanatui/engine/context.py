"""What an engine keeps between jobs, so that a person need not wait for it again."""

from __future__ import annotations

import collections
import functools
import json
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from typing_extensions import override

from kanatui.dataset.layout import Layout, lay_out
from kanatui.dataset.mastercache import MasterCache
from kanatui.dataset.recipe import Recipe
from kanatui.engine.prefetch import Prefetcher
from kanatui.engine.wire import Answer
from kanatui.fonts.faces import Face
from kanatui.fonts.masters import Masters
from kanatui.plugins import registry
from kanatui.plugins.bases import GlyphSource
from kanatui.plugins.registry import Registry

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from kanatui.dataset.sparse import SparseRenderer, SparseStream

_LAYOUTS_KEPT = 8


class Reporter(Protocol):
    """Reports how far a job is. Raises an exception, which the job must let through, once nobody wants its answer."""

    def __call__(self, done: int, total: int, text: str = "") -> None:
        """Say that ``done`` of ``total`` is done."""


class Context:
    """The plugins, recipes as they were laid out lately, glyphs in memory."""

    def __init__(self) -> None:
        self.masters = MasterCache()
        self.prefetcher = Prefetcher(self.masters)
        self.rates: dict[str, float] = {}
        """Images per second, by the recipe's fingerprint."""
        self._glyph_sources: dict[str, GlyphSource] = {}
        self._layouts: collections.OrderedDict[str, Layout] = collections.OrderedDict()

    @property
    def registry(self) -> Registry:
        """Every plugin there is. A process keeps those that it found first; only another one sees others."""
        return registry.load()

    @property
    def glyph_sources(self) -> dict[str, GlyphSource]:
        """By id; each remembers its faces and what they draw."""
        if not self._glyph_sources:
            self._glyph_sources = {id: _Remembering(cls()) for id, cls in self.registry.glyph_sources.items()}
        return self._glyph_sources

    def look_again(self) -> None:
        """Forget which faces there are and what recipes came to with them."""
        self._glyph_sources = {}
        self._layouts.clear()

    @functools.cached_property
    def sparse(self) -> SparseRenderer:
        """What draws a few images of a recipe, a sheet of the preview for one."""
        from kanatui.dataset.sparse import SparseRenderer

        return SparseRenderer(self.masters)

    def layout(self, recipe: Recipe, report: Reporter) -> Layout:
        """Lay a recipe out; the last few layouts are kept. Raises what :func:`.lay_out` does."""
        key = json.dumps(recipe.to_dict(), sort_keys=True)
        if key not in self._layouts:
            checking = functools.partial(report, text="checking what the faces draw")
            self._layouts[key] = lay_out(recipe, self.registry, checking, self.glyph_sources)
            if len(self._layouts) > _LAYOUTS_KEPT:
                self._layouts.popitem(last=False)
        self._layouts.move_to_end(key)
        return self._layouts[key]

    def stream(self, recipe: Recipe, report: Reporter) -> SparseStream:
        """Return a recipe's images, drawn with no more masters than those need. Raises what :func:`.lay_out` does."""
        from kanatui.dataset.sparse import SparseStream

        return SparseStream(self.layout(recipe, report), self.registry, self.sparse)


class _Remembering(GlyphSource):
    """A glyph source that remembers its answers: reading them from the cache on disk takes 10 to 100 ms each time."""

    def __init__(self, source: GlyphSource) -> None:
        super().__init__()
        self._source = source
        self._coverage: dict[tuple[str, str, str], npt.NDArray[np.bool_]] = {}

    @functools.cached_property
    def _faces(self) -> Sequence[Face]:
        return self._source.faces()

    @override
    def faces(self) -> Sequence[Face]:
        return self._faces

    @override
    def coverage(self, face: Face, characters: str) -> npt.NDArray[np.bool_]:
        key = (face.id, face.digest, characters)
        if key not in self._coverage:
            self._coverage[key] = self._source.coverage(face, characters)
        return self._coverage[key]

    @override
    def masters(self, face: Face, characters: str, em: int) -> Masters:
        return self._source.masters(face, characters, em)


Job = Callable[[Context, Mapping[str, Any], Reporter], Answer]
"""A job: the context, the request's arguments, and how to report progress. It may raise anything."""

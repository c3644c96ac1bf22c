"""What an engine caches between jobs."""

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
    """Reports a job's progress. Raises an exception, which the job must let through, once its request is cancelled."""

    def __call__(self, done: int, total: int, text: str = "") -> None:
        """Report that ``done`` of ``total`` is done; ``text`` names the work."""


class Context:
    """The plugins, recent layouts of recipes, and masters in memory."""

    def __init__(self) -> None:
        self.masters = MasterCache()
        self.prefetcher = Prefetcher(self.masters)
        self.rates: dict[str, float] = {}
        """Images per second, by the recipe's fingerprint."""
        self._glyph_sources: dict[GlyphSource, _Remembering] = {}
        self._layouts: collections.OrderedDict[str, Layout] = collections.OrderedDict()

    @property
    def registry(self) -> Registry:
        """All plugins. A process keeps those that it found first; only a new process sees changes."""
        return registry.load()

    def glyph_sources(self, recipe: Recipe) -> dict[str, GlyphSource]:
        """Return a recipe's glyph sources by id; each caches its faces and their coverage.

        Raises:
            PluginError, ParameterError: the recipe's settings of one are wrong.
        """
        made = recipe.glyph_sources(self.registry)
        return {id: self._glyph_sources.setdefault(source, _Remembering(source)) for id, source in made.items()}

    def look_again(self) -> None:
        """Forget the known faces and the layouts made with them."""
        self._glyph_sources = {}
        self._layouts.clear()

    @functools.cached_property
    def sparse(self) -> SparseRenderer:
        """The renderer of sheets."""
        from kanatui.dataset.sparse import SparseRenderer

        return SparseRenderer(self.masters)

    def layout(self, recipe: Recipe, report: Reporter) -> Layout:
        """Lay out a recipe; recent layouts are cached. Raises what :func:`.lay_out` raises."""
        key = json.dumps(recipe.to_dict(), sort_keys=True)
        if key not in self._layouts:
            checking = functools.partial(report, text="checking what the faces draw")
            self._layouts[key] = lay_out(recipe, self.registry, checking, self.glyph_sources(recipe))
            if len(self._layouts) > _LAYOUTS_KEPT:
                self._layouts.popitem(last=False)
        self._layouts.move_to_end(key)
        return self._layouts[key]

    def stream(self, recipe: Recipe, report: Reporter) -> SparseStream:
        """Return a recipe's images; only the masters needed are drawn. Raises what :func:`.lay_out` raises."""
        from kanatui.dataset.sparse import SparseStream

        return SparseStream(self.layout(recipe, report), self.registry, self.sparse)


class _Remembering(GlyphSource):
    """A glyph source that keeps its answers in memory: the cache on disk takes 10 to 100 ms each time."""

    def __init__(self, source: GlyphSource) -> None:
        super().__init__()
        self._source = source
        self._coverage: dict[tuple[str, str, str], npt.NDArray[np.bool_]] = {}

    @functools.cached_property
    def _faces(self) -> Sequence[Face]:
        return self._source.listed()

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
"""A job takes the context, the request's arguments and a progress reporter. It may raise anything."""

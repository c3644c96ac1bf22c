"""What an engine keeps between jobs, because making it again would take longer than a person wants to wait."""

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

    from kanatui.dataset.preview import Preview, SparseStream

_LAYOUTS_KEPT = 8


class Reporter(Protocol):
    """Tells how far a job is, and ends the job, by an exception to be let through, if nobody wants it any more."""

    def __call__(self, done: int, total: int, text: str = "") -> None:
        """Say that ``done`` of ``total`` is done."""


class Context:
    """The plugins, recipes as they were laid out lately, glyphs in memory."""

    def __init__(self) -> None:
        self.masters = MasterCache()
        self.prefetcher = Prefetcher(self.masters)
        self.rates: dict[str, float] = {}
        """Images per second, by the recipe's fingerprint."""
        self._sources: dict[str, GlyphSource] = {}
        self._layouts: collections.OrderedDict[str, Layout] = collections.OrderedDict()

    @property
    def registry(self) -> Registry:
        """Every plugin there is. A process keeps those that it found first; only another one sees others."""
        return registry.load()

    @property
    def sources(self) -> dict[str, GlyphSource]:
        """The glyph sources by id; each remembers its faces and what they draw."""
        if not self._sources:
            self._sources = {id: _Remembering(cls()) for id, cls in self.registry.glyph_sources.items()}
        return self._sources

    def look_again(self) -> None:
        """Forget which faces there are and what recipes came to with them."""
        self._sources = {}
        self._layouts.clear()

    @functools.cached_property
    def preview(self) -> Preview:
        """What draws sheets."""
        from kanatui.dataset.preview import Preview

        return Preview(self.masters)

    def layout(self, recipe: Recipe, report: Reporter) -> Layout:
        """Lay a recipe out; what was asked for lately is at hand. Raises what :func:`.lay_out` does."""
        key = json.dumps(recipe.to_dict(), sort_keys=True)
        if key not in self._layouts:
            checking = functools.partial(report, text="checking what the faces draw")
            self._layouts[key] = lay_out(recipe, self.registry, checking, self.sources)
            if len(self._layouts) > _LAYOUTS_KEPT:
                self._layouts.popitem(last=False)
        self._layouts.move_to_end(key)
        return self._layouts[key]

    def stream(self, recipe: Recipe, report: Reporter) -> SparseStream:
        """Return a recipe's images, drawn with no more masters than those need. Raises what :func:`.lay_out` does."""
        from kanatui.dataset.preview import SparseStream

        return SparseStream(self.layout(recipe, report), self.registry, self.preview)


class _Remembering(GlyphSource):
    """A glyph source that is asked everything but once: reading what is cached on disk takes 10 to 100 ms each time."""

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

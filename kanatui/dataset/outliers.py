"""Outliers: images of what is none of a recipe's characters, from which a model learns to be unsure.

There are two kinds: characters of other scripts, in the recipe's faces, and shapes that are no characters at all
(:class:`~kanatui.plugins.bases.OutlierSource`). Both are placed and changed by the recipe's own augmentations. That a
model learns from some outliers to recognise others was found by Hendrycks, Mazeika and Dietterich ("Deep Anomaly
Detection with Outlier Exposure", ICLR 2019).
"""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from kanatui.core.errors import FontError
from kanatui.core.rng import U64, Floats, Keys, mix64, word_key
from kanatui.dataset.layout import Layout, lay_out_glyphs
from kanatui.dataset.recipe import Outliers, Recipe
from kanatui.dataset.source import Images, Indices, OnProgress
from kanatui.dataset.stream import GlyphStream
from kanatui.fonts.faces import Face, select_faces
from kanatui.kana.sets import parse_characters
from kanatui.kana.strangers import held_back, strangers
from kanatui.plugins.bases import GlyphSource
from kanatui.plugins.registry import Registry

_EACH = 1_000_000
"""Images of each character, far more than a training takes; after these they come again."""

_Coverage = npt.NDArray[np.bool_]
"""[characters, faces], true where the face draws the character."""


@dataclasses.dataclass(frozen=True)
class _Kind:
    stream: GlyphStream
    cumulative: Floats
    """Where each character ends when they are drawn by a number 0 … 1, [characters]."""

    def images(self, keys: U64, numbers: Indices) -> Images:
        drawn = Keys(keys, "outlier's character").uniform()
        labels = np.minimum(np.searchsorted(self.cumulative, drawn, side="right"), len(self.cumulative) - 1)
        return self.stream.images(self.stream.offsets[labels] + numbers % _EACH)


class OutlierStream:
    """Outlier j is a pure function of (recipe, j), as images of characters are; there are as many as are asked for."""

    def __init__(self, layout: Layout, registry: Registry, on_progress: OnProgress | None = None) -> None:
        """Choose glyphs for a recipe that has outliers, laid out on this machine; ``on_progress`` counts faces.

        Raises:
            UsageError: a set of characters is unknown.
            FontError: a pattern of faces matches none of the recipe's, or there is nothing to draw.
        """
        recipe = layout.recipe
        options = recipe.outliers or Outliers()
        self.share = options.share
        """Outliers for each image of a character."""
        self._seed = recipe.seed
        parts = [told_apart(spec, layout.plan.characters) for spec in options.characters]
        faces = select_faces(layout.faces, options.faces)
        wanted = _choose(parts, faces, options.glyphs, recipe.seed)
        characters, coverage = _drawable(wanted, faces, layout.glyph_sources, on_progress)
        shapes, covered, shape_faces, sources = _shapes(recipe, registry if options.shapes else None)
        if not characters and not shapes:
            raise FontError(
                "outliers: no face here draws any of their characters, and no shapes are asked for; outliers.share=0 "
                "trains without outliers"
            )
        self._shapes_share = (options.shapes if characters else 1.0) if shapes else 0.0
        drawn = recipe.but(mode="random", images_per_character=_EACH, rendering="placed", outliers=None)
        self._kinds = {
            "shapes": _kind(drawn, registry, sources, shape_faces, shapes, covered, [shapes]),
            "characters": _kind(drawn, registry, layout.glyph_sources, faces, characters, coverage, parts),
        }

    def images(self, numbers: npt.ArrayLike) -> Images:
        """Make outliers, by their numbers from 0 on: uint8 [n, H, W], white on black."""
        wanted = np.atleast_1d(np.asarray(numbers, dtype=np.int64))
        keys = mix64(mix64(np.array([self._seed], dtype=np.uint64)) + wanted.astype(np.uint64))
        shaped = Keys(keys, "outlier's kind").uniform() < self._shapes_share
        size = self.image_size
        made = np.empty((len(wanted), size, size), dtype=np.uint8)
        for name, chosen in (("shapes", shaped), ("characters", ~shaped)):
            kind = self._kinds[name]
            if chosen.any() and kind:
                made[chosen] = kind.images(keys[chosen], wanted[chosen])
        return made

    @property
    def image_size(self) -> int:
        """Pixels along each side."""
        return next(kind.stream.image_size for kind in self._kinds.values() if kind)

    @property
    def characters(self) -> str:
        """The characters of other scripts that are drawn."""
        kind = self._kinds["characters"]
        return kind.stream.characters if kind else ""

    def prepare(self, on_progress: OnProgress | None = None) -> None:
        """Draw or load every master now rather than at the first image."""
        for kind in filter(None, self._kinds.values()):
            kind.stream.prepare(on_progress)

    def with_augments(self, augments: Sequence[Mapping[str, Any]]) -> Self:
        """Return the same outliers under other steps. Raises as :meth:`.Augmentable.with_augments` does."""
        changed = copy.copy(self)
        changed._kinds = {
            name: kind and dataclasses.replace(kind, stream=kind.stream.with_augments(augments))
            for name, kind in self._kinds.items()
        }
        return changed


def told_apart(spec: str, known: str) -> str:
    """Return the characters of a spec that a model of ``known`` ones can learn not to read.

    Kanji that are kept for measuring (:func:`kanatui.kana.strangers.held_back`) are left out.
    """
    others = strangers(parse_characters(spec), known)
    kept = held_back(others)
    return "".join(character for character in others if character not in kept)


def _kind(
    recipe: Recipe,
    registry: Registry,
    sources: dict[str, GlyphSource],
    faces: Sequence[Face],
    characters: str,
    coverage: _Coverage,
    parts: Sequence[str],
) -> _Kind | None:
    if not characters:
        return None
    weights = np.zeros(len(characters))
    for part in parts:
        inside = np.isin(list(characters), list(part))
        weights[inside] += 1.0 / max(1, inside.sum())
    cumulative = np.cumsum(weights / weights.sum()).astype(np.float32)
    layout = lay_out_glyphs(recipe, registry, sources, faces, characters, coverage)
    return _Kind(GlyphStream(layout.recipe, registry, layout=layout), cumulative)


def _choose(parts: Sequence[str], faces: Sequence[Face], most: int, seed: int) -> dict[str, _Coverage]:
    """Choose glyphs from all that faces may have, as many of each part: [faces] for each character.

    Faces of a style that has few are chosen more often, as :class:`.GlyphPlan` does when it balances styles. Among n
    items the one with the least −log(u) / weight comes first as often as its weight says (Efraimidis and Spirakis,
    "Weighted random sampling with a reservoir", 2006).
    """
    styles = [face.style for face in faces]
    weights = np.array([1.0 / styles.count(style) for style in styles])
    names = np.array([word_key(face.id) for face in faces], dtype=np.uint64)
    chosen: dict[str, _Coverage] = {}
    left = most
    for place, part in enumerate(sorted(parts, key=len)):  # what short parts leave is for the others
        codes = np.array([ord(character) for character in part], dtype=np.uint64)
        keys = Keys((mix64(codes ^ np.uint64(seed))[:, None] ^ names).ravel(), "outlier faces")
        ranks = -np.log(np.maximum(keys.uniform(), 1e-9)).reshape(len(part), len(faces)) / weights
        share = min(ranks.size, left // (len(parts) - place))
        taken = np.zeros(ranks.size, dtype=bool)
        taken[np.argsort(ranks, axis=None, kind="stable")[:share]] = True
        left -= share
        chosen |= dict(zip(part, taken.reshape(ranks.shape), strict=True))
    return chosen


def _drawable(
    wanted: Mapping[str, _Coverage],
    faces: Sequence[Face],
    sources: Mapping[str, GlyphSource],
    on_progress: OnProgress | None,
) -> tuple[str, _Coverage]:
    """Leave out what a face cannot draw, and then characters that no face draws."""
    characters = "".join(wanted)
    coverage = np.array([wanted[character] for character in characters], dtype=bool).reshape(-1, len(faces))
    for place, face in enumerate(faces):
        asked = np.flatnonzero(coverage[:, place])
        if len(asked):
            drawn = sources[face.source].coverage(face, "".join(characters[i] for i in asked))
            coverage[asked, place] = drawn
        if on_progress:
            on_progress(place + 1, len(faces))
    kept: npt.NDArray[np.bool_] = np.any(coverage, axis=1)
    return "".join(c for c, keep in zip(characters, kept.tolist(), strict=True) if keep), coverage[kept]


def _shapes(recipe: Recipe, registry: Registry | None) -> tuple[str, _Coverage, list[Face], dict[str, GlyphSource]]:
    """Return all shapes of a registry's sources, which face draws which, those faces, and the sources by id."""
    classes = registry.outlier_sources if registry else {}
    sources = {id: cls(**recipe.sources.get(id, {})) for id, cls in classes.items()}
    shapes = "".join(dict.fromkeys("".join(source.shapes for source in sources.values())))
    faces = [face for source in sources.values() for face in source.listed()]
    columns = [sources[face.source].coverage(face, shapes) for face in faces]
    coverage = np.stack(columns, axis=1) if columns else np.zeros((len(shapes), 0), dtype=bool)
    return shapes, coverage, faces, dict(sources)

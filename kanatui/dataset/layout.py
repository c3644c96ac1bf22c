"""From a recipe to a laid-out plan: which faces there are, what they can draw, and which image each index is."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from kanatui.core.errors import FontError, RecipeError
from kanatui.core.units import counted
from kanatui.dataset.plan import GlyphPlan
from kanatui.dataset.recipe import Recipe
from kanatui.dataset.source import OnProgress
from kanatui.fonts.faces import Face, install_command, select_faces
from kanatui.kana.sets import parse_characters
from kanatui.plugins.bases import GlyphSource, Pixel, Placement
from kanatui.plugins.registry import Registry
from kanatui.plugins.table import ROW


@dataclasses.dataclass(frozen=True)
class Layout:
    """A recipe laid out on this machine; nothing is drawn yet except what the ink check needed."""

    recipe: Recipe
    plan: GlyphPlan
    faces: tuple[Face, ...]
    glyph_sources: dict[str, GlyphSource]
    pixels: tuple[tuple[str, Pixel, float], ...]
    """Pixel augmentations in order: the name of their random stream, the augmentation, its probability."""
    missing_faces: tuple[Face, ...]
    """Faces that the recipe asks for and that are not installed."""
    unusable: tuple[tuple[str, str], ...]
    """Faces that it asks for and that cannot be used, left out altogether: (face id, why)."""
    left_out: tuple[tuple[str, str], ...]
    """Glyphs that an installed face cannot draw: (face id, character)."""
    undrawable: str
    """Characters that no installed face can draw, which are left out."""


def size_on_disk(images: int, image_size: int) -> int:
    """Return the size of a written data set in bytes."""
    return images * (image_size**2 + ROW.itemsize)


def lay_out(
    recipe: Recipe,
    registry: Registry,
    on_progress: OnProgress | None = None,
    glyph_sources: dict[str, GlyphSource] | None = None,
) -> Layout:
    """Find out which faces and characters a recipe gives on this machine, and make the plan of its images.

    Args:
        recipe: what is to be drawn.
        registry: where plugins come from.
        on_progress: counts faces.
        glyph_sources: instances by id with the recipe's settings, to be used instead of new ones.

    Raises:
        UsageError, ParameterError, PluginError: characters, parameters or plugins are unknown or wrong.
        FontError: a face pattern matches nothing, or no face that can draw any of the characters is installed.
    """
    recipe.steps(registry)  # mistakes in them are told before faces are looked through
    wanted = parse_characters(recipe.characters)
    sources = glyph_sources or recipe.glyph_sources(registry)
    asked = select_faces([face for source in sources.values() for face in source.listed()], recipe.faces)
    missing = tuple(face for face in asked if face.path is None and not face.problem)
    present, coverage, unusable = _usable([face for face in asked if face not in missing], sources, wanted, on_progress)
    advice = install_command(missing) or "kanatui fonts lists those that are"
    if not present:
        if unusable:
            raise FontError(unusable[0][1])
        raise FontError(f"none of the recipe's {len(asked)} faces is installed: {advice}")
    drawable = np.asarray(coverage.any(axis=1))
    characters = "".join(c for c, kept in zip(wanted, drawable.tolist(), strict=True) if kept)
    if not characters:
        raise FontError(f"no installed face can draw any of the {counted(len(wanted), 'character')}: {advice}")
    return dataclasses.replace(
        lay_out_glyphs(recipe, registry, sources, present, characters, coverage[drawable]),
        missing_faces=missing,
        unusable=unusable,
        left_out=tuple((present[f].id, wanted[c]) for c, f in np.argwhere(~coverage)),
        undrawable="".join(c for c, kept in zip(wanted, drawable.tolist(), strict=True) if not kept),
    )


def lay_out_glyphs(
    recipe: Recipe,
    registry: Registry,
    sources: dict[str, GlyphSource],
    faces: Sequence[Face],
    characters: str,
    coverage: npt.NDArray[np.bool_],
) -> Layout:
    """Lay a recipe out for given glyphs in place of its own characters and faces.

    Args:
        sources: by id, those of the faces.
        faces: installed ones.
        characters: each drawable by at least one of the faces.
        coverage: [characters, faces], true where the face may draw the character.

    Raises:
        ParameterError, PluginError: a step's plugin or parameter is unknown or wrong.
    """
    steps = recipe.steps(registry)
    plan = _plan(recipe, characters, coverage, faces, steps)
    return Layout(recipe, plan, tuple(faces), sources, _pixels(steps), (), (), (), "")


def change_augments(layout: Layout, augments: Sequence[Mapping[str, Any]], registry: Registry) -> Layout:
    """Return the layout of the same recipe with other steps, given as its ``[[augment]]`` tables.

    Images keep their faces, characters and numbers. To switch a step off, set its ``p`` to 0 instead of leaving it out:
    the position of a step among the others determines its random numbers.

    Raises:
        ParameterError, PluginError: a step is invalid.
        RecipeError: it would change a placement step of a grid, and so the set of images.
    """
    recipe = layout.recipe
    changed = Recipe.from_dict({**recipe.to_dict(), "augment": augments}, recipe.name)
    steps = changed.steps(registry)
    if recipe.mode == "grid":
        if _placements(steps) != _placements(recipe.steps(registry)):
            raise RecipeError("the placement steps of a grid recipe decide which images it has, so they cannot change")
        plan = layout.plan
    else:
        plan = layout.plan.with_placements(_placements(steps))
    return dataclasses.replace(layout, recipe=changed, plan=plan, pixels=_pixels(steps))


def _placements(steps: Sequence[tuple[Placement | Pixel, float]]) -> list[tuple[Placement, float]]:
    return [(step, p) for step, p in steps if isinstance(step, Placement)]


def _pixels(steps: Sequence[tuple[Placement | Pixel, float]]) -> tuple[tuple[str, Pixel, float], ...]:
    return tuple((f"{step.id}#{i}", step, p) for i, (step, p) in enumerate(steps) if isinstance(step, Pixel))


def _usable(
    faces: Sequence[Face], sources: dict[str, GlyphSource], characters: str, on_progress: OnProgress | None
) -> tuple[list[Face], npt.NDArray[np.bool_], tuple[tuple[str, str], ...]]:
    """Return the faces that can be used, what they draw (bool [characters, faces]), and the others: (id, why)."""
    present, columns, unusable = [], [], []
    for done, face in enumerate(faces, start=1):
        try:
            columns.append(sources[face.source].coverage(face, characters))
            present.append(face)
        except FontError as error:  # one broken font must not keep the others from being drawn
            unusable.append((face.id, str(error)))
        if on_progress:
            on_progress(done, len(faces))
    drawn = np.stack(columns, axis=1) if columns else np.zeros((len(characters), 0), dtype=bool)
    return present, drawn, tuple(unusable)


def _plan(
    recipe: Recipe,
    characters: str,
    coverage: npt.NDArray[np.bool_],
    faces: Sequence[Face],
    steps: Sequence[tuple[Placement | Pixel, float]],
) -> GlyphPlan:
    styles = [face.style for face in faces]
    return GlyphPlan(
        characters,
        coverage,
        _placements(steps),
        mode=recipe.mode,
        seed=recipe.seed,
        images_per_character=recipe.images_per_character or None,
        face_weights=[1 / styles.count(style) if recipe.balance == "style" else 1.0 for style in styles],
    )

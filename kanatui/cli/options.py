"""Options that several commands share: the recipe and the changes to it."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from kanatui.kana.alphabet import SETS

if TYPE_CHECKING:
    from kanatui.dataset.recipe import Recipe
    from kanatui.dataset.stream import GlyphStream

F = TypeVar("F", bound=Callable[..., Any])

_OPTIONS = (
    click.option("--recipe", "-r", metavar="NAME|FILE", help="A named recipe or a TOML file (default: handwriting)."),
    click.option("--set", "assignments", multiple=True, metavar="PLUGIN.PARAM=VALUE", help="e.g. rotate.degrees=-8..8"),
    click.option(
        "--with",
        "added",
        multiple=True,
        metavar="ID[@PLACE]",
        help="Add an augmentation: noise (last), blur@1, blur@noise (before).",
    ),
    click.option("--without", "removed", multiple=True, metavar="ID", help="Leave an augmentation out."),
    click.option("--faces", metavar="PATTERN,…", help="klee-*, style:handwriting, handwriting, -noto-*"),
    click.option("--characters", "-c", metavar="SPEC", help=f"{', '.join(SETS)}, a-z, U+4E00-U+4E2F, a file, あいう"),
    click.option("--image-size", type=int, metavar="PX", help="Width and height of the images."),
    click.option("--images-per-character", "-n", type=int, metavar="N", help="Number of images (grid: at most)."),
    click.option(
        "--rendering", type=click.Choice(["placed", "exact"]), help="Resampled masters, or ImageMagick for each image."
    ),
    click.option("--seed", type=int, help="Seed of the images."),
)
LABELS_HELP = "unicode, jis, decimal, romaji, romaji:katakana, index:CHARACTERS, or a CSV or TSV file of file,label"
"""What ``--labels`` takes."""

_FIELDS = ("characters", "image_size", "images_per_character", "rendering", "seed")


def recipe_options(command: F) -> F:
    """Add the options that :func:`build_recipe` takes to a command."""
    return functools.reduce(lambda decorated, option: option(decorated), reversed(_OPTIONS), command)


def build_recipe(
    recipe: str | None = None,
    assignments: tuple[str, ...] = (),
    added: tuple[str, ...] = (),
    removed: tuple[str, ...] = (),
    faces: str | None = None,
    **fields: Any,
) -> Recipe:
    """Return the recipe that the options describe, and check their values.

    Raises:
        UsageError: an option's value is unknown or out of range.
        RecipeError: a recipe file is broken.
    """
    from kanatui.core.errors import FontError, ParameterError, PluginError, UsageError
    from kanatui.dataset.recipe import DEFAULT, find_recipe
    from kanatui.fonts.faces import select_faces
    from kanatui.plugins.registry import load

    found = find_recipe(recipe or DEFAULT)
    changes = {name: fields[name] for name in _FIELDS if fields.get(name) is not None}
    if faces is not None:
        changes["faces"] = [pattern.strip() for pattern in faces.split(",") if pattern.strip()]
    try:
        found = found.but(**changes)
    except ParameterError as error:
        option = str(error).removeprefix("recipe.").partition(":")[0]
        raise UsageError(f"--{option.replace('_', '-')}: {str(error).partition(': ')[2]}") from None
    registry = load()
    found = found.without(removed) if removed else found
    try:
        for text in added:
            id, _, place = text.partition("@")
            registry.augmentation(id)
            found = found.added(id, place)
    except PluginError as error:
        raise UsageError(f"--with: {error}") from None
    for assignment in assignments:
        found = found.set(assignment, registry)
    if faces is not None:
        sources = found.glyph_sources(registry).values()
        try:
            select_faces([face for source in sources for face in source.faces()], found.faces)
        except FontError as error:
            raise UsageError(f"--faces {faces}: {error}") from None
    return found


def open_stream(recipe: Recipe) -> GlyphStream:
    """Lay out a recipe, with a progress bar while faces are checked for the first time; name the faces left out."""
    from kanatui.cli.console import complain, counting
    from kanatui.core.errors import ParameterError, PluginError
    from kanatui.dataset.stream import GlyphStream
    from kanatui.plugins.registry import load

    try:
        with counting("checking faces", "faces") as report:
            stream = GlyphStream(recipe, load(), report)
    except (ParameterError, PluginError) as error:
        raise type(error)(f"recipe {recipe.name}: {error}") from error
    for id, why in stream.layout.unusable:
        complain(f"left out: {why}" if id in why else f"left out: face {id}: {why}")
    return stream


def chosen_characters(spec: str | None) -> str | None:
    """Return the candidates given by ``--characters``, None for all. UsageError if the spec is invalid."""
    from kanatui.kana.sets import parse_characters

    return None if spec is None else parse_characters(spec)


def chosen_weights(reference: str | None) -> Path:
    """Return the weights file of the model given, or of the default model.

    RunError or WeightsError if there is no such model.
    """
    from kanatui.training.runs import find_weights, usual_weights

    return find_weights(reference) if reference else usual_weights()


def with_recipe_argument(name: str | None, options: dict[str, Any]) -> dict[str, Any]:
    """Add the recipe given as an argument to the options. UsageError if ``--recipe`` is given too."""
    if name and options.get("recipe"):
        raise click.UsageError("give the recipe once: as an argument or as --recipe")
    return options | {"recipe": name or options.get("recipe")}


def draw_masters(stream: GlyphStream) -> None:
    """Draw the stream's masters, with a progress bar."""
    from kanatui.cli.console import counting

    with counting("drawing masters", "glyphs") as report:
        stream.prepare(report)

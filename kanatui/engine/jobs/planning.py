"""Jobs that list faces and plan recipes without drawing a pixel or importing torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kanatui.core.errors import FontError
from kanatui.dataset.layout import Layout, size_on_disk
from kanatui.dataset.recipe import Recipe
from kanatui.engine.context import Context, Reporter
from kanatui.engine.wire import Answer
from kanatui.fonts.faces import Face, install_command
from kanatui.kana.alphabet import DEFAULT_SET
from kanatui.kana.sets import parse_characters
from kanatui.plugins.bases import GlyphSource


def faces(context: Context, arguments: Mapping[str, Any], report: Reporter) -> Answer:
    """List all faces, looked up again, with how many of ``characters`` (default: all kana) each draws.

    Those of glyph sources with settings come from ``sources``, a recipe's ``[[source]]`` tables, if given.

    Returns:
        ``faces``: id, style, weight, licence, package, source, installed, covered, of and problem of each; ``install``:
        a command that installs the missing ones, or "".
    """
    characters = parse_characters(arguments.get("characters", DEFAULT_SET))
    context.look_again()
    recipe = Recipe.from_dict({"images_per_character": 1, "source": arguments.get("sources", [])})
    known = [(source, face) for source in context.glyph_sources(recipe).values() for face in source.faces()]
    listed = []
    for done, (source, face) in enumerate(known, start=1):
        listed.append(_described(source, face, characters))
        report(done, len(known), face.id)
    return Answer({"faces": listed, "install": install_command(face for _, face in known)})


def _described(source: GlyphSource, face: Face, characters: str) -> dict[str, Any]:
    covered, problem = 0, ""
    if face.path is not None or face.problem:
        try:
            covered = int(source.coverage(face, characters).sum())
        except FontError as error:  # one broken file must not hide the others
            problem = str(error)
    fields = {name: getattr(face, name) for name in ("id", "style", "weight", "licence", "package", "source")}
    there = face.path is not None
    return {**fields, "installed": there, "covered": covered, "of": len(characters), "problem": problem}


def layout(context: Context, arguments: Mapping[str, Any], report: Reporter) -> Answer:
    """Return how many images a ``recipe`` makes on this machine, and what it leaves out.

    Returns:
        ``characters``: those that are drawn; ``least`` and ``most`` images per character; ``images`` in all; ``bytes``
        on disk; ``left_out``: [face id, characters] for each face that lacks some; ``undrawable``: characters that no
        face draws; ``missing_faces``: ids; ``unusable``: [face id, why] of those left out altogether; ``install``: a
        command, or "".
    """
    found = context.layout(Recipe.from_dict(arguments["recipe"]), report)
    counts, images = found.plan.counts, len(found.plan)
    return Answer(
        {
            "characters": found.plan.characters,
            "least": int(counts.min()),
            "most": int(counts.max()),
            "images": images,
            "bytes": size_on_disk(images, found.recipe.image_size),
            "left_out": _left_out(found),
            "undrawable": found.undrawable,
            "missing_faces": [face.id for face in found.missing_faces],
            "unusable": list(found.unusable),
            "install": install_command(found.missing_faces),
        }
    )


def _left_out(found: Layout) -> list[tuple[str, str]]:
    by_face: dict[str, list[str]] = {}
    for face, character in found.left_out:
        by_face.setdefault(face, []).append(character)
    return [(face, "".join(characters)) for face, characters in by_face.items()]

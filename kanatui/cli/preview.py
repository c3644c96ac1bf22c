"""The command `preview`: a contact sheet of generated glyphs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kanatui.cli.console import out, print_glyphs, with_json
from kanatui.cli.options import build_recipe, draw_masters, open_stream, recipe_options, with_recipe_argument
from kanatui.core.units import counted

if TYPE_CHECKING:
    import numpy as np

    from kanatui.dataset.stream import GlyphStream


@click.command("preview")
@click.argument("name", required=False, metavar="[RECIPE]")
@recipe_options
@click.option("--count", type=click.IntRange(1, 10_000), help="Number of glyphs (default: as many as fit).")
@click.option(
    "--size", type=click.IntRange(8, 256), default=20, show_default=True, help="Width of a glyph on screen, in columns."
)
@click.option("--png", type=click.Path(dir_okay=False, path_type=Path), help="Write the sheet to a PNG file instead.")
@click.option("--ascii", "plain", is_flag=True, help="Use plain characters.")
@click.option("--pictures", default="", metavar="WAY", help="Show glyphs this way: auto, sextants … (see doctor).")
@with_json
def preview_command(
    name: str | None, count: int | None, size: int, png: Path | None, plain: bool, pictures: str, **options: Any
) -> dict[str, Any]:
    """Show a contact sheet of the images that a recipe makes, sampled from its whole data set."""
    stream = open_stream(build_recipe(**with_recipe_argument(name, options)))
    columns = max(1, (out.width + 1) // (size + 1))
    count = count or (100 if png else columns * 4)
    indices = _spread(stream, count)
    images = stream.images(indices)
    if png:
        _write_sheet(png, images)
        out.print(f"wrote {png}: {counted(len(images), 'glyph')}")
    else:
        print_glyphs(list(images), size // 2 * 2, min(columns, len(images)), "ascii" if plain else pictures)
    return {
        "recipe": stream.layout.recipe.name,
        "images": len(stream),
        "file": str(png) if png else None,
        "glyphs": list(_glyphs(stream, indices)),
    }


def _glyphs(stream: GlyphStream, indices: np.ndarray[Any, Any]) -> Iterator[dict[str, Any]]:
    """Yield what is on the sheet, in its order: index, character, face, and the columns of the glyph table."""
    from kanatui.plugins.table import PLACED

    for index, row in zip(indices.tolist(), stream.plan.rows(indices).rows, strict=True):
        placed = {name: float(row[name]) for name in PLACED}
        face = stream.face_ids[int(row["face"])]
        yield {"index": index, "character": chr(row["character"]), "face": face, **placed}


def _spread(stream: GlyphStream, count: int) -> np.ndarray[Any, Any]:
    """Pick images evenly over all characters, each from a different part of its character's images; [n] indices."""
    from kanatui.dataset.sparse import spread

    draw_masters(stream)
    return spread(stream.plan, count)


def _write_sheet(path: Path, images: np.ndarray[Any, Any]) -> None:
    from PIL import Image

    from kanatui.core.blocks import sheet
    from kanatui.core.storage import replacing

    columns = max(1, round(len(images) ** 0.5))
    with replacing(path) as file:
        Image.fromarray(sheet(list(images), columns)).save(file, format="PNG")

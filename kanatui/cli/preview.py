"""The command `preview`: a contact sheet of generated glyphs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kanatui.cli.console import out, print_glyphs
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
def preview_command(
    name: str | None, count: int | None, size: int, png: Path | None, plain: bool, pictures: str, **options: Any
) -> None:
    """Show a contact sheet of the images that a recipe makes, sampled from its whole data set."""
    stream = open_stream(build_recipe(**with_recipe_argument(name, options)))
    columns = max(1, (out.width + 1) // (size + 1))
    count = count or (100 if png else columns * 4)
    images = _spread(stream, count)
    if png:
        _write_sheet(png, images)
        out.print(f"wrote {png}: {counted(len(images), 'glyph')}")
        return
    print_glyphs(list(images), size // 2 * 2, min(columns, len(images)), "ascii" if plain else pictures)


def _spread(stream: GlyphStream, count: int) -> np.ndarray[Any, Any]:
    """Pick images evenly over all characters, each from a different part of its character's images."""
    from kanatui.dataset.sparse import spread

    draw_masters(stream)
    return stream.images(spread(stream.plan, count))


def _write_sheet(path: Path, images: np.ndarray[Any, Any]) -> None:
    from PIL import Image

    from kanatui.core.blocks import sheet
    from kanatui.core.storage import replacing

    columns = max(1, round(len(images) ** 0.5))
    with replacing(path) as file:
        Image.fromarray(sheet(list(images), columns)).save(file, format="PNG")

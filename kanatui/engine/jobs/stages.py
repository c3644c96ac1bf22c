"""Job for looking at one image closely: what each augmentation drew for it, and what it looked like in between."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from kanatui.dataset.drawn import drawn_in_words
from kanatui.dataset.layout import Layout
from kanatui.dataset.recipe import Recipe
from kanatui.engine.context import Context, Reporter
from kanatui.engine.jobs.preview import drawn_images, in_grid, laid_out, origins
from kanatui.engine.wire import Answer
from kanatui.plugins.bases import Pixel
from kanatui.plugins.table import GlyphTable, in_words


def stages(context: Context, arguments: Mapping[str, Any], report: Reporter) -> Answer:
    """Draw the image with ``index`` in a ``recipe``'s data set after none of its steps, after the first, … after all.

    Returns:
        ``images``: uint8 [steps + 1, H, W]; ``steps``: for each, its ``plugin`` and ``drawn``, its values in words.
    """
    recipe, index = Recipe.from_dict(arguments["recipe"]), int(arguments["index"])
    layouts = [
        laid_out(context, recipe.but(augments=recipe.augments[:end]), report) for end in range(len(recipe.augments) + 1)
    ]
    tables = _tables(layouts, index)
    images = [drawn_images(context, layout, table, report)[0] for layout, table in zip(layouts, tables, strict=True)]
    drawn = [
        ", ".join(_values(context, layouts[place + 1], tables[place : place + 2], place))
        for place in range(len(recipe.augments))
    ]
    steps = [{"plugin": step.plugin, "drawn": values} for step, values in zip(recipe.augments, drawn, strict=True)]
    return Answer({"steps": steps}, {"images": np.stack(images)})


def _tables(layouts: list[Layout], index: int) -> list[GlyphTable]:
    """Return the row of one image in each layout."""
    if layouts[-1].recipe.mode == "random":
        return [layout.plan.rows([index]) for layout in layouts]
    image = layouts[-1].plan.rows([index])
    numbers, tables = image["number"], [image]
    for before, after in zip(layouts[-2::-1], layouts[:0:-1], strict=True):
        if len(after.plan.placements) > len(before.plan.placements):
            numbers = origins(before, after)[numbers]
        tables.append(in_grid(before, numbers, image))
    return tables[::-1]


def _values(context: Context, layout: Layout, tables: list[GlyphTable], place: int) -> Iterator[str]:
    """Yield in words what the last step of a layout drew for the one row of each table: before it, and after."""
    step, p = layout.recipe.steps(context.registry)[place]
    if isinstance(step, Pixel):
        drawn = drawn_in_words(step, p, tables[0]["key"], f"{step.id}#{place}", layout.recipe.image_size)
        yield from [f"not this image (p {p:g})"] if drawn is None else drawn
        return
    changed = in_words(tables[1].rows[0], tables[0].rows[0])
    yield from changed or ["no change" if p >= 1.0 else f"not this image (p {p:g})"]

"""Jobs for editing a recipe: sheets, the effect of one step, and the generation rate."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from kanatui.core.blocks import shrink
from kanatui.core.processes import usable_cores
from kanatui.core.units import counted
from kanatui.dataset.layout import Layout
from kanatui.dataset.plan import placed_by
from kanatui.dataset.recipe import Recipe
from kanatui.dataset.render import master_em
from kanatui.dataset.source import Images, Indices
from kanatui.dataset.sparse import spread
from kanatui.dataset.stream import drawn_exactly, finished
from kanatui.engine.context import Context, Reporter
from kanatui.engine.wire import Answer
from kanatui.plugins.table import GlyphTable

_FETCHING = "fetching glyphs"
_MEASURED_SECONDS = 0.25
_MEASURED_ROWS = 128


def sheet(context: Context, arguments: Mapping[str, Any], report: Reporter) -> Answer:
    """Draw ``count`` images of a ``recipe``'s data set, spread evenly over its characters.

    A different ``draw`` (default 0) picks other images. ``side`` averages them down to that many pixels if that is less
    than the recipe's size.

    Returns:
        ``images``: uint8 [n, H, W]; ``characters``, ``faces`` (ids), ``numbers`` and ``indices`` of each.
    """
    layout = laid_out(context, Recipe.from_dict(arguments["recipe"]), report)
    indices = spread(layout.plan, arguments["count"], arguments.get("draw", 0))
    table = layout.plan.rows(indices)
    images = _shrunk(drawn_images(context, layout, table, report), arguments.get("side"))
    return Answer(_captions(layout, table, indices), {"images": images})


def before_after(context: Context, arguments: Mapping[str, Any], report: Reporter) -> Answer:
    """Draw ``count`` images with the ``recipe``'s first ``step`` steps, and the same images with the next one too.

    Returns:
        ``before`` and ``after``: uint8 [n, H, W]; ``characters``, ``faces`` (ids), ``numbers`` and ``indices`` of each.
    """
    recipe, step = Recipe.from_dict(arguments["recipe"]), arguments["step"]
    if not 0 <= step < len(recipe.augments):
        raise IndexError(f"no step {step}: the recipe has {counted(len(recipe.augments), 'step')}, counted from 0")
    first, second = (recipe.but(augments=recipe.augments[:end]) for end in (step, step + 1))
    before, after = laid_out(context, first, report), laid_out(context, second, report)
    indices = spread(after.plan, arguments["count"], arguments.get("draw", 0))
    table = after.plan.rows(indices)
    multiplied = recipe.mode == "grid" and len(after.plan.placements) > len(before.plan.placements)
    earlier = ungrown(before, after, table) if multiplied else before.plan.rows(indices)
    arrays = {
        "before": drawn_images(context, before, earlier, report),
        "after": drawn_images(context, after, table, report),
    }
    return Answer(_captions(after, table, indices), arrays)


def ungrown(before: Layout, after: Layout, table: GlyphTable) -> GlyphTable:
    """Return for each row of ``table`` the row of ``before``'s grid from which ``after``'s last placement made it."""
    return in_grid(before, origins(before, after)[table["number"]], table)


def in_grid(layout: Layout, numbers: npt.NDArray[np.integer[Any]], table: GlyphTable) -> GlyphTable:
    """Return the rows with these numbers in a layout's grid; ``table`` says which images they are rows of."""
    rows = _grid(layout).rows[numbers]
    for column in ("number", "character", "key"):
        rows[column] = table[column]
    return GlyphTable(rows)


def origins(before: Layout, after: Layout) -> npt.NDArray[np.integer[Any]]:
    """Return for each number in ``after``'s grid that of the row in ``before``'s from which its last placement made it.

    A placement multiplies rows and does not change their other columns, so the number identifies each row's origin.
    """
    return placed_by(after.plan.placements[-1][0], _grid(before))["number"]


def _grid(layout: Layout) -> GlyphTable:
    grid = GlyphTable.blank(len(layout.faces))
    grid.rows["face"] = np.arange(len(grid))
    for placement, _ in layout.plan.placements:
        grid = placed_by(placement, grid)
    grid.rows["number"] = np.arange(len(grid))
    return grid


def rate(context: Context, arguments: Mapping[str, Any], report: Reporter) -> Answer:
    """Measure for a quarter of a second how fast one process makes the images of a ``recipe``.

    Returns:
        ``rate``: images per second of one process, measured once for all recipes that differ only in their seed or
        number of images; ``workers``: number of processes that generation would use.
    """
    recipe = Recipe.from_dict(arguments["recipe"])
    key = recipe.but(seed=0, images_per_character=1).fingerprint()
    if key not in context.rates:
        context.rates[key] = _measure(context, laid_out(context, recipe, report), report)
    return Answer({"rate": context.rates[key], "workers": usable_cores()})


def _measure(context: Context, layout: Layout, report: Reporter) -> float:
    table = layout.plan.rows(spread(layout.plan, _MEASURED_ROWS))
    draw = _drawing(context, layout, table, report)
    made, taken = 0, 0.0
    with torch.inference_mode():
        finished(draw(table.take(np.arange(1))), table.take(np.arange(1)), layout.pixels)  # one-time work
        while taken < _MEASURED_SECONDS:
            report(0, 1, "measuring the rate")
            started = time.perf_counter()
            finished(draw(table), table, layout.pixels)
            made, taken = made + len(table), taken + time.perf_counter() - started
    return made / taken


def _drawing(
    context: Context, layout: Layout, table: GlyphTable, report: Reporter
) -> Callable[[GlyphTable], torch.Tensor]:
    """Return a function that draws rows of ``table`` like generation does, with all masters in memory."""
    if layout.recipe.rendering == "exact":
        return functools.partial(drawn_exactly, layout)
    return context.sparse.renderer(layout, table, functools.partial(report, text=_FETCHING)).placed


def laid_out(context: Context, recipe: Recipe, report: Reporter) -> Layout:
    """Lay a recipe out, and begin to draw its masters ahead of their use."""
    layout = context.layout(recipe, report)
    context.prefetcher.want(layout, master_em(recipe.image_size))
    return layout


def drawn_images(context: Context, layout: Layout, table: GlyphTable, report: Reporter) -> Images:
    """Draw rows with all of a recipe's augmentations: uint8 [n, H, W]."""
    report(0, 1, "drawing")
    return context.sparse.images(layout, table, functools.partial(report, text=_FETCHING))


def _shrunk(images: Images, side: int | None) -> Images:
    if side is None or side >= images.shape[-1]:
        return images
    return np.stack([shrink(image, side) for image in images])


def _captions(layout: Layout, table: GlyphTable, indices: Indices) -> dict[str, Any]:
    return {
        "characters": "".join(map(chr, table["character"].tolist())),
        "faces": [layout.faces[i].id for i in table["face"].tolist()],
        "numbers": table["number"].tolist(),
        "indices": indices.tolist(),
    }

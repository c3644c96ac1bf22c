"""Job for looking at one image closely: what each augmentation drew for it, and what it looked like in between."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from typing_extensions import override

from kanatui.core.rng import Floats, Keys
from kanatui.dataset.layout import Layout
from kanatui.dataset.recipe import Recipe
from kanatui.engine.context import Context, Reporter
from kanatui.engine.jobs.preview import drawn_images, in_grid, laid_out, origins
from kanatui.engine.wire import Answer
from kanatui.plugins.bases import Pixel
from kanatui.plugins.table import GlyphTable, in_words

_FEW = 4
"""The most numbers of one augmentation that are told one by one."""


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


class _Overheard(Keys):
    """Notes which parameter each number is drawn for: it is the range that only this parameter has."""

    def __init__(self, keys: npt.NDArray[np.uint64], stream: str, parameters: Mapping[str, Any]) -> None:
        super().__init__(keys, stream)
        ranges = [value for value in parameters.values() if isinstance(value, tuple) and len(value) == 2]
        self._names = {value: name for name, value in parameters.items() if ranges.count(value) == 1}
        self.drawn: dict[str, float] = {}

    @override
    def uniform(self, low: npt.ArrayLike = 0.0, high: npt.ArrayLike = 1.0, shape: tuple[int, ...] = ()) -> Floats:
        values = super().uniform(low, high, shape)
        if not shape and np.ndim(low) == np.ndim(high) == 0 and (name := self._names.get((low, high))):
            self.drawn[name] = float(values[0])
        return values


def _values(context: Context, layout: Layout, tables: list[GlyphTable], place: int) -> Iterator[str]:
    """Yield in words what the last step of a layout drew for the one row of each table: before it, and after."""
    step, p = layout.recipe.steps(context.registry)[place]
    if isinstance(step, Pixel):
        stream, before = f"{step.id}#{place}", tables[0]
        if p < 1.0 and Keys(before["key"], f"{stream}?").uniform()[0] >= p:
            yield f"not this image (p {p:g})"
            return
        keys = _Overheard(before["key"], stream, step.values)
        arrays = step.draw(keys, layout.recipe.image_size)
        if keys.drawn:
            yield from (f"{name.replace('_', ' ')} {value:.3g}" for name, value in keys.drawn.items())
            return
        for name, numbers in arrays.items():
            yield f"{name.replace('_', ' ')} {_numbers(np.asarray(numbers)[0])}"
        return
    changed = in_words(tables[1].rows[0], tables[0].rows[0])
    yield from changed or ["no change" if p >= 1.0 else f"not this image (p {p:g})"]


def _numbers(values: npt.NDArray[Any]) -> str:
    """Put a few numbers one by one, and many by their spread."""
    if values.size > _FEW:
        return f"±{float(values.std()):.2g} ({values.size:,} numbers)"
    return " ".join(f"{float(value):.3g}" for value in values.ravel())

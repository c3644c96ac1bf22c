"""The rules for pixel augmentations and placements."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from kanatui.core.rng import Keys
from kanatui.plugins.bases import Pixel, Placement
from kanatui.plugins.table import PLACED, GlyphTable
from kanatui.testing.common import (
    CHARACTERS,
    COUNT,
    CheckFailedError,
    demand,
    fastest,
    keys_of,
    settings_of,
    strokes,
    why,
)

if TYPE_CHECKING:
    import torch

_SIZES = (16, 33, 64)
"""Sides of the images in pixels: the smallest that a recipe allows, an odd one, and the usual one."""
_TIMED = 256
"""Images in the batch whose time is told: as many as a stream makes at once."""


def _drawn(step: Pixel, keys: npt.NDArray[np.uint64], size: int) -> dict[str, npt.NDArray[Any]]:
    drawn = step.draw(Keys(keys, f"{step.id}#0"), size)
    demand(isinstance(drawn, dict), f"draw() returned {type(drawn).__name__}, not a dict of arrays")
    return drawn


def _applied(step: Pixel, images: torch.Tensor, keys: npt.NDArray[np.uint64]) -> torch.Tensor:
    import torch

    drawn = _drawn(step, keys, images.shape[-1])
    with torch.inference_mode():
        return step.apply(images, {name: torch.from_numpy(np.ascontiguousarray(v)) for name, v in drawn.items()})


def _pixel_draws(plugin: type[Pixel]) -> Iterator[str]:
    """Draw."""
    step, keys = plugin(), keys_of(COUNT)
    first, again = _drawn(step, keys, 64), _drawn(step, keys, 64)
    for name, array in first.items():
        demand(isinstance(array, np.ndarray), f"{name}: draw() gave {type(array).__name__}, not a NumPy array")
        demand(len(array) == COUNT, f"{name}: {list(array.shape)} for {COUNT} images; the first axis is the batch")
        demand(np.isfinite(array).all(), f"{name}: not all numbers are finite")
        demand(np.array_equal(array, again[name]), f"{name}: the same keys gave other numbers")
        alone = _drawn(step, keys[3:4], 64)[name]
        demand(np.array_equal(array[3:4], alone), f"{name}: an image's numbers depend on the other images")
    yield ", ".join(f"{name} {list(array.shape[1:])}" for name, array in first.items())


def _pixel_applies(plugin: type[Pixel]) -> Iterator[str]:
    """Shape, dtype, range, same keys → same pixels, input unchanged."""
    step, keys = plugin(), keys_of(COUNT)
    for size in _SIZES:
        images = strokes(COUNT, size)
        kept = images.clone()
        changed = _applied(step, images, keys)
        _judge_images(changed, kept, size)
        demand(images.equal(kept), "apply() changed the images that it was given; return new ones")
        demand(changed.equal(_applied(step, kept, keys)), f"the same keys gave other pixels at {size} px")
    demand(not changed.clamp(0, 1).equal(kept), "it changed nothing")
    low, high = float(changed.min()), float(changed.max())
    yield f"{low:.2f} … {high:.2f}" + (", clipped to 0 … 1" if low < -1e-3 or high > 1.001 else "")


def _judge_images(changed: torch.Tensor, images: torch.Tensor, size: int) -> None:
    demand(hasattr(changed, "shape"), f"apply() returned {type(changed).__name__}, not a tensor")
    demand(changed.shape == images.shape, f"{list(images.shape)} became {list(changed.shape)}")
    demand(changed.dtype == images.dtype, f"float32 became {changed.dtype}")
    demand(bool(changed.isfinite().all()), f"not all pixels are finite at {size} px")


def _pixel_extremes(plugin: type[Pixel]) -> Iterator[str]:
    """Every parameter at both ends."""
    for values in settings_of(plugin):
        for size in (16, 64):
            images = strokes(4, size)
            try:
                _judge_images(_applied(plugin(**values), images, keys_of(4)), images, size)
            except Exception as error:
                raise CheckFailedError(f"with {values or 'the defaults'}: {why(error, plugin)}") from error
    yield f"{len(settings_of(plugin))} settings"


def _pixel_batches(plugin: type[Pixel]) -> Iterator[str]:
    """An image is the same in any batch."""
    import torch

    step = plugin()
    fade = torch.linspace(0.5, 1.0, COUNT)[:, None, None, None]  # else all images would have the same darkest ink
    for size in _SIZES:
        images, keys = strokes(COUNT, size) * fade, keys_of(COUNT)
        together = _applied(step, images, keys)
        for part in (slice(0, 1), slice(3, 4), slice(2, 9), slice(5, COUNT)):
            apart = _applied(step, images[part].clone(), keys[part])
            different = (together[part] != apart).flatten(1).any(dim=1)
            if bool(different.any()):
                count = f"{int(different.sum())} of {len(apart)} images"
                raise CheckFailedError(
                    f"{count} differ at {size} px between a batch of {COUNT} and one of {len(apart)}"
                )
    yield "bit for bit"


def _pixel_speed(plugin: type[Pixel]) -> Iterator[str]:
    """Speed."""
    step, images, keys = plugin(), strokes(_TIMED, 64), keys_of(_TIMED)
    yield f"{fastest(lambda: _applied(step, images, keys)) / _TIMED * 1e6:.1f} µs an image at 64 px"


def _table(count: int) -> GlyphTable:
    table = GlyphTable.blank(count)
    table.rows["number"], table.rows["face"] = np.arange(count), np.arange(count) % 2
    table.rows["character"], table.rows["key"] = [ord(CHARACTERS[i % 12]) for i in range(count)], keys_of(count)
    return table


def _defines(plugin: type[Placement], method: str) -> bool:
    return getattr(plugin, method) is not getattr(Placement, method)


def _placement_draws(plugin: type[Placement]) -> Iterator[str]:
    """Draw: rows, finite, same keys → same rows, a row is the same in any batch, input unchanged."""
    if not _defines(plugin, "draw"):
        demand(_defines(plugin, "grid"), "it defines neither grid() nor draw()")
        yield "for grids only"
        return

    def drawn(step: Placement, table: GlyphTable) -> GlyphTable:
        return step.draw(table, Keys(table["key"], f"{step.id}#0"))

    for values in settings_of(plugin):
        step, table = plugin(**values), _table(COUNT)
        kept = table.rows.copy()
        made = drawn(step, table)
        demand(isinstance(made, GlyphTable), f"draw() returned {type(made).__name__}, not a GlyphTable")
        demand(len(made) == COUNT, f"{COUNT} rows became {len(made)}; only grid() multiplies rows")
        demand(np.array_equal(table.rows, kept), "draw() changed the table that it was given; return a new one")
        _judge_rows(made, f"with {values or 'the defaults'}")
        demand(np.array_equal(made.rows, drawn(step, table).rows), "the same keys gave other rows")
        apart = drawn(step, table.take(np.arange(3, 4)))
        demand(np.array_equal(made.rows[3:4], apart.rows), "a row depends on the other rows")
        for name in ("number", "character", "face", "key"):
            demand(np.array_equal(made.rows[name], kept[name]), f"the column {name!r} changed; only placement may")
    made = drawn(plugin(), _table(64))
    yield ", ".join(name for name in PLACED if (made[name] != _table(64)[name]).any()) or "nothing changes"


def _judge_rows(table: GlyphTable, about: str) -> None:
    for name in PLACED:
        demand(np.isfinite(table[name]).all(), f"{about}: not all of {name!r} are finite")
    for name in ("point_size", "aspect"):
        demand((table[name] > 0).all(), f"{about}: {name!r} is not above 0 everywhere")


def _placement_grid(plugin: type[Placement]) -> Iterator[str]:
    """Grid: rows, finite, the same whatever the character, input unchanged."""
    if not _defines(plugin, "grid"):
        yield "for random recipes only"
        return
    step, table = plugin(), _table(4)
    kept = table.rows.copy()
    made = step.grid(table)
    demand(isinstance(made, GlyphTable), f"grid() returned {type(made).__name__}, not a GlyphTable")
    demand(len(made) >= 4, f"4 rows became {len(made)}: a grid never loses rows")
    demand(np.array_equal(table.rows, kept), "grid() changed the table that it was given; return a new one")
    _judge_rows(made, "grid")
    other = _table(4)
    other.rows["character"], other.rows["key"] = ord("ん"), keys_of(4, 99)
    same = all(np.array_equal(made[name], step.grid(other)[name]) for name in PLACED)
    demand(same, "the grid depends on the character or the key; all characters share one")
    yield f"{len(made) / 4:g} rows for each"


PIXEL = (_pixel_draws, _pixel_applies, _pixel_extremes, _pixel_batches, _pixel_speed)
PLACEMENT = (_placement_draws, _placement_grid)

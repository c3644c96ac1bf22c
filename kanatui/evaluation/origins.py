"""How generated images were made, in words: the face, where the character was put, and what each augmentation drew."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from kanatui.core.rng import Keys
from kanatui.dataset.stream import GlyphStream

if TYPE_CHECKING:
    from kanatui.dataset.source import ImageSource
    from kanatui.plugins.table import GlyphTable

_FEW = 4
"""The most numbers of one image that are listed; an elastic grid has hundreds."""


def origins(source: ImageSource, indices: npt.ArrayLike) -> list[str]:
    """Return some lines about each image, [n]: the face alone if the source does not draw its images itself."""
    faces = [source.face_ids[face] if face >= 0 else "" for face in source.faces(indices).tolist()]
    told = [[f"face {face}"] if face else [] for face in faces]
    if isinstance(source, GlyphStream):
        table = source.plan.rows(np.asarray(indices, dtype=np.int64))
        for lines, row in zip(told, table.rows, strict=True):
            lines.extend(_placement(row))
        for name, step, p in source.layout.pixels:
            _add_step(told, table, name, step, p, source.image_size)
    return ["\n".join(lines) for lines in told]


def _placement(row: Any) -> Iterator[str]:
    """Yield where a character was put on the canvas of 256 units, without what is as usual."""
    yield f"size {row['point_size']:.0f} of 256"
    if row["dx"] or row["dy"]:
        yield f"shift {row['dx']:+.0f} right, {row['dy']:+.0f} down"
    if row["rotation"]:
        yield f"rotation {row['rotation']:+.1f}°"
    if row["shear"]:
        yield f"shear {row['shear']:+.2f}"
    if row["aspect"] != 1.0:
        yield f"aspect {row['aspect']:.2f}"


def _add_step(told: list[list[str]], table: GlyphTable, name: str, step: Any, p: float, size: int) -> None:
    """Add what an augmentation drew for each image that it changed, with the numbers that training has."""
    chosen = np.arange(len(table))
    if p < 1.0:
        chosen = np.flatnonzero(Keys(table["key"], f"{name}?").uniform() < p)
    if not len(chosen):
        return
    drawn = step.draw(Keys(table["key"][chosen], name), size)
    for place, image in enumerate(chosen.tolist()):
        values = [text for key, numbers in drawn.items() if (text := _numbers(key, np.asarray(numbers)[place]))]
        told[image].append(f"{step.id} {', '.join(values)}".rstrip())


def _numbers(name: str, values: npt.NDArray[Any]) -> str:
    """Write a few numbers of one image; "" for many."""
    if values.size > _FEW:
        return ""
    return f"{name.replace('_', ' ')} {' '.join(f'{float(value):.3g}' for value in values.ravel())}"

"""How generated images were made, in words: the face, where the character was put, and what augmentations drew."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from kanatui.dataset.drawn import drawn_in_words
from kanatui.dataset.stream import GlyphStream
from kanatui.plugins.table import GlyphTable, in_words

if TYPE_CHECKING:
    from kanatui.dataset.source import ImageSource


def origins(source: ImageSource, indices: npt.ArrayLike) -> list[str]:
    """Return some lines about each image, [n]: the face alone if the source does not draw its images itself."""
    faces = [f"face {source.face_ids[face]}" if face >= 0 else "" for face in source.faces(indices).tolist()]
    if not isinstance(source, GlyphStream):
        return faces
    table = source.plan.rows(np.asarray(indices, dtype=np.int64))
    return ["\n".join([face, *_steps(source, table.take(np.array([i])))]) for i, face in enumerate(faces)]


def _steps(source: GlyphStream, image: GlyphTable) -> list[str]:
    """Return a line for the placement of the one row, and for each augmentation that changed its pixels."""
    placed = ", ".join(in_words(image.rows[0], GlyphTable.blank(1).rows[0]))
    lines = [placed] if placed else []
    for stream, step, p in source.layout.pixels:
        drawn = drawn_in_words(step, p, image["key"], stream, source.image_size)
        if drawn is not None:
            lines.append(f"{step.id}: {', '.join(drawn)}" if drawn else step.id)
    return lines

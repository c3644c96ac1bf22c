"""Opening an image source again from its ``spec()``, in this process or another, and the outliers that belong to it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kanatui.dataset.source import ImageSource, OnProgress

if TYPE_CHECKING:
    from kanatui.dataset.outliers import OutlierStream


def open_source(spec: Mapping[str, Any], on_progress: OnProgress | None = None) -> ImageSource:
    """Open a source again from its ``spec()``.

    A spec is ``{"dataset": folder}`` or ``{"recipe": …, "plugins": [folders]}``, the latter with ``"samples": file``
    for a :class:`~kanatui.dataset.mixed.MixedStream`, and ``"alone": true`` if it has no generated images.

    Raises:
        DatasetError: the data set or the file of samples is missing or damaged.
        KanatuiError: the recipe cannot be used on this machine (faces, plugins, ImageMagick).
    """
    if "dataset" in spec:
        from kanatui.dataset.read import open_dataset

        return open_dataset(Path(spec["dataset"]))
    from kanatui.dataset.recipe import Recipe
    from kanatui.dataset.stream import GlyphStream
    from kanatui.plugins.registry import load

    stream = GlyphStream(Recipe.from_dict(spec["recipe"]), load(spec.get("plugins", ())), on_progress)
    if "samples" not in spec:
        return stream
    from kanatui.dataset.mixed import MixedStream, Pictures

    file = Path(spec["samples"])
    return MixedStream(stream, Pictures.load(file), file, bool(spec.get("alone")))


def outliers_of(source: ImageSource, on_progress: OnProgress | None = None) -> OutlierStream | None:
    """Return the outliers that a source's recipe asks for; None if it asks for none, and for written data sets.

    ``on_progress`` counts the faces that are asked whether they have the characters.

    Raises what :class:`~kanatui.dataset.outliers.OutlierStream` raises.
    """
    from kanatui.dataset.mixed import MixedStream
    from kanatui.dataset.stream import GlyphStream

    stream = source.stream if isinstance(source, MixedStream) else source
    if not isinstance(stream, GlyphStream):
        return None
    options = stream.layout.recipe.outliers
    if options is None or not options.share:
        return None
    from kanatui.dataset.outliers import OutlierStream

    return OutlierStream(stream.layout, stream.registry, on_progress)

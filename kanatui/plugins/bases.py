"""Base classes for what a plugin can provide: glyph sources, augmentations, models, observers, formats.

A plugin author subclasses one of these, declares parameters as class attributes, and returns the class from the
hook of its kind. An instance holds the parameters of one use; it never changes.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, runtime_checkable

from kanatui.core.errors import PluginError
from kanatui.core.params import Configurable

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    import numpy.typing as npt
    import torch

    from kanatui.core.rng import Keys
    from kanatui.fonts.faces import Face
    from kanatui.fonts.masters import Masters
    from kanatui.plugins.table import GlyphTable


class Plugin(Configurable):
    """Base of all plugin classes. The first line of the class's or module's docstring is its description."""

    kind: ClassVar[str] = ""
    version: ClassVar[str] = "1"
    """Increase it when the same parameters give other pixels; data sets record it."""

    def _lacks(self, method: str) -> PluginError:
        """Return the error for a plugin that is used in a way for which it has no method."""
        return PluginError(f"{self.kind} {self.id!r} cannot be used like this: its plugin does not define {method}()")


class Placement(Plugin):
    """Sets a glyph's size, shape and position in columns of the glyph table; the renderer draws it accordingly."""

    kind: ClassVar[str] = "placement"

    def grid(self, table: GlyphTable) -> GlyphTable:
        """Multiply the rows by every value offered (``table.cross``).

        The result may depend on the face and on the columns set before, not on the character or key: all characters
        share one grid.
        """
        raise self._lacks("grid")

    def draw(self, table: GlyphTable, keys: Keys) -> GlyphTable:
        """Draw one value for each row (``table.replace``), from ``keys`` alone."""
        raise self._lacks("draw")


class Pixel(Plugin):
    """Changes pixels: white ink (1.0) on black paper (0.0)."""

    kind: ClassVar[str] = "pixel"

    def draw(self, keys: Keys, size: int) -> dict[str, npt.NDArray[Any]]:
        """Draw all random numbers for n images of ``size`` × ``size`` pixels: arrays whose first axis is n.

        Pixel units scale with the image: multiply lengths stated at 64 px by ``size / 64``.
        """
        raise self._lacks("draw")

    def apply(self, images: torch.Tensor, drawn: dict[str, torch.Tensor]) -> torch.Tensor:
        """Return the changed images, float32 [n, 1, H, W] in and out, without using random numbers.

        ``drawn`` holds the arrays of ``draw`` as tensors on the images' device. Values outside 0 … 1 are clipped
        afterwards. An image's result must not depend on the other images or on n: use only element-wise arithmetic,
        pooling, ``grid_sample`` and ``interpolate``; convolutions and matrix products choose their order of summation
        by batch size.
        """
        raise self._lacks("apply")


class Model(Plugin):
    """A classifier's architecture."""

    kind: ClassVar[str] = "model"

    def build(self, image_size: int, num_classes: int) -> torch.nn.Module:
        """Return a module that takes float32 [N, 1, image_size, image_size] in 0 … 1 and returns logits [N, C]."""
        raise self._lacks("build")


class GlyphSource(Plugin):
    """Where masters come from. Installed fonts are one source, pen strokes another."""

    kind: ClassVar[str] = "source"

    def faces(self) -> Sequence[Face]:
        """Return every known face, installed or not; ids are unique across all sources."""
        raise self._lacks("faces")

    def listed(self) -> list[Face]:
        """Return :meth:`faces`, which know the settings that they are drawn with: caches are keyed by these, too."""
        changed = {name: value for name, value in self.values.items() if value != self.parameters()[name].default}
        settings = json.dumps(changed, sort_keys=True) if changed else ""
        return [dataclasses.replace(face, settings=settings) for face in self.faces()] if changed else [*self.faces()]

    def coverage(self, face: Face, characters: str) -> npt.NDArray[np.bool_]:
        """Return which characters the face truly draws, [len(characters)] bool."""
        raise self._lacks("coverage")

    def masters(self, face: Face, characters: str, em: int) -> Masters:
        """Draw each character once, ``em`` pixels per em, white on black, without hinting or placement."""
        raise self._lacks("masters")


class OutlierSource(GlyphSource):
    """Where shapes come from that are no characters; models learn from them to say that they cannot read something.

    The shapes are glyphs like others, under code points of private use.
    """

    kind: ClassVar[str] = "outliers"
    shapes: ClassVar[str] = ""
    """The code points, U+E000 and following ones."""


class Observer(Plugin):
    """Watches one training run, in the process that trains; what it returns is ignored.

    One that raises is named in the run's log and dropped, and the training goes on.
    """

    kind: ClassVar[str] = "observer"

    @classmethod
    def problem(cls) -> str:
        """Return what it needs and does not find here, such as a package and how to install it; "" if nothing."""
        return ""

    def started(self, run: Mapping[str, Any]) -> None:
        """Take the start: ``run`` has ``id``, ``path`` (of the run's folder) and ``config``."""

    def event(self, run: Mapping[str, Any], event: Mapping[str, Any]) -> None:
        """Take one line of ``events.jsonl``; ``event["event"]`` is its kind (:mod:`kanatui.training.events`)."""

    def finished(self, run: Mapping[str, Any]) -> None:
        """Take the end: ``run`` also has ``state`` (finished, stopped or failed) and ``reason``."""


@runtime_checkable
class Exporter(Protocol):
    """Writes a data set or a model in a format that other programs read."""

    name: str
    """What it is called on the command line, such as ``png``."""
    kind: str
    """``dataset`` or ``model``."""
    help: str
    """One line that says what is written, and what reads it."""

    def export(self, subject: Any, out: Path, params: Mapping[str, Any]) -> None:
        """Write ``subject`` to ``out``, which does not exist yet.

        Args:
            subject: an :class:`~kanatui.dataset.source.ImageSource`, or :class:`~kanatui.model.weights.Classifier`.
            out: the file or folder to make.
            params: what the command line or the app passes on, by name.
        """


@runtime_checkable
class Importer(Protocol):
    """Reads labelled images from a format of another program."""

    name: str
    """What it is called on the command line, such as ``idx``."""
    help: str
    """One line that says what it reads."""

    def read(self, path: Path, params: Mapping[str, Any]) -> Iterator[tuple[npt.NDArray[np.uint8], str]]:
        """Yield each image, uint8 [H, W], white ink (255) on black, and the character that it shows."""

"""What training and evaluation read from: images by index, made on the fly or kept on disk."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, Self, runtime_checkable

import numpy as np
import numpy.typing as npt

Images = npt.NDArray[np.uint8]
Indices = npt.NDArray[np.int64]
OnProgress = Callable[[int, int], None]
"""Called with how much is done, and how much there is in total."""
OnStage = Callable[[int, int, str], None]
"""Called with how much is done, the total (0 if not known), and what is being done; may raise to end the work."""


class ImageSource(Protocol):
    """Labelled square images. Index i runs over the characters first, then over each one's images."""

    @property
    def characters(self) -> str:
        """The classes, in order."""

    @property
    def image_size(self) -> int:
        """Pixels along each side."""

    @property
    def face_ids(self) -> tuple[str, ...]:
        """The faces that images are drawn with."""

    @property
    def counts(self) -> Indices:
        """Images of each character, [C]."""

    @property
    def offsets(self) -> Indices:
        """First index of each character, and the total, [C + 1]."""

    def __len__(self) -> int: ...

    def images(self, indices: npt.ArrayLike) -> Images:
        """Return uint8 [n, H, W], white ink (255) on black; an index always gives the same pixels."""

    def labels(self, indices: npt.ArrayLike) -> Indices:
        """Return which of ``characters`` each image shows, [n]."""

    def numbers(self, label: int) -> Indices:
        """Return the image numbers of one character in the order of its indices; splits are made by number."""

    def faces(self, indices: npt.ArrayLike) -> Indices:
        """Return which of ``face_ids`` drew each image, [n]."""

    def spec(self) -> dict[str, Any]:
        """Return plain data from which :func:`open_source` makes the same source in another process."""


@runtime_checkable
class Augmentable(ImageSource, Protocol):
    """A source whose augmentations can be changed while it is in use, unlike those of a written data set."""

    @property
    def augments(self) -> list[dict[str, Any]]:
        """The current steps, in the form of a recipe's ``[[augment]]`` tables."""

    def with_augments(self, augments: Sequence[Mapping[str, Any]]) -> Self:
        """Return the same images with other steps; this source is not changed.

        ParameterError, PluginError or RecipeError if the steps are wrong or would change which images there are.
        """

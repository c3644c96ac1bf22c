"""kanatui in programs of your own: read pictures, make images, train, evaluate. `import kanatui` has all of it.

::

    import kanatui

    print(kanatui.load().read("picture.png").character)
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch
from torch.utils.data import Dataset as TorchDataset
from typing_extensions import override

from kanatui.core.errors import ImageError, UsageError
from kanatui.dataset.open import open_source
from kanatui.dataset.recipe import Recipe, find_recipe
from kanatui.dataset.source import ImageSource
from kanatui.dataset.stream import GlyphStream
from kanatui.evaluation import evaluate as evaluations
from kanatui.evaluation.probabilities import classify_hypotheses
from kanatui.evaluation.recognize import Reading, rank
from kanatui.evaluation.store import Evaluation
from kanatui.kana.sets import parse_characters
from kanatui.model.weights import Classifier, load_weights
from kanatui.pictures.files import read_image
from kanatui.pictures.prepare import Hypotheses, hypotheses
from kanatui.plugins import registry
from kanatui.training.config import make_config
from kanatui.training.events import Event
from kanatui.training.options import merge
from kanatui.training.runs import Run, find_weights, list_runs, plain_run_name, usual_weights
from kanatui.training.session import train_run

if TYPE_CHECKING:
    from PIL import Image

    Picture = str | Path | Image.Image | npt.NDArray[np.generic]


@dataclasses.dataclass(frozen=True)
class Read:
    """What was read in a picture."""

    readings: tuple[Reading, ...]
    """The likeliest first; each has ``character``, ``probability`` and ``folded`` (with its look-alikes), 0 … 1."""
    certainty: float
    """How sure the model is that the picture shows any of its characters, 0 … 1."""
    refused: bool
    """Whether that is too little to believe the readings."""

    @property
    def character(self) -> str:
        """The likeliest character."""
        return self.readings[0].character

    @property
    def probability(self) -> float:
        """Its probability, 0 … 1."""
        return self.readings[0].probability


class Reader:
    """A model that reads pictures of single characters; :func:`load` makes it."""

    def __init__(self, classifier: Classifier) -> None:
        """Read with a classifier; ``classifier.module`` is the torch module."""
        self.classifier = classifier

    @property
    def characters(self) -> str:
        """What it can read, in the order of its outputs."""
        return self.classifier.characters

    def read(self, image: Picture, top: int = 5, characters: str | None = None) -> Read:
        """Read one character.

        Args:
            image: a file, a Pillow image, or an array [H, W], [H, W, 3] or [H, W, 4] of any size; dark on light or
                light on dark.
            top: how many readings to give.
            characters: the candidates, such as ``hiragana`` or ``あいう``; all that the model knows if not given.

        Raises:
            ImageError: the picture cannot be opened; NoInkError if there is no ink in it.
            UsageError: the model knows none of the candidates.
        """
        return self.read_many([image], top, characters)[0]

    def read_many(self, images: Sequence[Picture], top: int = 5, characters: str | None = None) -> list[Read]:
        """Read one character in each picture, faster together than one by one. Raises as :meth:`read`."""
        if not images:
            return []
        wanted = None if characters is None else parse_characters(characters)
        found = classify_hypotheses(self.classifier, [self._prepared(image) for image in images], wanted)
        ranked = rank(found.probabilities, self.characters, top, wanted)
        refused = self.classifier.calibration.refuses(found.certainty)
        return [
            Read(tuple(readings), float(sure), bool(doubt))
            for readings, sure, doubt in zip(ranked, found.certainty, refused, strict=True)
        ]

    def _prepared(self, image: Picture) -> Hypotheses:
        if isinstance(image, str | Path):
            return read_image(Path(image), self.classifier.image_size)
        try:
            return hypotheses(image, self.classifier.image_size)
        except (TypeError, ValueError) as error:
            raise ImageError(f"not a picture: {error}") from None


def load(model: str | Path = "", device: str = "cpu") -> Reader:
    """Open a model for reading.

    Args:
        model: ``default`` (the one that ships), a run's number, id, name or title, ``latest``, or a weights file; the
            shipped one, or else the newest, if not given.
        device: where to compute, such as ``cuda``.

    Raises:
        RunError, WeightsError: there is no such model, or its file is damaged.
    """
    return Reader(load_weights(find_weights(str(model)) if model else usual_weights(), device))


class Glyphs(TorchDataset[tuple[torch.Tensor, int]]):
    """Labelled images as a map-style torch data set; :func:`stream` makes it.

    Image i is a function of the recipe and i alone: shuffled, in batches of any size, in any number of workers of a
    ``DataLoader``, which divides the indices among them. Each worker opens the recipe itself.
    """

    def __init__(self, source: ImageSource) -> None:
        """Serve the images of a source."""
        self.source = source

    @property
    def characters(self) -> str:
        """The classes: a label is an index into them."""
        return self.source.characters

    @property
    def image_size(self) -> int:
        """Pixels along each side."""
        return self.source.image_size

    def __len__(self) -> int:
        return len(self.source)

    @override
    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        """Return image ``index``, float32 [1, H, W], ink 1 on paper 0, and its label. IndexError if there is none."""
        return self.__getitems__([index])[0]

    def __getitems__(self, indices: Sequence[int]) -> list[tuple[torch.Tensor, int]]:
        """Return some images at once, which takes a small part of the time; a ``DataLoader`` asks in this way."""
        if any(not 0 <= index < len(self) for index in indices):
            raise IndexError(f"image index out of range 0 … {len(self) - 1}")
        wanted = np.asarray(indices, dtype=np.int64)
        images = torch.from_numpy(self.source.images(wanted)).unsqueeze(1).float().div_(255.0)
        return list(zip(images, self.source.labels(wanted).tolist(), strict=True))

    @override
    def __reduce__(self) -> tuple[Callable[[Mapping[str, Any]], Glyphs], tuple[dict[str, Any]]]:
        return _opened, (self.source.spec(),)


def _opened(spec: Mapping[str, Any]) -> Glyphs:
    return Glyphs(open_source(spec))


def stream(recipe: str | Path | Recipe = "handwriting", **changes: Any) -> Glyphs:
    """Open a recipe's images, or those of a written data set, as a torch data set; nothing is written to disk.

    Args:
        recipe: the name or file of a recipe, a recipe, or the folder of a written data set.
        changes: fields of the recipe to change, such as ``image_size=32``, ``characters="hiragana"``, ``seed=7``.

    Raises:
        UsageError: there is no such recipe. RecipeError, ParameterError: it, or a change, is invalid.
        FontError: no face is installed that draws its characters. DatasetError: the data set is not complete.
    """
    if not isinstance(recipe, Recipe) and (Path(recipe) / "manifest.json").is_file():
        if changes:
            raise UsageError(f"{recipe}: a written data set cannot be changed")
        return _opened({"dataset": str(Path(recipe).resolve())})
    found = recipe if isinstance(recipe, Recipe) else find_recipe(str(recipe))
    return Glyphs(GlyphStream(found.but(**changes), registry.load()))


def train(
    images: str | Path | Recipe | Glyphs = "handwriting",
    *,
    name: str = "",
    parameters: Mapping[str, Any] | None = None,
    on_event: Callable[[Event], None] | None = None,
    **options: Any,
) -> Run:
    """Train a model, here and now, and return its run; ``load(run.id)`` reads with it.

    Interrupted by Ctrl-C, it stops with a checkpoint.

    Args:
        images: what :func:`stream` takes or returned.
        name: of the run; the recipe's if not given.
        parameters: of the model.
        on_event: called with each event of the training (:mod:`kanatui.training.events`).
        options: as after ``kanatui train``: ``minutes=8``, ``epochs=2``, ``model="article_cnn"``, ``batch_size=64`` …

    Raises:
        ParameterError: an option or parameter is unknown or out of range. PluginError: there is no such model.
        KanatuiError: what :func:`stream` raises, or the training could not start or continue.
    """
    glyphs = images if isinstance(images, Glyphs) else stream(images)
    source = glyphs.source
    recipe = source.layout.recipe if isinstance(source, GlyphStream) else None
    chosen, values = merge(recipe.train if recipe else {}, options, parameters)
    registry.load().model(chosen.model)(**values)
    about = recipe.name if recipe else ""
    config = make_config(source.spec(), source.characters, source.face_ids, chosen, values, about)
    run = Run.create(name or plain_run_name(about or "python"), config)
    train_run(run, [on_event] if on_event else [], source=source)
    return run


def evaluate(
    model: str | Path | Run = "default",
    images: str | Path | None = None,
    *,
    labels: str = "",
    faces: bool = False,
    characters: str | None = None,
    limit: int | None = None,
) -> Evaluation:
    """Score a model on images that it was not trained on, and keep the result with its run, as the app does.

    Args:
        model: what :func:`load` takes, or a run.
        images: a folder or array file of labelled pictures; the model's own held-out images if not given.
        labels: how the pictures' labels are written (`kanatui evaluate --help`); judged by themselves if not given.
        faces: whether to use the images of held-out faces instead.
        characters: the candidates; all that the model knows if not given.
        limit: the most images to read.

    Returns:
        the evaluation: ``total["strict"]`` and the other metrics, 0 … 1, ``by_script``, and ``load()`` for each image's
        reading.

    Raises:
        KanatuiError: the model or the images cannot be opened, or do not fit each other.
    """
    source: dict[str, Any] = {"kind": "faces" if faces else "held_out"}
    if images is not None:
        source = {"kind": "folder", "path": str(images)} | ({"labels": labels} if labels else {})
    wanted = None if characters is None else parse_characters(characters)
    reference = model.id if isinstance(model, Run) else str(model)
    return evaluations.evaluate(reference, source, wanted, limit, lambda done, total, text: None)


def runs() -> list[Run]:
    """Return all runs, the oldest first: each has ``id``, ``config``, ``status()``, ``events()`` and ``weights()``."""
    return list_runs()

"""Adapting a model to one person's handwriting: a short training that starts from the model's weights.

It is a run like any other. It trains on variants of the samples mixed with generated images
(:mod:`kanatui.dataset.mixed`). Before and after, it scores the model on held-out samples and on held-out generated
images. Weights and samples are copied into the run, so that it can be continued and repeated even if the originals are
deleted.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kanatui.core import paths, storage
from kanatui.core.errors import ImageError, KanatuiError, RunError
from kanatui.core.units import percent
from kanatui.evaluation.samples import Sample
from kanatui.evaluation.samples import samples as find_samples
from kanatui.kana.sets import spell_characters
from kanatui.model.card import read_card
from kanatui.training.config import make_config
from kanatui.training.options import TrainingOptions
from kanatui.training.provenance import Provenance, provenance_of
from kanatui.training.runs import Run, find_weights, usual_weights

if TYPE_CHECKING:
    from kanatui.dataset.mixed import MixedStream, Pictures
    from kanatui.dataset.recipe import Recipe
    from kanatui.training.events import Event

MINUTES = 1.0
LEARNING_RATE = 0.001
"""The peak: an eighth of the default for training from scratch."""

LEAST, LEAST_HELD_BACK = 20, 2
"""The minimum of all samples, and of those held out for scoring, which are one in five.

Adapted to 20 samples of each of three Omniglot writers, the model read 25 → 31, 43 → 45 and 42 → 42 of their 45 or 46
drawings, adapted to 10 as many as before (docs/SHEETS.md).
"""

_NAME = "adapted"

OnProgress = Callable[[int, int], None]


def create(
    model: str | None = None,
    samples: Path | None = None,
    minutes: float = MINUTES,
    learning_rate: float = LEARNING_RATE,
    name: str | None = None,
    on_progress: OnProgress = lambda done, total: None,
    labels: str = "auto",
) -> tuple[Run, list[str]]:
    """Make a run that adapts a model, without training it yet.

    Args:
        model: a run, ``default``, a weights file, or None for the model that is used when none is named.
        samples: a folder of labelled pictures to use instead of the user's drawings.
        minutes: how long to train.
        learning_rate: the peak.
        name: of the run.
        labels: how the labels in the folder are written (:func:`kanatui.pictures.labelled.find_labelled`).

    Returns:
        The run, and a message for each sample that was left out.

    Raises:
        RunError: there are too few samples, or it is not known what the model was trained on.
        KanatuiError: the model or the samples cannot be opened, an option is out of range, or the run cannot be
            written.
    """
    weights = find_weights(model) if model else usual_weights()
    origin, card = provenance_of(weights), read_card(weights)
    found = find_samples(samples, labels)
    pictures, left_out = collect(found, card["characters"], card["image_size"], on_progress)
    _require_enough(pictures, samples)
    recipe, plugins = origin.recipe(), list(origin.source.get("plugins", ()))
    options = _options(origin, card, minutes, learning_rate)
    run = Run.create(name or _NAME, {})
    try:
        first, kept = run.path / "first.safetensors", run.path / "samples.npz"
        storage.write_bytes(first, weights.read_bytes())
        pictures.save(kept)
        source = {"recipe": recipe.to_dict(), "plugins": plugins, "samples": str(kept)}
        parameters = card["model"]["parameters"]
        config = make_config(source, card["characters"], recipe.faces, options, parameters, card.get("recipe", ""))
        run.configure(config | {"adapt": {"from": origin.id, "weights": str(first)} | _counts(pictures)})
    except (KanatuiError, OSError):
        run.discard()
        raise
    return run, left_out


def train_on_pictures(
    place: Path,
    labels: str,
    recipe: Recipe,
    on_progress: OnProgress,
    characters: str | None = None,
) -> tuple[MixedStream, Pictures, list[str]]:
    """Open labelled pictures as what a model is trained on: variants of them, by a recipe's steps, and nothing else.

    Args:
        place: a folder or array file of labelled pictures.
        labels: how their labels are written (:func:`kanatui.pictures.labelled.find_labelled`).
        recipe: what its images are: size, how many of each character, pixel augmentations.
        on_progress: counts pictures.
        characters: those to learn; all that there are pictures of if not given.

    Returns:
        the source, its pictures (to be saved where its ``spec()`` says), and a message for each picture left out.

    Raises:
        RunError: too few pictures, or a character whose pictures are all held out.
        KanatuiError: the pictures cannot be found, or no installed face has their characters.
    """
    from kanatui.dataset.mixed import MixedStream
    from kanatui.dataset.stream import GlyphStream
    from kanatui.plugins.registry import load

    found = find_samples(place, labels)
    shown = "".join(dict.fromkeys(sample.character for sample in found))
    wanted = "".join(character for character in shown if characters is None or character in characters)
    if not wanted:
        raise RunError(f"{place}: no picture shows any of {characters or 'the characters that a model can learn'}")
    stream = GlyphStream(recipe.but(characters=spell_characters(wanted)), load())
    kept = [sample for sample in found if sample.character in stream.characters]
    pictures, left_out = collect(kept, stream.characters, recipe.image_size, on_progress)
    learnt = {c for c, held in zip(pictures.characters, pictures.held_back.tolist(), strict=True) if not held}
    if missing := [character for character in stream.characters if character not in learnt]:
        raise RunError(
            f"{place}: one picture in five is held out for scoring, and none is left of {' '.join(missing[:12])}; add "
            "pictures of these, or leave them out with --characters"
        )
    return MixedStream(stream, pictures, paths.runs() / "samples.npz", alone=True), pictures, left_out


def collect(
    samples: Sequence[Sample], characters: str, size: int, on_progress: OnProgress = lambda done, total: None
) -> tuple[Pictures, list[str]]:
    """Prepare samples in the same way as for reading.

    Returns:
        The samples that show one of ``characters``, ``size`` pixels each; and a message for each sample left out.
    """
    from kanatui.dataset.mixed import Pictures  # imports torch, which changes() does not need
    from kanatui.pictures.files import picture_bytes

    images, shown, keys, left_out = [], [], [], []
    for done, sample in enumerate(samples, start=1):
        try:
            if sample.character not in characters:
                raise ImageError(f"{sample.path}: the model does not know {sample.character}")
            images.append(sample.prepared(size))
            keys.append(int.from_bytes(hashlib.sha256(picture_bytes(sample.path)).digest()[:8], "little"))
            shown.append(sample.character)
        except ImageError as error:
            left_out.append(str(error))
        on_progress(done, len(samples))
    stacked = np.stack(images) if images else np.empty((0, size, size), dtype=np.uint8)
    return Pictures(stacked, "".join(shown), np.array(keys, dtype=np.uint64)), left_out


def _require_enough(pictures: Pictures, folder: Path | None) -> None:
    there, held = len(pictures.keys), int(pictures.held_back.sum())
    missing = max(LEAST - there, (LEAST_HELD_BACK - held) * 5)
    if missing > 0:
        where = f"in {folder}" if folder else "among your drawings"
        raise RunError(
            f"{there} samples {where} that the model can read, {held} of them held out for scoring: draw about "
            f"{missing} more (screen 4 of the app), or import some"
        )


def _counts(pictures: Pictures) -> dict[str, int]:
    held = int(pictures.held_back.sum())
    return {"samples": len(pictures.keys) - held, "held_back": held}


def _options(origin: Provenance, card: Mapping[str, Any], minutes: float, learning_rate: float) -> TrainingOptions:
    """Return the options of the model's own training, as far as known, with a short schedule and a low peak."""
    theirs = origin.config.get("train", {})
    known = {name: theirs[name] for name in TrainingOptions.parameters() if name in theirs}
    changed = {
        "model": card["model"]["id"],
        "epochs": 0,
        "minutes": minutes,
        "learning_rate": learning_rate,
        "schedule": "one_cycle",
        "averaging": 0.99,
        "validations": 1,
        "hold_out": known.get("hold_out") or TrainingOptions.hold_out.default,
        "device": "auto",
    }
    return TrainingOptions(**known | changed)


_KINDS = {"samples": "{:,} held-back drawings", "held_out": "generated"}
"""What is scored: its name in events (:mod:`kanatui.training.events`), and for people, who are told of how few it is.
"""

_SLACK = {"samples": 0.0, "held_out": 0.005}
"""How far the folded score may fall before it counts as worse: adapting makes a model forget a little."""


@dataclasses.dataclass(frozen=True)
class Change:
    """Scores (``images``, ``loss``, ``strict``, ``folded``; shares 0 … 1) before and after."""

    before: Mapping[str, float]
    after: Mapping[str, float]


def changes(run: Run) -> dict[str, Change]:
    """Return the scores before and after, on held-out ``samples`` and on ``held_out`` generated images.

    Empty for a run that adapts nothing or has not finished.
    """
    events: list[Event] = []
    reader = run.events()
    while read := reader.read():
        events += [event for event in read if event["event"] == "validation"]
    first = next((event for event in events if event["step"] == 0), None)
    if first is None or not events[-1]["step"]:
        return {}
    return {kind: Change(first[kind], events[-1][kind]) for kind in _KINDS if kind in first and kind in events[-1]}


def got_worse(found: Mapping[str, Change]) -> bool:
    """Return whether a folded score fell: at all on the drawings, or by more than half a point on generated images."""
    return any(change.after["folded"] < change.before["folded"] - _SLACK[kind] for kind, change in found.items())


def in_words(found: Mapping[str, Change]) -> str:
    """Return the folded scores before and after, in one line of text."""
    texts = []
    for kind, change in found.items():
        before, after = percent(change.before["folded"]), percent(change.after["folded"])
        texts.append(f"{_KINDS[kind].format(change.after['images'])} {before} → {after}")
    return ", ".join(texts)

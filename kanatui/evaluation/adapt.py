"""Adapting a model to somebody's own hand: a short training that begins with the model's weights.

It is a run like any other. It trains on variants of the samples together with generated images
(:mod:`kanatui.dataset.mixed`), and scores the model on the samples held back and on the held-out generated images,
before and after. Weights and samples are copied into the run, so that it can be continued and repeated whatever becomes
of them.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kanatui.core import storage
from kanatui.core.errors import ImageError, KanatuiError, RunError
from kanatui.core.units import percent
from kanatui.evaluation.samples import Sample
from kanatui.evaluation.samples import samples as find_samples
from kanatui.model.card import read_card
from kanatui.training.config import make_config
from kanatui.training.options import TrainingOptions
from kanatui.training.provenance import Provenance, provenance_of
from kanatui.training.runs import Run, find_weights, usual_weights

if TYPE_CHECKING:
    from kanatui.dataset.mixed import Pictures
    from kanatui.training.events import Event

MINUTES = 1.0
LEARNING_RATE = 0.001
"""The highest: an eighth of what a training from nothing wants."""

LEAST, LEAST_HELD_BACK = 40, 4
"""Samples to adapt to, and to judge by: one in five of the former is held back."""

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
    """Make a run that adapts a model; it has yet to be trained.

    Args:
        model: a run, ``default``, a weights file, or None for what is used where none is named.
        samples: a folder of labelled pictures, in place of the drawings that were kept.
        minutes: how long to train.
        learning_rate: the highest.
        name: of the run.
        on_progress: told how many samples are prepared, and how many there are.
        labels: how the labels in the folder are written (:func:`kanatui.pictures.labelled.find_labelled`).

    Returns:
        The run, and why each sample was left out that was.

    Raises:
        RunError: there are too few samples, or nothing tells what the model was trained on.
        KanatuiError: the model or the samples cannot be opened, an option is out of range, or the run not be written.
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


def collect(
    samples: Sequence[Sample], characters: str, size: int, on_progress: OnProgress = lambda done, total: None
) -> tuple[Pictures, list[str]]:
    """Prepare samples as they would be for reading.

    Returns:
        those that show one of ``characters``, ``size`` pixels each; and why each other one was left out.
    """
    from kanatui.dataset.mixed import Pictures  # torch, which who only asks what adapting changed need not wait for
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
            f"{there} samples {where} that the model can read, {held} of them held back for judging: draw about "
            f"{missing} more (screen 4 of the app), or import some"
        )


def _counts(pictures: Pictures) -> dict[str, int]:
    held = int(pictures.held_back.sum())
    return {"samples": len(pictures.keys) - held, "held_back": held}


def _options(origin: Provenance, card: Mapping[str, Any], minutes: float, learning_rate: float) -> TrainingOptions:
    """Return the options of the model's own training, as far as they are known, with a short and gentle course."""
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


_KINDS = {"samples": "held-back drawings", "held_out": "generated"}
"""What is scored, as the events of :mod:`kanatui.training.events` name it, and how people are told of it."""

_SLACK = {"samples": 0.0, "held_out": 0.005}
"""By how much the folded score may fall before it counts as worse: a little forgetting is the price of adapting."""


@dataclasses.dataclass(frozen=True)
class Change:
    """Scores (``images``, ``loss``, ``strict``, ``folded``; shares 0 … 1) before and after."""

    before: Mapping[str, float]
    after: Mapping[str, float]


def changes(run: Run) -> dict[str, Change]:
    """Return what adapting changed, of the ``samples`` held back and of the ``held_out`` generated images.

    Empty for a run that adapts nothing or has not come to its end.
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
    """Say whether any folded score fell: of the drawings at all, of generated images by more than half a point."""
    return any(change.after["folded"] < change.before["folded"] - _SLACK[kind] for kind, change in found.items())


def in_words(found: Mapping[str, Change]) -> str:
    """Tell the folded scores before and after in one line."""
    return ", ".join(
        f"{_KINDS[kind]} {percent(change.before['folded'])} → {percent(change.after['folded'])}"
        for kind, change in found.items()
    )

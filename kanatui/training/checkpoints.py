"""Saves and loads the state of a training: everything needed to continue it, in one file of tensors and JSON."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import json
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch

from kanatui.core import checked, storage
from kanatui.core.checked import Count, Finite
from kanatui.core.errors import RunError
from kanatui.dataset.source import ImageSource
from kanatui.model import seal
from kanatui.model.metrics import BEST
from kanatui.model.weights import pack, save_weights
from kanatui.training.learner import Learner

FORMAT = 1
_KEY = "kanatui.state"

_SOONEST = 2.0
"""Seconds between checkpoints when epochs are shorter than that."""

_MOST_SAVING = 0.05
"""Most of the time that writing may take, as a share: the article's network at 256 px has a state of 1 GB."""


@dataclasses.dataclass
class Progress:
    """The progress of a training, without tensors. Dropout and order need nothing here: they follow from the step."""

    step: Count = 0
    elapsed: Finite = 0.0
    """Seconds of training, without pauses."""
    best: dict[str, Any] | None = None
    """The best validation: ``step strict folded``."""
    precision: str = ""
    """The number format chosen at the start; it stays when the training is continued."""
    source: dict[str, Any] = dataclasses.field(default_factory=dict)
    """A description of the data (characters, image size, number of images, faces)."""
    augments: list[dict[str, Any]] | None = None
    """The current augmentations, None while they are the recipe's."""


@dataclasses.dataclass
class _Versioned:
    format: int


class Keeper:
    """Writes the checkpoints of a training: ``state`` to continue from, and the weights ``best`` and ``last``."""

    def __init__(self, folder: Path, card: Mapping[str, Any], longest: float, *, writes: bool = True) -> None:
        """Set up.

        Args:
            card: the card for weights files (:mod:`kanatui.model.weights`); scores and times are added.
            longest: most seconds between two checkpoints.
            writes: False in the processes of a distributed training other than the first.
        """
        self._folder, self._card, self._longest, self._writes = folder, card, longest, writes
        self._saved, self._taking = time.monotonic(), 0.0
        self.step = -1
        """The step of the last checkpoint, -1 if it is out of date."""

    @property
    def state(self) -> Path:
        """The file to continue from."""
        return self._folder / "state.safetensors"

    @property
    def before(self) -> Path:
        """The checkpoint before that."""
        return self._folder / "before.safetensors"

    def due(self, epoch_ends: bool) -> bool:
        """Whether to save: at the end of an epoch or after a while, unless writing would take too much of the time."""
        wait = min(_SOONEST, self._longest) if epoch_ends else self._longest
        return time.monotonic() - self._saved >= max(wait, self._taking / _MOST_SAVING)

    def save(self, progress: Progress, learner: Learner) -> bool:
        """Write a checkpoint: the state and the current weights. Returns whether this process writes."""
        self._saved, self.step = time.monotonic(), progress.step
        if self._writes:
            self._keep_before()
            save_state(self.state, progress, learner)
            self.save_weights("last", learner.inference_model, progress.elapsed, {"step": progress.step})
            self._taking = time.monotonic() - self._saved
        return self._writes

    def _keep_before(self) -> None:
        """Keep the state until now, as another name of its file: it takes over if the next is found damaged."""
        draft = self.before.with_name(f".{self.before.name}.{os.getpid()}.tmp")
        with storage.storing(self.before), contextlib.suppress(FileNotFoundError):  # there is none yet
            # After a save that was killed here, both are one file, and renaming would leave the draft where it is.
            if not (self.before.exists() and self.before.samefile(self.state)):
                os.link(self.state, draft)
                os.replace(draft, self.before)

    def load(self, learner: Learner) -> tuple[Progress, bool]:
        """Load the last state into a learner, or the one before it if that is damaged.

        Returns:
            Its progress, and whether it is the last.

        Raises:
            RunError: neither can be continued from.
        """
        try:
            return load_state(self.state, learner), True
        except RunError as error:
            if not self.before.exists():
                raise
            try:
                return load_state(self.before, learner), False
            except RunError:
                raise error from None

    def save_weights(self, name: str, module: torch.nn.Module, seconds: float, scores: Mapping[str, Any]) -> None:
        """Write weights with their scores and their seconds of training."""
        today = datetime.date.today().isoformat()
        card = {**self._card, "scores": dict(scores), "seconds": round(seconds, 1), "date": today}
        save_weights(self._folder / f"{name}.safetensors", module, card)


def save_state(path: Path, progress: Progress, learner: Learner) -> None:
    """Write the state atomically. StorageError if it cannot be written."""
    tensors = {f"model.{name}": tensor for name, tensor in learner.model.state_dict().items()}
    if learner.average is not None:
        tensors |= {f"average.{name}": tensor for name, tensor in learner.average.state_dict().items()}
    for index, moments in learner.optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{index}.{name}": tensor for name, tensor in moments.items()}
    text = json.dumps({"format": FORMAT, **dataclasses.asdict(progress)}, ensure_ascii=False)
    seal.write(path, pack(tensors, {_KEY: text}))


def load_state(path: Path, learner: Learner) -> Progress:
    """Load a saved state into a learner, and return its progress.

    RunError if the file is damaged or belongs to another model or other options.
    """
    try:
        seal.check(path)
        with safetensors.safe_open(path, framework="pt") as file:
            text = (file.metadata() or {})[_KEY]
        tensors = safetensors.torch.load_file(path)
        if checked.parse(text, _Versioned).format != FORMAT:
            raise RunError(f"{path}: written by another version of kanatui; start a new run")
        progress = checked.parse(text, Progress)
        if progress.best is not None:
            checked.check(progress.best, BEST)
        learner.model.load_state_dict(_under("model.", tensors))
        if learner.average is not None:
            learner.average.load_state_dict(_under("average.", tensors))
        optimizer = learner.optimizer
        optimizer.load_state_dict({"state": _moments(tensors), "param_groups": optimizer.state_dict()["param_groups"]})
        _lay_out_as_weights(optimizer)
    except (OSError, safetensors.SafetensorError, KeyError, ValueError, TypeError, RuntimeError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise RunError(f"{path}: cannot be continued from ({reason}); start a new run") from error
    return progress


def _under(prefix: str, tensors: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}


def _lay_out_as_weights(optimizer: torch.optim.Optimizer) -> None:
    """Give moments the memory layout of their weights: files do not keep it, and fused Adam needs them equal."""
    for parameter, moments in optimizer.state.items():
        for name, tensor in moments.items():
            if tensor.shape == parameter.shape:
                moments[name] = torch.empty_like(parameter).copy_(tensor)


def _moments(tensors: Mapping[str, torch.Tensor]) -> dict[int, dict[str, torch.Tensor]]:
    """Rebuild the optimizer's state, {parameter index: {name: tensor}}."""
    state: dict[int, dict[str, torch.Tensor]] = {}
    for name, tensor in _under("optimizer.", tensors).items():
        index, _, key = name.partition(".")
        state.setdefault(int(index), {})[key] = tensor
    return state


def signature(source: ImageSource) -> dict[str, Any]:
    """Return the properties of the data that must not change for a training to be continued."""
    return {
        "characters": source.characters,
        "image_size": source.image_size,
        "images": len(source),
        "faces": list(source.face_ids),
    }

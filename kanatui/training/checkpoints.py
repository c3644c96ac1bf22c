"""Training state on disk: everything that decides how a training goes on, as tensors and JSON in one file."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch

from kanatui import storage
from kanatui.errors import RunError
from kanatui.weights import pack

FORMAT = 1
_KEY = "kanatui.state"


@dataclasses.dataclass
class Progress:
    """Where a training stands, apart from tensors. Dropout and order need nothing here: they follow from the step."""

    step: int = 0
    elapsed: float = 0.0
    """Seconds of training, pauses not counted."""
    best: dict[str, Any] | None = None
    """The best validation: ``step strict folded``."""
    precision: str = ""
    """The number format chosen at the start, kept when the training is continued."""
    source: dict[str, Any] = dataclasses.field(default_factory=dict)
    """What the data looked like (characters, image size, number of images, faces)."""


def save_state(
    path: Path,
    progress: Progress,
    model: torch.nn.Module,
    average: torch.nn.Module | None,
    optimizer: torch.optim.Optimizer,
) -> None:
    """Write the state by atomic rename. StorageError if it cannot be written."""
    tensors = {f"model.{name}": tensor for name, tensor in model.state_dict().items()}
    if average is not None:
        tensors |= {f"average.{name}": tensor for name, tensor in average.state_dict().items()}
    for index, moments in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{index}.{name}": tensor for name, tensor in moments.items()}
    text = json.dumps({"format": FORMAT, **dataclasses.asdict(progress)}, ensure_ascii=False)
    storage.write_bytes(path, pack(tensors, {_KEY: text}))


def load_state(
    path: Path, model: torch.nn.Module, average: torch.nn.Module | None, optimizer: torch.optim.Optimizer
) -> Progress:
    """Put a saved state into the objects given, and return the rest.

    RunError if the file is damaged or belongs to another model or other options.
    """
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            text = (file.metadata() or {})[_KEY]
        tensors = safetensors.torch.load_file(path)
        data = json.loads(text)
        if data.pop("format") != FORMAT:
            raise RunError(f"{path}: written by another version of kanatui; start a new run")
        progress = Progress(**data)
        model.load_state_dict(_under("model.", tensors))
        if average is not None:
            average.load_state_dict(_under("average.", tensors))
        optimizer.load_state_dict({"state": _moments(tensors), "param_groups": optimizer.state_dict()["param_groups"]})
        _lay_out_as_weights(optimizer)
    except (OSError, safetensors.SafetensorError, KeyError, ValueError, TypeError, RuntimeError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise RunError(f"{path}: cannot be continued from ({reason}); start a new run") from error
    return progress


def _under(prefix: str, tensors: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}


def _lay_out_as_weights(optimizer: torch.optim.Optimizer) -> None:
    """Give moments the memory order of their weights; files keep none, and fused Adam walks both as they lie."""
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

"""Weights files: a trained classifier in one file that cannot run code.

A safetensors file whose metadata holds a *card*, JSON under the key ``kanatui``::

    {"format": 1, "model": {"id": "compact_cnn", "parameters": {…}}, "characters": "ぁあ…", "image_size": 64,
     "kanatui": "0.1.0", "recipe": "handwriting", "scores": {…}, "seed": 0, "seconds": 480.0, "date": "2026-11-22"}

The architecture itself is the model plugin's; the file says only which one and with which parameters.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import safetensors
import safetensors.torch
import torch

from kanatui import __version__, storage
from kanatui.errors import KanatuiError, WeightsError
from kanatui.plugins import Registry, load

FORMAT = 1
_KEY = "kanatui"
_LONGEST_CARD = 1 << 20
_MOST_CHARACTERS = 100_000
_LARGEST_IMAGE = 4096
_PIXELS_AT_ONCE = 1 << 20
"""Pixels to a pass: 256 images of 64 px, few enough that activations stay in the processor's cache."""


class Classifier:
    """A network together with what its outputs mean."""

    def __init__(
        self, module: torch.nn.Module, characters: str, image_size: int, card: Mapping[str, Any], device: torch.device
    ) -> None:
        self.module = module
        self.characters = characters
        """What each output stands for, in order."""
        self.image_size = image_size
        self.card = dict(card)
        self.device = device

    def logits(self, images: npt.NDArray[np.uint8]) -> torch.Tensor:
        """Classify images of the model's size, white on black: uint8 [n, H, W] in, float32 [n, C] on the CPU out."""
        at_once = max(1, _PIXELS_AT_ONCE // self.image_size**2)
        parts = [torch.empty(0, len(self.characters))]
        with torch.inference_mode():
            for start in range(0, len(images), at_once):
                part = torch.from_numpy(np.ascontiguousarray(images[start : start + at_once])).to(self.device)
                parts.append(self.module(part.unsqueeze(1).float().div_(255.0)).float().cpu())
        return torch.cat(parts)


def save_weights(path: Path, module: torch.nn.Module, card: Mapping[str, Any]) -> None:
    """Write a module's weights and its card by atomic rename.

    Args:
        card: as in this module's docstring; ``format`` and ``kanatui`` are added.

    Raises:
        StorageError: the file cannot be written.
    """
    text = json.dumps({"format": FORMAT, "kanatui": __version__, **card}, ensure_ascii=False)
    storage.write_bytes(path, pack(module.state_dict(), {_KEY: text}))


def pack(tensors: Mapping[str, torch.Tensor], metadata: Mapping[str, str]) -> bytes:
    """Return the bytes of a safetensors file. Tensors that share memory are written once for each name."""
    # In memory first: the library writes files by its own means, and its errors do not tell a full disk from others.
    plain: dict[str, torch.Tensor] = {}
    memory: set[int] = set()
    for name, tensor in tensors.items():
        own = tensor.detach().cpu().contiguous()
        if own.untyped_storage().data_ptr() in memory:
            own = own.clone()
        memory.add(own.untyped_storage().data_ptr())
        plain[name] = own
    return safetensors.torch.save(plain, dict(metadata))


def read_card(path: Path) -> dict[str, Any]:
    """Return a weights file's card, checked, without reading the weights. WeightsError if it is none."""
    try:
        if not path.is_file():
            raise WeightsError(f"{path}: no such file")
        with safetensors.safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
    except (OSError, safetensors.SafetensorError) as error:
        raise WeightsError(f"{path}: not a weights file, or damaged ({_one_line(error)})") from None
    return _parse_card(path, metadata.get(_KEY))


def load_weights(path: Path, device: str | torch.device = "cpu", registry: Registry | None = None) -> Classifier:
    """Load a classifier, ready to classify.

    Args:
        path: a file that :func:`save_weights` wrote; anything else is refused, whatever it holds.
        device: where to compute.
        registry: the plugins to take the model from; all that are installed if not given.

    Raises:
        WeightsError: the file is missing, damaged, of another program, or does not fit the model that it names.
    """
    card = read_card(path)
    try:
        tensors = safetensors.torch.load_file(path)
    except (OSError, safetensors.SafetensorError) as error:
        raise WeightsError(f"{path}: damaged ({_one_line(error)})") from None
    model = card["model"]
    try:
        plugin = (registry or load()).model(model["id"])(**model["parameters"])
        # Shapes first, without memory: a card that asks for a gigantic model must not get as far as building it.
        with torch.device("meta"):
            _require_fit(path, plugin.build(card["image_size"], len(card["characters"])), tensors)
        module = plugin.build(card["image_size"], len(card["characters"]))
    except WeightsError:
        raise
    except KanatuiError as error:
        raise WeightsError(f"{path}: {error}") from None
    except Exception as error:  # a model plugin may raise anything when a hostile card asks for nonsense
        raise WeightsError(f"{path}: model {model['id']} cannot be built ({_one_line(error)})") from error
    module.load_state_dict(tensors)
    module = module.to(device).eval()
    return Classifier(module, card["characters"], card["image_size"], card, torch.device(device))


def _require_fit(path: Path, module: torch.nn.Module, tensors: Mapping[str, torch.Tensor]) -> None:
    wanted = {name: tuple(tensor.shape) for name, tensor in module.state_dict().items()}
    found = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    if wanted == found:
        return
    name = next(name for name in [*wanted, *found] if wanted.get(name) != found.get(name))
    raise WeightsError(
        f"{path}: does not fit its model: {name} is {list(found.get(name, ()))} in the file, "
        f"{list(wanted.get(name, ()))} in the model; was it made with another version of the plugin?"
    )


def _parse_card(path: Path, text: str | None) -> dict[str, Any]:
    if text is None:
        raise WeightsError(f"{path}: these are weights, but not kanatui's (the file has no card)")
    try:
        if len(text) > _LONGEST_CARD:
            raise ValueError("it is too long")
        card = json.loads(text)
        if card["format"] != FORMAT:
            raise WeightsError(f"{path}: format {card['format']} is not this kanatui's ({FORMAT}); update kanatui")
        characters, size, model = card["characters"], card["image_size"], card["model"]
        _require(isinstance(characters, str) and 0 < len(characters) <= _MOST_CHARACTERS, "characters")
        _require(len(set(characters)) == len(characters), "characters")
        _require(isinstance(size, int) and 0 < size <= _LARGEST_IMAGE, "image_size")
        _require(isinstance(model["id"], str) and isinstance(model.setdefault("parameters", {}), dict), "model")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise WeightsError(f"{path}: its card makes no sense ({_one_line(error)})") from None
    return dict(card)


def _require(condition: bool, field: str) -> None:
    if not condition:
        raise ValueError(f"{field} is out of range")


def _one_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]

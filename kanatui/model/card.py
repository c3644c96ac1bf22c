"""The card of a weights file: what a model is. Reading it needs neither the weights nor torch.

A safetensors file's metadata holds it as JSON under the key ``kanatui``::

    {"format": 1, "model": {"id": "compact_cnn", "parameters": {…}}, "characters": "ぁあ…", "image_size": 64,
     "kanatui": "0.1.0", "recipe": "handwriting", "scores": {…}, "seed": 0, "seconds": 480.0, "date": "2026-11-22",
     "calibration": {…}}

:mod:`kanatui.model.calibration` says what the last one holds. If the model is a plugin of somebody else's, ``plugin``
says where it comes from: ``package kanatui-timm 1.0`` or ``file my_net.py``.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import safetensors

from kanatui.core.errors import WeightsError
from kanatui.model.calibration import Calibration

FORMAT = 1
KEY = "kanatui"
_METRICS_ONCE = {"top1": "strict", "top1_folded": "folded"}
_LONGEST_CARD = 1 << 20
_MOST_CHARACTERS = 100_000
_LARGEST_IMAGE = 4096


def read_card(path: Path) -> dict[str, Any]:
    """Return a weights file's card without reading the weights. WeightsError if the file or the card is invalid."""
    try:
        if not path.is_file():
            raise WeightsError(f"{path}: no such file")
        with safetensors.safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
    except (OSError, safetensors.SafetensorError) as error:
        raise WeightsError(f"{path}: not a weights file, or damaged ({one_line(error)})") from None
    return _parse_card(path, metadata.get(KEY))


def _parse_card(path: Path, text: str | None) -> dict[str, Any]:
    if text is None:
        raise WeightsError(f"{path}: a weights file, but not kanatui's (it has no card)")
    try:
        if len(text) > _LONGEST_CARD:
            raise ValueError("it is too long")
        card = json.loads(text)
        if card["format"] != FORMAT:
            raise WeightsError(f"{path}: format {card['format']}, but this kanatui reads {FORMAT}; update kanatui")
        characters, size, model = card["characters"], card["image_size"], card["model"]
        _require(isinstance(characters, str) and 0 < len(characters) <= _MOST_CHARACTERS, "characters")
        _require(len(set(characters)) == len(characters), "characters")
        _require(isinstance(size, int) and 0 < size <= _LARGEST_IMAGE, "image_size")
        _require(isinstance(model["id"], str) and isinstance(model.setdefault("parameters", {}), dict), "model")
        Calibration.of_card(card)
        if "evaluations" in card:
            card["evaluations"] = _renamed(card["evaluations"])
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise WeightsError(f"{path}: its card is invalid ({one_line(error)})") from None
    return dict(card)


def _renamed(data: Any) -> Any:
    """Give metrics their current names; earlier versions wrote other names into the evaluations of a card."""
    if isinstance(data, list):
        return [_renamed(each) for each in data]
    if isinstance(data, dict):
        return {_METRICS_ONCE.get(key, key): _renamed(value) for key, value in data.items()}
    return data


def _require(condition: bool, field: str) -> None:
    if not condition:
        raise ValueError(f"{field} is out of range")


def one_line(error: BaseException) -> str:
    """Return the first line of an error, at most 200 characters."""
    return (str(error).splitlines() or [type(error).__name__])[0][:200]

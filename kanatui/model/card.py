"""The card of a weights file: what a model is. Reading it needs neither the weights nor torch.

A safetensors file's metadata holds it as JSON under the key ``kanatui``::

    {"format": 1, "model": {"id": "compact_cnn", "parameters": {…}}, "characters": "ぁあ…", "image_size": 64,
     "kanatui": "0.1.0", "recipe": "handwriting", "scores": {…}, "seed": 0, "seconds": 480.0, "date": "2026-11-22",
     "calibration": {…}}

:mod:`kanatui.model.calibration` says what the last one holds. If the model is a plugin of somebody else's, ``plugin``
says where it comes from: ``package kanatui-timm 1.0`` or ``file my_net.py``.
"""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path
from typing import Annotated, Any, Literal, NotRequired, TypedDict

import msgspec
import safetensors

from kanatui.core import checked
from kanatui.core.checked import Count, Finite
from kanatui.core.errors import WeightsError
from kanatui.model.calibration import Calibration
from kanatui.model.metrics import BEST

FORMAT = 1
KEY = "kanatui"
_METRICS_ONCE = {"top1": "strict", "top1_folded": "folded"}
_LONGEST_CARD = 1 << 20
_MOST_CHARACTERS = 100_000
_LARGEST_IMAGE = 4096

_Line = Annotated[str, msgspec.Meta(max_length=1000)]
"""A text that is shown in one line."""


class _Model(TypedDict):
    id: _Line
    parameters: NotRequired[dict[str, Any]]


class _Training(TypedDict, total=False):
    weights: Count
    device: _Line
    precision: _Line
    processes: Count
    steps: Count
    seconds: Finite
    images: Count


class _Face(TypedDict):
    id: _Line
    style: _Line
    licence: _Line


class _Score(TypedDict):
    """Beside the metrics, which are numbers."""

    images: Count


class _Evaluation(TypedDict):
    kind: Literal["held_out", "faces", "folder"]
    of: NotRequired[_Line]
    candidates: str
    scores: dict[str, dict[str, float]]
    confusions: list[tuple[_Line, _Line, Count]]


class _Train(TypedDict):
    minutes: NotRequired[Finite]


class _Config(TypedDict):
    train: NotRequired[_Train]


_Adapt = TypedDict("_Adapt", {"from": _Line, "samples": Count})


class _Card(TypedDict):
    """What a card says; :mod:`kanatui.evaluation.export` writes the optional parts."""

    characters: Annotated[str, msgspec.Meta(min_length=1, max_length=_MOST_CHARACTERS)]
    image_size: Annotated[int, msgspec.Meta(ge=1, le=_LARGEST_IMAGE)]
    model: _Model
    kanatui: NotRequired[_Line]
    torch: NotRequired[_Line]
    recipe: NotRequired[_Line | None]
    machine: NotRequired[_Line]
    scores: NotRequired[dict[str, Any]]
    seed: NotRequired[int]
    seconds: NotRequired[Finite]
    date: NotRequired[_Line]
    calibration: NotRequired[Calibration]
    training: NotRequired[_Training]
    faces: NotRequired[list[_Face]]
    evaluations: NotRequired[list[_Evaluation]]
    config: NotRequired[_Config]
    adapt: NotRequired[_Adapt]


@dataclasses.dataclass
class _Versioned:
    format: int


def read_card(path: Path) -> dict[str, Any]:
    """Return a weights file's card without reading the weights. WeightsError if the file or the card is invalid."""
    try:
        if not os.path.isfile(path):
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
        card = checked.parse(text, dict[str, Any])
        found = checked.check(card, _Versioned).format
        if found != FORMAT:
            raise WeightsError(f"{path}: format {found}, but this kanatui reads {FORMAT}; update kanatui")
        checked.check(card, _Card)
        checked.check(card.get("scores", {}), BEST)
        if len(set(card["characters"])) != len(card["characters"]):
            raise ValueError("a character occurs twice")
        card["model"].setdefault("parameters", {})
        Calibration.of_card(card)
        if "evaluations" in card:
            for evaluation in card["evaluations"]:
                checked.check(evaluation["scores"], dict[str, _Score])
            card["evaluations"] = _renamed(card["evaluations"])
    except ValueError as error:
        raise WeightsError(f"{path}: its card is invalid ({one_line(error)})") from None
    return card


def _renamed(data: Any) -> Any:
    """Give metrics their current names; earlier versions wrote other names into the evaluations of a card."""
    if isinstance(data, list):
        return [_renamed(each) for each in data]
    if isinstance(data, dict):
        return {_METRICS_ONCE.get(key, key): _renamed(value) for key, value in data.items()}
    return data


def one_line(error: BaseException) -> str:
    """Return the first line of an error, at most 200 characters."""
    return (str(error).splitlines() or [type(error).__name__])[0][:200]

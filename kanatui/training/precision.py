"""Measures which number format trains faster on this machine."""

from __future__ import annotations

import copy
import dataclasses
import time

import torch
from torch.nn.functional import cross_entropy

_WARM_UP = 2
_ROUNDS = 12
"""Half a second to a second of steps. With four rounds, on a machine with other load, half an hour of training once ran
without bfloat16, a quarter slower than possible."""
_WORTH = 0.9
"""bfloat16 must take less than this share of float32's time; a smaller gain is not worth its lower precision."""


@dataclasses.dataclass(frozen=True)
class Probe:
    """Seconds per training step in each format, and the format to use."""

    seconds: dict[str, float]
    chosen: str


def probe_precision(model: torch.nn.Module, images: torch.Tensor, labels: torch.Tensor) -> Probe:
    """Time a few training steps in float32 and in bfloat16 autocast, in turns, on copies of the model.

    bfloat16 doubles the speed with hardware support and can be many times slower without it.

    Args:
        model: on its device; it is left as it was.
        images: float32 [n, 1, H, W] on the same device.
        labels: int64 [n].
    """
    trial = copy.deepcopy(model).train()
    times: dict[str, list[float]] = {"float32": [], "bfloat16": []}
    for turn in range(_WARM_UP + _ROUNDS):
        for name in list(times):
            try:
                taken = _step_seconds(trial, images, labels, name)
            except RuntimeError:  # not supported by this device
                if name == "float32":
                    raise
                del times[name]
                continue
            if turn >= _WARM_UP:
                times[name].append(taken)
    # The fastest step of each: other load on the machine can only slow steps down.
    seconds = {name: min(taken) for name, taken in times.items()}
    faster = seconds.get("bfloat16", float("inf")) < _WORTH * seconds["float32"]
    return Probe({name: round(taken, 6) for name, taken in seconds.items()}, "bfloat16" if faster else "float32")


def _step_seconds(model: torch.nn.Module, images: torch.Tensor, labels: torch.Tensor, name: str) -> float:
    _wait(images.device)
    started = time.perf_counter()
    model.zero_grad(set_to_none=True)
    with torch.autocast(images.device.type, torch.bfloat16, enabled=name == "bfloat16"):
        logits = model(images)
    cross_entropy(logits.float(), labels).backward()  # type: ignore[no-untyped-call]  # torch has no types here
    _wait(images.device)
    return time.perf_counter() - started


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()

"""Measures which number format trains faster on this machine."""

from __future__ import annotations

import copy
import dataclasses
import time
from collections.abc import Callable

import torch
from torch.nn.functional import cross_entropy

_ROUNDS = 12
"""Half a second to a second of steps. With four rounds, on a machine with other load, half an hour of training once ran
without bfloat16, a quarter slower than possible."""
_SECONDS = 4.0
"""Most seconds for all steps together, save the last. A step of a large model may take a minute: it was still being
probed after ten."""
_LONG_ENOUGH = 0.1
"""Seconds of a step from which no more images are needed to measure it; small batches measure overhead alone."""
_FEWEST = 2
"""Images of the first step: batch normalisation needs two."""
_WORTH = 0.9
"""bfloat16 must take less than this share of float32's time; a smaller gain is not worth its lower precision."""


@dataclasses.dataclass(frozen=True)
class Probe:
    """Seconds per training step in each format, the number of images in such a step, and the format to use."""

    seconds: dict[str, float]
    images: int
    chosen: str


def has_bfloat16(device: torch.device) -> bool:
    """Return whether the device computes in bfloat16 itself; where that is emulated, it is many times slower."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device.type != "cpu":
        return False
    return any(there is True for name, there in torch.cpu.get_capabilities().items() if "bf16" in name)


def probe_precision(
    model: torch.nn.Module, images: torch.Tensor, labels: torch.Tensor, between: Callable[[], None] = lambda: None
) -> Probe:
    """Time a few training steps in float32 and in bfloat16 autocast, in turns, on copies of the model.

    It takes a few seconds, whatever the model: a slow one is measured with a part of the batch.

    Args:
        model: on its device; it is left as it was.
        images: float32 [n, 1, H, W] on the same device.
        labels: int64 [n].
        between: called between two steps; what it raises ends the probe.
    """
    ends = time.perf_counter() + _SECONDS
    trial = copy.deepcopy(model).train()

    def step(name: str) -> float:
        between()
        return _step_seconds(trial, images[:count], labels[:count], name)

    count = min(_FEWEST, len(labels))
    longest = step("float32")  # the first one also allocates memory
    if longest < _SECONDS / 4:
        longest = step("float32")
    while longest < _LONG_ENOUGH and count < len(labels):
        count = min(2 * count, len(labels))
        longest = step("float32")
    times: dict[str, list[float]] = {"float32": [], "bfloat16": []}
    for turn in range(1 + _ROUNDS):  # the first round warms up
        for name in times:
            if time.perf_counter() + longest > ends:
                return _judged(times, count)
            taken = step(name)
            longest = max(longest, taken)
            if turn:
                times[name].append(taken)
    return _judged(times, count)


def _judged(times: dict[str, list[float]], count: int) -> Probe:
    """Choose by the fastest step of each: other load on the machine can only slow steps down. float32 in doubt."""
    seconds = {name: min(taken) for name, taken in times.items() if taken}
    faster = len(seconds) == len(times) and seconds["bfloat16"] < _WORTH * seconds["float32"]
    rounded = {name: round(taken, 6) for name, taken in seconds.items()}
    return Probe(rounded, count, "bfloat16" if faster else "float32")


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

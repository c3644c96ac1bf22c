"""Chooses, describes and prepares the device that a training computes on."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

import torch

from kanatui.core.errors import UsageError
from kanatui.core.processes import allowed_cores, openmp_threads, usable_cores


def choose_device(name: str = "auto") -> torch.device:
    """Return the requested device; ``auto`` prefers CUDA, then Apple's MPS, then the CPU.

    Each process started by torchrun gets its own GPU. UsageError, with advice, if the device is not available.
    """
    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if name == "auto":
        name = next(kind for kind, present in there.items() if present)
    if name not in there:
        raise UsageError(f"--device {name}: not one of auto, {', '.join(there)}")
    if not there[name]:
        raise UsageError(f"--device {name}: {_why_not(name)}; leave --device out to use what is available")
    if name == "cuda" and "LOCAL_RANK" in os.environ:
        return torch.device("cuda", int(os.environ["LOCAL_RANK"]))
    return torch.device(name)


def _why_not(name: str) -> str:
    if name == "mps":
        return "this machine has no Apple GPU"
    if torch.version.cuda is None:
        return "the installed torch was built without CUDA (install a CUDA build)"
    return "no CUDA GPU is usable (nvidia-smi shows what the driver sees)"


def describe_device(device: torch.device) -> str:
    """Describe the device: the GPU's model, or the number of CPU threads in use."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    if device.type == "cpu":
        threads = torch.get_num_threads()
        return f"cpu, {threads} thread{'s' * (threads > 1)}"
    return device.type


def prepare_device(device: torch.device, threads: int = 0) -> None:
    """Set up this process for training: number of CPU threads (0: its share of the cores), fast modes of the GPU."""
    torch.set_num_threads(threads or own_cores())
    if device.type == "cuda":
        torch.cuda.set_device(device)
        torch.backends.cudnn.benchmark = True
        torch.set_float32_matmul_precision("high")


@contextlib.contextmanager
def keeping_threads() -> Iterator[None]:
    """Give torch its number of CPU threads back at the end: a program may go on computing after a training."""
    threads = torch.get_num_threads()
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def auto_workers(device: torch.device) -> int:
    """Return the default number of processes that make batches.

    On the CPU it is 0: images and network share the cores either way, and the trainer makes the images between steps
    (:mod:`kanatui.training.feed`). A GPU leaves the cores free, and uses images faster than one core can make them.
    """
    if device.type == "cpu":
        return 0
    return max(1, min(8, own_cores() - 1))


def own_cores() -> int:
    """Return how many cores this process should use: :func:`.usable_cores`, or its share among torchrun's processes.

    torchrun sets ``OMP_NUM_THREADS`` to 1 if the user has not set it, so a 1 is not the user's word there.
    """
    together = int(os.environ.get("LOCAL_WORLD_SIZE") or 1)
    said = openmp_threads()
    if together == 1 or (said and said > 1):
        return usable_cores()
    return max(1, allowed_cores() // together)

"""Training of one model in several processes started by ``torchrun``, which take turns at the batches."""

from __future__ import annotations

import contextlib
import gc
import os
from collections.abc import Iterator
from typing import TypeVar

import torch
import torch.distributed as dist
from typing_extensions import override

from kanatui.training.control import Command

T = TypeVar("T")


class Alone:
    """A single process, which needs no synchronisation."""

    rank = 0
    size = 1

    @property
    def first(self) -> bool:
        """Whether this is the process that validates, writes and handles commands."""
        return self.rank == 0

    def wrap(self, model: torch.nn.Module) -> torch.nn.Module:
        """Return the module to train."""
        return model

    def share(self, value: T) -> T:
        """Return the first process's value in all of them."""
        return value

    def agree(self, share: float, due: bool, commands: list[Command]) -> tuple[float, bool, list[Command]]:
        """Return the first process's values of the share done, of whether a report is due, and of the commands."""
        return share, due, commands

    def wait(self) -> None:
        """Wait until every process has made this call."""


class Together(Alone):
    """One of several processes. NCCL carries gradients on GPUs; Gloo carries all else, and everything on CPUs."""

    def __init__(self, device: torch.device) -> None:
        dist.init_process_group("cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo")
        self.rank = dist.get_rank()
        self.size = dist.get_world_size()

    @override
    def wrap(self, model: torch.nn.Module) -> torch.nn.Module:
        """Return the model wrapped so that its gradients are averaged over the processes at every step."""
        return torch.nn.parallel.DistributedDataParallel(model)

    @override
    def share(self, value: T) -> T:
        """Return the first process's value in all of them."""
        box = [value]
        dist.broadcast_object_list(box, device=torch.device("cpu"))
        return box[0]

    @override
    def agree(self, share: float, due: bool, commands: list[Command]) -> tuple[float, bool, list[Command]]:
        """Return the first process's values; only three numbers are sent unless there are commands."""
        view = torch.tensor([share, float(due), float(len(commands))], dtype=torch.float64)
        dist.broadcast(view, 0)
        return float(view[0]), bool(view[1]), self.share(commands) if view[2] else []

    @override
    def wait(self) -> None:
        """Wait until every process has made this call."""
        self.share(None)


@contextlib.contextmanager
def join(device: torch.device) -> Iterator[Alone]:
    """Join the other processes if ``torchrun`` started this one, and leave the group at the end."""
    if os.environ.get("WORLD_SIZE", "1") in ("", "1"):
        yield Alone()
        return
    group = Together(device)
    try:
        yield group
    finally:
        # A wrapped model still in memory when Gloo is shut down aborted one process in four at its exit.
        gc.collect()
        dist.destroy_process_group()

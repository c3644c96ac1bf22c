"""Several processes training one model, as started by ``torchrun``: each takes its turn at the batches."""

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
    """One process, nobody to agree with."""

    rank = 0
    size = 1

    @property
    def first(self) -> bool:
        """Whether this is the process that judges, writes and obeys."""
        return self.rank == 0

    def wrap(self, model: torch.nn.Module) -> torch.nn.Module:
        """Return the model in the form to train."""
        return model

    def share(self, value: T) -> T:
        """Return the first process's value in all of them."""
        return value

    def agree(self, share: float, due: bool, commands: list[Command]) -> tuple[float, bool, list[Command]]:
        """Return the first process's view of the clock, of whether a report is due, and of what to obey."""
        return share, due, commands

    def wait(self) -> None:
        """Wait until every process has come here."""


class Together(Alone):
    """One of several processes. Gradients go by NCCL on GPUs; everything else, and all on CPUs, by Gloo."""

    def __init__(self, device: torch.device) -> None:
        dist.init_process_group("cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo")
        self.rank = dist.get_rank()
        self.size = dist.get_world_size()

    @override
    def wrap(self, model: torch.nn.Module) -> torch.nn.Module:
        """Return the model with its gradients averaged over the processes at every step."""
        return torch.nn.parallel.DistributedDataParallel(model)

    @override
    def share(self, value: T) -> T:
        """Return the first process's value in all of them."""
        box = [value]
        dist.broadcast_object_list(box, device=torch.device("cpu"))
        return box[0]

    @override
    def agree(self, share: float, due: bool, commands: list[Command]) -> tuple[float, bool, list[Command]]:
        """Return the first process's view of these; three numbers travel unless there are commands."""
        view = torch.tensor([share, float(due), float(len(commands))], dtype=torch.float64)
        dist.broadcast(view, 0)
        return float(view[0]), bool(view[1]), self.share(commands) if view[2] else []

    @override
    def wait(self) -> None:
        """Wait until every process has come here."""
        self.share(None)


@contextlib.contextmanager
def join(device: torch.device) -> Iterator[Alone]:
    """Join the other processes if ``torchrun`` started this one, and part from them in the end."""
    if os.environ.get("WORLD_SIZE", "1") in ("", "1"):
        yield Alone()
        return
    group = Together(device)
    try:
        yield group
    finally:
        # A wrapped model still about when Gloo is taken down aborted one process in four at its exit.
        gc.collect()
        dist.destroy_process_group()

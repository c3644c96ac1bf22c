"""Several processes started by ``torchrun`` that train one model in turns, or write one data set together."""

from __future__ import annotations

import contextlib
import gc
import secrets
import time
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch.distributed import PrefixStore, rendezvous  # type: ignore[attr-defined]  # torch exports them unseen
from typing_extensions import override

from kanatui.core.errors import KanatuiError, RunError
from kanatui.dataset import write
from kanatui.training.control import Command
from kanatui.training.torchrun import processes_together

T = TypeVar("T")

_LONGEST_MEETING = 600.0
"""Seconds in which all processes of a group have to start: on several machines a queue may start them one by one."""

_POLL = 0.05


class Alone(write.Alone):
    """A single process, which needs no synchronisation."""

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

    def mean(self, value: torch.Tensor) -> torch.Tensor:
        """Return the mean of the processes' values, float [] on their devices."""
        return value

    def wait(self) -> None:
        """Wait until every process has made this call."""


class Together(Alone):
    """One of several processes. NCCL carries gradients on GPUs; Gloo carries all else, and everything on CPUs."""

    def __init__(self, device: torch.device) -> None:
        backend = "cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo"
        store, self.rank, self.size = next(rendezvous("env://"))
        fresh = PrefixStore(_meet(store, self.rank, self.size), store)
        dist.init_process_group(backend, store=fresh, rank=self.rank, world_size=self.size)

    @override
    def wrap(self, model: torch.nn.Module) -> torch.nn.Module:
        """Return the model wrapped so that its gradients are averaged over the processes at every step."""
        model = normalised_together(model, next(model.parameters()).device)
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
    def mean(self, value: torch.Tensor) -> torch.Tensor:
        total = value.clone()
        dist.all_reduce(total)
        return total / self.size

    @override
    def gather(self, value: T) -> list[T]:
        values: list[T] = [value] * self.size
        dist.all_gather_object(values, value)
        return values

    @override
    def first_result(self, make: Callable[[], T]) -> T:
        if not self.first:
            failed, value = self.share((True, None))
            if failed:
                raise SystemExit(1)
            return value  # type: ignore[return-value]  # the first process's, which is no placeholder
        try:
            made = make()
        except KanatuiError:
            self.share((True, None))
            raise
        self.share((False, made))
        return made

    @override
    def wait(self) -> None:
        """Wait until every process has made this call."""
        self.share(None)


def normalised_together(model: torch.nn.Module, device: torch.device) -> torch.nn.Module:
    """Return the model that processes train together on such a device; the names of its weights stay.

    On GPUs batch normalisation uses the batches of all processes. torch cannot do that on CPUs: there each process
    normalises by its own batch, and the first one's running means are used when the model reads.
    """
    if device.type != "cuda":
        return model
    converted: torch.nn.Module = torch.nn.SyncBatchNorm.convert_sync_batchnorm(model)  # type: ignore[no-untyped-call]
    return converted


def _meet(store: Any, rank: int, size: int) -> str:
    """Return a name for this meeting of the processes, which no earlier one of the same launch had.

    After a restart torchrun's store still holds the addresses of the processes before it, and a process that is quicker
    than another would take that one's old address (torch 2.13). Restarts cannot be counted: on several machines each
    counts its own. So every process says a number of its own, the first one calls out the numbers it has heard, and
    once each of the others has answered the same call, all go ahead.

    Raises:
        RunError: the others did not come in time.
    """
    own = secrets.token_hex(4)
    store.set(f"kanatui/here/{rank}", own)
    deadline = time.monotonic() + _LONGEST_MEETING
    while time.monotonic() < deadline:
        if rank == 0:
            heard = [_read(store, f"kanatui/here/{other}") for other in range(size)]
            call = " ".join(heard)
            if all(heard):
                store.set("kanatui/call", call)
                if all(_read(store, f"kanatui/answer/{call}/{other}") for other in range(1, size)):
                    store.set(f"kanatui/go/{call}", "go")
                    return call
        else:
            call = _read(store, "kanatui/call")
            if call and call.split()[rank : rank + 1] == [own]:
                store.set(f"kanatui/answer/{call}/{rank}", "here")
                if _read(store, f"kanatui/go/{call}"):
                    return call
        time.sleep(_POLL)
    raise RunError(f"only some of the {size} processes of the group came within {_LONGEST_MEETING / 60:.0f} minutes")


def _read(store: Any, key: str) -> str:
    """Return a value, "" if there is none yet."""
    return store.get(key).decode() if store.check([key]) else ""


@contextlib.contextmanager
def join(device: torch.device) -> Iterator[Alone]:
    """Join the other processes if ``torchrun`` started this one, and leave the group at the end."""
    if processes_together() == 1:
        yield Alone()
        return
    group = Together(device)
    try:
        yield group
    except RuntimeError as error:
        raise_if_left(error)
        raise
    finally:
        # A wrapped model still in memory when Gloo is shut down aborted one process in four at its exit.
        gc.collect()
        dist.destroy_process_group()


def raise_if_left(error: RuntimeError) -> None:
    """Raise RunError if an error says that another process of the group has ended or cannot be reached."""
    lost = ("gloo", "Gloo", "NCCL", "Connection closed")
    if isinstance(error, dist.DistError) or any(word in str(error) for word in lost):
        raise RunError("another process of the group ended or cannot be reached; its own output says why") from error

"""Measures a training's use of memory, processor and GPU memory."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import time
from typing import Any

import psutil
import torch


class Usage:
    """Measures this process and its batch workers between calls of :meth:`read`."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._processes: dict[int, psutil.Process] = {}
        self._spent: dict[int, float] = {}
        self._since = time.monotonic()
        self._measure()

    def read(self) -> dict[str, Any]:
        """Return ``memory`` (resident bytes), ``cpu`` (per cent of a core since the last call), on CUDA ``gpu_memory``.

        ``gpu_memory`` is the bytes that torch holds on the GPU. ``cpu`` includes child programs that have ended
        (ImageMagick, say).
        """
        before, since = self._spent, self._since
        self._since = time.monotonic()
        memory = self._measure()
        used = sum(spent - before.get(pid, spent) for pid, spent in self._spent.items())
        found = {"memory": memory, "cpu": round(100 * max(0.0, used) / max(self._since - since, 1e-3), 1)}
        if self._device.type == "cuda":
            found["gpu_memory"] = torch.cuda.memory_reserved(self._device)
        return found

    @property
    def spent(self) -> float:
        """Processor seconds of this process and its workers, as of the last :meth:`read`."""
        return sum(self._spent.values())

    def _measure(self) -> int:
        """Record the processor seconds of each process, and return the resident bytes of all of them."""
        memory = 0
        self._spent = {}
        # Listing a process's children reads all of /proc: 10 ms with a few hundred processes.
        for pid in (os.getpid(), *(child.pid for child in multiprocessing.active_children())):
            with contextlib.suppress(psutil.Error):  # it may end at any moment
                process = self._processes.setdefault(pid or 0, psutil.Process(pid))
                with process.oneshot():
                    memory += process.memory_info().rss
                    self._spent[process.pid] = sum(process.cpu_times()[:4])
        return memory

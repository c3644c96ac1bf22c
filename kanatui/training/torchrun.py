"""What torchrun tells the processes that it starts, and the run that they train; torch is not needed for it."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING

from kanatui.core import storage
from kanatui.training.runs import Run, list_runs

if TYPE_CHECKING:
    from kanatui.training.distributed import Alone

_MARK = "launch.txt"
"""The file in a run's folder that names the launch of torchrun that began it."""


def processes_together() -> int:
    """Return how many processes torchrun has started on all machines; 1 without it."""
    return int(os.environ.get("WORLD_SIZE") or 1)


def restarted() -> bool:
    """Whether torchrun has started its processes again, after one of them ended early (``--max-restarts``)."""
    return int(os.environ.get("TORCHELASTIC_RESTART_COUNT") or 0) > 0


def run_of_launch(group: Alone, make: Callable[[], Run]) -> Run:
    """Return the run to train, the same in every process of the group.

    After a restart it is the one that this launch of torchrun began, which then continues from its last checkpoint.

    Args:
        group: the processes, each of which must call this.
        make: makes or finds the run; only the first process calls it.

    Raises:
        KanatuiError: what ``make`` raises; in the other processes, SystemExit.
    """

    def found() -> Run:
        launch = _launch()
        if launch and restarted():
            begun = [run for run in list_runs() if _mark(run) == launch]
            if begun:
                return begun[-1]
        run = make()
        if launch:
            storage.write_bytes(run.path / _MARK, launch.encode())
        return run

    return Run(group.first_result(lambda: found().path))


def _launch() -> str:
    """Return what names this launch of torchrun, also in its restarts; "" without it.

    ``--standalone`` and ``--rdzv-id`` give it a name. Otherwise its name is "none", and the process of torchrun itself,
    which outlives its restarts, tells it from others.
    """
    name = os.environ.get("TORCHELASTIC_RUN_ID", "")
    return f"{name} of {socket.gethostname()}, process {os.getppid()}" if name == "none" else name


def _mark(run: Run) -> str:
    try:
        return (run.path / _MARK).read_text("utf-8", "replace")
    except OSError:
        return ""

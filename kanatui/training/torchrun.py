"""What torchrun tells the processes that it starts, and what they had begun before a restart; torch is not needed."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from kanatui.core import storage
from kanatui.dataset.generation import LAUNCH
from kanatui.training.runs import Run, list_runs

if TYPE_CHECKING:
    from kanatui.dataset.write import Group


def processes_together() -> int:
    """Return how many processes torchrun has started on all machines; 1 without it."""
    return int(os.environ.get("WORLD_SIZE") or 1)


def mark(folder: Path) -> None:
    """Note in a folder that this launch of torchrun began what is in it."""
    storage.write_bytes(folder / LAUNCH, _launch().encode())


def unmark(folder: Path) -> None:
    """Remove the note: what is in the folder is complete."""
    (folder / LAUNCH).unlink(missing_ok=True)


def begun_before_restart(folder: Path) -> bool:
    """Whether torchrun has restarted its processes (``--max-restarts``), and this launch began what is in a folder."""
    if int(os.environ.get("TORCHELASTIC_RESTART_COUNT") or 0) == 0:
        return False
    try:
        return (folder / LAUNCH).read_text("utf-8", "replace") == _launch()
    except OSError:
        return False


def run_of_launch(group: Group, make: Callable[[], Run]) -> Run:
    """Return the run to train, the same in every process of the group.

    After a restart it is the one that this launch of torchrun began, which then continues from its last checkpoint.

    Args:
        group: the processes, each of which must call this.
        make: makes or finds the run; only the first process calls it.

    Raises:
        KanatuiError: what ``make`` raises; in the other processes, SystemExit.
    """

    def found() -> Run:
        if begun := [run for run in list_runs() if begun_before_restart(run.path)]:
            return begun[-1]
        run = make()
        if _launch():
            mark(run.path)
        return run

    return Run(group.first_result(lambda: found().path))


def _launch() -> str:
    """Return what names this launch of torchrun, also in its restarts; "" without it.

    ``--standalone`` and ``--rdzv-id`` give it a name. Otherwise its name is "none", and the process of torchrun itself,
    which outlives its restarts, tells it from others.
    """
    name = os.environ.get("TORCHELASTIC_RUN_ID", "")
    return f"{name} of {socket.gethostname()}, process {os.getppid()}" if name == "none" else name

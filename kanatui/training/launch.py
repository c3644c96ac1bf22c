"""Starts a training as a background process."""

from __future__ import annotations

import contextlib
import subprocess
import time
from collections.abc import Callable

from kanatui.core import processes, storage
from kanatui.core.errors import RunError
from kanatui.training.runs import Run, Status

INTERNAL_OPTION = "--run-dir"
"""The hidden option of ``kanatui train`` that names the run to the new process."""

_LONGEST_START = 600.0
"""Seconds after which a training that is still preparing (drawing masters, say) is no longer waited for."""

_LONGEST_END = 5.0
"""Seconds that a failed training may take to end."""

_POLL = 0.05


def start(run: Run, still_waiting: Callable[[Status], None] | None = None) -> Status:
    """Train a run in the background, in a new session, and wait until it has begun.

    An interrupt while waiting ends the training.

    Args:
        run: the run to train, as configured; it is continued if it has checkpoints.
        still_waiting: called repeatedly until it has begun.

    Returns:
        The status of the run.

    Raises:
        RunError: another process is training it, or it failed at the start; the message has the training's reason.
        StorageError: its log cannot be written.
    """
    run.require_idle()
    process = processes.start(["train", INTERNAL_OPTION, str(run.path)], run.log)
    try:
        return _wait_for(run, process, still_waiting)
    except KeyboardInterrupt:
        process.terminate()
        process.wait()
        raise


def _wait_for(run: Run, process: subprocess.Popen[bytes], still_waiting: Callable[[Status], None] | None) -> Status:
    deadline = time.monotonic() + _LONGEST_START
    while time.monotonic() < deadline:
        ended = process.poll() is not None
        status = run.status()
        if status.pid == process.pid and status.state not in ("starting", "crashed"):
            if status.state == "failed":
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(
                        _LONGEST_END
                    )  # it locks the run until it ends, and the caller may want to remove the run
                raise RunError(f"run {run.id} failed: {status.reason}")
            return status
        if ended:
            raise RunError(f"run {run.id} ended while starting: {storage.last_line(run.log) or f'see {run.log}'}")
        if still_waiting:
            still_waiting(status)
        time.sleep(_POLL)
    return run.status()

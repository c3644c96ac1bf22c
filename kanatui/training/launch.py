"""Starts a training as a background process."""

from __future__ import annotations

import contextlib
import dataclasses
import subprocess
import time

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


@dataclasses.dataclass(frozen=True)
class Launch:
    """A training that was started, and may still be preparing."""

    run: Run
    process: subprocess.Popen[bytes]

    def look(self) -> Status | None:
        """Return how it stands once it has begun, None before.

        Raises:
            RunError: it failed at the start; the message is the training's own.
        """
        ended = self.process.poll() is not None
        status = self.run.status()
        if status.pid == self.process.pid and status.state not in ("starting", "crashed"):
            if status.state == "failed":
                with contextlib.suppress(subprocess.TimeoutExpired):
                    self.process.wait(_LONGEST_END)  # until then it holds the run, which the caller may want to remove
                raise RunError(f"run {self.run.id} failed: {status.reason}")
            return status
        if ended:
            said = storage.last_line(self.run.log) or f"see {self.run.log}"
            raise RunError(f"run {self.run.id} ended while starting: {said}")
        return None


def begin(run: Run) -> Launch:
    """Start a training in the background, in a session of its own: it outlives who started it.

    Args:
        run: its configuration says everything; one that has checkpoints is continued.

    Raises:
        RunError: another process is training it.
        StorageError: its log cannot be written.
    """
    run.require_idle()
    return Launch(run, processes.start(["train", INTERNAL_OPTION, str(run.path)], run.log))


def start(run: Run) -> Status:
    """Do as :func:`begin` does, and wait until the training has begun. An interrupt while waiting ends it again.

    Returns:
        The status of the run.

    Raises:
        RunError: another process is training it, or it failed at the start; the message has the training's reason.
        StorageError: its log cannot be written.
    """
    launched = begin(run)
    deadline = time.monotonic() + _LONGEST_START
    try:
        while time.monotonic() < deadline:
            if status := launched.look():
                return status
            time.sleep(_POLL)
    except KeyboardInterrupt:
        launched.process.terminate()
        launched.process.wait()
        raise
    return run.status()

"""Starts background processes that outlive the terminal and workers that end with their parent; counts cores."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

from kanatui.core import storage
from kanatui.core.errors import UsageError

NICENESS = 10
"""Niceness of background processes unless ``$KANATUI_NICENESS`` says otherwise. On an idle machine it costs nothing;
with all cores busy, the app, the shell and the connection to them are served first."""

_HIGHEST_NICENESS = 19


def usable_cores() -> int:
    """Return the number of processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def start(arguments: Sequence[str], log: Path) -> subprocess.Popen[bytes]:
    """Run ``kanatui ARGUMENTS…`` in a new session, with empty standard input and output appended to ``log``.

    It runs at :func:`niceness`.

    Returns:
        The process, which the caller need not wait for.

    Raises:
        StorageError: the log cannot be written.
        UsageError: ``$KANATUI_NICENESS`` is invalid.
    """
    nice = niceness()  # checked before anything is written
    with storage.storing(log), open(storage.open_to_write(log, os.O_WRONLY | os.O_APPEND), "ab") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", "kanatui", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    _be_nice(process.pid, nice)
    return process


def niceness() -> int:
    """Return the niceness of what runs in the background, 0 … 19. UsageError if ``$KANATUI_NICENESS`` is not one."""
    text = os.environ.get("KANATUI_NICENESS") or str(NICENESS)
    if not text.isdecimal() or int(text) > _HIGHEST_NICENESS:
        raise UsageError(f"KANATUI_NICENESS={text}: use a whole number from 0 (as quick as all else) to 19")
    return int(text)


def _be_nice(pid: int, nice: int) -> None:
    with contextlib.suppress(OSError):  # it has ended already, or is nicer than that
        os.setpriority(os.PRIO_PROCESS, pid, nice)
    # Where Linux groups processes by session, the group's niceness counts: sched(7), "The autogroup feature".
    with contextlib.suppress(OSError):
        Path(f"/proc/{pid}/autogroup").write_text(str(nice))


def begin_worker() -> None:
    """Set up a worker process of a pool: it leaves Ctrl-C to its parent process and ends with it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """End this process when its parent has ended; a pool's workers would wait for work forever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)

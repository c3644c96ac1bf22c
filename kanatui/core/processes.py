"""Starts background processes that outlive the terminal and workers that end with their parent; counts cores."""

from __future__ import annotations

import contextlib
import math
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from kanatui.core import storage
from kanatui.core.errors import UsageError

if TYPE_CHECKING:
    from multiprocessing.context import SpawnContext

NICENESS = 10
"""Niceness of background processes unless ``$KANATUI_NICENESS`` says otherwise. On an idle machine it costs nothing;
with all cores busy, the app, the shell and the connection to them are served first."""

_HIGHEST_NICENESS = 19

_kept_threads: int | None = None

_SAFE_PATH = "PYTHONSAFEPATH"


def allowed_cores() -> int:
    """Return the number of processor cores that the system lets this process use.

    That is those of its affinity, or as many as its container's quota of processor time is worth, rounded up: with
    more threads than that, all of them are stopped whenever the quota is used up.
    """
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = cpu_quota()
    return count if quota is None else max(1, min(count, math.ceil(quota)))


def usable_cores() -> int:
    """Return how many threads or processes to use by default: all allowed cores, ``$OMP_NUM_THREADS`` if fewer."""
    return min(_kept_threads or openmp_threads() or allowed_cores(), allowed_cores())


def openmp_threads() -> int | None:
    """Return the number of threads that ``$OMP_NUM_THREADS`` names, of a list the first; None if it names none."""
    first = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0].strip()
    return int(first) if first.isdecimal() and int(first) > 0 else None


def obey_quota() -> None:
    """Let torch, NumPy and all children use no more threads than this process's quota is worth: they count cores."""
    if cpu_quota() is not None and openmp_threads() is None:
        os.environ["OMP_NUM_THREADS"] = str(allowed_cores())


def keep_threads() -> None:
    """Let :func:`usable_cores` stay as it is when this process sets ``$OMP_NUM_THREADS`` for torch alone."""
    global _kept_threads
    _kept_threads = usable_cores()


def cpu_quota(groups: Path = Path("/proc/self/cgroup"), mounted: Path = Path("/sys/fs/cgroup")) -> float | None:
    """Return the processor time that this process's control groups get, in cores; None if it is not limited.

    Args:
        groups: lists the groups of this process (cgroups(7)).
        mounted: where the file systems of control groups, version 2, 1 or both, are mounted.
    """
    try:
        lines = groups.read_text("utf-8", "replace").splitlines()
    except OSError:
        return None
    found = []
    for _, controllers, path in (line.split(":", 2) for line in lines if line.count(":") >= 2):
        if not controllers:
            roots = [mounted, mounted / "unified"]
        elif "cpu" in controllers.split(","):
            roots = [mounted / controllers, mounted / "cpu"]
        else:
            continue
        inner = Path(path.lstrip("/"))
        # Each group is also held to what those above it get. In a container, the path may be that outside of it.
        found += [_quota_of(root / part) for root in roots for part in (inner, *inner.parents)]
    return min((quota for quota in found if quota), default=None)


def _quota_of(group: Path) -> float | None:
    """Return a control group's own quota in cores, None if it has none."""
    with contextlib.suppress(OSError, ValueError, ZeroDivisionError):
        if (group / "cpu.max").exists():
            quota, period = (group / "cpu.max").read_text("ascii").split()
        else:
            quota, period = ((group / f"cpu.cfs_{name}_us").read_text("ascii").strip() for name in ("quota", "period"))
        return int(quota) / int(period) if int(quota) > 0 else None  # "max" and -1 are no limit
    return None


def python(*arguments: str) -> list[str]:
    """Return a command that runs Python as this process does, without the current folder on the import path.

    A file there with a module's name must not be run instead of that module.
    """
    return [sys.executable, "-P", *arguments]


def spawning() -> SpawnContext:
    """Return the context of workers that start from scratch, as a fork would inherit torch's threads and locks.

    Whatever starts a process in it belongs into :func:`starting_workers`.
    """
    import multiprocessing  # here, because every command imports this module at its start

    return multiprocessing.get_context("spawn")


@contextlib.contextmanager
def starting_workers() -> Iterator[None]:
    """Start processes of :func:`spawning`: make a pool, or hand work to one, which may start some.

    They take over this process's import path, and like :func:`python` do not add the current folder. They never get
    Ctrl-C: until :func:`begin_worker` has run, they would die of it, loudly.
    """
    signals = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})  # inherited by whatever this thread starts
    path = os.environ.get(_SAFE_PATH)
    os.environ[_SAFE_PATH] = "1"  # multiprocessing passes -P on, but this process may have been started without it
    try:
        yield
    finally:
        if path is None:
            os.environ.pop(_SAFE_PATH, None)
        else:
            os.environ[_SAFE_PATH] = path
        signal.pthread_sigmask(signal.SIG_SETMASK, signals)


def start(arguments: Sequence[str], log: Path) -> subprocess.Popen[bytes]:
    """Run ``kanatui ARGUMENTS…`` in a new session, with empty standard input and output appended to ``log``.

    It runs at :func:`niceness`, or at this process's own if that is higher.

    Returns:
        The process, which the caller need not wait for.

    Raises:
        StorageError: the log cannot be written.
        UsageError: ``$KANATUI_NICENESS`` is invalid.
    """
    nice = _own_niceness()  # checked before anything is written
    with storage.storing(log), open(storage.open_to_write(log, os.O_WRONLY | os.O_APPEND), "ab") as file:
        process = subprocess.Popen(
            python("-m", "kanatui", *arguments),
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
        raise UsageError(f"KANATUI_NICENESS={text}: use a whole number from 0 (no lower than other work) to 19")
    return int(text)


def be_nice() -> None:
    """Run this process at :func:`niceness`, as background processes do, and with it all that it starts.

    The niceness of a session's group is left alone: the user's shell belongs to it, too.
    """
    os.setpriority(os.PRIO_PROCESS, 0, _own_niceness())


def _own_niceness() -> int:
    """Return :func:`niceness`, or what this process was started with if that is higher: root could lower it again."""
    return max(os.getpriority(os.PRIO_PROCESS, 0), niceness())


def _be_nice(pid: int, nice: int) -> None:
    with contextlib.suppress(OSError):  # it has ended already, or is nicer than that
        os.setpriority(os.PRIO_PROCESS, pid, nice)
    # Where Linux groups processes by session, the group's niceness counts: sched(7), "The autogroup feature".
    with contextlib.suppress(OSError):
        Path(f"/proc/{pid}/autogroup").write_text(str(nice))


@contextlib.contextmanager
def ending_on_terminate() -> Iterator[None]:
    """Make SIGTERM end the work as Ctrl-C does, so that it can be resumed."""
    previous = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)


def end_now(status: int) -> NoReturn:
    """End this process with all its children, whatever any of its threads is doing."""
    import psutil

    for _ in range(3):  # a thread may start another child meanwhile
        for child in psutil.Process().children(recursive=True):
            with contextlib.suppress(psutil.Error):
                child.kill()
    os._exit(status)


def begin_worker() -> None:
    """Set up a worker process of a pool: it leaves Ctrl-C to its parent process and ends with it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """End this process when its parent has ended; a pool's workers would wait for work forever."""
    import multiprocessing

    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)

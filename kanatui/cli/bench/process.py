"""Runs kanatui as a separate process and measures its time and memory."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO

import psutil

from kanatui.core import paths, processes
from kanatui.core.errors import KanatuiError

_LOOK_EVERY = 0.05  # seconds; shorter peaks may be missed


@dataclasses.dataclass(frozen=True)
class Done:
    """Time and memory that a process took."""

    seconds: float
    peak: float
    """Peak resident bytes of the process and its children together; shared memory counts for each."""
    started: float
    """Start time, seconds since 1970."""
    output: str
    """What it wrote on standard output."""


@contextlib.contextmanager
def own_home(cached: bool = True) -> Iterator[Path]:
    """Yield a temporary ``KANATUI_HOME``, with the user's cache of masters or an empty cache."""
    with tempfile.TemporaryDirectory(prefix="kanatui-bench-", ignore_cleanup_errors=True) as folder:
        if cached:
            paths.cache().mkdir(parents=True, exist_ok=True)
            (Path(folder) / "cache").symlink_to(paths.cache().resolve())
        yield Path(folder)


def run_kanatui(arguments: Sequence[str], home: Path, **environment: str) -> Done:
    """Run ``kanatui ARGUMENTS…`` to its end with ``home`` as its home and in this environment, and watch its memory.

    Raises:
        KanatuiError: it failed; the message has the end of its output.
    """
    with _scratch() as said, _scratch() as complained:
        started, clock = time.time(), time.perf_counter()
        process = subprocess.Popen(
            processes.python("-m", "kanatui", *arguments),
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=complained,
            env={**os.environ, "KANATUI_HOME": str(home), **environment},
        )
        peak = 0.0
        try:
            while process.poll() is None:
                peak = max(peak, resident(process.pid))
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(_LOOK_EVERY)
        finally:
            if process.poll() is None:
                process.terminate()
                process.wait()
        seconds = time.perf_counter() - clock
        output, errors = _all_of(said), _all_of(complained)
    if process.returncode:
        ends = " ".join(f"{output} {errors}".split())[-300:]
        raise KanatuiError(f"kanatui {' '.join(arguments)} failed: {ends}")
    return Done(seconds, peak, started, output)


def _scratch() -> IO[str]:
    return tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace")


def _all_of(file: IO[str]) -> str:
    file.seek(0)
    return file.read()


def resident(process: int, children: bool = True) -> float:
    """Return the resident bytes of a process, with or without its children; 0 if it has ended."""
    found = 0.0
    with contextlib.suppress(psutil.Error):
        whole = psutil.Process(process)
        for one in (whole, *(whole.children(recursive=True) if children else ())):
            with contextlib.suppress(psutil.Error):
                found += one.memory_info().rss
    return found

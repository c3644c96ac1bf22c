"""Starting trainings from the app: the command line does it, as a process that outlives the app."""

from __future__ import annotations

import asyncio
import os
import re
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from kanatui.core import paths, processes, storage
from kanatui.core.errors import RunError
from kanatui.core.storage import tail
from kanatui.training.event_text import preparing
from kanatui.training.runs import Run, list_runs

_POLL = 0.1
_STARTED = re.compile(r"^run (\S+) trains in the background", re.MULTILINE)

OnProgress = Callable[[str], None]


async def start_training(arguments: Sequence[str], on_progress: OnProgress, command: str = "train") -> str:
    """Run ``kanatui COMMAND ARGUMENTS --detach`` and return the id of the run once it has begun.

    Args:
        arguments: what stands behind the command.
        on_progress: told now and then how far the preparation is.
        command: ``train`` or ``adapt``.

    Raises:
        RunError: it could not start; the message is its own.
        StorageError: its log cannot be written.
    """
    known = {run.id for run in await asyncio.to_thread(list_runs)}
    log = storage.make_folder(paths.cache() / "starts") / f"{os.getpid()}-{time.monotonic_ns()}.log"
    process = await asyncio.to_thread(processes.start, [command, *arguments, "--detach"], log)
    try:
        while process.poll() is None:
            on_progress(await asyncio.to_thread(_how_far, known, log))
            await asyncio.sleep(_POLL)
        said = await asyncio.to_thread(tail, log)
    finally:
        if process.poll() is not None:
            log.unlink(missing_ok=True)
    started = _STARTED.search(said)
    if process.returncode or not started:
        raise RunError(_reason(said) or f"the training ended at its start with status {process.returncode}")
    return started[1]


def _how_far(known: set[str], log: Path) -> str:
    """Say how far the preparation is: by the new run's own events once it is there, before by what was printed."""
    new = next((run for run in reversed(list_runs()) if run.id not in known), None)
    if new is not None:
        return f"run {new.number}: {_last_preparing(new) or 'starting'}"
    lines = [line for line in tail(log).splitlines() if line.strip()]
    return lines[-1] if lines else "starting"


def _last_preparing(run: Run) -> str:
    events = [event for event in run.events().read() if event["event"] == "preparing"]
    try:
        return preparing(events[-1]) if events else ""
    except (KeyError, TypeError, ValueError):
        return ""


def _reason(said: str) -> str:
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    return lines[-1].removeprefix("kanatui: ").removeprefix("Error: ") if lines else ""

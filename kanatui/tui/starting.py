"""Starts trainings from the app: an engine prepares each, then it runs in a process that outlives the app."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from kanatui.core.errors import KanatuiError
from kanatui.training import launch
from kanatui.training.event_text import preparing
from kanatui.training.events import Event
from kanatui.training.runs import Run

if TYPE_CHECKING:
    from kanatui.engine.client import Engine

_POLL = 0.1

Say = Callable[[str], None]
"""Called from time to time with the progress of a start."""


async def prepare(engine: Engine, job: str, say: Say, **arguments: Any) -> dict[str, Any]:
    """Have an engine do a job of :mod:`kanatui.engine.jobs.training`, and end the engine.

    Checking faces and preparing samples take too long for a thread of the app, and samples need torch.

    Raises:
        EngineError: the arguments are wrong, or what they name is.
    """

    def tell(done: int, total: int, text: str) -> None:
        if text:
            say(f"{text} {done:,}/{total:,}")

    try:
        data: dict[str, Any] = (await engine.ask(job, on_progress=tell, **arguments)).data
        return data
    finally:
        await engine.close()  # so that the next start finds new plugins and fonts


async def begin_training(run: Run, say: Say, fresh: bool = True) -> None:
    """Start a run's training and return once it has begun. It continues if the app ends meanwhile.

    Args:
        run: a new one, or one that is to be continued.
        say: called with the progress of the training's own preparation.
        fresh: whether the run is removed if it cannot start.

    Raises:
        RunError: it could not start; the message is its own.
        StorageError: its log cannot be written.
    """
    try:
        events = await asyncio.to_thread(run.events_from_now)  # those of an earlier start would be out of date
        launched = await asyncio.to_thread(launch.begin, run)
        standing = "starting its process"
        while await asyncio.to_thread(launched.look) is None:
            for event in await asyncio.to_thread(events.read):
                standing = _told(event) or standing
            say(f"run {run.number}: {standing}")
            await asyncio.sleep(_POLL)
    except KanatuiError:
        if fresh:
            await asyncio.to_thread(run.discard)
        raise


def _told(event: Event) -> str:
    try:
        return preparing(event) if event["event"] == "preparing" else ""
    except (KeyError, TypeError, ValueError):
        return ""

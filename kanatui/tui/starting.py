"""Starting trainings from the app: an engine prepares them, then each is a process that outlives the app."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from kanatui.core.errors import KanatuiError
from kanatui.training import launch
from kanatui.training.event_text import preparing
from kanatui.training.runs import Run

if TYPE_CHECKING:
    from kanatui.engine.client import Engine

_POLL = 0.1

Say = Callable[[str], None]
"""Told now and then how far a start is."""


async def prepare(engine: Engine, job: str, say: Say, **arguments: Any) -> dict[str, Any]:
    """Have an engine do a job of :mod:`kanatui.engine.jobs.training`, and end the engine.

    Checking faces and preparing samples take too long for a thread of the app's, and samples take torch.

    Raises:
        EngineError: there is something wrong with the arguments, or with what they name.
    """

    def tell(done: int, total: int, text: str) -> None:
        if text:
            say(f"{text} {done:,}/{total:,}")

    try:
        data: dict[str, Any] = (await engine.ask(job, on_progress=tell, **arguments)).data
        return data
    finally:
        await engine.close()  # the next start is to find the plugins and fonts that there are then


async def begin_training(run: Run, say: Say, fresh: bool = True) -> None:
    """Start a run's training and return once it has begun. It goes on if the app ends meanwhile.

    Args:
        run: a new one, or one that is to be continued.
        say: told how far the training's own preparation is.
        fresh: whether the run is removed if it cannot start.

    Raises:
        RunError: it could not start; the message is its own.
        StorageError: its log cannot be written.
    """
    try:
        launched = await asyncio.to_thread(launch.begin, run)
        while await asyncio.to_thread(launched.look) is None:
            say(f"run {run.number}: {await asyncio.to_thread(_last_preparing, run) or 'starting'}")
            await asyncio.sleep(_POLL)
    except KanatuiError:
        if fresh:
            await asyncio.to_thread(run.discard)
        raise


def _last_preparing(run: Run) -> str:
    events = [event for event in run.events().read() if event["event"] == "preparing"]
    try:
        return preparing(events[-1]) if events else ""
    except (KeyError, TypeError, ValueError):
        return ""

"""Leaves the app when it is terminated or its terminal is closed."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any

from textual.app import App

_PATIENCE = 10.0
"""Seconds for an orderly exit, including the engines: on a busy machine this takes more than three."""

_EXIT_STATUS = 128  # to which a shell adds the signal's number


def leave_on_signals(app: App[Any]) -> Callable[[], None]:
    """Leave the app on SIGTERM and SIGHUP; trainings are separate processes and are not affected.

    Called from the app's event loop. When the terminal is gone, the loop may block forever in a write, so
    a thread ends the process if leaving takes too long. (A handler of the loop's own would hang with it.)

    Returns:
        A function that restores the signal handlers.
    """
    loop = asyncio.get_running_loop()

    def leave(number: int, frame: FrameType | None) -> None:
        timer = threading.Timer(_PATIENCE, os._exit, (_EXIT_STATUS + number,))
        timer.daemon = True
        timer.start()
        loop.call_soon_threadsafe(app.exit)

    before = {number: signal.signal(number, leave) for number in (signal.SIGTERM, signal.SIGHUP)}

    def put_back() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    return put_back

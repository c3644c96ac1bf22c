"""Leaving the app when the system says so: terminated, or its terminal is gone."""

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
"""Seconds for leaving in good order, engines ended: on a busy machine that takes more than three."""

_EXIT_STATUS = 128  # to which a shell adds the signal's number


def leave_on_signals(app: App[Any]) -> Callable[[], None]:
    """Leave the app on SIGTERM and SIGHUP; trainings are processes of their own and do not notice.

    Called from the app's event loop. With its terminal gone the loop may hang for good in a write that nobody takes, so
    a thread ends the process if leaving takes too long. (A handler of the loop's own would hang with it.)

    Returns:
        what puts the signals back as they were.
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

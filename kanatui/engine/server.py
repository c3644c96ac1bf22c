"""The engine's process: reads requests, does one job after the other, and answers. Jobs' output goes to its log."""

from __future__ import annotations

import contextlib
import faulthandler
import json
import os
import queue
import signal
import sys
import threading
import time
import traceback
from collections.abc import Mapping
from typing import Any, BinaryIO

from kanatui.core import processes
from kanatui.core.errors import KanatuiError
from kanatui.engine import jobs, wire
from kanatui.engine.context import Context

_TELL_EVERY = 0.05  # seconds between progress messages of a job
_PAUSE = 0.1  # seconds without a request before torch is imported


class _Cancelled(Exception):  # noqa: N818  # not an error: the answer is no longer wanted
    """Raised inside a job whose request was cancelled or superseded."""


class Server:
    """Does jobs in the order of their requests until the requests' pipe is closed."""

    def __init__(self, requests: BinaryIO, answers: BinaryIO) -> None:
        """Serve two pipes; a separate thread reads ``requests``, so that cancellations take effect at once."""
        self._requests, self._answers = requests, answers
        self._inbox: queue.SimpleQueue[Mapping[str, Any]] = queue.SimpleQueue()
        self._cancelled: set[int] = set()
        self._ending = threading.Event()
        self._context = Context()

    def run(self) -> None:
        """Serve until the requests' pipe is closed, which ends the process."""
        threading.Thread(target=self._read, name="requests", daemon=True).start()
        self._context.prefetcher.start()
        with contextlib.suppress(queue.Empty):
            while True:  # the app's first requests need no torch and are answered at once
                self._do(self._inbox.get(timeout=_PAUSE))
        import kanatui.dataset.sparse  # noqa: F401  # takes a second, better now than when a person waits

        while True:
            self._do(self._inbox.get())

    def _read(self) -> None:
        try:
            for request in map(json.loads, self._requests):
                if "cancel" in request:
                    self._cancelled.add(request["cancel"])
                else:
                    self._inbox.put(request)
        finally:
            self._ending.set()
            processes.end_now(0)  # the app has ended; nobody would read the answers

    def _do(self, request: Mapping[str, Any]) -> None:
        report = _Reporter(self, request["id"])
        try:
            report.check()
            with self._context.prefetcher.paused:
                answer = jobs.find(request["job"])(self._context, request["arguments"], report)
            report.check()
            message = wire.pack({"id": request["id"], "data": answer.data}, answer.arrays)
        except _Cancelled:
            message = [wire.line({"id": request["id"], "cancelled": True})]
        except (Exception, SystemExit) as error:  # noqa: BLE001  # plugins may raise anything; the app shows it
            message = [wire.line({"id": request["id"], **_described(error)})]
        self._cancelled.discard(request["id"])
        self.send(message)

    def is_cancelled(self, id: int) -> bool:
        """Return whether the request with this id was cancelled."""
        return id in self._cancelled

    def send(self, message: list[bytes]) -> None:
        """Write a message; end the process if nobody reads it."""
        if (
            self._ending.is_set()
        ):  # a job that finished, or failed because its children were killed, while the process ends
            threading.Event().wait()
        try:
            for part in message:
                self._answers.write(part)
            self._answers.flush()
        except OSError:
            processes.end_now(0)


class _Reporter:
    """Called by jobs: sends progress to the client, and ends a job whose request was cancelled."""

    def __init__(self, server: Server, id: int) -> None:
        self._server, self._id, self._told = server, id, 0.0

    def __call__(self, done: int, total: int, text: str = "") -> None:
        self.check()
        now = time.monotonic()
        if now - self._told >= _TELL_EVERY or done == total:
            self._told = now
            self._server.send([wire.line({"id": self._id, "progress": [done, total, text]})])

    def check(self) -> None:
        if self._server.is_cancelled(self._id):
            raise _Cancelled


def _described(error: BaseException) -> dict[str, str]:
    """Return one line for the screen, and the traceback if it says more than the line."""
    trace = "".join(traceback.format_exception(error))
    if isinstance(error, KanatuiError):
        return {"error": str(error), "details": trace if error.__cause__ else ""}
    reason = f"{type(error).__name__}: {error}".splitlines()[0]
    return {"error": f"internal error: {reason}", "details": trace}


def main() -> None:
    """Serve standard input and output, and hide them from everything else in this process."""
    # A hang-up or Ctrl-C reaches all processes of the terminal; the app handles it, and when it ends the pipe closes.
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    faulthandler.enable()
    processes.keep_threads()
    threads = sys.argv[2] if len(sys.argv) > 2 else "1"
    os.environ["OMP_NUM_THREADS"] = (
        threads  # read when torch is loaded; more threads would spin on cores that a training needs
    )
    requests, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    with open(os.devnull, "rb") as nothing:
        os.dup2(nothing.fileno(), 0)
    os.dup2(2, 1)
    Server(requests, answers).run()

"""What signals do to a training: they stop it with a checkpoint, or end at once what has nothing to save."""

from __future__ import annotations

import contextlib
import functools
import os
import signal
import threading
from collections.abc import Callable, Iterator

from kanatui.core import processes
from kanatui.core.errors import StorageError
from kanatui.training import control
from kanatui.training.control import Control
from kanatui.training.recorder import Recorder

BY_INTERRUPT = "by Ctrl-C"
BY_SECOND_INTERRUPT = "by a second Ctrl-C, without another checkpoint"
_INTERRUPTED = 130
"""The exit status of a process that Ctrl-C ended."""
_PATIENCE = 1.0
"""Seconds that what a signal interrupts may take to let go."""


class StoppedEarlyError(BaseException):
    """The training was told to stop before the first step, or when all steps are done.

    Raised by signal handlers, so anywhere: whoever expects errors of a plugin's must not take it for one.
    """


@contextlib.contextmanager
def signals_to(commands: Control, detached: bool, recorder: Recorder | None = None) -> Iterator[None]:
    """Turn signals into commands, or into the end where nothing is lost by it (``commands.at_once``).

    Only the main thread may set signal handlers; in others nothing changes.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    signals = _Signals(commands)
    wanted = {
        signal.SIGINT: signals.interrupt,
        signal.SIGTERM: signals.terminate,
        signal.SIGHUP: signal.SIG_IGN if detached else signals.terminate,
    }
    with contextlib.ExitStack() as stack:
        if recorder is not None:
            stack.enter_context(_told_at_once(functools.partial(signals.insist, recorder)))
        for number, handler in wanted.items():
            stack.callback(signal.signal, number, signal.signal(number, handler))
        yield


class _Signals:
    """The handlers of signals during a training."""

    def __init__(self, commands: Control) -> None:
        self._commands = commands
        self._interrupts = self._interrupts_told = 0

    def interrupt(self, number: int, frame: object) -> None:
        self._interrupts += 1
        if self._interrupts > 1:
            raise KeyboardInterrupt
        self._stop(BY_INTERRUPT)

    def terminate(self, number: int, frame: object) -> None:
        self._stop(f"by {signal.Signals(number).name}")

    def _stop(self, reason: str) -> None:
        self._commands.request(control.STOP, reason)
        if self._commands.at_once:
            raise StoppedEarlyError(reason)

    def insist(self, recorder: Recorder, number: int, over: threading.Event) -> None:
        """End the process if a signal that ends what is done at once has not: nothing is raised while torch computes.

        Args:
            recorder: of the training; nothing else uses it meanwhile.
            number: the signal's.
            over: set once the training has ended.
        """
        if number not in (signal.SIGINT, signal.SIGTERM):
            return
        self._interrupts_told += number == signal.SIGINT
        reason = BY_INTERRUPT if number == signal.SIGINT else f"by {signal.Signals(number).name}"
        if self._interrupts_told > 1:
            reason = BY_SECOND_INTERRUPT
        elif not self._commands.at_once:
            return
        if not over.wait(_PATIENCE) and (self._commands.at_once or self._interrupts_told > 1):
            with contextlib.suppress(StorageError):
                recorder.finish("stopped", reason)
            processes.end_now(_INTERRUPTED if number == signal.SIGINT else 0)


@contextlib.contextmanager
def _told_at_once(tell: Callable[[int, threading.Event], None]) -> Iterator[None]:
    """Call a function in a thread with each signal that arrives: its handler may have to wait for torch.

    The function is also given what is set when the context ends.
    """
    over = threading.Event()
    reading, writing = os.pipe()
    os.set_blocking(writing, False)

    def listen() -> None:
        with os.fdopen(reading, "rb", buffering=0) as signals:
            while number := signals.read(1):
                tell(number[0], over)

    before = signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    threading.Thread(target=listen, name="signals", daemon=True).start()
    try:
        yield
    finally:
        over.set()
        signal.set_wakeup_fd(before)
        os.close(writing)

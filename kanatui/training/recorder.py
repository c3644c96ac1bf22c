"""Writes a training's events, status and log into its run directory."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import time
import traceback
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from kanatui.core import storage
from kanatui.core.errors import KanatuiError, StorageError
from kanatui.training.control import Mailbox, is_watched
from kanatui.training.events import Event, EventWriter
from kanatui.training.previews import BatchPreview, write_batch
from kanatui.training.runs import Run

Observer = Callable[[Event], None]

_TRIES = 50
"""Attempts to lock a run, 0.01 s apart."""

_STATUS_EVERY = 1.0
"""Seconds between status files. Each is flushed to disk, which takes up to a few milliseconds."""


class Sink(Protocol):
    """Receives a trainer's reports."""

    def event(self, kind: str, **fields: Any) -> None:
        """Report an event of a kind from :mod:`.events`."""

    def update(self, **fields: Any) -> None:
        """Report changed status fields; also the heartbeat, so called at every step and while waiting."""

    def show(self, make: Callable[[], BatchPreview]) -> None:
        """Show the current batch; ``make`` is called only if someone watches."""


class Silence:
    """A sink for the processes of a distributed training other than the first."""

    def event(self, kind: str, **fields: Any) -> None:
        """Ignore it."""

    def update(self, **fields: Any) -> None:
        """Ignore it."""

    def show(self, make: Callable[[], BatchPreview]) -> None:
        """Ignore it."""


class Recorder:
    """Locks a run directory for this process and writes there until closed."""

    def __init__(self, run: Run, observers: Sequence[Observer] = ()) -> None:
        """Lock the run and open its files.

        Commands left over from an earlier process are discarded.

        Raises:
            RunError: another process is training it.
            StorageError: the folder cannot be written, or holds a link that leads out of it.
        """
        self.run = run
        self._observers = list(observers)
        self._lock = _take(run)
        storage.refuse_links(run.path)
        for folder in (run.control, run.path / "checkpoints", run.previews):
            storage.make_folder(folder)
        for folder, name in ((run.path / "checkpoints", "*"), (run.previews, "*"), (run.path, "status.json")):
            storage.sweep(folder, name)
        with storage.storing(run.control):
            run.control.chmod(0o700)  # an earlier version left it open to others
        self.log("")
        Mailbox(run.control).take()
        self._events = EventWriter(run.path / "events.jsonl")
        before = dataclasses.asdict(run.status())
        self._status: dict[str, Any] = {name: before[name] for name in ("progress", "epoch", "step", "elapsed", "best")}
        self._status |= {"state": "starting", "pid": os.getpid()}
        self._written = 0.0
        self.update()

    def event(self, kind: str, **fields: Any) -> None:
        """Append an event and pass it to the observers; an observer that raises is logged and removed."""
        event = self._events.write(kind, **fields)
        for observer in list(self._observers):
            try:
                observer(event)
            except Exception as error:  # noqa: BLE001  # may be a plugin; what it raises must not stop a training
                self._observers.remove(observer)
                self.log(traceback.format_exc())
                reason = str(error) if isinstance(error, KanatuiError) else f"{type(error).__name__}: {error}"
                self._events.write("warning", message=f"an observer failed and was dropped: {reason}")

    def update(self, **fields: Any) -> None:
        """Change the status; it is written at most once per second, but a new state or work is written at once."""
        changed = any(name in fields and fields[name] != self._status.get(name, "") for name in ("state", "doing"))
        self._status |= fields
        now = time.monotonic()
        if changed or now - self._written >= _STATUS_EVERY:
            self._written = now
            storage.write_json(self.run.path / "status.json", self._status | {"heartbeat": round(time.time(), 3)})

    def show(self, make: Callable[[], BatchPreview]) -> None:
        """Write the current batch if someone watches; otherwise this only checks one file's time."""
        if is_watched(self.run.control):
            with contextlib.suppress(StorageError):  # a failed preview must not end a training
                write_batch(self.run.previews, make())

    def finish(self, state: str, reason: str = "") -> None:
        """Record the final state: the event first, so that readers of the state also find the event."""
        try:
            self.event("end", state=state, reason=reason, step=self._status["step"])
        finally:
            self.update(state=state, reason=reason, seconds_left=None, doing="")

    def log(self, text: str) -> None:
        """Append text to the run's log. StorageError if it cannot be written."""
        with storage.storing(self.run.log):
            opened = storage.open_to_write(self.run.log, os.O_WRONLY | os.O_APPEND)
            with open(opened, "a", encoding="utf-8", errors="backslashreplace") as file:
                file.write(text)

    def close(self) -> None:
        """Close the files and unlock the run."""
        self._events.close()
        self._lock.close()


def _take(run: Run) -> contextlib.ExitStack:
    """Lock the run; RunError if another process has locked it."""
    lock = contextlib.ExitStack()
    for left in reversed(range(_TRIES)):
        try:
            lock.enter_context(storage.exclusive(run.lock, "locked"))
            return lock
        except StorageError:
            if run.alive():
                raise run.busy() from None
            if not left:
                raise
            time.sleep(0.01)  # checking whether a run is alive takes the lock for an instant
    raise AssertionError("unreachable: the last try returns or raises")

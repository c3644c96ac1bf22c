"""Commands to a running training: small files in its `control/` folder, read between batches.

Any process may send one at any time: the training's own terminal, another one, the app. Each is a JSON object with
``command``, ``sequence`` (which also orders them) and the command's arguments; the training answers with a
``command`` event of the same sequence.

A file `control/watching`, touched every few seconds, asks for the images of the current batch.
"""

from __future__ import annotations

import dataclasses
import json
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from kanatui.core import checked
from kanatui.core.errors import RunError
from kanatui.core.storage import make_folder, open_to_read, open_to_write, storing
from kanatui.training.events import Event, EventReader

PAUSE, RESUME, STOP, STOP_AFTER_EPOCH = "pause", "resume", "stop", "stop_after_epoch"
AUGMENT = "augment"
"""Change the augmentations; argument ``augments``: all steps, as ``[[augment]]`` tables of a recipe."""

_WATCHED = 5.0
"""Seconds for which a touch of `control/watching` counts."""

_LONGEST = 1 << 16
"""Most bytes of a command file; larger files are invalid."""


@dataclasses.dataclass(frozen=True)
class Command:
    """One command as received. ``command`` is "" if its file was invalid; the argument ``problem`` says why."""

    sequence: int
    command: str
    arguments: Mapping[str, Any] = dataclasses.field(default_factory=dict)


class Mailbox:
    """The `control/` folder of a run."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def send(self, command: str, **arguments: Any) -> int:
        """Write a command file and return its sequence number. StorageError if it cannot be written."""
        make_folder(self.folder)
        draft = self.folder / f".{os.getpid()}-{time.monotonic_ns()}.tmp"
        sequence = time.time_ns()
        try:
            while True:
                with storing(draft):
                    with open(open_to_write(draft, os.O_WRONLY | os.O_TRUNC), "w", encoding="utf-8") as file:
                        json.dump({"sequence": sequence, "command": command, **arguments}, file)
                    try:
                        # A link is atomic and, unlike a rename, never replaces another command.
                        os.link(draft, self.folder / f"{sequence}.json")
                        return sequence
                    except FileExistsError:
                        sequence += 1
        finally:
            draft.unlink(missing_ok=True)

    def take(self) -> list[Command]:
        """Remove and return the commands that have arrived, oldest first.

        One of another user's is invalid; what is no regular file is no command.
        """
        try:
            names = [entry.name for entry in os.scandir(self.folder) if _is_command(entry)]
        except FileNotFoundError:
            return []
        found = (_open(self.folder / name) for name in sorted(names, key=lambda name: (len(name), name)))
        return [command for command in found if command is not None]


def _is_command(entry: os.DirEntry[str]) -> bool:
    return entry.name.endswith(".json") and entry.is_file(follow_symlinks=False)


def watch(folder: Path) -> None:
    """Ask for previews of the batches; call it every few seconds. StorageError if it cannot be written."""
    with storing(folder):
        (folder / "watching").touch()


def is_watched(folder: Path) -> bool:
    """Return whether previews of the batches were asked for within the last few seconds."""
    try:
        asked = os.lstat(folder / "watching")
        return asked.st_uid == os.geteuid() and time.time() - asked.st_mtime < _WATCHED
    except OSError:
        return False


class Control:
    """The commands to a training: from its mailbox, and from within the process (signals)."""

    def __init__(self, mailbox: Mailbox | None = None) -> None:
        self._mailbox = mailbox
        self._requests: list[Command] = []
        self.at_once = False
        """Whether a signal may end what is done at any moment: before the first step, there is nothing to save."""

    def request(self, command: str, reason: str) -> None:
        """Queue a command from within the process; safe to call in a signal handler."""
        self._requests.append(Command(0, command, {"reason": reason}))

    def take(self) -> list[Command]:
        """Remove and return all commands since the last call."""
        requests, self._requests = self._requests, []
        return requests + (self._mailbox.take() if self._mailbox else [])


def _open(path: Path) -> Command | None:
    """Read a command and remove its file; None if it cannot be removed, as it would be obeyed again and again."""
    sequence = int(path.stem) if path.stem.isdecimal() and len(path.stem) < 20 else 0
    try:
        with open_to_read(path) as file:
            if os.fstat(file.fileno()).st_uid != os.geteuid():
                raise ValueError("written by another user")
            data = checked.parse(file.read(_LONGEST), dict[str, Any])
        data.pop("sequence", None)
        command = Command(sequence, checked.check(data.pop("command", None), str), data)
    except (OSError, ValueError) as error:
        command = Command(sequence, "", {"problem": f"{path.name}: {error}"})
    try:
        path.unlink(missing_ok=True)
    except OSError:
        return None
    return command


def send_and_wait(
    run_path: Path, command: str, seconds: float, alive: Callable[[], bool], **arguments: Any
) -> Event | None:
    """Send a command to a training and wait for its answer.

    Args:
        run_path: the run's folder.
        seconds: how long to wait; after that, None is returned.
        alive: returns whether the training is still running.

    Raises:
        RunError: the training refused, or ended without answering.
    """
    log = run_path / "events.jsonl"
    reader = EventReader(log, log.stat().st_size if log.exists() else 0)
    sequence = Mailbox(run_path / "control").send(command, **arguments)
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        was_alive = alive()
        for event in reader.read():
            if event["event"] == "command" and event.get("sequence") == sequence:
                if not event.get("accepted"):
                    raise RunError(f"{run_path.name}: {event.get('note') or f'{command} was refused'}")
                return event
        if not was_alive:
            raise RunError(f"{run_path.name}: ended before it could {command.replace('_', ' ')}")
        time.sleep(0.02)
    return None

"""Handles the commands sent to a training, and answers each with an event."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from kanatui.core.errors import KanatuiError, RunError
from kanatui.training.control import AUGMENT, PAUSE, RESUME, STOP, STOP_AFTER_EPOCH, Command
from kanatui.training.recorder import Sink

TAKEN_BACK = "taken back"
"""The note of the answer to a stop after the epoch that is taken back."""

Handler = Callable[[Mapping[str, Any]], str]


class CommandHandler:
    """Turns commands into the flags that the loop reads: ``paused``, ``ending``, ``after_epoch``.

    ``handlers`` maps each command to its handler. A handler takes the command's arguments and returns a note for the
    answer, or raises a KanatuiError to refuse; it is called between two batches, or while the training is prepared.
    """

    def __init__(self, sink: Sink) -> None:
        self.paused = False
        self.ending: str | None = None
        """The reason to stop now, None to continue."""
        self.after_epoch = False
        """Whether to stop at the end of the epoch."""
        self.handlers: dict[str, Handler] = {
            PAUSE: self._pause,
            RESUME: self._resume,
            STOP: self._stop,
            STOP_AFTER_EPOCH: self._stop_after_epoch,
            AUGMENT: self._not_yet,
        }
        self._sink = sink

    def obey(self, commands: Sequence[Command], step: int) -> None:
        """Execute commands in order, and answer each."""
        for command in commands:
            try:
                if command.command not in self.handlers:
                    raise RunError(str(command.arguments.get("problem") or f"no such command: {command.command}"))
                note, accepted = self.handlers[command.command](command.arguments), True
            except KanatuiError as error:
                note, accepted = str(error), False
            answer = {"sequence": command.sequence, "command": command.command, "accepted": accepted, "note": note}
            self._sink.event("command", **answer, step=step)

    def _pause(self, arguments: Mapping[str, Any]) -> str:
        before, self.paused = self.paused, True
        return "already paused" if before else ""

    def _resume(self, arguments: Mapping[str, Any]) -> str:
        before, self.paused = self.paused, False
        return "" if before else "not paused"

    def _stop(self, arguments: Mapping[str, Any]) -> str:
        self.ending = str(arguments.get("reason") or "as asked")
        return ""

    def _not_yet(self, arguments: Mapping[str, Any]) -> str:
        raise RunError("still preparing; change the augmentations once it trains")

    def _stop_after_epoch(self, arguments: Mapping[str, Any]) -> str:
        """Stop at the end of the epoch; with ``take_back``, no longer."""
        if arguments.get("take_back"):
            self.after_epoch = False
            return TAKEN_BACK
        if self.paused:
            raise RunError("paused in the middle of an epoch; resume it first")
        self.after_epoch = True
        return ""

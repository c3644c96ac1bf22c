"""The scratch home of a soak: kanatui's commands run in it as processes of their own, and are killed."""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import json
import os
import random
import signal
import subprocess
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import psutil

from kanatui.cli.soak import laws
from kanatui.core import processes, storage
from kanatui.core.errors import KanatuiError
from kanatui.training.runs import Run

TRAINING = (
    "--model", "article_cnn", "--epochs", "10", "--threads", "1", "--workers", "0", "--precision", "float32",
    "--validations", "3", "--validation-images", "100", "--checkpoint-seconds", "1",
)  # fmt: skip
"""A training of two to five seconds, which ends with the same weights on every try."""
_INTERVAL = 1.0

_SHOWN = ("--characters", "あいうえお", "--faces", "klee-*,pen-32")
RECIPES = {
    "tiny": ("quick", *_SHOWN, "--image-size", "16", "-n", "400"),
    "random": ("quick", *_SHOWN, "--image-size", "48", "-n", "1600"),  # three shards, made by one process
    "grid": ("article", *_SHOWN, "--image-size", "48", "-n", "4800", "--workers", "2"),  # seven, made by two
}
"""By kind, what kinds of data sets are made of."""
TRAINED = "tiny"
"""The kind that is trained on: the weights are the same whether its images are written or made on the fly."""

_LONGEST = 300.0
"""Seconds after which a command, or what a signal ends, counts as hanging."""
_USUAL = 4.0
"""Seconds that a command takes as long as none of its kind has been measured."""
_POLL = 0.05


@dataclasses.dataclass(frozen=True)
class Ended:
    """How a command ended."""

    status: int
    killed: bool
    said: str
    """The last line of what people read."""
    text: str
    """What it printed for programs."""

    @property
    def told(self) -> Any:
        """What it printed for programs, {} if nothing."""
        return json.loads(self.text or "{}")


class World:
    """A scratch home, and what was done and lost in it."""

    def __init__(self, folder: Path, seed: int) -> None:
        """Use an empty folder. The same seed chooses the same operations and faults, as far as they are possible."""
        self.folder, self.home, self.logs, self.temporary = (folder, *map(folder.joinpath, ("home", "logs", "tmp")))
        for made in (self.home, self.logs, self.temporary):
            storage.make_folder(made)
        self.seed, self.rng = seed, random.Random(seed)
        self.operations, self.faults = collections.Counter[str](), collections.Counter[str]()
        self.losses: dict[str, str] = {}
        """What is lost, and what to look at."""
        self.undisturbed: dict[str, dict[str, str]] = {}
        """By kind of data set, the SHA-256 of its files."""
        self.weights = ""
        """The digest of the weights with which every finished training but those that adapt ends."""
        self.begun: list[str] = []
        """Names of data sets, each its kind and a number."""
        self.damaged: set[str] = set()
        """The runs whose checkpoints were spoilt on purpose."""
        self._usual: dict[str, float] = {}
        self._environment = {name: value for name, value in os.environ.items() if not name.startswith("KANATUI_")} | {
            "KANATUI_HOME": str(self.home), "KANATUI_NICENESS": "0", "TMPDIR": str(self.temporary),
            "OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "passive", "PYTHONFAULTHANDLER": "1",
        }  # fmt: skip

    # ── doing and killing ─────────────────────────────────────────────────────────────────────────────────────────

    def call(self, doing: str, *arguments: str, kill: bool = False, refused: tuple[str, ...] = ()) -> Ended:
        """Run a command.

        Args:
            doing: its name in the report.
            arguments: its command line, without ``--json``.
            kill: send it a signal at a random moment.
            refused: words of errors that are none here.
        """
        number = self.rng.choice((signal.SIGKILL, signal.SIGTERM, signal.SIGINT)) if kill else None
        moment = self.rng.random() * self._usual.get(doing, _USUAL)
        log = self.logs / f"{self.operations.total():05}-{doing.replace(' ', '-')}.txt"
        self.operations[doing] += 1
        started, struck = time.monotonic(), False
        with open(log, "wb") as said, open(log.with_suffix(".json"), "wb") as told:
            command = processes.python("-m", "kanatui", *arguments, "--json")
            options: dict[str, Any] = {"cwd": self.folder, "env": self._environment, "start_new_session": True}
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=told, stderr=said, **options)
            if number is not None:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(moment)
                struck = process.poll() is None and self.strike(process.pid, number, f"kanatui {doing}")
            try:
                status = process.wait(_LONGEST)
            except subprocess.TimeoutExpired:
                self.lose(f"kanatui {doing} did not end within {_LONGEST:.0f} s", log)
                process.send_signal(signal.SIGABRT)  # the log then has what each of its threads was doing
                status = process.wait()
        ended = Ended(status, struck, storage.last_line(log), log.with_suffix(".json").read_text("utf-8"))
        if not struck:
            self._usual.setdefault(doing, time.monotonic() - started)
            if status and not (status == 1 and any(words in ended.said for words in refused)):
                self.lose(f"kanatui {doing} ended with {status}: {ended.said}", log)
        return ended

    def strike(self, pid: int, number: signal.Signals, what: str) -> bool:
        """Send a signal to a process, and count it as a fault. Returns whether there is such a process."""
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            return False
        self.faults[f"{number.name} to {what}"] += 1
        return True

    def wait(self, over: Callable[[], bool], what: str, where: Path) -> None:
        """Wait until something is over; a loss if it never is."""
        deadline = time.monotonic() + _LONGEST
        while not over():
            if time.monotonic() > deadline:
                self.lose(f"{what} within {_LONGEST:.0f} s", where)
                return
            time.sleep(_POLL)

    # ── what is there ─────────────────────────────────────────────────────────────────────────────────────────────

    def dataset(self, name: str) -> Path:
        """Return the folder of a data set."""
        return self.home / "datasets" / name

    def runs(self) -> list[Run]:
        """Return all runs, oldest first; the first was never disturbed."""
        return [Run(path) for path in sorted((self.home / "runs").glob("[!.]*"))]

    def training(self) -> Run | None:
        """Return the run that is training."""
        return next((run for run in self.runs() if run.alive()), None)

    # ── what is lost ──────────────────────────────────────────────────────────────────────────────────────────────

    def lose(self, what: str, where: Path) -> None:
        """Record a loss, once."""
        self.losses.setdefault(what, str(where))

    def judge(self, found: Iterable[laws.Loss]) -> None:
        """Record losses."""
        for what, where in found:
            self.lose(what, where)

    def check(self) -> None:
        """Check all laws."""
        for name in (*RECIPES, *self.begun):
            if kind := self.undisturbed.get(name.partition("-")[0]):
                self.judge(laws.of_dataset(self.dataset(name), kind))
        for run in self.runs():
            expected = None if run.name == "adapted" else self.weights or None
            self.judge(laws.of_run(run, expected, run.id in self.damaged, _INTERVAL))
        self.judge(laws.of_list(self.call("runs", "runs").text, self.home / "runs"))
        self.judge(laws.of_logs(self.folder))

    def end(self) -> None:
        """End every process that works here, at first politely."""
        left = laws.processes_of(self.home)
        for ending in (psutil.Process.terminate, psutil.Process.kill):
            for process in left:
                with contextlib.suppress(psutil.Error):
                    ending(process)
            _, left = psutil.wait_procs(left, 10)

    def require(self, ended: Ended) -> None:
        """Raise KanatuiError unless a command went well: without it there is nothing to soak."""
        if ended.status:
            why = next(iter(self.losses), "").removesuffix(": ") or ended.said
            raise KanatuiError(f"nothing can be soaked here: {why} (see {self.logs})")

"""Run directories, which hold a training's configuration, events, state and weights; and how to find one.

::

    runs/012-quick/
        config.toml      the configuration; enough to start or continue the training
        events.jsonl     what happened (:mod:`kanatui.training.events`)
        status.json      its state and progress, replaced once a second while it runs
        train.log        the output of the process, and tracebacks
        lock             held by the training process for as long as it lives
        control/         commands to it (:mod:`kanatui.training.control`)
        checkpoints/     best.safetensors, last.safetensors (weights); state.safetensors (to continue from), and
                         before.safetensors, the one before it, in case it is damaged
        previews/        images of the current batch, while someone watches
        about.toml       title and note given by the user (:mod:`kanatui.training.about`)
        replay.json      the course to repeat, in a run that repeats another (:mod:`kanatui.training.replay`)
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import difflib
import fcntl
import os
import re
import shutil
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

import tomlkit

from kanatui.core import checked, paths, storage
from kanatui.core.checked import Count, Finite
from kanatui.core.errors import RunError, StorageError, WeightsError
from kanatui.core.harmless import harmless
from kanatui.model import shipped
from kanatui.model.metrics import BEST
from kanatui.training.about import LONGEST_NOTE, read_about, title_problem, write_about
from kanatui.training.control import watch
from kanatui.training.event_text import scored_on
from kanatui.training.events import EventReader

if TYPE_CHECKING:
    from kanatui.training.previews import BatchPreview

SILENCE = 120.0
"""Seconds without a heartbeat after which a training counts as crashed.

A step of the article's network at 256 px takes 1.5 s on two cores; writing its checkpoint takes a few seconds.
"""

State = Literal["starting", "running", "paused", "finished", "stopped", "failed", "crashed", "damaged"]
STATES: tuple[State, ...] = get_args(State)
ACTIVE = ("starting", "running", "paused")

_ID = re.compile(r"(\d+)-(.+)")
_LONGEST_NAME = 40


@dataclasses.dataclass(frozen=True)
class Status:
    """The status of a run. ``reason`` says why it ended unless that is obvious."""

    state: State
    reason: str = ""
    pid: Count = 0
    heartbeat: Finite = 0.0
    progress: Finite = 0.0
    epoch: Count = 0
    step: Count = 0
    elapsed: Finite = 0.0
    """Seconds of training so far, without pauses."""
    seconds_left: Finite | None = None
    doing: str = ""
    """What it does besides steps: ``validating``, ``writing a checkpoint``, ``calibrating``; "" for steps."""
    best: Mapping[str, Any] | None = None
    """The best validation so far, by the mean of strict and folded: ``step``, ``strict``, ``folded`` (0 … 1).

    Another version may not have recorded all of them.
    """

    @property
    def active(self) -> bool:
        """Whether a process is training it."""
        return self.state in ACTIVE


class Run:
    """A run directory. Apart from title and note, only the training process writes to it (:mod:`.recorder`)."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def create(cls, name: str, config: Mapping[str, Any]) -> Run:
        """Make a new run directory, `NUMBER-NAME`, with its configuration.

        Raises:
            RunError: the name is not a plain one (:func:`kanatui.core.paths.name_problem`).
            StorageError: it cannot be written.
        """
        if problem := paths.name_problem(name):
            raise RunError(f"run name {name!r}: {problem}")
        folder = storage.make_folder(paths.runs())
        with _locked(folder / ".lock"):
            number = max((run.number for run in list_runs()), default=0) + 1
            run = cls(folder / f"{number:03d}-{name}")
            storage.make_folder(run.path)
        run.configure({"name": name, "created": datetime.datetime.now(datetime.UTC).replace(microsecond=0), **config})
        return run

    def configure(self, config: Mapping[str, Any]) -> None:
        """Extend the configuration of a run that has not started. StorageError if it cannot be written."""
        path = self.path / "config.toml"
        known = self.config if path.exists() else {}
        storage.write_bytes(path, tomlkit.dumps({**known, **config}).encode())

    @property
    def id(self) -> str:
        """The directory's name."""
        return self.path.name

    @property
    def number(self) -> int:
        """The run's number, 0 if the directory was named by hand."""
        match = _ID.fullmatch(self.id)
        return int(match[1]) if match else 0

    @property
    def name(self) -> str:
        """The id without the number."""
        match = _ID.fullmatch(self.id)
        return match[2] if match else self.id

    @property
    def title(self) -> str:
        """Its title; its name if it has none."""
        return self.about()[0]

    @property
    def note(self) -> str:
        """Its note, "" if there is none; may have several lines."""
        return self.about()[1]

    def rename(self, title: str) -> None:
        """Set its title, also while it trains; "" removes it. The folder keeps its name.

        Raises:
            RunError: the title is not one line of up to 80 characters.
            StorageError: it cannot be written.
        """
        title = title.strip()
        if problem := title_problem(title):
            raise RunError(f"title {title[:20]!r}…: {problem}")
        write_about(self.path, title=title)

    def annotate(self, note: str) -> None:
        """Replace its note; "" removes it.

        Raises:
            RunError: the note is longer than 4,000 characters.
            StorageError: it cannot be written.
        """
        if len(note) > LONGEST_NOTE:
            raise RunError(f"the note has {len(note):,} characters; the maximum is {LONGEST_NOTE:,}")
        write_about(self.path, note=note.strip())

    def about(self) -> tuple[str, str]:
        """Return title and note, for which the file is read once."""
        about = read_about(self.path)
        return about.title or self.name, about.note

    @property
    def config(self) -> dict[str, Any]:
        """The configuration in config.toml. RunError if it cannot be read."""
        return storage.read_toml(self.path / "config.toml", RunError)

    def scored_on(self, best: Mapping[str, Any] | None) -> str:
        """Return what a best validation (``Status.best``) is of, if that is not held-out images: ``17 own samples``.

        Runs made before this was recorded say it by what they are: those that adapt are scored on samples.
        """
        if not best:
            return ""
        if "of" in best:
            return scored_on(str(best["of"]), best.get("images"))
        with contextlib.suppress(RunError):
            if isinstance(adapts := self.config.get("adapt"), dict):
                images = adapts.get("held_back")
                return scored_on("samples", images if isinstance(images, int) else None)
        return ""

    @property
    def created(self) -> float:
        """When it was created, seconds since 1970; 0 if unknown."""
        try:
            return created_in(self.config)
        except RunError:
            return 0.0

    @property
    def control(self) -> Path:
        """The folder for commands to the training."""
        return self.path / "control"

    @property
    def previews(self) -> Path:
        """The folder for images of the current batch."""
        return self.path / "previews"

    @property
    def log(self) -> Path:
        """The file with the training's output."""
        return self.path / "train.log"

    @property
    def lock(self) -> Path:
        """The file that the training process keeps locked."""
        return self.path / "lock"

    def checkpoint(self, name: str) -> Path:
        """Return the file of a checkpoint: weights for ``best`` and ``last``; ``state`` to continue from."""
        return self.path / "checkpoints" / f"{name}.safetensors"

    def events(self, offset: int = 0) -> EventReader:
        """Return a reader of the run's events."""
        return EventReader(self.path / "events.jsonl", offset)

    def events_from_now(self) -> EventReader:
        """Return a reader of future events."""
        path = self.path / "events.jsonl"
        return EventReader(path, path.stat().st_size if path.exists() else 0)

    def status(self) -> Status:
        """Return the run's status; it also detects processes that died or fell silent."""
        try:
            status = checked.parse(storage.read_bytes(self.path / "status.json"), Status)
            checked.check(status.best or {}, BEST)
            status = dataclasses.replace(status, reason=harmless(status.reason), doing=harmless(status.doing, 80))
        except FileNotFoundError:
            return self._unreported()
        except (OSError, ValueError) as error:
            damaged = Status("damaged", f"{self.path / 'status.json'}: {error}")
            return Status("starting") if self.alive() else damaged
        if status.active:
            silence = time.time() - status.heartbeat
            if not self.alive():
                reason = f"process {status.pid} is gone, killed or out of memory; see train.log"
                return dataclasses.replace(status, state="crashed", reason=reason, seconds_left=None)
            if silence > SILENCE and status.state != "starting":  # drawing masters may take longer
                reason = f"process {status.pid} has been silent for {silence:.0f} s"
                return dataclasses.replace(status, state="crashed", reason=reason, seconds_left=None)
        return status

    def _unreported(self) -> Status:
        """Return the status of a run without a file: just created, or its process died before writing one."""
        with contextlib.suppress(OSError):
            if self.alive() or time.time() - self.path.stat().st_mtime < SILENCE:
                return Status("starting")
        return Status("crashed", "its process never reported; see train.log")

    def alive(self) -> bool:
        """Return whether a process holds the run's lock, which no crash leaves behind and no other process inherits."""
        return storage.lock_holder(self.lock) is not None

    def require_idle(self) -> None:
        """Raise RunError if a process is training the run."""
        if self.alive():
            raise self.busy()

    def busy(self) -> RunError:
        """Return the error for a run that a process is training."""
        pid, state = self.status().pid, self.status().state
        return RunError(f"run {self.id} is still {state} (process {pid}); stop it first: kanatui stop {self.number}")

    def weights(self) -> Path:
        """Return the best weights, else the last. RunError if there are none yet."""
        for name in ("best", "last"):
            if self.checkpoint(name).is_file():
                return self.checkpoint(name)
        raise RunError(f"run {self.id} has no weights yet ({self.status().state}); wait for its first checkpoint")

    def watch(self) -> None:
        """Request images of the current batch (:meth:`batch`) for the next five seconds.

        StorageError if the request cannot be written.
        """
        watch(self.control)

    def batch(self) -> BatchPreview | None:
        """Return images of the last batch that was watched, None if there are none."""
        from kanatui.training.previews import read_batch  # imports numpy, which lists of runs do not need

        return read_batch(self.previews)

    def delete(self) -> None:
        """Delete the run and everything in it.

        Raises:
            RunError: a process is training it.
            StorageError: it cannot be deleted, or is a link or elsewhere than the other runs.
        """
        if self.alive() or self.status().active:
            raise self.busy()
        storage.delete_folder(self.path, paths.runs())

    def discard(self) -> None:
        """Delete a run that never started to train, so that a failed start leaves nothing behind."""
        if not self.checkpoint("state").exists() and not self.alive():
            shutil.rmtree(self.path, ignore_errors=True)


def created_in(config: Mapping[str, Any]) -> float:
    """Return when a configuration was made, seconds since 1970; 0 if unknown."""
    made = config.get("created")
    try:
        return made.timestamp() if isinstance(made, datetime.datetime) else 0.0
    except (ValueError, OverflowError):  # the year 1, in a zone west of here
        return 0.0


def plain_run_name(text: str) -> str:
    """Make a run name that needs no quotes from that of a recipe or data set: letters and digits are kept."""
    kept = "".join(character if character.isascii() and character.isalnum() else "-" for character in text)
    return kept.strip("-")[:_LONGEST_NAME].strip("-") or "run"


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold a lock file, waiting until it is free."""
    with storage.storing(path), open(path, "wb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def list_runs() -> list[Run]:
    """Return every run, oldest first."""
    try:
        found = [Run(Path(entry.path)) for entry in os.scandir(paths.runs()) if entry.is_dir() and entry.name[0] != "."]
    except FileNotFoundError:
        return []
    except OSError as error:
        raise StorageError(f"{paths.runs()}: cannot be read ({error.strerror})") from None
    return sorted(found, key=lambda run: (run.number, run.id))


def find_run(reference: str) -> Run:
    """Return a run by id, number, unique prefix of its id, name or title, ``latest``, or the path of its folder.

    RunError, naming the nearest, if there is none or more than one.
    """
    if os.sep in reference and os.path.isfile(Path(reference) / "config.toml"):
        return Run(Path(reference).resolve())
    runs = list_runs()
    if not runs:
        raise RunError(f"no run {reference!r}: there are no runs yet; kanatui train starts one")
    if reference == "latest":
        return runs[-1]
    for matches in _matches(runs, reference):
        if len(matches) == 1:
            return matches[0]
        if matches:
            raise RunError(f"run {reference!r} could be any of: {', '.join(run.id for run in matches[-5:])}")
    ids = [run.id for run in runs]
    near = difflib.get_close_matches(reference, ids, n=3, cutoff=0.5) or ids[:-4:-1]
    raise RunError(f"no run {reference!r}; nearest: {', '.join(near)} (kanatui runs lists all)")


def _matches(runs: list[Run], reference: str) -> Iterator[list[Run]]:
    """Yield the runs that match a reference, the strictest rule first."""
    yield [run for run in runs if run.id == reference]
    if reference.isdecimal():
        yield [run for run in runs if run.number == int(reference)]
    yield [run for run in runs if reference and run.id.startswith(reference)]
    yield [run for run in runs if reference and run.id.partition("-")[2].startswith(reference)]
    titles = [(run, run.title.casefold()) for run in runs] if reference else []
    yield [run for run, title in titles if title == reference.casefold()]
    yield [run for run, title in titles if title.startswith(reference.casefold())]


def find_weights(reference: str) -> Path:
    """Return a weights file: the best of a run (see :func:`find_run`), a path, or ``default`` for the shipped one.

    Raises:
        RunError: no such run, or it has no weights yet.
        WeightsError: no such file.
    """
    if reference == shipped.DEFAULT:
        return shipped.default_weights()
    if reference.endswith(".safetensors"):
        path = Path(reference)
        if not os.path.isfile(path):
            raise WeightsError(f"{path}: no such file")
        return path
    return find_run(reference).weights()


def usual_weights() -> Path:
    """Return the weights used if no model is given: the shipped ones, else those of the newest run that has any.

    RunError if there is neither.
    """
    with contextlib.suppress(WeightsError):
        return shipped.default_weights()
    for run in reversed(list_runs()):
        with contextlib.suppress(RunError):
            return run.weights()
    raise RunError("no trained model yet; make one with kanatui quickstart or kanatui train")

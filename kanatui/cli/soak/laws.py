"""What must hold at every moment, whatever was killed before. What does not hold is a loss."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path

import psutil

from kanatui.core.errors import DatasetError
from kanatui.dataset.generation import LOG
from kanatui.dataset.manifest import read_manifest
from kanatui.model import seal
from kanatui.training.events import Event
from kanatui.training.runs import Run

Loss = tuple[str, Path]
"""What is lost, and what to look at."""

_SLACK = 1.0
"""Seconds by which clocks of a busy machine may disagree."""

_ENDING = 30.0
"""Seconds that a process may take to end when its work is done: to unload torch takes one."""

_MOST_SAVING = 0.05
"""The share of the time that writing checkpoints may take, as :mod:`kanatui.training.checkpoints` has it."""


def digests(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of each file of a data set; not of its lock, its log and unfinished files."""
    files = [path for path in folder.iterdir() if path.name[0] != "." and path.name != LOG]
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def tensors(run: Run) -> str:
    """Return the SHA-256 of a run's last weights, without their card, which has the time."""
    data = run.checkpoint("last").read_bytes()
    return hashlib.sha256(data[8 + int.from_bytes(data[:8], "little") :]).hexdigest()


def of_dataset(folder: Path, undisturbed: Mapping[str, str]) -> Iterator[Loss]:
    """Yield what is wrong with a data set: each finished shard, and all of a complete one, is as if undisturbed."""
    try:
        manifest = read_manifest(folder)
    except DatasetError as error:
        if (folder / "manifest.json").exists():
            yield str(error), folder
        return
    found = digests(folder)
    for name, digest in manifest.shards.items():
        if found.get(name) != digest:
            yield f"{folder.name}: {name} is not what the manifest says", folder / name
    if manifest.complete:
        for name in sorted(found.keys() | undisturbed.keys()):
            if found.get(name) != undisturbed.get(name):
                yield f"{folder.name}: {name} is not as an undisturbed generation makes it", folder / name


def of_run(run: Run, undisturbed: str | None, damaged: bool, interval: float) -> Iterator[Loss]:
    """Yield what is wrong with a run.

    Args:
        run: it may be training.
        undisturbed: what :func:`tensors` gives for it when it is finished, None if it depends on time.
        damaged: its last checkpoint was spoilt on purpose.
        interval: most seconds between two checkpoints.
    """
    status = run.status()
    if status.state in ("failed", "damaged"):
        yield f"run {run.id} {status.state}: {status.reason}", run.path
    for name in ("best", "last") if damaged else ("best", "last", "state", "before"):
        try:
            seal.check(run.checkpoint(name))
        except FileNotFoundError:
            continue
        except (OSError, ValueError) as error:
            yield f"run {run.id}: {name}.safetensors: {error}", run.checkpoint(name)
    if undisturbed and status.state == "finished" and tensors(run) != undisturbed:
        yield f"run {run.id}: its weights are not those of an undisturbed run", run.path
    events = _events(run)
    yield from ((f"run {run.id}: {what}", run.path / "events.jsonl") for what in _of_course(events, damaged, interval))


def _events(run: Run) -> list[Event]:
    reader, events = run.events(), list[Event]()
    while read := reader.read():
        events += read
    return events


def _of_course(events: list[Event], damaged: bool, interval: float) -> Iterator[str]:
    """Yield what is wrong with the course of a training: where it was continued, and how much was repeated."""
    saved = [(0, 0.0)]  # the step of each checkpoint, and the seconds of training until then
    step, elapsed, taking, gap, before, fell_back = 0, 0.0, 0.0, 0.0, 0.0, False
    for event in events:
        since, before = event["time"] - before, event["time"]
        kind = event["event"]
        if kind == "step":
            gap = max(gap, event["elapsed"] - elapsed)
            step, elapsed = event["step"], event["elapsed"]
        elif kind == "checkpoint":
            taking = max(taking, since)
            saved.append((event["step"], elapsed))
        elif kind == "warning" and "checkpoint is damaged" in event["message"]:
            fell_back = True
            if not damaged:
                yield f"its checkpoint of step {saved[-1][0]} was found damaged"
        elif kind == "start" and (step or event["step"]):
            least, until = saved[-2 if fell_back else -1]
            if event["step"] < least:
                yield f"continued from step {event['step']}, although step {least} was saved"
            lost, most = elapsed - until, max(interval, taking / _MOST_SAVING) + gap + _SLACK
            if lost > most and not fell_back:
                yield f"{lost:.1f} s of training were lost at step {step}; at most {most:.1f} s are between checkpoints"
            saved = [(0, 0.0), *(each for each in saved[1:] if each[0] <= event["step"])]
            step, elapsed, fell_back = event["step"], saved[-1][1], False


def of_stop(run: Run) -> Iterator[Loss]:
    """Yield what is wrong with a training that was running when it was told to stop: all of its steps are saved."""
    step, saved = 0, 0
    for event in _events(run):
        if event["event"] in ("step", "start"):
            step = event["step"]
        elif event["event"] == "checkpoint":
            saved = event["step"]
    if saved < step:
        yield f"run {run.id}: stopped at step {step}, but saved at step {saved}", run.path


def of_logs(folder: Path) -> Iterator[Loss]:
    """Yield each log below a folder that has a traceback."""
    for path in (*folder.rglob("*.log"), *folder.rglob("*.txt")):
        said = path.read_bytes()
        starting = said.rstrip().endswith(b"KeyboardInterrupt") and b"/kanatui/" not in said  # Python, not yet kanatui
        if b"internal error" in said or (b"Traceback" in said and not starting):
            yield f"{path.name} of {path.parent.name} has a traceback", path


def of_list(text: str, folder: Path) -> Iterator[Loss]:
    """Yield what is wrong with what ``kanatui runs --json`` printed, if ``folder`` has the runs."""
    there = {path.name for path in folder.glob("[!.]*")}
    listed = {told["id"] for told in json.loads(text)} if text else set()
    if listed != there:
        yield f"kanatui runs does not list {', '.join(sorted(there ^ listed))}", folder


def processes_of(home: Path) -> list[psutil.Process]:
    """Return the processes that work in a home."""
    return [process for process in psutil.process_iter() if is_of(process.pid, home)]


def is_of(pid: int, home: Path) -> bool:
    """Return whether there is such a process, and it works in a home."""
    try:
        return bool(psutil.Process(pid).environ().get("KANATUI_HOME") == str(home))
    except (psutil.Error, OSError):  # another user's, or gone
        return False


def of_the_end(home: Path, temporary: Path) -> Iterator[Loss]:
    """Yield processes and temporary files that are left when everything has been finished."""
    _, left = psutil.wait_procs(processes_of(home), _ENDING)
    for process in left:
        try:
            yield f"process {process.pid} is left: {' '.join(process.cmdline())}", Path(f"/proc/{process.pid}")
        except psutil.Error:
            continue
    for path in (*home.rglob(".*.tmp"), *home.rglob(".*.deleted"), *filter(Path.is_file, temporary.rglob("*"))):
        yield f"a temporary file is left: {path.relative_to(home.parent)}", path

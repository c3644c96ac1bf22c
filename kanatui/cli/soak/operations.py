"""What a soak does: each operation is chosen at random, and does nothing where it is not possible now."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

from kanatui.cli.soak import laws
from kanatui.cli.soak.world import RECIPES, TRAINED, TRAINING, World
from kanatui.core import storage
from kanatui.core.errors import DatasetError, RunError
from kanatui.dataset.manifest import read_manifest, shard_name, writer_of
from kanatui.training.runs import Run

_MOST = 5
"""Data sets and runs that are kept; the oldest are deleted."""
_MOST_UNFINISHED = 2
_ENDED = ("is not running", "ended before it could")
"""What is said of a training that ends while it is told something."""
_SAMPLES = 10
"""Of each character, for adapting and evaluating."""


def prepare(world: World) -> None:
    """Make a data set and a run without disturbing them. KanatuiError if that is not possible on this machine."""
    _make_undisturbed(world, TRAINED)
    world.require(world.call("train", "train", *RECIPES[TRAINED], *TRAINING, "--name", "soak"))
    world.weights = laws.tensors(world.runs()[0])
    _write_samples(world.dataset(TRAINED), world.folder / "samples")


def _make_undisturbed(world: World, kind: str) -> None:
    if kind not in world.undisturbed:
        world.require(world.call("generate", "generate", *RECIPES[kind], "--name", kind))
        world.undisturbed[kind] = laws.digests(world.dataset(kind))


def _write_samples(folder: Path, out: Path) -> None:
    import numpy as np
    from PIL import Image

    manifest, images, first = read_manifest(folder), np.load(folder / shard_name(0), mmap_mode="r"), 0
    for character, count in zip(manifest.characters, manifest.counts, strict=True):
        place = storage.make_folder(out / character)
        for number in range(_SAMPLES):
            Image.fromarray(255 - images[first + number]).save(place / f"{number}.png")
        first += count


def finish(world: World) -> None:
    """Let what is going on end, and complete what is unfinished."""
    if run := world.training():
        world.call("resume", "resume", run.id, refused=_ENDED)
        world.call("attach", "attach", run.id)
    for name in _incomplete(world):
        _complete(world, name, kill=False)
    for run in _stopped(world):
        world.call("train --resume", "train", "--resume", run.id)


# ── data sets ───────────────────────────────────────────────────────────────────────────────────────────────────────


def generate(world: World) -> bool:
    """Make a data set, here or in the background; most are killed."""
    if len(_incomplete(world)) >= _MOST_UNFINISHED:
        return False
    kind = world.rng.choice(list(RECIPES))
    _make_undisturbed(world, kind)
    name = f"{kind}-{world.operations.total()}"
    world.begun.append(name)
    made = (*RECIPES[kind], "--name", name)
    if world.rng.random() < 0.7:
        world.call(f"generate {kind}", "generate", *made, kill=world.rng.random() < 0.8)
        return True
    process = world.call("generate --detach", "generate", *made, "--detach").told.get("process")
    time.sleep(world.rng.random() * 4)
    number = world.rng.choice((signal.SIGKILL, signal.SIGTERM))
    if process and laws.is_of(process, world.home):
        world.strike(process, number, "a detached generate")
    folder = world.dataset(name)
    world.wait(lambda: not laws.is_of(process or 0, world.home), f"{name}: its generation did not end", folder)
    return True


def complete(world: World) -> bool:
    """Resume a data set that was killed; some are killed again."""
    names = _incomplete(world)
    if names:
        _complete(world, world.rng.choice(names), kill=world.rng.random() < 0.5)
    return bool(names)


def _complete(world: World, name: str, kill: bool) -> None:
    # Killed before it had written its recipe, it is made again.
    known = (world.dataset(name) / "recipe.toml").is_file()
    recipe = () if known else RECIPES[name.partition("-")[0]]
    world.call("generate --resume", "generate", *recipe, "--resume", "--name", name, kill=kill)
    if not kill and name in _incomplete(world):
        world.lose(f"{name}: not complete after kanatui generate --resume", world.dataset(name))


def _incomplete(world: World) -> list[str]:
    found = []
    for name in world.begun:
        try:
            if not read_manifest(world.dataset(name)).complete and not writer_of(world.dataset(name)):
                found.append(name)
        except DatasetError:
            found.append(name)
    return found


# ── trainings ───────────────────────────────────────────────────────────────────────────────────────────────────────


def train(world: World) -> bool:
    """Start a training, on images made on the fly or on written ones."""
    if world.training() or len(_stopped(world)) >= _MOST_UNFINISHED:
        return False
    data = RECIPES[TRAINED] if world.rng.random() < 0.5 else ("--data", TRAINED)
    _train(world, "train", *data, *TRAINING, "--name", "soak")
    return True


def go_on(world: World) -> bool:
    """Continue a training that was stopped or killed."""
    stopped = _stopped(world)
    if world.training() or not stopped:
        return False
    _train(world, "train --resume", "--resume", world.rng.choice(stopped).id)
    return True


def _train(world: World, doing: str, *arguments: str) -> None:
    """Train in the background, where other operations follow; or here, and kill it."""
    if world.rng.random() < 0.7:
        world.call(f"{doing} --detach", "train", *arguments, "--detach")
    else:
        world.call(doing, "train", *arguments, kill=True)


def _stopped(world: World) -> list[Run]:
    """Return the runs that can be continued: a run that was killed while it was created has no configuration."""
    return [run for run in world.runs() if run.status().state in ("stopped", "crashed") and _is_whole(run)]


def _is_whole(run: Run) -> bool:
    try:
        return "train" in run.config
    except RunError:
        return False


def pause(world: World) -> bool:
    """Pause a training; it stays paused until it is resumed, stopped or killed."""
    return _steer(world, "pause")


def resume(world: World) -> bool:
    """Resume a training."""
    return _steer(world, "resume")


def stop(world: World) -> bool:
    """Stop a training, which saves all its steps."""
    run, began = world.training(), _begun(world.training())
    if not _steer(world, "stop") or run is None:
        return False
    if began and run.status().state == "stopped":
        world.judge(laws.of_stop(run))
    return True


def _steer(world: World, command: str) -> bool:
    run = world.training()
    if run:
        world.call(command, command, run.id, refused=_ENDED)
    return run is not None


def _begun(run: Run | None) -> bool:
    return run is not None and run.status().state in ("running", "paused")


def attach(world: World) -> bool:
    """Watch a training, to its end or until the watching program is killed, which the training does not notice."""
    run = world.training()
    if run is None:
        return False
    pid = run.status().pid
    kill = run.status().state == "paused" or world.rng.random() < 0.7
    ended = world.call("attach", "attach", run.id, kill=kill)
    if ended.killed and not run.alive() and run.status().state != "finished":
        world.lose(f"run {run.id} ended with the program that watched it (process {pid})", run.path)
    return True


def kill(world: World) -> bool:
    """Kill a training at a random moment, or hold it for a while."""
    run = world.training()
    if run is None:
        return False
    number = world.rng.choice((signal.SIGKILL, signal.SIGKILL, signal.SIGTERM, signal.SIGSTOP))
    time.sleep(world.rng.random() * 2)
    pid, began = storage.lock_holder(run.lock) or 0, _begun(run)
    if not pid or not world.strike(pid, number, "a training"):
        return False
    if number == signal.SIGSTOP:
        time.sleep(1)
        os.kill(pid, signal.SIGCONT)
        return True
    world.wait(lambda: not run.alive(), f"run {run.id} did not end after {number.name}", run.path)
    if number == signal.SIGTERM and began:
        if run.status().state not in ("stopped", "finished"):
            world.lose(f"run {run.id} is {run.status().state} after SIGTERM", run.path)
        world.judge(laws.of_stop(run))
    return True


def damage(world: World) -> bool:
    """Flip a bit in the last checkpoint of a training that has another, or tear its last event."""
    stopped = [run for run in _stopped(world) if run.checkpoint("before").exists() and not run.alive()]
    if not stopped:
        return False
    run = world.rng.choice(stopped)
    if run.id in world.damaged or world.rng.random() < 0.5:
        with open(run.path / "events.jsonl", "ab") as file:
            file.write(b'{"time":1796036407.4,"event":"st')
        world.faults["a torn line of events"] += 1
        return True
    state = run.checkpoint("state")
    data = bytearray(state.read_bytes())
    data[world.rng.randrange(len(data) // 2, len(data))] ^= 1 << world.rng.randrange(8)
    storage.write_bytes(state, bytes(data))  # as a new file: the checkpoint before may be another name of this one
    world.faults["a flipped bit in a checkpoint"] += 1
    world.damaged.add(run.id)
    return True


# ── models ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def evaluate(world: World) -> bool:
    """Score a run, also while it trains, on held-out images or on pictures."""
    run = world.rng.choice(world.runs())
    if not run.checkpoint("last").exists():
        return False
    place = ("--images", str(world.folder / "samples")) if world.rng.random() < 0.5 else ()
    world.call("evaluate", "evaluate", run.id, *place, kill=world.rng.random() < 0.4)
    return True


def adapt(world: World) -> bool:
    """Adapt the first run to pictures."""
    if len(_stopped(world)) >= _MOST_UNFINISHED:
        return False
    made = ("--samples", str(world.folder / "samples"), "--minutes", "0.03", "--name", "adapted")
    world.call("adapt", "adapt", world.runs()[0].id, *made, kill=world.rng.random() < 0.6)
    return True


def delete(world: World) -> bool:
    """Delete the oldest data set or run that is finished, or can never be."""
    complete, idle = [name for name in world.begun if name not in _incomplete(world)], world.runs()[1:]
    hopeless = [run for run in idle if not _is_whole(run) or run.status().state == "finished"]
    if len(world.begun) > _MOST and complete:
        world.call("datasets --delete", "datasets", "--delete", complete[0], "--yes")
        world.begun.remove(complete[0])
    elif len(idle) > _MOST and hopeless:
        world.call("runs --delete", "runs", "--delete", hopeless[0].id, "--yes", refused=("is still starting",))
    else:
        return False
    return True


OPERATIONS: dict[Callable[[World], bool], int] = {
    generate: 3, complete: 4, train: 6, go_on: 6, pause: 6, resume: 6, stop: 3, attach: 6, kill: 9, damage: 4,
    evaluate: 3, adapt: 2, delete: 3,
}  # fmt: skip
"""With how often each is chosen."""


def do_one(world: World) -> None:
    """Do one operation that is possible now."""
    while not world.rng.choices(list(OPERATIONS), list(OPERATIONS.values()))[0](world):
        continue

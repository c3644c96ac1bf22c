"""Runs a training from its run directory: opens what its configuration names, trains, records how it ended."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import torch

from kanatui.core.errors import KanatuiError, PluginError, RunError, StorageError
from kanatui.core.machine import describe_machine
from kanatui.dataset.mixed import MixedStream
from kanatui.dataset.open import open_source, outliers_of
from kanatui.dataset.source import ImageSource, OnProgress, OnStage
from kanatui.model.building import build_model
from kanatui.model.weights import load_weights
from kanatui.plugins.registry import RUN_HOOKS, Registry, load
from kanatui.training import control
from kanatui.training.calibrate import calibrate_files
from kanatui.training.commands import CommandHandler
from kanatui.training.control import Control, Mailbox
from kanatui.training.device import choose_device, keeping_threads, prepare_device
from kanatui.training.distributed import Alone
from kanatui.training.events import Event
from kanatui.training.feed import Opener
from kanatui.training.options import TrainingOptions
from kanatui.training.provenance import config_of
from kanatui.training.recorder import Observer, Recorder, Silence, Sink
from kanatui.training.replay import read_replay
from kanatui.training.runs import Run
from kanatui.training.signals import BY_INTERRUPT, BY_SECOND_INTERRUPT, StoppedEarlyError, signals_to
from kanatui.training.splits import Split, split_mixed, split_source
from kanatui.training.trainer import Outcome, Trainer

_TELL_EVERY = 0.5  # seconds between progress reports while preparing


@runtime_checkable
class Prepares(Protocol):
    """A source with preparation before its first image, such as drawing masters."""

    def prepare(self, on_progress: OnProgress | None = None) -> None:
        """Prepare now."""


def open_split(config: Mapping[str, Any], source: ImageSource) -> Split:
    """Split a source as the training with this configuration did. RunError or ParameterError if it is invalid."""
    return _split(source, _options(config))


@keeping_threads()
def train_run(
    run: Run,
    observers: Sequence[Observer] = (),
    *,
    group: Alone | None = None,
    detached: bool = False,
    source: ImageSource | None = None,
    opener: Opener = open_source,
) -> Outcome:
    """Train a run from its last checkpoint to the end of its budget, or until told to stop.

    Interrupt and terminate signals stop it with a checkpoint; a second interrupt ends it immediately. Torch has as
    many threads afterwards as before.

    Args:
        observers: called with each event.
        group: the processes that train together.
        detached: it runs without a terminal, so losing one does not stop it.
        source: the configuration's source, if it is open already.
        opener: opens the source in worker processes.

    Raises:
        KanatuiError: it could not start or continue; the run is recorded as failed.
    """
    group = group or Alone()
    if not group.first:
        with signals_to(Control(), detached):
            return _train(run, group, Silence(), Control(), source, opener)
    recorder = Recorder(run, [*observers, *plugin_observers(load(), run)])
    commands = Control(Mailbox(run.control))
    try:
        with signals_to(commands, detached, recorder):
            try:
                outcome = _train(run, group, recorder, commands, source, opener)
            except StoppedEarlyError as stopped:
                outcome = Outcome("stopped", str(stopped))
        recorder.finish(outcome.state, outcome.reason)
        return dataclasses.replace(outcome, interrupted=outcome.reason == BY_INTERRUPT)
    except BaseException as error:
        _record_failure(recorder, error)
        raise
    finally:
        recorder.close()


def plugin_observers(registry: Registry, run: Run) -> list[Observer]:
    """Return one observer per plugin that watches runs, so that a failing one can be dropped alone.

    Classes are made with the run's settings (``[observers.ID]`` in its configuration). ParameterError for wrong ones.
    """
    about = {"id": run.id, "path": str(run.path), "config": run.config}
    settings = run.config.get("observers", {})
    made = {id: cls(**settings.get(id, {})) for id, cls in registry.observers.items()}
    return [
        *(_observer(id, (each.started, each.event, each.finished), about) for id, each in made.items()),
        *(_observer(name, _functions(registry, plugin), about) for name, plugin in registry.watchers()),
    ]


_Calls = tuple[Callable[..., object], Callable[..., object], Callable[..., object]]
"""What an observer does when a run starts (run), has an event (run, event) and ends (run)."""


def _functions(registry: Registry, plugin: Any) -> _Calls:
    """Return what the functions of one module do."""
    others = [other for other in registry.manager.get_plugins() if other is not plugin]
    started, event_, finished = (
        registry.manager.subset_hook_caller(RUN_HOOKS + name, others) for name in ("started", "event", "finished")
    )
    return lambda run: started(run=run), lambda run, event: event_(run=run, event=event), lambda run: finished(run=run)


def _observer(name: str, calls: _Calls, about: Mapping[str, Any]) -> Observer:
    started, event_, finished = calls

    def observe(event: Event) -> None:
        try:
            if event["event"] == "start":
                started(about)
            event_(about, event)
            if event["event"] == "end":
                finished({**about, "state": event["state"], "reason": event["reason"]})
        except Exception as error:  # a plugin may raise anything
            reason = f"{type(error).__name__}: {error}".splitlines()[0]
            raise PluginError(f"observer {name} failed at the event {event['event']!r}: {reason}") from error

    return observe


def _train(
    run: Run, group: Alone, sink: Sink, commands: Control, source: ImageSource | None, opener: Opener
) -> Outcome:
    config = config_of(run)
    options = _options(config)
    device = choose_device(options.device)
    prepare_device(device, options.threads)
    handler = CommandHandler(sink)
    alone = group.size == 1  # in a group, the others would wait for this process forever
    commands.at_once = alone
    stage = _teller(sink, functools.partial(_obey_early, handler, commands, run.status().step) if alone else _nothing)
    if source is None:
        source = open_source(_table(config, "source"), _counting(stage, "looking at the faces"))
    if isinstance(source, Prepares):
        source.prepare(_counting(stage, "drawing the glyphs"))
    outliers = outliers_of(source, _counting(stage, "looking for other characters"))
    if outliers:
        outliers.prepare(_counting(stage, "drawing other characters"))
    stage(0, 0, "building the model")
    model, parameters = build_model(
        load(), options.model, _table(config, "model"), source.image_size, len(source.characters), options.seed
    )
    machine, origin = describe_machine(), load().origin(options.model)
    adapts = config.get("adapt", {})
    if adapts:
        _take_weights(model, source, Path(adapts["weights"]))
    card = (
        {
            "model": {"id": options.model, "parameters": parameters},
            "characters": source.characters,
            "image_size": source.image_size,
            "recipe": str(config.get("recipe", "")),
            "seed": options.seed,
            "run": run.id,
            "torch": torch.__version__,
            "machine": f"{machine['processor']}, {machine['cores']} cores",
        }
        | ({"plugin": origin} if origin else {})
        | ({"from": str(adapts["from"])} if adapts else {})
    )
    split = _split(source, options)
    trainer = Trainer(
        model,
        source,
        split,
        options,
        device=device,
        sink=sink,
        control=commands,
        checkpoints=run.path / "checkpoints",
        card=card,
        group=group,
        opener=opener,
        outliers=outliers,
        replay=read_replay(run.path),
        handler=handler,
        validate_first=bool(adapts),
        stage=stage,
    )
    outcome = trainer.train()
    if group.first:
        commands.at_once = alone
        _calibrate(run, source, split, options, sink, commands)
    group.wait()
    return outcome


def _calibrate(
    run: Run, source: ImageSource, split: Split, options: TrainingOptions, sink: Sink, commands: Control
) -> None:
    """Calibrate the run's weights, the last step, unless it is told to stop."""
    sink.update(doing="calibrating")

    def go_on() -> None:
        sink.update()
        if any(command.command == control.STOP for command in commands.take()):
            raise StoppedEarlyError

    try:
        files = [run.checkpoint(name) for name in ("best", "last")]
        calibrate_files(files, source, split, options.validation_images, go_on)
    except StoppedEarlyError:
        advice = f"kanatui models calibrate {run.number} does it"
        sink.event("warning", message=f"stopped before the probabilities were calibrated; {advice}")
    finally:
        commands.at_once = False
    sink.update(doing="")


def _take_weights(model: torch.nn.Module, source: ImageSource, weights: Path) -> None:
    """Start with another training's weights. RunError if its characters or image size differ."""
    first = load_weights(weights)
    if (first.characters, first.image_size) != (source.characters, source.image_size):
        what = f"{len(source.characters)} characters at {source.image_size} px"
        raise RunError(
            f"{weights}: reads {len(first.characters)} characters at {first.image_size} px, but the faces that are "
            f"installed here give {what}; kanatui fonts says which are missing"
        )
    model.load_state_dict(first.module.state_dict())


def _options(config: Mapping[str, Any]) -> TrainingOptions:
    return TrainingOptions(**_table(config, "train"))


def _table(config: Mapping[str, Any], name: str) -> dict[str, Any]:
    table = config.get(name)
    if not isinstance(table, dict):
        raise RunError(f"config.toml: the table [{name}] is missing; start a new run")
    return table


def _split(source: ImageSource, options: TrainingOptions) -> Split:
    if isinstance(source, MixedStream):
        return split_mixed(source, options.hold_out, options.hold_out_faces, options.split_seed)
    return split_source(source, options.hold_out, options.hold_out_faces, options.split_seed)


def _obey_early(handler: CommandHandler, commands: Control, step: int) -> None:
    """Handle commands while preparing: drawing the masters of forty faces takes a minute, too long to wait."""
    handler.obey(commands.take(), step)
    if handler.ending is not None:
        raise StoppedEarlyError(handler.ending)


def _nothing() -> None:
    """Handle no commands."""


def _teller(sink: Sink, obey: Callable[[], None]) -> OnStage:
    """Report the progress of the preparation, each stage at once and then not too often, and handle commands."""
    last, before = 0.0, ""

    def tell(done: int, total: int, text: str) -> None:
        nonlocal last, before
        obey()
        if text != before or (time.monotonic() - last >= _TELL_EVERY and total):
            last, before = time.monotonic(), text
            sink.event("preparing", done=done, total=total, stage=text)
        sink.update()

    return tell


def _counting(stage: OnStage, text: str) -> OnProgress:
    return lambda done, total: stage(done, total, text)


def _record_failure(recorder: Recorder, error: BaseException) -> None:
    state, reason = "failed", str(error)
    if isinstance(error, KeyboardInterrupt):
        state, reason = "stopped", BY_SECOND_INTERRUPT
    elif not isinstance(error, KanatuiError):
        reason = f"{type(error).__name__}: {error}"
        with contextlib.suppress(StorageError):
            recorder.log("".join(traceback.format_exception(error)))
    with contextlib.suppress(StorageError):  # the disk may be what failed
        recorder.finish(state, (reason.splitlines() or [""])[0])

"""The training loop. It knows nothing about terminals: it reports to a sink and takes commands from a control."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from kanatui.core.errors import RunError
from kanatui.dataset.open import open_source
from kanatui.dataset.outliers import OutlierStream
from kanatui.dataset.source import Augmentable, ImageSource, OnStage
from kanatui.model.building import require_memory_left
from kanatui.model.metrics import VALIDATED
from kanatui.training.budget import choose_budget, scaled
from kanatui.training.checkpoints import Keeper, Progress, signature
from kanatui.training.commands import CommandHandler
from kanatui.training.control import AUGMENT, Command, Control
from kanatui.training.device import auto_workers, describe_device
from kanatui.training.distributed import Alone, raise_if_left
from kanatui.training.event_text import ranking
from kanatui.training.feed import Batch, Opener, open_feed
from kanatui.training.learner import Learner
from kanatui.training.meter import Meter, Stopwatch
from kanatui.training.neighbours import Neighbours
from kanatui.training.options import TrainingOptions
from kanatui.training.order import EpochOrder
from kanatui.training.precision import has_bfloat16
from kanatui.training.previews import BatchPreview, preview_batch
from kanatui.training.recorder import Sink
from kanatui.training.replay import Replay
from kanatui.training.splits import Split
from kanatui.training.usage import Usage
from kanatui.training.validate import Judge, Validation, merit

_TRIED = 4
"""Images on which changed augmentations are tried; takes a few milliseconds."""

_POLL = 0.05
"""Seconds between checks for commands while paused; an answer is due within 0.2 s."""


@dataclasses.dataclass(frozen=True)
class Outcome:
    """How a training ended: ``finished`` or ``stopped``, and why it was stopped."""

    state: str
    reason: str = ""
    interrupted: bool = False
    """Whether Ctrl-C stopped it."""


class _LeftError(Exception):
    """Told to stop while waiting for a batch."""


class Trainer:
    """Trains a model on a source."""

    def __init__(
        self,
        model: torch.nn.Module,
        source: ImageSource,
        split: Split,
        options: TrainingOptions,
        *,
        device: torch.device,
        sink: Sink,
        control: Control,
        checkpoints: Path,
        card: Mapping[str, Any],
        group: Alone | None = None,
        opener: Opener = open_source,
        outliers: OutlierStream | None = None,
        replay: Replay | None = None,
        handler: CommandHandler | None = None,
        validate_first: bool = False,
        stage: OnStage = lambda done, total, text: None,
    ) -> None:
        """Set up.

        Args:
            model: takes float32 [n, 1, H, W] in 0 … 1, returns logits [n, C].
            split: of ``source``.
            sink: receives every event and the status.
            control: the source of commands, read between two batches.
            checkpoints: folder for best, last and state; an existing state is continued.
            card: the card for weights files (:mod:`kanatui.model.weights`); scores and times are added.
            group: the processes that train together.
            opener: makes the source from its ``spec()`` in worker processes.
            outliers: those of the source, None if it has none.
            replay: the run to repeat; it had the same model, source, split and options.
            handler: holds the commands handled before the first step.
            validate_first: also validate before the first step, because the weights came from another training.
            stage: called with the progress of the work before the first step; may raise to end it.

        Raises:
            RunError: the state in ``checkpoints`` is damaged or from another training.
        """
        self.options = options
        self.source = source
        self.group = group or Alone()
        self.device = device
        self.handler = handler or CommandHandler(sink)
        self.handler.handlers[AUGMENT] = self._change_augments
        self._sink, self._control, self._opener, self._replay = sink, control, opener, replay
        self._outliers = outliers
        self._keeper = Keeper(checkpoints, card, options.checkpoint_seconds, writes=self.group.first)

        self.learner = Learner(model, options, device, self.group)
        self.order = EpochOrder(
            split.train, options.batch_size, options.seed, by_number=options.order == "numbers", ranks=self.group.size
        )
        self.steps_per_epoch = self.order.batches // self.group.size
        self._budget = choose_budget(scaled(options, self.group.size), self.steps_per_epoch, replay)
        self.progress = Progress(source=signature(source), precision=replay.precision if replay else "")
        if self._keeper.state.exists():
            self._continue()

        self._stage = stage
        judge = Judge(source.characters, device, self.learner.autocast, options.model)
        validated = split if self.group.first else None
        self._validation = Validation(source, validated, options.validation_images, judge, stage)

        self._clock = Stopwatch()
        self._meter = Meter()
        self._usage = Usage(device)
        shares = device.type == "cpu" and not options.threads and not replay and self.group.size == 1
        self._neighbours = Neighbours(torch.get_num_threads()) if shares else None
        self._validates_first = validate_first and not self.progress.step
        self._late: list[Command] = []
        self._share = 0.0

    # ── the loop ──────────────────────────────────────────────────────────────────────────────────────────────────

    def train(self) -> Outcome:
        """Train until the epochs or minutes are over or a command says stop.

        Raises:
            RunError: the loss is no longer a number, memory ran out, or a worker died.
            PluginError: an augmentation failed.
            StorageError: a file cannot be written.
        """
        self._begin()
        self._control.at_once = False
        try:
            while self._share < 1.0 and self.handler.ending is None:
                self._repeat_changes()
                try:
                    batch = self._feed.next(self._wait)
                except _LeftError:
                    break
                except RunError:  # a signal to all processes of a group also ends those that make batches
                    if self._keep_validating():
                        raise
                    break
                with self._feed.making_ahead() if self._is_crowded else contextlib.nullcontext():
                    self._learn(batch)
                self._look_around()
                if self.handler.paused:
                    self._rest()
        except (RuntimeError, MemoryError) as error:
            require_memory_left(error)
            if isinstance(error, RuntimeError) and self.group.size > 1:
                raise_if_left(error)
            raise
        finally:
            self._feed.close()
        return self._end()

    def _learn(self, batch: Batch) -> None:
        self._rate = self._budget.rate(self.progress.step)
        loss, logits = self.learner.learn(batch.images, batch.labels, self._rate, self._position)
        self.progress.step += 1
        self._latest = batch, logits
        self._meter.add(loss, len(batch.labels) * self.group.size, batch.waited)

    def _look_around(self) -> None:
        """Do what is due after a step: handle commands, report, validate, save."""
        before, share = self._share, self._own_share()
        report_is_due = self._meter.age >= self._budget.report_every or share >= 1.0
        self._share, report_is_due, commands = self.group.agree(share, report_is_due, self._commands())
        self.handler.obey(commands, self.progress.step)
        epoch_ends = self.progress.step % self.steps_per_epoch == 0
        if report_is_due:
            self._report()
            self._budget.adjust(self._share)
            self._share_cores()
        if epoch_ends:
            self._sink.event("epoch", epoch=self.epoch, step=self.progress.step)
            if self.handler.after_epoch:
                self.handler.ending = "after the epoch, as asked"
        if self._validation_is_due(before):
            self._validate()
        if self._keeper.due(epoch_ends):
            self._save()
        self._beat()

    # ── beginning and end ─────────────────────────────────────────────────────────────────────────────────────────

    def _begin(self) -> None:
        if not self.progress.precision:
            self.progress.precision = self.group.share(self._choose_precision() if self.group.first else "")
        self.learner.precision = self.progress.precision
        self.learner.model.train()
        self._stage(0, 0, "making the first images")
        self._open_feed()
        self._first = dataclasses.replace(self.progress)
        self._clock.start(self.progress.elapsed)
        self._meter.restart()
        self._share, _, _ = self.group.agree(self._own_share(), False, [])
        self._budget.adjust(self._share)
        self._sink.event(
            "start",
            step=self.progress.step,
            device=describe_device(self.device),
            precision=self.progress.precision,
            processes=self.group.size,
            workers=self._workers,
            threads=torch.get_num_threads(),
            batches=self.steps_per_epoch,
            weights=sum(parameter.numel() for parameter in self.learner.model.parameters()),
            held_out=self._validation.sizes,
        )
        if self.progress.augments is not None:  # changed before the checkpoint that this continues
            self._tell_augments()
        self._sink.update(state="running", **self._standing())
        if self._validates_first and (scores := self._score()):
            self._sink.event("validation", step=0, epoch=0, best=False, **scores)

    def _open_feed(self) -> None:
        chosen = self.options.workers
        self._workers = auto_workers(self.device) if chosen < 0 else chosen
        self._feed = open_feed(
            self.source, self.order, self._position, self.group.size, self._workers, self._opener, self._outliers
        )

    @property
    def _position(self) -> int:
        """The number of this process's next batch, counted over all epochs and processes."""
        return self.progress.step * self.group.size + self.group.rank

    def _end(self) -> Outcome:
        if self._keeper.step != self.progress.step:
            self._sink.update(doing="writing a checkpoint")
            self._save()
        self.group.wait()
        return Outcome("finished") if self._share >= 1.0 else Outcome("stopped", self.handler.ending or "")

    def _continue(self) -> None:
        wanted = self.progress.source
        self.progress, last = self._keeper.load(self.learner)
        if not last:
            back = f"the last checkpoint is damaged; continuing from the one before it, step {self.progress.step:,}"
            self._sink.event("warning", message=back)
        for key, value in wanted.items():
            if self.progress.source.get(key) != value:
                raise RunError(f"the data has changed since this run started (other {key}); start a new run")
        if self.progress.augments is not None:
            self.source = _augmentable(self.source).with_augments(self.progress.augments)
            self._outliers = self._outliers and self._outliers.with_augments(self.progress.augments)

    # ── augmentations ─────────────────────────────────────────────────────────────────────────────────────────────

    def _change_augments(self, arguments: Mapping[str, Any]) -> str:
        """Handle the command: use other augmentations from the next step on. Raises if they are invalid."""
        if self._replay:
            raise RunError(f"this run repeats {self._replay.run} exactly; its augmentations cannot be changed")
        return self._augment(arguments.get("augments"))

    def _augment(self, augments: Any) -> str:
        source = _augmentable(self.source).with_augments(augments)
        if source.augments == _augmentable(self.source).augments:
            return "nothing to change"
        source.images(self.order.batch(0, 0)[:_TRIED])  # a failing step is refused here instead of ending the run
        self._report()
        self.source, self.progress.augments = source, source.augments
        self._keeper.step = -1
        self._feed.change(self._position, source, self.progress.augments)
        self._tell_augments()
        return f"from step {self.progress.step + 1:,} on"

    def _tell_augments(self) -> None:
        self._sink.event("augment", step=self.progress.step + 1, augments=self.progress.augments)

    def _repeat_changes(self) -> None:
        """Change augmentations and threads at the steps where the repeated run did."""
        if not self._replay:
            return
        augments = self._replay.augments_at(self.progress.step + 1)
        if augments is not None and augments != self.progress.augments:
            self._augment(augments)
        self._use_threads(self._replay.threads_at(self.progress.step + 1))

    def _share_cores(self) -> None:
        """Leave cores to other processes that keep them busy."""
        if self._neighbours:
            self._use_threads(self._neighbours.look(self._usage.spent), round(self._neighbours.busy, 2))

    @property
    def _is_crowded(self) -> bool:
        """Whether other processes leave room for one thread only, which gets less than a fair share of their cores."""
        return self._neighbours is not None and self._neighbours.is_alone

    def _use_threads(self, threads: int | None, busy: float | None = None) -> None:
        """Compute with so many threads from the next step on; ``busy`` cores are used by others."""
        if threads and threads != torch.get_num_threads():
            torch.set_num_threads(threads)
            self._sink.event("threads", step=self.progress.step + 1, threads=threads, busy=busy)

    # ── validating and saving ─────────────────────────────────────────────────────────────────────────────────────────

    def _validation_is_due(self, before: float) -> bool:
        validating = self._validation.seconds / max(self._clock.seconds, 1e-9)
        return bool(self._validation.sizes) and self._budget.validates(
            before, self._share, self.progress.step, validating
        )

    def _validate(self) -> None:
        self._report()
        self._sink.update(doing="validating")
        if scores := self._score():
            self._take_scores(scores)
        self._sink.update(doing="")

    def _score(self) -> dict[str, dict[str, float]]:
        """Score the model on all held-out images; {} if a command interrupted it."""
        scores = self._validation.score(self.learner.inference_model, self._keep_validating)
        self.learner.model.train()
        self._meter.restart()
        return scores

    def _take_scores(self, scores: Mapping[str, Mapping[str, float]]) -> None:
        kind, ranked = ranking(scores)
        about = {"step": self.progress.step, "of": kind, "images": ranked["images"]}
        found = about | {metric.key: ranked[metric.key] for metric in VALIDATED}
        best = self.progress.best is None or merit(found) > merit(self.progress.best)
        if best:
            self.progress.best = found
            self._keeper.save_weights("best", self.learner.inference_model, self._clock.seconds, found)
        self._sink.event("validation", step=self.progress.step, epoch=self.epoch, best=best, **scores)
        self._sink.update(best=self.progress.best)

    def _wait(self) -> None:
        """Handle commands while waiting for a batch: the first one takes as long as other processes take to start."""
        if not self._keep_validating():
            raise _LeftError

    def _keep_validating(self) -> bool:
        """Handle commands during a long validation; returns whether to continue it."""
        self._beat()
        commands = self._control.take()
        if self.group.size > 1:
            self._late += commands  # the others get them after the next step, with this process
        else:
            self.handler.obey(commands, self.progress.step)
        return self.handler.ending is None

    def _save(self) -> None:
        self._report()
        self.progress.elapsed = self._clock.seconds
        if self._keeper.save(self.progress, self.learner):
            self._sink.event("checkpoint", step=self.progress.step)
            self._meter.restart()

    # ── reporting ─────────────────────────────────────────────────────────────────────────────────────────────────

    @property
    def epoch(self) -> int:
        """The number of complete epochs."""
        return self.progress.step // self.steps_per_epoch

    def _report(self) -> None:
        """Report the steps since the last report. RunError with advice if the loss is not finite."""
        try:
            measured = self._meter.read(self.progress.step)
        except RunError as error:
            other = " or --precision float32" if self.progress.precision == "bfloat16" else ""
            advice = f"try --learning-rate below {self.options.learning_rate:g}{other}"
            raise RunError(f"{error}; {advice}") from None
        if measured:
            # The rate has all its digits: in a time budget, a replay reads it from here.
            self._sink.event("step", **self._standing(), **measured, rate=self._rate, **self._usage.read())
            self._sink.show(self._preview)

    def _standing(self) -> dict[str, Any]:
        elapsed = self._clock.seconds
        return {
            "step": self.progress.step,
            "epoch": self.epoch,
            "progress": round(self._share, 5),
            "elapsed": round(elapsed, 2),
            "seconds_left": self._seconds_left(elapsed),
        }

    def _seconds_left(self, elapsed: float) -> float | None:
        if not self._budget.steps:
            return round(max(0.0, self.options.minutes * 60 - elapsed), 1)
        done = self.progress.step - self._first.step
        if not done:
            return None
        return round((elapsed - self._first.elapsed) / done * (self._budget.steps - self.progress.step), 1)

    def _preview(self) -> BatchPreview:
        batch, logits = self._latest
        return preview_batch(self.progress.step, batch.images, batch.labels, logits, self.source.characters)

    def _beat(self) -> None:
        self._sink.update(**self._standing())

    def _rest(self) -> None:
        """Stay paused until told otherwise; saves a checkpoint first, in case the machine goes down meanwhile."""
        self._save()
        self._clock.stop()
        self._sink.event("paused", step=self.progress.step)
        self._sink.update(state="paused", seconds_left=None)
        while self.handler.paused and self.handler.ending is None:
            time.sleep(_POLL)
            self.handler.obey(self.group.agree(0.0, False, self._commands())[2], self.progress.step)
            self._sink.update()
        self._clock.start()
        self._meter.restart()
        if self.handler.ending is None:
            self._sink.event("resumed", step=self.progress.step)
            self._sink.update(state="running", **self._standing())

    # ── small things ──────────────────────────────────────────────────────────────────────────────────────────────

    def _own_share(self) -> float:
        """The share of the training that is done by this process's own clock, 0 … 1."""
        return self._budget.share(self.progress.step, self._clock.seconds)

    def _commands(self) -> list[Command]:
        """Return the commands to handle now."""
        late, self._late = self._late, []
        return late + self._control.take()

    def _choose_precision(self) -> str:
        if self.options.precision != "auto":
            return self.options.precision
        if not has_bfloat16(self.device):
            return "float32"
        tell = functools.partial(self._stage, 0, 0, "timing number formats")
        tell()
        indices = self.order.batch(0, 0)
        images, labels = (torch.from_numpy(values(indices)) for values in (self.source.images, self.source.labels))
        probe = self.learner.probe(images, labels, tell)
        self._sink.event("probe", seconds=probe.seconds, images=probe.images, chosen=probe.chosen)
        return probe.chosen


def _augmentable(source: ImageSource) -> Augmentable:
    if isinstance(source, Augmentable):
        return source
    raise RunError("the augmentations of a data set cannot be changed; train on a recipe instead")

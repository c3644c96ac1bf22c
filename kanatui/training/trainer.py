"""The training loop. It knows nothing of terminals: it reports to a sink, obeys a control, and returns."""

from __future__ import annotations

import dataclasses
import datetime
import math
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn.functional import cross_entropy

from kanatui.dataset.source import ImageSource, open_source
from kanatui.errors import RunError
from kanatui.rng import mix64, word_key
from kanatui.training.average import average_of
from kanatui.training.checkpoints import Progress, load_state, save_state
from kanatui.training.control import Control
from kanatui.training.device import auto_workers, describe_device
from kanatui.training.distributed import Alone
from kanatui.training.feed import Batch, Feed, Opener
from kanatui.training.helm import Helm
from kanatui.training.meter import Meter, Stopwatch
from kanatui.training.optimizer import make_optimizer
from kanatui.training.options import TrainingOptions
from kanatui.training.order import EpochOrder
from kanatui.training.precision import probe_precision
from kanatui.training.recorder import Sink
from kanatui.training.schedule import learning_rate
from kanatui.training.splits import Split
from kanatui.training.validate import Judge, hold_out
from kanatui.weights import save_weights

_REPORT_EVERY = 0.5
"""Seconds between step events: two redraws a second are all that a watcher makes, and a day is 35 MB."""

_MOST_JUDGING = 0.1
"""Share of a time budget: on two cores 4,096 images of 48 px take as long as a dozen steps."""

_SOONEST = 2.0
"""Seconds between checkpoints where epochs are shorter than that."""

_MOST_SAVING = 0.05
"""Share of the time: the article's network at 256 px has a state of 1 GB."""

_POLL = 0.05
"""Seconds between looks into the mailbox while paused; an answer is due within 0.2 s."""


@dataclasses.dataclass(frozen=True)
class Outcome:
    """How a training ended: ``finished`` or ``stopped``, and why it was stopped."""

    state: str
    reason: str = ""
    interrupted: bool = False
    """Whether it was Ctrl-C that stopped it."""


class Trainer:
    """Trains one model on one source."""

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
    ) -> None:
        """Set up.

        Args:
            model: takes float32 [n, 1, H, W] in 0 … 1, returns logits [n, C].
            split: of ``source``.
            sink: told of every event, and how the training stands.
            control: where commands come from, looked at between two batches.
            checkpoints: folder for best, last and state; a state that is there is continued from.
            card: what weights files say of the model (:mod:`kanatui.weights`); scores and times are added.
            group: the processes that train together.
            opener: makes the source from its ``spec()`` in worker processes.

        Raises:
            RunError: the state in ``checkpoints`` is damaged or of another training.
        """
        self.options = options
        self.source = source
        self.group = group or Alone()
        self.device = device
        self.helm = Helm(sink)
        self._sink, self._control, self._checkpoints, self._card = sink, control, checkpoints, card
        self._opener = opener

        self.model = model.to(device)
        self.average = average_of(self.model, options.averaging) if options.averaging else None
        self.optimizer = make_optimizer(self.model, options, device)
        self.order = EpochOrder(
            split.train, options.batch_size, options.seed, by_number=options.order == "numbers", ranks=self.group.size
        )
        self.steps_per_epoch = self.order.batches // self.group.size
        self.progress = Progress(source=_signature(source))
        if self._state_file.exists():
            self._continue()
        self._trained = self.group.wrap(self.model)

        most = options.validation_images
        sets = {"held_out": split.held_out, "faces": split.held_out_faces} if self.group.first else {}
        self._held = {name: held for name, images in sets.items() if (held := hold_out(source, images, most))}
        self._judge = Judge(source.characters, device, self._autocast)

        self._clock = Stopwatch()
        self._meter = Meter()
        self._saved, self._saved_step = time.monotonic(), -1
        self._saving = 0.0
        self._judged = 0.0
        self._share = 0.0

    # ── the loop ──────────────────────────────────────────────────────────────────────────────────────────────────

    def train(self) -> Outcome:
        """Train until the epochs or minutes are over or a command says stop.

        Raises:
            RunError: the loss is no longer a number, memory ran out, or a worker died.
            PluginError: an augmentation failed.
            StorageError: the disk takes no more.
        """
        self._begin()
        try:
            while self._share < 1.0 and self.helm.ending is None:
                batch = self._feed.next(self._beat)
                loss = self._learn(batch)
                self.progress.step += 1
                self._meter.add(loss, len(batch.labels) * self.group.size, batch.waited)
                self._look_around()
                if self.helm.paused:
                    self._rest()
        except torch.OutOfMemoryError as error:
            raise RunError("out of memory on the device; try a smaller --batch-size or --image-size") from error
        finally:
            self._feed.close()
        return self._end()

    def _learn(self, batch: Batch) -> torch.Tensor:
        """Take one step and return its loss, still on the device."""
        torch.manual_seed(self._dropout_seed())
        for parameters in self.optimizer.param_groups:
            parameters["lr"] = self._rate
        images = self._to_device(batch.images)
        labels = batch.labels.to(self.device, non_blocking=True)
        with self._autocast():
            logits = self._trained(images)
        loss = cross_entropy(logits.float(), labels, label_smoothing=self.options.label_smoothing)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]  # torch has no types here
        self.optimizer.step()
        if self.average is not None:
            self.average.update_parameters(self.model)
        return loss.detach()

    def _look_around(self) -> None:
        """What is due after a step: obey, report, judge, save."""
        before = self._share
        self._share, commands = self.group.agree(self._own_share(), self._control.take())
        self.helm.obey(commands, self.progress.step)
        epoch_ends = self.progress.step % self.steps_per_epoch == 0
        if self._meter.age >= _REPORT_EVERY or self._share >= 1.0:
            self._report()
        if epoch_ends:
            self._sink.event("epoch", epoch=self.epoch, step=self.progress.step)
            if self.helm.after_epoch:
                self.helm.ending = "after the epoch, as asked"
        if self._validation_is_due(before):
            self._validate()
        if self._checkpoint_is_due(epoch_ends):
            self._save()
        self._beat()

    # ── beginning and end ─────────────────────────────────────────────────────────────────────────────────────────

    def _begin(self) -> None:
        if not self.progress.precision:
            self.progress.precision = self.group.share(self._choose_precision() if self.group.first else "")
        self.model.train()
        self._open_feed()
        self._first = dataclasses.replace(self.progress)
        self._clock.start(self.progress.elapsed)
        self._meter.restart()
        self._share = self._own_share()
        self._sink.event(
            "start",
            step=self.progress.step,
            device=describe_device(self.device),
            precision=self.progress.precision,
            processes=self.group.size,
            workers=self._workers,
            batches=self.steps_per_epoch,
            weights=sum(parameter.numel() for parameter in self.model.parameters()),
            held_out={name: len(held.labels) for name, held in self._held.items()},
        )
        self._sink.update(state="running", **self._standing())

    def _open_feed(self) -> None:
        """Make batches from the present step on; also what a change of the data between two batches will call."""
        chosen = self.options.workers
        self._workers = auto_workers(self.device) if chosen < 0 else chosen
        position = self.progress.step * self.group.size + self.group.rank
        self._feed = Feed(self.source, self.order, position, self.group.size, self._workers, self._opener)

    def _end(self) -> Outcome:
        if self._saved_step != self.progress.step:
            self._save()
        self.group.wait()
        return Outcome("finished") if self._share >= 1.0 else Outcome("stopped", self.helm.ending or "")

    def _continue(self) -> None:
        wanted = self.progress.source
        self.progress = load_state(self._state_file, self.model, self.average, self.optimizer)
        for key, value in wanted.items():
            if self.progress.source.get(key) != value:
                raise RunError(f"the data has changed since this run began (other {key}); start a new run")

    # ── judging and saving ────────────────────────────────────────────────────────────────────────────────────────

    def _validation_is_due(self, before: float) -> bool:
        """Evenly over the training, and at its end; of a time budget, judging before the end takes a tenth at most."""
        count = self.options.validations
        if not self._held or math.floor(before * count) == math.floor(self._share * count):
            return False
        return self._share >= 1.0 or not self.options.minutes or self._judged < _MOST_JUDGING * self._clock.seconds

    def _validate(self) -> None:
        self._report()
        started = self._clock.seconds
        model = self.model if self.average is None else self.average.module
        scores = {name: self._judge.score(model, held, self._beat) for name, held in self._held.items()}
        self.model.train()
        judged = scores.get("faces") or scores["held_out"]
        found = {"step": self.progress.step, "strict": judged["strict"], "folded": judged["folded"]}
        best = self.progress.best is None or _merit(found) > _merit(self.progress.best)
        if best:
            self.progress.best = found
            self._save_weights("best", found)
        self._sink.event("validation", step=self.progress.step, epoch=self.epoch, best=best, **scores)
        self._sink.update(best=self.progress.best)
        self._judged += self._clock.seconds - started
        self._meter.restart()

    def _checkpoint_is_due(self, epoch_ends: bool) -> bool:
        """At the end of an epoch and every so often, unless writing would then take more than a part of the time."""
        longest = self.options.checkpoint_seconds
        wait = min(_SOONEST, longest) if epoch_ends else longest
        return time.monotonic() - self._saved >= max(wait, self._saving / _MOST_SAVING)

    def _save(self) -> None:
        """Write a checkpoint: what to go on from, and the weights as they are."""
        self._report()
        started = time.monotonic()
        self._saved, self._saved_step = started, self.progress.step
        if not self.group.first:
            return
        self.progress.elapsed = self._clock.seconds
        save_state(self._state_file, self.progress, self.model, self.average, self.optimizer)
        self._save_weights("last", {"step": self.progress.step})
        self._sink.event("checkpoint", step=self.progress.step)
        self._saving = time.monotonic() - started
        self._meter.restart()

    def _save_weights(self, name: str, scores: Mapping[str, Any]) -> None:
        module = self.model if self.average is None else self.average.module
        card = {
            **self._card,
            "scores": dict(scores),
            "seconds": round(self._clock.seconds, 1),
            "date": datetime.date.today().isoformat(),
        }
        save_weights(self._checkpoints / f"{name}.safetensors", module, card)

    @property
    def _state_file(self) -> Path:
        return self._checkpoints / "state.safetensors"

    # ── reporting ─────────────────────────────────────────────────────────────────────────────────────────────────

    @property
    def epoch(self) -> int:
        """How many epochs are complete."""
        return self.progress.step // self.steps_per_epoch

    def _report(self) -> None:
        """Tell of the steps since the last report. RunError, with what to try, if the loss is not finite."""
        try:
            measured = self._meter.read(self.progress.step)
        except RunError as error:
            other = " or --precision float32" if self.progress.precision == "bfloat16" else ""
            advice = f"try --learning-rate below {self.options.learning_rate:g}{other}"
            raise RunError(f"{error}; {advice}") from None
        if measured:
            self._sink.event("step", **self._standing(), **measured, rate=float(f"{self._rate:.4g}"))

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
        if self.options.minutes:
            return round(max(0.0, self.options.minutes * 60 - elapsed), 1)
        done = self.progress.step - self._first.step
        if not done:
            return None
        to_do = self.options.whole_epochs * self.steps_per_epoch - self.progress.step
        return round((elapsed - self._first.elapsed) / done * to_do, 1)

    def _beat(self) -> None:
        self._sink.update(**self._standing())

    def _rest(self) -> None:
        """Stay paused until told otherwise; a checkpoint first, for a pause may outlast the machine's patience."""
        self._save()
        self._clock.stop()
        self._sink.event("paused", step=self.progress.step)
        self._sink.update(state="paused", seconds_left=None)
        while self.helm.paused and self.helm.ending is None:
            time.sleep(_POLL)
            self.helm.obey(self.group.agree(0.0, self._control.take())[1], self.progress.step)
            self._sink.update()
        self._clock.start()
        self._meter.restart()
        if self.helm.ending is None:
            self._sink.event("resumed", step=self.progress.step)
            self._sink.update(state="running", **self._standing())

    # ── small things ──────────────────────────────────────────────────────────────────────────────────────────────

    def _own_share(self) -> float:
        """How much of the training is done by this process's own clock, 0 … 1."""
        if self.options.minutes:
            return min(1.0, self._clock.seconds / (self.options.minutes * 60))
        return min(1.0, self.progress.step / (self.options.whole_epochs * self.steps_per_epoch))

    @property
    def _rate(self) -> float:
        o = self.options
        return learning_rate(o.schedule, o.learning_rate, self._share, o.warm_up)

    def _dropout_seed(self) -> int:
        """Seed each step on its own, so that dropout follows from the step alone, whatever else draws numbers."""
        count = self.progress.step * self.group.size + self.group.rank
        base = mix64(np.array([self.options.seed], dtype=np.uint64) ^ word_key("dropout"))
        return int(mix64(base + np.uint64(count))[0] >> np.uint64(1))

    def _autocast(self) -> torch.autocast:
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.progress.precision == "bfloat16")

    def _to_device(self, images: torch.Tensor) -> torch.Tensor:
        return images.to(self.device, non_blocking=True).unsqueeze(1).float().div_(255.0)

    def _choose_precision(self) -> str:
        if self.options.precision != "auto":
            return self.options.precision
        if self.device.type == "mps":
            return "float32"
        indices = self.order.batch(0, 0)
        images = self._to_device(torch.from_numpy(self.source.images(indices)))
        labels = torch.from_numpy(self.source.labels(indices)).to(self.device)
        probe = probe_precision(self.model, images, labels)
        self._sink.event("probe", seconds=probe.seconds, chosen=probe.chosen)
        return probe.chosen


def _merit(scores: Mapping[str, Any]) -> float:
    """Rank validations by strict and folded together: among look-alikes strict alone is a toss of coins."""
    return float(scores["strict"] + scores["folded"])


def _signature(source: ImageSource) -> dict[str, Any]:
    """What must be the same for a training to be continued."""
    return {
        "characters": source.characters,
        "image_size": source.image_size,
        "images": len(source),
        "faces": list(source.face_ids),
    }

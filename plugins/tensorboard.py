"""Write a training's figures for TensorBoard: curves, images of batches, confusion matrices. Needs `tensorboardX`."""

import contextlib
import io
from importlib.util import find_spec
from pathlib import Path

import click

from kanatui import Bool, Observer, Text, hookimpl
from kanatui.core.errors import PluginError, StorageError
from kanatui.core.machine import missing_package
from kanatui.core.units import counted

FOLDER = "tensorboard"


class TensorBoard(Observer):
    id = "tensorboard"
    write = Bool(False, help="write each training's figures; `tensorboard --logdir` shows them")
    folder = Text(FOLDER, help="name of the folder in the run's folder")

    _writer = None

    @classmethod
    def problem(cls):
        return missing_package("tensorboardX", "tensorboard")

    def started(self, run):
        if self.write:
            from kanatui.training.runs import Run

            self._run = Run(Path(run["path"]))
            self._writer = open_writer(self._run.path / self.folder)

    def event(self, run, event):
        if not self._writer:
            return
        write_event(self._writer, event)
        if event["event"] == "step":
            with contextlib.suppress(StorageError):
                self._run.watch()  # so that there are images at the next validation
        elif event["event"] == "validation":
            write_batch(self._writer, self._run)

    def finished(self, run):
        if self._writer:
            self._writer.close()


def open_writer(folder):
    """Open TensorBoard's log in a folder. PluginError if the package that writes it is missing."""
    if problem := TensorBoard.problem():
        raise PluginError(f"tensorboard: {problem}")
    from tensorboardX import SummaryWriter

    return SummaryWriter(str(folder), flush_secs=10)


def write_event(writer, event):
    """Write the numbers of one event of ``events.jsonl``, at its step and its time."""
    from kanatui.training.events import figures

    kind, step, time = event["event"], event.get("step", 0), event["time"]
    for name, value in figures(event).items():
        writer.add_scalar(name, value, step, time)
    if kind in ("warning", "augment", "end"):
        text = ", ".join(f"{name} {value}" for name, value in event.items() if name not in ("time", "event"))
        writer.add_text(kind, text, step, time)


def write_batch(writer, run):
    """Write the images of the last batch that was watched, if any, as one sheet."""
    if batch := run.batch():
        writer.add_images("training/batch", batch.images[:, None], batch.step)


def write_confusions(writer, run):
    """Write the confusion matrix of each kept evaluation, at its step; return how many. matplotlib draws them."""
    import numpy as np
    from PIL import Image

    from kanatui.evaluation.figures import of_scores
    from kanatui.evaluation.scores import Scores
    from kanatui.evaluation.store import list_evaluations

    evaluations = list_evaluations(run.path / "evaluations")
    for evaluation in evaluations:
        drawn = of_scores(Scores.of(evaluation.load()[0]), ["confusions"], "png")
        picture = np.asarray(Image.open(io.BytesIO(drawn)).convert("RGB"))
        writer.add_image(f"confusions/{evaluation.name}", picture, evaluation.step, dataformats="HWC")
    return len(evaluations)


@click.command("tensorboard")
@click.argument("reference", default="latest", metavar="[RUN]")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), help="Another folder than the run's own.")
def tensorboard_command(reference, out):
    """Write a run's figures, so far, for TensorBoard: curves, the last batch shown, confusion matrices."""
    from kanatui.cli.console import out as console
    from kanatui.training.runs import find_run

    run = find_run(reference)
    folder = out or run.path / FOLDER
    writer, reader, count = open_writer(folder), run.events(), 0
    while events := reader.read():
        for event in events:
            write_event(writer, event)
        count += len(events)
    write_batch(writer, run)
    matrices = write_confusions(writer, run) if find_spec("matplotlib") else 0
    writer.close()
    written = f"{counted(count, 'event')} and the confusions of {counted(matrices, 'evaluation')} written"
    console.print(f"{written}; show them: tensorboard --logdir {folder}", markup=False, soft_wrap=True)


@hookimpl
def kanatui_observers():
    return [TensorBoard]


@hookimpl
def kanatui_commands(group):
    group.add_command(tensorboard_command)

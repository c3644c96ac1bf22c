"""Write a training's figures for TensorBoard: scalars, and the batch that is being shown. Needs `tensorboardX`."""

from pathlib import Path

import click

from kanatui import Bool, Observer, Text, hookimpl
from kanatui.core.errors import PluginError

_STEP = ("loss", "rate", "images_per_second", "memory")
FOLDER = "tensorboard"


class TensorBoard(Observer):
    id = "tensorboard"
    write = Bool(False, help="write each training's figures; `tensorboard --logdir` shows them")
    folder = Text(FOLDER, help="name of the folder in the run's folder")

    _writer = None

    def started(self, run):
        if self.write:
            self._writer = open_writer(Path(run["path"]) / self.folder)

    def event(self, run, event):
        if self._writer:
            write_event(self._writer, event)

    def finished(self, run):
        if self._writer:
            self._writer.close()


def open_writer(folder):
    """Open TensorBoard's log in a folder. PluginError if the package that writes it is missing."""
    try:
        from tensorboardX import SummaryWriter
    except ImportError:
        raise PluginError("tensorboard: needs a package: pip install 'kanatui[tensorboard]'") from None
    return SummaryWriter(str(folder), flush_secs=10)


def write_event(writer, event):
    """Write the numbers of one event of ``events.jsonl``, at its step and its time."""
    kind, step, time = event["event"], event.get("step", 0), event["time"]
    if kind == "step":
        for name in _STEP:
            if event.get(name) is not None:
                writer.add_scalar(f"training/{name}", event[name], step, time)
    elif kind == "validation":
        for images in ("held_out", "faces"):
            for name, value in event.get(images, {}).items():
                if name != "images":
                    writer.add_scalar(f"{images}/{name}", value, step, time)
    elif kind in ("warning", "augment", "end"):
        text = ", ".join(f"{name} {value}" for name, value in event.items() if name not in ("time", "event"))
        writer.add_text(kind, text, step, time)


@click.command("tensorboard")
@click.argument("reference", default="latest", metavar="[RUN]")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), help="Another folder than the run's own.")
def tensorboard_command(reference, out):
    """Write a run's figures, so far, for TensorBoard."""
    from kanatui.cli.console import out as console
    from kanatui.training.runs import find_run

    run = find_run(reference)
    folder = out or run.path / FOLDER
    writer, reader, count = open_writer(folder), run.events(), 0
    while events := reader.read():
        for event in events:
            write_event(writer, event)
        count += len(events)
    writer.close()
    console.print(f"{count:,} events written; show them: tensorboard --logdir {folder}", markup=False, soft_wrap=True)


@hookimpl
def kanatui_observers():
    return [TensorBoard]


@hookimpl
def kanatui_commands(group):
    group.add_command(tensorboard_command)

"""Write a training's figures for Weights & Biases, offline: `wandb sync` sends them. Needs `wandb`."""

import hashlib
import io
import os
from importlib.util import find_spec

import click

from kanatui import Bool, Observer, Text, hookimpl
from kanatui.core import paths, storage
from kanatui.core.errors import PluginError
from kanatui.core.machine import missing_package
from kanatui.core.units import counted

_OFF = {
    "console": "off",  # it would copy what kanatui prints
    "disable_git": True,
    "save_code": False,
    "silent": True,
    "symlink": False,
    "x_disable_machine_info": True,
    "x_disable_meta": True,
    "x_disable_stats": True,  # kanatui's own events have them
    "x_save_requirements": False,
}
"""What W&B collects or prints on its own."""


class WandB(Observer):
    id = "wandb"
    write = Bool(False, help="write each training's figures; `wandb leet` shows them, `wandb sync` sends them")
    project = Text("kanatui", help="name of the W&B project that the runs belong to")

    _log = None

    @classmethod
    def problem(cls):
        return missing_package("wandb", "wandb")

    def started(self, run):
        if self.write:
            self._log = open_log(run["id"], run["config"], self.project)

    def event(self, run, event):
        if self._log:
            write_event(self._log, event)

    def finished(self, run):
        if self._log:
            self._log.summary.update({"state": run["state"], "reason": run["reason"]})
            self._log.finish(exit_code=int(run["state"] == "failed"))


def id_of(run, config):
    """Return W&B's id of a run, the same however often it is continued and wherever it lies."""
    from kanatui.training.runs import created_in

    return hashlib.sha256(f"{run} {created_in(config)}".encode()).hexdigest()[:16]


def open_log(run, config, project):
    """Open a log of W&B for the run of an id. PluginError if the package that writes it is missing.

    A training that is continued has several logs; W&B joins those of one id. They do not lie in the run's folder: W&B
    puts links to files elsewhere beside them, and with such links kanatui refuses to continue a run.
    """
    if problem := WandB.problem():
        raise PluginError(f"wandb: {problem}")
    os.environ.setdefault("WANDB_ERROR_REPORTING", "false")  # reports of W&B's own errors, to W&B
    import wandb

    from kanatui.dataset.recipe import without_folders

    about = {name: config[name] for name in ("recipe", "train", "model") if name in config}
    about["images"] = without_folders(config.get("source", {}).get("recipe", {}))  # without plugins' folders, too
    return wandb.init(
        project=project,
        id=id_of(run, config),
        name=run,
        dir=str(storage.make_folder(paths.home())),
        config=about,
        mode="offline",
        reinit="create_new",
        settings=wandb.Settings(**_OFF),
    )


def write_event(log, event):
    """Write the numbers of one event of ``events.jsonl`` at its step, but not of steps repeated after a crash."""
    from kanatui.training.events import figures

    if event["event"] == "start":
        log.config.update({name: event[name] for name in ("device", "precision", "weights") if name in event}, True)
    elif (numbers := figures(event)) and event["step"] >= log.step:
        log.log(numbers, step=event["step"])


def write_confusions(log, run):
    """Write the scores and the confusion matrix of each kept evaluation; return how many. matplotlib draws them."""
    import wandb
    from PIL import Image

    from kanatui.evaluation.figures import of_scores
    from kanatui.evaluation.scores import Scores
    from kanatui.evaluation.store import list_evaluations

    evaluations = list_evaluations(run.path / "evaluations")
    found = {}
    for evaluation in evaluations:
        scores = Scores.of(evaluation.load()[0])
        found |= {f"evaluation/{evaluation.name}/{name}": value for name, value in scores.total.to_dict().items()}
        if find_spec("matplotlib"):
            picture = Image.open(io.BytesIO(of_scores(scores, ["confusions"], "png")))
            found[f"confusions/{evaluation.name}"] = wandb.Image(picture)
    if found:
        log.log(found, step=run.status().step)  # W&B drops what comes at an earlier step
    return len(evaluations)


@click.command("wandb")
@click.argument("reference", default="latest", metavar="[RUN]")
@click.option("--project", default=WandB.project.default, show_default=True, help="The W&B project it belongs to.")
def wandb_command(reference, project):
    """Write a run's figures, so far, for Weights & Biases: curves, scores and confusion matrices of evaluations.

    What was written while it trained is not written again. Nothing is sent: `wandb sync` does that.
    """
    from kanatui.cli.console import out as console
    from kanatui.training.runs import find_run

    run = find_run(reference)
    folder = paths.home() / "wandb"
    watched = any(folder.glob(f"offline-run-*-{id_of(run.id, run.config)}"))
    log, reader, count = open_log(run.id, run.config, project), run.events(), 0
    while not watched and (events := reader.read()):
        for event in events:
            write_event(log, event)
        count += len(events)
    matrices = write_confusions(log, run)
    log.finish()
    written = f"{counted(count, 'event')} and the scores of {counted(matrices, 'evaluation')} written"
    console.print(f"{written}; show them: wandb leet {folder}", markup=False, soft_wrap=True)


@hookimpl
def kanatui_observers():
    return [WandB]


@hookimpl
def kanatui_commands(group):
    group.add_command(wandb_command)

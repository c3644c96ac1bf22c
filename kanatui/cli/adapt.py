"""The command `adapt`: adapt a model to a person's handwriting."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kanatui.cli.console import complain, counting, out, with_json
from kanatui.cli.options import LABELS_HELP
from kanatui.cli.runs import told_of
from kanatui.cli.train import start_run
from kanatui.core.units import counted
from kanatui.model.metrics import VALIDATED

if TYPE_CHECKING:
    from kanatui.training.runs import Run

_FEW_STEPS = 200
"""Fewer than these hardly change a model; two idle cores took 1,035 in a minute."""

_CALLED = {"samples": "your samples, held out", "held_out": "generated images, held out"}


@click.command("adapt")
@click.argument("model", required=False)
@click.option("--minutes", type=float, default=1.0, show_default=True, metavar="N", help="How long to train.")
@click.option(
    "--samples", type=click.Path(path_type=Path), metavar="DIR", help="Labelled pictures instead of your drawings."
)
@click.option("--labels", metavar="NOTATION|FILE", help=f"How their labels are written: {LABELS_HELP}.")
@click.option("--learning-rate", type=float, default=0.001, show_default=True, metavar="RATE", help="Peak rate.")
@click.option("--detach", is_flag=True, help="Train in the background; `kanatui attach` shows it.")
@click.option("--name", metavar="NAME", help="Name of the run (default: adapted).")
@with_json
def adapt_command(
    model: str | None,
    minutes: float,
    samples: Path | None,
    labels: str | None,
    learning_rate: float,
    detach: bool,
    name: str | None,
) -> dict[str, Any]:
    """Adapt a model to your handwriting: a short training on your drawings, mixed with generated images.

    MODEL is a run, latest, a weights file or default (used if none is given). It does not change: the result is a
    new run. One sample in five is held out to measure the effect.
    """
    from kanatui.evaluation.adapt import changes, create
    from kanatui.pictures.labelled import find_labelled

    if samples:
        found = find_labelled(samples, labels or "auto")
        out.print("; ".join([found.understood, *found.left_out]), soft_wrap=True)
    elif labels:
        raise click.UsageError("--labels needs --samples: what your own drawings show is known")
    with counting("preparing samples", "samples") as report:
        run, left_out = create(model, samples, minutes, learning_rate, name, report, labels or "auto")
    for reason in left_out:
        complain(reason)
    adapts = run.config["adapt"]
    out.print(
        f"run {run.id} adapts {adapts['from']} to {adapts['samples']} samples; {adapts['held_back']} are held out",
    )
    start_run(run, detach, fresh=True)
    if not detach:
        show_changes(run)
        _say_if_short(run, minutes)
    changed = {} if detach else changes(run)
    scores = {kind: {"before": change.before, "after": change.after} for kind, change in changed.items()}
    return told_of(run) | {"from": adapts["from"], "samples": adapts["samples"], "changes": scores}


def show_changes(run: Run) -> None:
    """Print the scores before and after adapting, if the run is finished."""
    from rich.table import Table

    from kanatui.evaluation.adapt import changes

    found = changes(run)
    if not found:
        return
    table = Table(box=None, header_style="bold", pad_edge=False)
    for heading in ("", "images", *(metric.heading for metric in VALIDATED)):
        table.add_column(heading, justify="right" if heading else "left")
    for kind, change in found.items():
        scores = [f"{m.text(change.before[m.key])} → {m.text(change.after[m.key])}" for m in VALIDATED]
        table.add_row(_CALLED[kind], f"{change.after['images']:,}", *scores)
    out.print(table)


def _say_if_short(run: Run, minutes: float) -> None:
    """Warn if the machine managed too few steps in the time given."""
    steps = run.status().step
    if steps < _FEW_STEPS:
        enough = math.ceil(minutes * _FEW_STEPS / max(steps, 1))
        few = f"only {counted(steps, 'step')}: too few to learn much, as on a busy machine"
        complain(f"{few}; --minutes {enough} trains longer")

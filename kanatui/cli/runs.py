"""The commands `runs`, `attach`, `stop`, `pause` and `resume`: list and label runs, watch and control trainings."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kanatui.cli.console import HarmlessConsole, confirm, err, out, print_json, with_json
from kanatui.cli.watch import display
from kanatui.core.errors import RunError, UsageError
from kanatui.training.event_text import metrics_text, outcome

if TYPE_CHECKING:
    from rich.table import Table

    from kanatui.training.columns import Facts
    from kanatui.training.difference import Setting
    from kanatui.training.runs import Run, Status
    from kanatui.tui.train.curves import ChartedRun

CHARTS = ("loss", "scores", "rate", "speed", "memory")
"""The charts of the app (:data:`kanatui.tui.train.curves.KINDS`), named here so that help needs no Textual."""

AXES = ("step", "epoch", "time")
_WIDEST = 1000
"""Cells of a table that no terminal shows."""

_ANSWER_WITHIN = 10.0  # seconds; a training reads its commands between two batches
_LOOK_EVERY = 0.2


def told_of(run: Run) -> dict[str, Any]:
    """Return what `--json` tells of a run: id, folder, state and why, step, seconds, best scores."""
    status = run.status()
    fields = ("state", "reason", "step", "epoch", "elapsed", "best")
    return {"run": run.id, "path": str(run.path), **{name: getattr(status, name) for name in fields}}


def say_what_next(run: Run, state: str) -> None:
    """Print the best scores of a run that has ended, and commands to use it."""
    best = run.status().best
    if best:
        out.print(f"best at step {best.get('step', 0):,}: {metrics_text(best)}")
    if state == "finished":
        out.print(f"evaluate it: kanatui evaluate {run.number}    use it: kanatui recognize --model {run.number} FILE")
    else:
        out.print(f"continue with: kanatui train --resume {run.number}")


@click.group("runs", invoke_without_command=True)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--rename", nargs=2, metavar="RUN TITLE", help="Give a run a title; an empty one removes it.")
@click.option("--note", nargs=2, metavar="RUN TEXT", help="Add a note to a run; an empty one removes it.")
@click.option("--delete", metavar="RUN", help="Delete a run (asks first).")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_context
def runs_command(
    context: click.Context,
    as_json: bool,
    rename: tuple[str, str] | None,
    note: tuple[str, str] | None,
    delete: str | None,
    yes: bool,
) -> None:
    """List the runs, newest last, with state, what they trained on, best scores, time and note.

    "strict" and "folded" are of held-out images; with a *, of your samples. "real" is the folded score of the newest
    evaluation of pictures (kanatui evaluate --images). "kanatui runs plot" draws curves,
    "kanatui runs diff" shows what differs.
    """
    from kanatui.training.runs import find_run

    if context.invoked_subcommand:
        if rename or note or delete or as_json:
            raise UsageError(f"--json, --rename, --note and --delete do not go with: runs {context.invoked_subcommand}")
        return

    if sum(map(bool, (rename, note, delete))) > 1:
        raise UsageError("--rename, --note and --delete cannot be combined")
    if rename:
        run = find_run(rename[0])
        run.rename(rename[1])
        out.print(f"run {run.id} is now called {run.title}")
    elif note:
        run = find_run(note[0])
        run.annotate(note[1])
        out.print(f"run {run.id}: {run.note or 'no note'}", soft_wrap=True)
    elif delete:
        _delete(find_run(delete), yes)
    else:
        _list(as_json)


@runs_command.command("plot")
@click.argument("references", metavar="RUN…", nargs=-1, required=True)
@click.option(
    "--output",
    "-o",
    type=click.Path(path_type=Path, dir_okay=False),
    required=True,
    metavar="FILE",
    help="A PNG, SVG or PDF file.",
)
@click.option(
    "--chart", "-c", "charts", multiple=True, type=click.Choice(CHARTS), help="Which charts (default: loss, scores)."
)
@click.option("--metric", metavar="NAME", help="The one curve to draw of each run, e.g. strict.")
@click.option("--axis", type=click.Choice(AXES), default="step", show_default=True, help="What to draw over.")
@click.option(
    "--smoothing",
    type=click.FloatRange(0, 50),
    default=2.0,
    show_default=True,
    metavar="PERCENT",
    help="The share of the curve that noisy values are averaged over.",
)
@click.option("--log", is_flag=True, help="Logarithmic axes; scores as errors.")
@click.option("--inliers", is_flag=True, help="Let extreme values run out of the picture.")
def plot_command(
    references: tuple[str, ...],
    output: Path,
    charts: tuple[str, ...],
    metric: str | None,
    axis: str,
    smoothing: float,
    log: bool,
    inliers: bool,
) -> None:
    """Draw the curves of runs into a file, those of several runs over each other.

    It needs matplotlib, which the extra `figures` installs.
    """
    from kanatui.evaluation.figures import check_file, save_curves
    from kanatui.training.runs import find_run
    from kanatui.tui.train.curves import KINDS, View, panels

    check_file(output)
    kinds = [kind for kind in KINDS if kind.id in (charts or CHARTS[:2])]
    known = [curve for kind in kinds for curve in kind.curves]
    if metric and metric not in known:
        raise UsageError(f"--metric {metric}: these charts have {', '.join(known)}")
    runs = charted(list(map(find_run, references)))
    view = View(axis, smoothing / 100, log, inliers, metric or "")
    save_curves(output, panels(runs, kinds, view))
    out.print(f"wrote {output}", markup=False, soft_wrap=True)


def charted(chosen: Sequence[Run]) -> list[ChartedRun]:
    """Return the curves of some runs. RunError if one of them has no steps yet."""
    from kanatui.tui.train.curves import ChartedRun, choose_tints
    from kanatui.tui.train.follow import History

    found = {run.id: run for run in chosen}
    tints = choose_tints(list(found), {})
    runs = []
    for run in found.values():
        history = History()
        reader = run.events()
        while events := reader.read():
            history.add(events)
        if not history.last_step:
            raise RunError(f"run {run.id} has no steps to draw yet; wait for its first")
        runs.append(ChartedRun(run.title, history, tints[run.id]))
    return runs


def _delete(run: Run, yes: bool) -> None:
    run.require_idle()
    if not yes:
        confirm(f"delete run {run.id} with its weights?")
    run.delete()
    out.print(f"deleted run {run.id}")


def _list(as_json: bool) -> None:
    from kanatui.evaluation.store import look_at
    from kanatui.training import columns
    from kanatui.training.runs import list_runs

    found = list(map(look_at, list_runs()))
    if as_json:
        print_json(list(map(columns.plain, found)))
    elif not found:
        out.print("no runs yet; kanatui train starts one")
    else:
        _print_table(found)


def _print_table(found: list[Facts]) -> None:
    from rich.cells import cell_len
    from rich.table import Table
    from rich.text import Text

    from kanatui.training import columns

    room = out.width if out.is_terminal else None  # all columns, on one line, for other programs
    headings, rows = columns.table(found, room, gap=1, measure=cell_len)
    table = Table(*headings, box=None, header_style="bold", pad_edge=False)
    for row in rows:
        table.add_row(*(Text(text, no_wrap=True) for text in row))
    _print_whole(table)
    for facts in found:
        if facts.status.state in ("crashed", "failed", "damaged"):
            out.print(f"{facts.run.id} {facts.status.state}: {facts.status.reason}", soft_wrap=True)


def _print_whole(table: Table) -> None:
    """Print a table; other programs than a terminal get each row on one line, however long."""
    console = out if out.is_terminal else HarmlessConsole(width=_WIDEST)
    console.print(table)


@runs_command.command("diff")
@click.argument("references", metavar="RUN RUN…", nargs=-1)
@click.option("--all", "whole", is_flag=True, help="Show settings that are the same, too.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def diff_command(references: tuple[str, ...], whole: bool, as_json: bool) -> None:
    """Show what is different between the configurations of runs, and how each went."""
    from kanatui.evaluation.store import look_at
    from kanatui.training import difference
    from kanatui.training.runs import find_run

    if len(references) < 2:
        raise UsageError("name at least two runs, as in: kanatui runs diff 3 5 (kanatui runs lists them)")
    found = [look_at(find_run(reference)) for reference in references]
    settings = difference.compare(found)
    shown = settings if whole else difference.different(settings)
    ids = [facts.run.id for facts in found]
    if as_json:
        print_json({setting.name: dict(zip(ids, setting.texts, strict=True)) for setting in shown})
        return
    _print_settings(ids, shown)
    if not whole and not any(setting.differs and not setting.result for setting in settings):
        out.print("their configurations are the same (--all shows them)")


def _print_settings(ids: Sequence[str], settings: Sequence[Setting]) -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, header_style="bold", pad_edge=False)
    for heading in ("", *ids):
        table.add_column(Text(heading))
    last = ""
    for setting in settings:
        if last and setting.group != last:
            table.add_row()
        last = setting.group
        table.add_row(Text(setting.name, no_wrap=True), *map(Text, setting.texts))
    _print_whole(table)


@click.command("attach")
@click.argument("reference", metavar="RUN", default="latest")
@with_json
def attach_command(reference: str) -> dict[str, Any]:
    """Watch a training until it ends. Ctrl-C stops watching; the training continues."""
    from kanatui.training.runs import find_run

    run = find_run(reference)
    status = run.status()
    if not status.active:
        out.print(f"run {run.id}: {outcome(status.state, status.reason)}", soft_wrap=True)
        say_what_next(run, status.state)
        return told_of(run)
    try:
        status = _watch(run)
    except KeyboardInterrupt:
        err.print(f"run {run.id} continues; stop it: kanatui stop {run.number}")
        return told_of(run)
    if status.state in ("crashed", "failed"):
        raise RunError(
            f"run {run.id} {status.state}: {status.reason}; continue with: kanatui train --resume {run.number}"
        )
    say_what_next(run, status.state)
    return told_of(run)


def _watch(run: Run) -> Status:
    """Show new events until no process is training the run."""
    reader = run.events_from_now()
    with display(run.id) as shown:
        while True:
            status = run.status()
            for event in reader.read():
                shown.show(event)
            if not status.active:
                return status
            time.sleep(_LOOK_EVERY)


@click.command("stop")
@click.argument("reference", metavar="RUN", default="latest")
@click.option("--after-epoch", is_flag=True, help="Finish the current epoch first.")
@with_json
def stop_command(reference: str, after_epoch: bool) -> dict[str, Any]:
    """Stop a training with a checkpoint, so that it can be continued."""
    from kanatui.training.control import STOP, STOP_AFTER_EPOCH

    run, answer = _steer(reference, STOP_AFTER_EPOCH if after_epoch else STOP)
    if answer is None or after_epoch:
        return _answered(run, answer)
    deadline = time.monotonic() + _ANSWER_WITHIN
    while run.alive() and time.monotonic() < deadline:
        time.sleep(_LOOK_EVERY)
    out.print(f"continue with: kanatui train --resume {run.number}")
    return _answered(run, answer)


@click.command("pause")
@click.argument("reference", metavar="RUN", default="latest")
@with_json
def pause_command(reference: str) -> dict[str, Any]:
    """Pause a training until `kanatui resume`. It keeps its memory and frees the processor."""
    from kanatui.training.control import PAUSE

    return _answered(*_steer(reference, PAUSE))


@click.command("resume")
@click.argument("reference", metavar="RUN", default="latest")
@with_json
def resume_command(reference: str) -> dict[str, Any]:
    """Resume a paused training. (For a stopped one: `kanatui train --resume RUN`.)"""
    from kanatui.training.control import RESUME

    return _answered(*_steer(reference, RESUME))


def _answered(run: Run, answer: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return what `--json` tells of a command to a run; ``accepted`` is null if the training has not answered yet."""
    told = answer or {}
    return told_of(run) | {"accepted": told.get("accepted"), "note": told.get("note", "")}


def _steer(reference: str, command: str) -> tuple[Run, Mapping[str, Any] | None]:
    """Send a command and print the answer; None if there was none in time. RunError if the run is not running."""
    from kanatui.training.control import send_and_wait
    from kanatui.training.runs import find_run

    run = find_run(reference)
    if not run.alive():
        state = run.status().state
        hint = "" if state == "finished" else f"; continue with: kanatui train --resume {run.number}"
        raise RunError(f"run {run.id} is not running ({state}){hint}")
    words = command.replace("_", " ")
    answer = send_and_wait(run.path, command, _ANSWER_WITHIN, run.alive)
    if answer is None:
        out.print(f"run {run.id} has not answered within {_ANSWER_WITHIN:.0f} s; it will {words} at its next step")
        return run, None
    note = f" ({answer['note']})" if answer.get("note") else ""
    out.print(f"run {run.id}: {words} at step {answer['step']:,}{note}")
    return run, answer

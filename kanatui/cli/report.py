"""The command `report`: everything about a run in one HTML file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from kanatui.cli.console import complain, out, stages, waiting
from kanatui.cli.runs import charted
from kanatui.core import storage
from kanatui.core.errors import KanatuiError, UsageError
from kanatui.core.units import bytes_text

if TYPE_CHECKING:
    from kanatui.evaluation.store import Evaluation
    from kanatui.training.runs import Run

_CHARTS = ("loss", "scores")


@click.command("report")
@click.argument("reference", metavar="RUN")
@click.option(
    "--output", "-o", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE.html", help="(default: RUN.html)"
)
@click.option(
    "--figures",
    "folder",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Also write each figure as PNG and SVG.",
)
def report_command(reference: str, output: Path | None, folder: Path | None) -> None:
    """Write a report on a run: one HTML file with its configuration, curves, scores, confusions and misread images.

    It shows the newest evaluation of each kind (kanatui evaluate RUN, also --images); if there is none, the model is
    evaluated first. It needs matplotlib, which the extra `figures` installs.
    """
    from kanatui.evaluation import report
    from kanatui.evaluation.export import complete_card
    from kanatui.evaluation.figures import require_matplotlib
    from kanatui.training.runs import find_run
    from kanatui.tui.train.curves import KINDS, View, panels

    require_matplotlib()
    run = find_run(reference)
    target = output or Path(f"{run.id}.html")
    if target.suffix.lower() not in (".html", ".htm"):
        raise UsageError(f"{target}: a report's file ends in .html")
    curves = charted([run])
    evaluations = _evaluations(run)
    with waiting("drawing the report"):
        drawn = panels(curves, [kind for kind in KINDS if kind.id in _CHARTS], View())
        shown = list(map(report.shown, evaluations))
        storage.write_bytes(target, report.report(run, complete_card(run, run.weights()), shown, drawn).encode())
        if folder:
            storage.make_folder(folder)
            for name, draw in report.figure_files(shown, drawn).items():
                for format in ("png", "svg"):
                    storage.write_bytes(folder / f"{name}.{format}", draw(format))
    out.print(f"wrote {target}: {bytes_text(target.stat().st_size)}", markup=False, soft_wrap=True)
    if folder:
        out.print(f"wrote the figures to {folder}", markup=False, soft_wrap=True)


def _evaluations(run: Run) -> list[Evaluation]:
    """Return the evaluations to show; evaluates the model on held-out images if there is none."""
    from kanatui.evaluation.evaluate import evaluate
    from kanatui.evaluation.report import newest_of_each
    from kanatui.model.card import read_card

    step = int(read_card(run.weights()).get("scores", {}).get("step", 0))
    found = newest_of_each(run, step)
    if found:
        return found
    try:
        with stages({"reading": "images"}) as progress:
            return [evaluate(run.id, {"kind": "held_out"}, None, None, progress)]
    except KanatuiError as error:  # a report without scores is better than none
        complain(f"no scores: {error}")
        return []

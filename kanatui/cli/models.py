"""The command `models`: list models, print a model card, export a model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from kanatui.cli.console import out, print_json, print_text, stages
from kanatui.cli.export import export_own
from kanatui.cli.options import chosen_weights
from kanatui.core.units import bytes_text
from kanatui.model.metrics import VALIDATED


@click.group("models", invoke_without_command=True)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_context
def models_command(context: click.Context, as_json: bool) -> None:
    """List the models: default, which ships with kanatui, and those of runs."""
    if context.invoked_subcommand:
        return
    rows = _rows()
    if as_json:
        print_json(rows)
    elif not rows:
        out.print("no models yet; kanatui train makes one")
    else:
        _print_table(rows)


def _rows() -> list[dict[str, Any]]:
    import contextlib

    from kanatui.core.errors import KanatuiError
    from kanatui.model.card import read_card
    from kanatui.training.models import list_models

    rows = []
    for model in sorted(list_models(), key=lambda model: (model.run.number, model.run.id) if model.run else (-1, "")):
        with contextlib.suppress(KanatuiError):  # damaged files are left out
            card = read_card(model.weights)
            about = {key: card.get(key) for key in ("recipe", "image_size", "characters", "scores", "date")}
            named = {"model": model.reference, "architecture": card["model"]["id"]}
            rows.append({**named, **about, "file": str(model.weights)})
    return rows


def _print_table(rows: list[dict[str, Any]]) -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, header_style="bold", pad_edge=False)
    for heading in ("model", "recipe", "reads", *(metric.heading for metric in VALIDATED), "size", "date"):
        table.add_column(heading)
    for row in rows:
        scores = row["scores"] or {}
        shares = [metric.text(scores[metric.key]) if metric.key in scores else "–" for metric in VALIDATED]
        reads = f"{len(row['characters'])} at {row['image_size']} px"
        size = bytes_text(Path(row["file"]).stat().st_size)
        cells = (row["model"], row["recipe"] or "", reads, *shares, size, row["date"] or "")
        table.add_row(*(Text(cell) for cell in cells))
    out.print(table)


@models_command.command("show")
@click.argument("model", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def models_show(model: str | None, as_json: bool) -> None:
    """Print a model card as Markdown: how the model was made, what it reads, and its limits.

    MODEL is a run, latest, a weights file, or default (used if none is given).
    """
    from kanatui.evaluation.modelcard import model_card
    from kanatui.model.card import read_card
    from kanatui.model.shipped import DEFAULT, DEFAULT_FILE

    weights = chosen_weights(model)
    card = read_card(weights)
    if as_json:
        print_json(card)
        return
    name = DEFAULT if weights == DEFAULT_FILE else model or str(card.get("run") or weights.stem)
    print_text(model_card(Path(name).stem, card))


@models_command.command("calibrate")
@click.argument("model", required=False)
def models_calibrate(model: str | None) -> None:
    """Fit a model's probabilities, and what it refuses to read, to images that its training held out.

    A training ends with that; models of earlier versions lack it. MODEL is a run, latest, a weights file, or default
    (used if none is given); its file is changed, its readings stay the same.
    """
    from kanatui.evaluation.calibrate import calibrate

    weights = chosen_weights(model)
    with stages({"drawing the faces": "glyphs", "checking the faces": "faces"}) as report:
        found = calibrate(weights, report)
    out.print(f"wrote {weights}: {found.in_words()}", soft_wrap=True)


@models_command.command("export")
@click.argument("run", metavar="RUN")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--last", is_flag=True, help="Export the last weights instead of the best.")
@click.option("--force", is_flag=True, help="Overwrite an existing file.")
def models_export(run: str, file: Path, last: bool, force: bool) -> None:
    """Export a run's model to a file, with a card of its scores, faces and licences.

    Evaluate the run first (kanatui evaluate RUN, also --images and -c): the file includes the scores. The same as
    kanatui export model RUN kanatui -o FILE; kanatui export has formats for other programs.
    """
    export_own(run, file, last, force)

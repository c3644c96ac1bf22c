"""The command `evaluate`: score a model."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kanatui.cli.console import complain, err, out, print_json, stages
from kanatui.cli.options import LABELS_HELP, chosen_characters, chosen_weights
from kanatui.evaluation import HELD_OUT_IMAGES
from kanatui.model.metrics import VALIDATED, all_metrics

if TYPE_CHECKING:
    from rich.table import Table

    from kanatui.evaluation.scores import Scores
    from kanatui.evaluation.store import Evaluation


@click.command("evaluate")
@click.argument("model", required=False)
@click.option(
    "--images",
    "folder",
    type=click.Path(path_type=Path),
    metavar="DIR|FILE",
    help="Labelled pictures: LABEL/*.png in a folder, or an IDX or .npz file.",
)
@click.option("--labels", metavar="NOTATION|FILE", help=f"How labels are written: {LABELS_HELP}.")
@click.option("--held-out-faces", is_flag=True, help="Images of the faces held out of training.")
@click.option("--characters", "-c", "spec", metavar="SPEC", help="Candidates, e.g. hiragana.")
@click.option("--limit", type=click.IntRange(1), metavar="N", help=f"Most images (held out: {HELD_OUT_IMAGES:,}).")
@click.option("--worst", type=click.IntRange(0), default=10, show_default=True, metavar="N", help="Rows of the lists.")
@click.option(
    "--figure",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Draw the confusion map and the reliability diagram into a PNG, SVG or PDF file.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def evaluate_command(
    model: str | None,
    folder: Path | None,
    labels: str | None,
    held_out_faces: bool,
    spec: str | None,
    limit: int | None,
    worst: int,
    figure: Path | None,
    as_json: bool,
) -> int:
    """Score a model on the images held out of its training, or on labelled pictures (--images).

    MODEL is a run's id, number or unique prefix, latest, a weights file, or default: the model that ships with kanatui,
    used if none is given. Strict scores tell all characters apart; folded scores treat look-alikes (small and normal
    kana, へ and ヘ) as one. ECE, the expected calibration error, measures how far the probabilities are from the share
    that is read correctly: 0 is best. An image is refused if the model is too unsure to say that it shows any of its
    characters; pictures of other characters in the folder (--images) show how well it refuses those. The app's Evaluate
    screen shows every image with its reading.
    """
    if figure:
        from kanatui.evaluation.figures import check_file

        check_file(figure)
    if folder and held_out_faces:
        raise click.UsageError("--images and --held-out-faces cannot be combined")
    if labels and not folder:
        raise click.UsageError("--labels needs --images: the labels of held-out images are known")
    source = {"kind": "faces" if held_out_faces else "held_out"}
    if folder:
        source = {"kind": "folder", "path": str(folder), "labels": _notation(labels)}
    weights = chosen_weights(model)
    # Wrong options are told before this: torch takes a second to import.
    from kanatui.evaluation.evaluate import evaluate
    from kanatui.evaluation.scores import Scores

    with stages({"reading": "images"}) as report:
        done = evaluate(str(weights), source, chosen_characters(spec), limit, report)
    scores = Scores.of(done.load()[0])
    if figure:
        from kanatui.evaluation.figures import save_scores

        save_scores(figure, scores)
        err.print(f"wrote {figure}", soft_wrap=True)
    if as_json:
        print_json(scores.to_dict() | _about(done))
    else:
        _show(scores, done, worst)
    for message in done.skipped.unreadable:
        complain(message)
    if text := done.skipped.in_words():
        err.print(text, soft_wrap=True)
    if done.not_stored:
        complain(f"{done.not_stored}: the scores above were not stored")
    return 1 if done.skipped.unreadable or done.not_stored else 0


def _notation(labels: str | None) -> str:
    """Return what ``--labels`` says, a file's path made absolute, since the app may evaluate so again elsewhere."""
    return str(Path(labels).absolute()) if labels and os.path.isfile(labels) else labels or ""


def _about(done: Evaluation) -> dict[str, Any]:
    """Return the fields of an evaluation for JSON, without its scores."""
    return {
        "model": done.model,
        "run": done.run,
        "kind": done.kind,
        "data": done.where,
        "of": done.available,
        "characters": done.candidates or None,
        "faces": list(done.faces),
        "skipped": done.skipped.to_dict(),
        "outliers": dict(done.outliers),
        "labels": done.labels,
        "note": done.note,
        "kept": None if done.not_stored else str(done.path),
    }


def _show(scores: Scores, done: Evaluation, worst: int) -> None:
    out.print(f"model {done.model}", soft_wrap=True)
    what = f"{done.source}: {done.where}"
    if done.available > scores.total.images:
        what += f", {scores.total.images:,} of {done.available:,} images"
    if done.faces:
        what += f" ({', '.join(done.faces)})"
    if done.candidates:
        what += f", {len(done.candidates)} candidates"
    out.print(what, soft_wrap=True)
    out.print(_totals(scores))
    if worst and scores.confusions:
        from rich.table import Table

        side_by_side = Table.grid(padding=(0, 4))
        side_by_side.add_row("\nmost confused (~ look-alike)", "\nweakest (by folded score)", style="bold")
        side_by_side.add_row(_confusions(scores, worst), _weakest(scores, worst))
        out.print(side_by_side)
    if done.labels:
        out.print(done.labels, soft_wrap=True)
    if done.of_outliers:
        out.print(done.of_outliers, soft_wrap=True)
    if done.note:
        out.print(done.note, soft_wrap=True)


def _table(*headings: str) -> Table:
    from rich.table import Table

    table = Table(box=None, header_style="bold", pad_edge=False)
    for place, heading in enumerate(headings):
        table.add_column(heading, justify="right" if place else "left")
    return table


def _totals(scores: Scores) -> Table:
    metrics = all_metrics()
    table = _table("", "images", *(metric.heading for metric in metrics))
    rows = {"all": scores.total} | (dict(scores.by_script) if len(scores.by_script) > 1 else {})
    for name, score in rows.items():
        table.add_row(name, f"{score.images:,}", *score.texts(metrics))
    return table


def _confusions(scores: Scores, count: int) -> Table:
    table = _table("truth", "read as", "images")
    for confusion in scores.confusions[:count]:
        read = confusion.read or "nothing"
        table.add_row(confusion.truth, f"~ {read}" if confusion.folded else read, f"{confusion.count:,}")
    return table


def _weakest(scores: Scores, count: int) -> Table:
    table = _table("character", "images", *(metric.heading for metric in VALIDATED))
    found = scores.per_character
    for character in sorted(found, key=lambda c: (found[c]["folded"], found[c]["strict"]))[:count]:
        table.add_row(character, f"{found[character].images:,}", *found[character].texts(VALIDATED))
    return table

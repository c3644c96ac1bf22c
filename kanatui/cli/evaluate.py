"""Commands about reading: evaluate and recognize."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kanatui.cli.console import err, out, print_json, progress
from kanatui.evaluation import HELD_OUT_IMAGES

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from rich.table import Table

    from kanatui.dataset.source import OnProgress
    from kanatui.evaluation.metrics import Report
    from kanatui.evaluation.scoring import Skipped
    from kanatui.recognize import Reading
    from kanatui.weights import Classifier

_AT_ONCE = 256  # pictures prepared before the model sees them together
_IN_FULL = 3  # up to so many files get a table each, more a line each
_BAR = 24  # columns
_LONGEST_INPUT = 256 << 20  # bytes of standard input


@click.command("evaluate")
@click.argument("run", required=False)
@click.option(
    "--images", "folder", type=click.Path(path_type=Path), metavar="DIR", help="Labelled pictures, LABEL/*.png."
)
@click.option("--held-out-faces", is_flag=True, help="Faces that were held out of training.")
@click.option("--characters", "-c", "spec", metavar="SPEC", help="Candidates, e.g. hiragana.")
@click.option(
    "--limit", type=click.IntRange(1), metavar="N", help=f"At most so many images (held out: {HELD_OUT_IMAGES:,})."
)
@click.option("--worst", type=click.IntRange(0), default=10, show_default=True, metavar="N", help="Rows of the lists.")
@click.option("--json", "as_json", is_flag=True, help="Print for programs.")
def evaluate_command(
    run: str | None,
    folder: Path | None,
    held_out_faces: bool,
    spec: str | None,
    limit: int | None,
    worst: int,
    as_json: bool,
) -> int:
    """Score a model: on the images that its training held out, or on labelled pictures (--images).

    RUN is a run's id, number or unique prefix, latest, default, or a weights file; the latest run if not given.
    Strict scores count every character; folded ones take look-alikes (small and normal kana, へ and ヘ) as one.
    """
    if folder and held_out_faces:
        raise click.UsageError("--images and --held-out-faces are two different sets; choose one")
    characters = _characters(spec)
    weights, classifier = _load(run)
    if folder:
        report, about, skipped = _score_pictures(classifier, folder, characters, limit)
    else:
        report, about = _score_held_out(classifier, weights, held_out_faces, characters, limit)
        skipped = None
    about = {"model": str(weights), "run": classifier.card.get("run"), "characters": characters, **about}
    if as_json:
        print_json(report.to_dict() | about | ({"skipped": skipped.to_dict()} if skipped else {}))
    else:
        _show(report, about, worst)
    if skipped:
        _say_skipped(skipped)
    return 1 if skipped and skipped.unreadable else 0


def _characters(spec: str | None) -> str | None:
    from kanatui.charset import parse_characters

    return None if spec is None else parse_characters(spec)


def _load(reference: str | None) -> tuple[Path, Classifier]:
    from kanatui.training.runs import find_weights
    from kanatui.weights import load_weights

    weights = find_weights(reference) if reference else _usual_weights()
    return weights, load_weights(weights)


def _usual_weights() -> Path:
    """Return the weights of the latest run that has some, else the model that ships with kanatui."""
    from kanatui.errors import RunError, WeightsError
    from kanatui.training.runs import find_weights, list_runs

    for run in reversed(list_runs()):
        with contextlib.suppress(RunError):
            return run.weights()
    try:
        return find_weights("default")
    except WeightsError:
        raise RunError("no trained model yet; make one with kanatui quickstart or kanatui train") from None


def _score_pictures(
    classifier: Classifier, folder: Path, characters: str | None, limit: int | None
) -> tuple[Report, dict[str, Any], Skipped]:
    import dataclasses

    from kanatui.evaluation.images import find_labelled
    from kanatui.evaluation.scoring import choose_pictures, score_folder

    chosen, skipped = choose_pictures(find_labelled(folder), classifier.characters, characters, limit)
    with progress("reading", len(chosen.files), "images") as advance:
        report, errors = score_folder(classifier, chosen, characters, advance)
    return report, {"data": str(folder), "kind": "pictures"}, dataclasses.replace(skipped, unreadable=errors)


def _score_held_out(
    classifier: Classifier, weights: Path, by_face: bool, characters: str | None, limit: int | None
) -> tuple[Report, dict[str, Any]]:
    from kanatui.errors import RunError
    from kanatui.evaluation.scoring import open_held_out, run_of, score_source

    run = run_of(weights)
    if run is None:
        raise RunError(f"{weights}: not in a run's folder, so its held-out images are not known; use --images DIR")
    with _preparing() as report_progress:
        source, images, faces = open_held_out(run, classifier, by_face, report_progress)
    chosen = images.sample(limit or HELD_OUT_IMAGES)
    with progress("reading", len(chosen), "images") as advance:
        report = score_source(classifier, source, chosen, characters, advance)
    kind = "held-out faces" if by_face else "held out"
    return report, {"data": run.id, "kind": kind, "of": len(images), "faces": list(faces) if by_face else []}


@contextlib.contextmanager
def _preparing() -> Iterator[OnProgress]:
    """Show how far the preparation is, in hundredths: its total is not known beforehand."""
    shown = 0
    with progress("preparing", 100) as advance:

        def report(done: int, total: int) -> None:
            nonlocal shown
            share = done * 100 // max(total, 1)
            if share > shown:
                advance(share - shown)
                shown = share

        yield report


def _show(report: Report, about: dict[str, Any], worst: int) -> None:
    out.print(f"model {about['model']}", markup=False, soft_wrap=True)
    what = f"{about['kind']}: {about['data']}"
    if about.get("of", 0) > report.total.images:
        what += f", {report.total.images:,} of {about['of']:,} images"
    if about.get("faces"):
        what += f" ({', '.join(about['faces'])})"
    if about["characters"]:
        what += f", {len(about['characters'])} candidates"
    out.print(what, markup=False, soft_wrap=True)
    out.print(_scores(report))
    if worst and report.confusions:
        from rich.table import Table

        side_by_side = Table.grid(padding=(0, 4))
        side_by_side.add_row("\nmost confused (~ look-alike)", "\nweakest (by folded score)", style="bold")
        side_by_side.add_row(_confusions(report, worst), _weakest(report, worst))
        out.print(side_by_side)


def _table(*headings: str) -> Table:
    from rich.table import Table

    table = Table(box=None, header_style="bold", pad_edge=False)
    for place, heading in enumerate(headings):
        table.add_column(heading, justify="right" if place else "left")
    return table


def _percent(share: float) -> str:
    return f"{share * 100:.1f} %"


def _scores(report: Report) -> Table:
    table = _table("", "images", "strict", "folded", "top 5")
    scripts = report.by_script
    rows = {"all": report.total} | (scripts if len(scripts) > 1 else {})
    for name, score in rows.items():
        shares = score.to_dict()
        table.add_row(name, f"{score.images:,}", *(_percent(shares[key]) for key in ("top1", "top1_folded", "top5")))
    return table


def _confusions(report: Report, count: int) -> Table:
    table = _table("truth", "read as", "images")
    for confusion in report.confusions[:count]:
        read = confusion.read or "nothing"
        table.add_row(confusion.truth, f"~ {read}" if confusion.folded else read, f"{confusion.count:,}")
    return table


def _weakest(report: Report, count: int) -> Table:
    table = _table("character", "images", "strict", "folded")
    scores = {character: score.to_dict() for character, score in report.per_character.items()}
    for character in sorted(scores, key=lambda c: (scores[c]["top1_folded"], scores[c]["top1"]))[:count]:
        shares = scores[character]
        table.add_row(character, f"{shares['images']:,}", _percent(shares["top1"]), _percent(shares["top1_folded"]))
    return table


def _say_skipped(skipped: Skipped) -> None:
    for message in skipped.unreadable:
        _complain(message)
    parts = [
        f"{count:,} {what}"
        for count, what in (
            (skipped.unknown, "of characters that the model does not know"),
            (skipped.outside, "of characters outside --characters"),
            (skipped.ignored, "files that are not LABEL/*.png or *.jpg"),
            (len(skipped.unreadable), "that cannot be read"),
        )
        if count
    ]
    if parts:
        err.print(f"not scored: {', '.join(parts)}", markup=False, soft_wrap=True)


def _complain(message: str) -> None:
    err.print(f"kanatui: {message}", style="red", markup=False, soft_wrap=True)


@click.command("recognize")
@click.argument("files", nargs=-1, required=True, metavar="FILE…")
@click.option(
    "--model", "reference", metavar="RUN", help="A run, default, or a weights file (default: the latest run)."
)
@click.option("--characters", "-c", "spec", metavar="SPEC", help="Candidates, e.g. hiragana.")
@click.option(
    "--top", type=click.IntRange(1), default=5, show_default=True, metavar="N", help="Readings of each picture."
)
@click.option("--json", "as_json", is_flag=True, help="Print for programs.")
def recognize_command(files: tuple[str, ...], reference: str | None, spec: str | None, top: int, as_json: bool) -> int:
    """Read pictures of one character each: the likeliest characters with their probabilities. FILE - is standard input.

    Pictures may have any size, dark ink or light. Look-alikes are ranked together.
    """
    characters = _characters(spec)
    _, classifier = _load(reference)
    results: list[dict[str, Any]] = []
    failed = 0
    with progress("reading", len(files), "images") if len(files) > _AT_ONCE else contextlib.nullcontext() as advance:
        for start in range(0, len(files), _AT_ONCE):
            batch = files[start : start + _AT_ONCE]
            for name, outcome in _read(classifier, batch, top, characters):
                failed += isinstance(outcome, str)
                if as_json:
                    results.append(_as_data(name, outcome))
                if isinstance(outcome, str):
                    _complain(outcome)
                elif not as_json:
                    _print_readings(name, outcome, in_full=len(files) <= _IN_FULL)
            if advance:
                advance(len(batch))
    if as_json:
        print_json(results)
    if failed and len(files) > 1:
        _complain(f"{failed:,} of {len(files):,} pictures could not be read")
    return 1 if failed else 0


def _read(
    classifier: Classifier, names: Sequence[str], top: int, characters: str | None
) -> Iterator[tuple[str, list[Reading] | str]]:
    """Give each file's readings, or the message that says why there are none."""
    import numpy as np

    from kanatui.errors import ImageError
    from kanatui.evaluation.probabilities import classify_pictures
    from kanatui.recognize import rank

    prepared, failures = [], {}
    for name in names:
        try:
            prepared.append(_prepared(name, classifier.image_size))
        except ImageError as error:
            failures[name] = str(error)
    readings: Iterator[list[Reading]] = iter(())
    if prepared:
        probabilities = classify_pictures(classifier, np.stack(prepared), characters)
        readings = iter(rank(probabilities, classifier.characters, top, characters))
    for name in names:
        yield name, failures[name] if name in failures else next(readings)


def _prepared(name: str, size: int) -> npt.NDArray[np.uint8]:
    import io

    from kanatui.errors import ImageError
    from kanatui.evaluation.images import read_image

    if name != "-":
        return read_image(Path(name), size)
    data = sys.stdin.buffer.read(_LONGEST_INPUT)
    if not data:
        raise ImageError("standard input: empty; pipe a picture into it")
    return read_image(io.BytesIO(data), size, "standard input")


def _as_data(name: str, outcome: list[Reading] | str) -> dict[str, Any]:
    import dataclasses

    if isinstance(outcome, str):
        return {"file": name, "error": outcome}
    return {"file": name, "readings": [dataclasses.asdict(reading) for reading in outcome]}


def _print_readings(name: str, readings: list[Reading], in_full: bool) -> None:
    if not in_full:
        listed = "  ".join(f"{reading.character} {_percent(reading.probability)}" for reading in readings)
        out.print(f"{name}  {listed}", markup=False, soft_wrap=True)
        return
    out.print(name, markup=False, soft_wrap=True)
    for reading in readings:
        bar = "█" * round(reading.probability * _BAR) or "▏"
        out.print(f"  {reading.character}  {_percent(reading.probability):>7}  {bar}", markup=False)

"""The command `recognize`: read pictures of single characters."""

from __future__ import annotations

import contextlib
import dataclasses
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kanatui.cli.console import complain, err, out, print_json, progress
from kanatui.cli.options import chosen_characters, chosen_weights
from kanatui.core.units import percent

if TYPE_CHECKING:
    from kanatui.evaluation.recognize import Reading

_MANY = 128  # files; more than this show a progress bar
_IN_FULL = 3  # files; up to this many get a table each, more get a line each
_BAR = 24  # columns
_STANDARD_INPUT = "-"


@click.command("recognize")
@click.argument("files", nargs=-1, required=True, metavar="FILE…")
@click.option(
    "--model", "reference", metavar="MODEL", help="A run, latest, a weights file, or default (used if not given)."
)
@click.option("--characters", "-c", "spec", metavar="SPEC", help="Candidates, e.g. hiragana.")
@click.option("--top", type=click.IntRange(1), default=5, show_default=True, metavar="N", help="Readings per picture.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def recognize_command(files: tuple[str, ...], reference: str | None, spec: str | None, top: int, as_json: bool) -> int:
    """Read pictures of one character each and print the likeliest characters. FILE - is standard input.

    Pictures may have any size, with dark or light ink. Look-alikes are ranked together. A picture that is
    none of the model's characters, as far as it can tell, is marked: "not a kana?".
    """
    from kanatui.core.errors import ImageError
    from kanatui.evaluation.files import read_files
    from kanatui.evaluation.probabilities import not_known
    from kanatui.evaluation.recognize import rank
    from kanatui.model.calibration import Calibration, question
    from kanatui.model.card import read_card

    characters = chosen_characters(spec)
    weights = chosen_weights(reference)
    card = read_card(weights)
    known, calibration = card["characters"], Calibration.of_card(card)
    if unknown := not_known(known, characters):
        err.print(f"--characters: {unknown}", markup=False, soft_wrap=True)
    sources = [sys.stdin.buffer if name == _STANDARD_INPUT else Path(name) for name in files]
    results: list[dict[str, Any]] = []
    failed = 0
    with contextlib.ExitStack() as entered:
        outcomes = entered.enter_context(contextlib.closing(read_files(weights, sources, characters)))
        advance = entered.enter_context(progress("reading", len(files), "images")) if len(files) > _MANY else None
        for name, outcome in zip(files, outcomes, strict=True):
            if isinstance(outcome, ImageError):
                failed += 1
                complain(str(outcome))
                results.append({"file": name, "error": str(outcome)})
            else:
                (readings,) = rank(outcome.probabilities[None], known, top, characters)
                refused = bool(calibration.refuses(outcome.certainty))
                told = {"file": name, "refused": refused, "certainty": float(outcome.certainty)}
                results.append(told | {"readings": [dataclasses.asdict(reading) for reading in readings]})
                if not as_json:
                    doubt = question(known) if refused else ""
                    _print_readings(name, readings, doubt, in_full=len(files) <= _IN_FULL)
            if advance:
                advance()
    if as_json:
        print_json(results)
    if failed and len(files) > 1:
        complain(f"{failed:,} of {len(files):,} pictures could not be read")
    return 1 if failed else 0


def _print_readings(name: str, readings: list[Reading], doubt: str, in_full: bool) -> None:
    if not in_full:
        listed = "  ".join(f"{reading.character} {percent(reading.probability)}" for reading in readings)
        out.print(f"{name}  {listed}{f'  {doubt}' if doubt else ''}", markup=False, soft_wrap=True)
        return
    out.print(f"{name}{f'  {doubt}' if doubt else ''}", markup=False, soft_wrap=True)
    for reading in readings:
        bar = "█" * round(reading.probability * _BAR) or "▏"
        out.print(f"  {reading.character}  {percent(reading.probability):>7}  {bar}", markup=False)

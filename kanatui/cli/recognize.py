"""The command `recognize`: read pictures of single characters."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import io
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kanatui.cli.console import complain, err, out, print_json, progress, warn
from kanatui.cli.options import chosen_characters, chosen_weights
from kanatui.core.units import percent

if TYPE_CHECKING:
    from kanatui.evaluation.recognize import Reading
    from kanatui.model.weights import Classifier

_MANY = 128  # files; more than this show a progress bar
_IN_FULL = 3  # files; up to this many get a table each, more get a line each
_BAR = 24  # columns
_STANDARD_INPUT = "-"
_OBLONG = 2.0  # longer side of a picture to its shorter one
_IN_VAIN = 16  # pictures, half a second's work
_SHOWN = 12  # characters of the text that a message quotes


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
        err.print(f"--characters: {unknown}", soft_wrap=True)
    sources = [_piped() if name == _STANDARD_INPUT else Path(name) for name in files]
    several = _Several(weights, characters)
    results: list[dict[str, Any]] = []
    failed = 0
    with contextlib.ExitStack() as entered:
        outcomes = entered.enter_context(contextlib.closing(read_files(weights, sources, characters)))
        advance = entered.enter_context(progress("reading", len(files), "images")) if len(files) > _MANY else None
        for name, source, outcome in zip(files, sources, outcomes, strict=True):
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
                alone = readings[0].folded if outcome.hypothesis == 0 else 0.0  # a part of the ink was left out
                warn_of_pages(name, source)
                text = several.text(source, alone)
                if text:
                    results[-1]["several"] = text
                    warn(f"{name}: shows several characters ({_one_line(text)}); `kanatui read {name}` reads them all")
            if advance:
                advance()
    if as_json:
        print_json(results)
    if failed and len(files) > 1:
        complain(f"{failed:,} of {len(files):,} pictures could not be read")
    return 1 if failed else 0


def warn_of_pages(name: str, source: Path | io.BytesIO) -> None:
    """Say so if a file has pages that are not read."""
    from kanatui.pictures.files import page_count

    if (pages := page_count(source)) > 1:
        warn(f"{name}: only the first of {pages:,} pages is read; save the others as files of their own")


def _piped() -> io.BytesIO:
    """Return what standard input holds; it may be looked at twice."""
    from kanatui.evaluation.files import LONGEST_STREAM

    return io.BytesIO(sys.stdin.buffer.read(LONGEST_STREAM))


class _Several:
    """Tells pictures that show several characters, which no reading as one is right for.

    Only those are looked at that are read with doubt or in part, or are oblong. That takes ten times as long as reading
    one character; so after some in a row that show one after all (a poor model, a hasty hand), no more are looked at.
    """

    def __init__(self, weights: Path, characters: str | None) -> None:
        self.weights, self.characters = weights, characters
        self.in_vain = 0

    @functools.cached_property
    def _classifier(self) -> Classifier:
        from kanatui.model.weights import load_weights

        return load_weights(self.weights)

    def text(self, source: Path | io.BytesIO, probability: float) -> str:
        """Return what is written in a picture if that is plainly more than one character, else "".

        Args:
            source: the picture, which could be read.
            probability: of what all of its ink was read as, and look-alikes; 0 if only a part was read.
        """
        from kanatui.core.errors import ImageError
        from kanatui.evaluation.several import UNSURE, read_several
        from kanatui.pictures.files import open_image, size_of

        if self.in_vain >= _IN_VAIN:
            return ""
        if isinstance(source, io.BytesIO):
            source.seek(0)
        try:
            if probability >= UNSURE:
                width, height = size_of(source)
                if max(width, height) <= _OBLONG * min(width, height):
                    return ""
            text = read_several(lambda: self._classifier, open_image(source), probability, self.characters)
        except ImageError:  # it has been read as one character already
            return ""
        self.in_vain = 0 if text else self.in_vain + 1
        return str(text or "")


def _one_line(text: str) -> str:
    """Shorten a text to what fits into a message."""
    whole = text.replace("\n", " ")
    return whole if len(whole) <= _SHOWN else whole[:_SHOWN] + "…"


def _print_readings(name: str, readings: list[Reading], doubt: str, in_full: bool) -> None:
    if not in_full:
        listed = "  ".join(f"{reading.character} {percent(reading.probability)}" for reading in readings)
        out.print(f"{name}  {listed}{f'  {doubt}' if doubt else ''}", soft_wrap=True)
        return
    out.print(f"{name}{f'  {doubt}' if doubt else ''}", soft_wrap=True)
    for reading in readings:
        bar = "█" * round(reading.probability * _BAR) or "▏"
        out.print(f"  {reading.character}  {percent(reading.probability):>7}  {bar}")

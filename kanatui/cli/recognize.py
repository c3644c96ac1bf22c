"""The command that reads pictures."""

from __future__ import annotations

import contextlib
import gc
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kanatui.cli.console import complain, out, print_json, progress
from kanatui.cli.options import chosen_characters, chosen_weights
from kanatui.core.units import percent

if TYPE_CHECKING:
    from kanatui.evaluation.recognize import Reading
    from kanatui.model.weights import Classifier
    from kanatui.pictures.pool import Prepared

_AT_ONCE = 128
"""Pictures that the model sees together: activations of 48 px stay in the processor's cache."""

_IN_FULL = 3  # up to so many files get a table each, more a line each
_BAR = 24  # columns
_LONGEST_INPUT = 256 << 20  # bytes of standard input
_STANDARD_INPUT = "-"


@click.command("recognize")
@click.argument("files", nargs=-1, required=True, metavar="FILE…")
@click.option(
    "--model", "reference", metavar="MODEL", help="A run, latest, a weights file, or default (taken if not given)."
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
    from kanatui.model.card import read_card
    from kanatui.pictures.pool import Preparation

    characters = chosen_characters(spec)
    weights = chosen_weights(reference)
    results: list[dict[str, Any]] = []
    failed = 0
    with contextlib.ExitStack() as entered:
        # Begun before torch is imported, which takes a second on one core.
        named = [Path(name) for name in files if name != _STANDARD_INPUT]
        preparation = entered.enter_context(Preparation(named, read_card(weights)["image_size"]))
        classifier = _load(weights, preparation.processes)
        many = len(files) > _AT_ONCE
        advance = entered.enter_context(progress("reading", len(files), "images")) if many else None
        for name, outcome in _read(classifier, files, iter(preparation), top, characters):
            failed += isinstance(outcome, str)
            if as_json:
                results.append(_as_data(name, outcome))
            if isinstance(outcome, str):
                complain(outcome)
            elif not as_json:
                _print_readings(name, outcome, in_full=len(files) <= _IN_FULL)
            if advance:
                advance()
    if as_json:
        print_json(results)
    if failed and len(files) > 1:
        complain(f"{failed:,} of {len(files):,} pictures could not be read")
    return 1 if failed else 0


def _load(weights: Path, others: int) -> Classifier:
    """Load the model, leaving as many cores as there are ``others`` at work."""
    gc.disable()  # importing torch makes no garbage, and a tenth of its time was looking for some
    try:
        import torch

        from kanatui.model.weights import load_weights

        if others:
            # Threads that wait for each other spin, which takes the cores from those who prepare.
            torch.set_num_threads(max(1, torch.get_num_threads() - others))
        return load_weights(weights)
    finally:
        gc.freeze()
        gc.enable()


def _read(
    classifier: Classifier, names: Sequence[str], files: Iterator[Prepared], top: int, characters: str | None
) -> Iterator[tuple[str, list[Reading] | str]]:
    """Give each picture's readings, or the message that says why there are none."""
    import numpy as np

    from kanatui.evaluation.probabilities import classify_pictures
    from kanatui.evaluation.recognize import rank

    for start in range(0, len(names), _AT_ONCE):
        batch = names[start : start + _AT_ONCE]
        pictures = [_read_input(classifier.image_size) if name == _STANDARD_INPUT else next(files) for name in batch]
        prepared = [picture for picture in pictures if not isinstance(picture, str)]
        readings: Iterator[list[Reading]] = iter(())
        if prepared:
            probabilities = classify_pictures(classifier, np.stack(prepared), characters)
            readings = iter(rank(probabilities, classifier.characters, top, characters))
        for name, picture in zip(batch, pictures, strict=True):
            yield name, picture if isinstance(picture, str) else next(readings)


def _read_input(size: int) -> Prepared:
    import io

    from kanatui.core.errors import ImageError
    from kanatui.pictures.files import read_image

    data = sys.stdin.buffer.read(_LONGEST_INPUT)
    try:
        if not data:
            raise ImageError("standard input: empty; pipe a picture into it")
        return read_image(io.BytesIO(data), size, "standard input")
    except ImageError as error:
        return str(error)


def _as_data(name: str, outcome: list[Reading] | str) -> dict[str, Any]:
    import dataclasses

    if isinstance(outcome, str):
        return {"file": name, "error": outcome}
    return {"file": name, "readings": [dataclasses.asdict(reading) for reading in outcome]}


def _print_readings(name: str, readings: list[Reading], in_full: bool) -> None:
    if not in_full:
        listed = "  ".join(f"{reading.character} {percent(reading.probability)}" for reading in readings)
        out.print(f"{name}  {listed}", markup=False, soft_wrap=True)
        return
    out.print(name, markup=False, soft_wrap=True)
    for reading in readings:
        bar = "█" * round(reading.probability * _BAR) or "▏"
        out.print(f"  {reading.character}  {percent(reading.probability):>7}  {bar}", markup=False)

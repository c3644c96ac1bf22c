"""The command `read`: read pictures of lines and pages of handwriting."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kanatui.cli.console import Advance, complain, out, print_json, progress
from kanatui.cli.options import chosen_characters, chosen_weights
from kanatui.cli.recognize import warn_of_pages

if TYPE_CHECKING:
    from PIL import Image

    from kanatui.evaluation.read import Text
    from kanatui.model.weights import Classifier

_STANDARD_INPUT = "-"
_MANY = 8  # files; the reading of more than this shows a bar if nothing else is seen of it
_PATIENCE = 1.0  # seconds of reading after which progress is shown


@click.command("read")
@click.argument("files", nargs=-1, required=True, metavar="FILE…")
@click.option(
    "--model", "reference", metavar="MODEL", help="A run, latest, a weights file, or default (used if not given)."
)
@click.option("--characters", "-c", "spec", metavar="SPEC", help="Candidates, e.g. hiragana.")
@click.option(
    "--direction",
    type=click.Choice(["auto", "horizontal", "vertical"]),
    default="auto",
    show_default=True,
    help="Direction of the lines; vertical ones run from right to left.",
)
@click.option(
    "--top", type=click.IntRange(1), default=5, show_default=True, metavar="N", help="Readings per character (--json)."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON: boxes, readings and probabilities.")
@click.option(
    "--png", "png", type=click.Path(path_type=Path), metavar="OUT", help="Also draw the readings into a picture."
)
def read_command(
    files: tuple[str, ...],
    reference: str | None,
    spec: str | None,
    direction: str,
    top: int,
    as_json: bool,
    png: Path | None,
) -> int:
    """Read pictures of lines or pages of handwriting and print the text. FILE - is standard input.

    Pictures may be photos, scans or screenshots, a little crooked; printed lines are ignored. In the text, ? follows a
    character that is as likely another, or no kana.
    """
    from kanatui.core.errors import ImageError, UsageError

    if png is not None and len(files) > 1:
        raise UsageError("--png: draws one picture, but there are several FILEs; give one")
    characters = chosen_characters(spec)
    weights = chosen_weights(reference)
    from kanatui.evaluation.probabilities import candidates
    from kanatui.model.card import read_card

    candidates(read_card(weights)["characters"], characters)
    classifier = None
    results: list[dict[str, Any]] = []
    failed = 0
    # Readings that appear one by one on the terminal show the progress themselves, and would be written over a bar.
    silent = len(files) > _MANY and (as_json or not sys.stdout.isatty())
    with contextlib.ExitStack() as shown:
        advance = shown.enter_context(progress("reading", len(files), "pictures")) if silent else None
        for name in files:
            try:
                source = _source(name)
                image = _open(name, source)
                classifier = classifier or _loaded(weights)
                text = _read(name, classifier, image, characters, direction, top, patient=not advance)
            except ImageError as error:
                failed += 1
                complain(str(error))
                results.append({"file": name, "error": str(error)})
            else:
                results.append({"file": name, **_data(text)})
                if png is not None:
                    _draw(image, text, png)
                if not as_json:
                    _print(name, text, titled=len(files) > 1)
                warn_of_pages(name, source)
            if advance:
                advance()
    if as_json:
        print_json(results)
    if failed and len(files) > 1:
        complain(f"{failed:,} of {len(files):,} pictures could not be read")
    return 1 if failed else 0


def _source(name: str) -> Path | io.BytesIO:
    from kanatui.evaluation.files import stream_data

    return io.BytesIO(stream_data(sys.stdin.buffer)) if name == _STANDARD_INPUT else Path(name)


def _open(name: str, source: Path | io.BytesIO) -> Image.Image:
    from kanatui.pictures.files import open_image

    return open_image(source, "standard input" if name == _STANDARD_INPUT else "")


def _loaded(weights: Path) -> Classifier:
    from kanatui.model.weights import load_weights

    return load_weights(weights)


def _read(
    name: str,
    classifier: Classifier,
    image: Image.Image,
    characters: str | None,
    direction: str,
    top: int,
    patient: bool,
) -> Text:
    from kanatui.core.errors import ImageError
    from kanatui.evaluation.read import read_text

    try:
        with _patient_progress() if patient else contextlib.nullcontext(lambda done, total: None) as report:
            return read_text(classifier, image, characters, direction, top, report)
    except ImageError as error:
        shown = "standard input" if name == _STANDARD_INPUT else name
        raise type(error)(f"{shown}: {error}") from None


@contextlib.contextmanager
def _patient_progress() -> Iterator[Callable[[int, int], None]]:
    """Yield a function that shows progress, but only of work that takes long."""
    started = time.monotonic()
    with contextlib.ExitStack() as shown:
        advance: Advance | None = None
        reached = 0

        def report(done: int, total: int) -> None:
            nonlocal advance, reached
            if advance is None and done < total and time.monotonic() - started > _PATIENCE:
                advance = shown.enter_context(progress("reading", total, "candidates", reached))
            if advance:
                advance(done - reached)
            reached = done

        yield report


def _data(text: Text) -> dict[str, Any]:
    """Return what was read as JSON-able values."""
    return {
        "text": str(text),
        "direction": "vertical" if text.vertical else "horizontal",
        "turned": round(text.degrees, 2),
        "lines": [
            {
                "text": "".join(character.character for character in line),
                "characters": [
                    {
                        "character": character.character,
                        "probability": character.probability,
                        "doubtful": character.doubtful,
                        "box": list(character.box),
                        "outline": [[round(x, 1), round(y, 1)] for x, y in character.outline],
                        "readings": [dataclasses.asdict(reading) for reading in character.readings],
                    }
                    for character in line
                ],
            }
            for line in text.lines
        ],
    }


def _print(name: str, text: Text, titled: bool) -> None:
    if titled:
        out.print(f"{name}:", soft_wrap=True)
    for line in text.lines:
        marked = "".join(character.character + ("?" if character.doubtful else "") for character in line)
        out.print(marked, soft_wrap=True)


def _draw(image: Image.Image, text: Text, target: Path) -> None:
    from kanatui.core.storage import write_bytes
    from kanatui.evaluation.annotate import annotated

    data = io.BytesIO()
    annotated(image, text).save(data, "PNG")
    write_bytes(target, data.getvalue())

"""The commands `sheet make` and `sheet read`: from paper to samples."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kanatui.cli.console import complain, counting, out, print_glyphs, print_json, warn
from kanatui.cli.options import chosen_weights
from kanatui.core.units import counted

if TYPE_CHECKING:
    from kanatui.evaluation.sheets import Taken

_TILE = 16  # columns of a box in the terminal
_MOST_NAMED = 12  # boxes in doubt that are listed


@click.group("sheet")
def sheet_command() -> None:
    """Print sheets to write characters on, and read photos of them: your own handwriting for `kanatui adapt`."""


@sheet_command.command("make")
@click.option(
    "--characters", "-c", "spec", default="basic-hiragana", show_default=True, metavar="SPEC", help="What to write."
)
@click.option("--copies", type=click.IntRange(1, 50), default=1, show_default=True, help="Boxes for each character.")
@click.option("--paper", type=click.Choice(["a4", "letter"]), default="a4", show_default=True)
@click.option(
    "--practice",
    type=click.Choice(["least", "weakest"]),
    help="One page of the characters that you have collected least, or that are misread most.",
)
@click.option(
    "--output", "-o", type=click.Path(dir_okay=False, path_type=Path), default="sheet.pdf", show_default=True,
    metavar="FILE", help="A .pdf, or .png pictures of the pages.",
)  # fmt: skip
def make_command(spec: str, copies: int, paper: str, practice: str | None, output: Path) -> None:
    """Make a sheet to print: a box for each character, which is printed above it.

    Fill it in with a dark pen, photograph it, and read the photo with `kanatui sheet read`.
    """
    from kanatui.core.errors import UsageError
    from kanatui.core.storage import write_bytes
    from kanatui.evaluation import sheets
    from kanatui.kana.sets import parse_characters
    from kanatui.pictures.sheets import layout

    suffix = output.suffix.lower()
    if suffix not in (".pdf", ".png"):
        raise UsageError(f"--output {output}: name a .pdf or a .png file")
    characters = parse_characters(spec)
    if practice:
        room = layout.capacity(layout.PAPERS[paper]) // copies
        characters = _practised(characters, practice)[: max(1, room)]
    document = sheets.make(characters, copies, paper)
    files = [(output, document)] if suffix == ".pdf" else _pictures(output, document)
    for path, data in files:
        write_bytes(path, data)
    pages = -(-len(characters) * copies // layout.capacity(layout.PAPERS[paper]))
    boxes = len(characters) * copies
    names = ", ".join(str(path) for path, _ in files)
    out.print(
        f"wrote {names}: {boxes:,} box{'' if boxes == 1 else 'es'} on {counted(pages, 'page')} of {paper}",
        soft_wrap=True,
    )
    out.print("print it without scaling, write, take a photo, then: kanatui sheet read PHOTO")


def _practised(characters: str, way: str) -> str:
    from kanatui.evaluation.samples import samples, tallies
    from kanatui.tui.draw.practice import Practice, in_order

    ways = {"least": Practice.LEAST, "weakest": Practice.WEAKEST}
    return "".join(in_order(characters, tallies(samples()), ways[way]))


def _pictures(output: Path, document: bytes) -> list[tuple[Path, bytes]]:
    from PIL import Image

    from kanatui.pictures.sheets.printing import PNG_DPI, pictures

    pages = pictures(document)
    files = []
    for number, pixels in enumerate(pages, start=1):
        data = io.BytesIO()
        Image.fromarray(pixels).save(data, "PNG", dpi=(PNG_DPI, PNG_DPI))
        name = output.with_stem(f"{output.stem}-{number}") if len(pages) > 1 else output
        files.append((name, data.getvalue()))
    return files


@sheet_command.command("read")
@click.argument("files", nargs=-1, required=True, metavar="PHOTO…", type=click.Path(path_type=Path))
@click.option("--model", "reference", metavar="MODEL", help="A run, latest, a weights file, or default.")
@click.option("--again", is_flag=True, help="Also keep boxes that another photo of the page has given.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON: what became of each box.")
@click.option("--ascii", "plain", is_flag=True, help="Use plain characters instead of half blocks.")
def read_command(files: tuple[Path, ...], reference: str | None, again: bool, as_json: bool, plain: bool) -> int:
    """Keep what is written on photographed sheets as labelled samples. PHOTO is a picture, or a PDF of scans.

    Empty boxes, and boxes whose small square is ticked, are left out. The same photo adds nothing twice.
    """
    from kanatui.core.errors import ImageError
    from kanatui.evaluation.sheets import take_in
    from kanatui.model.weights import load_weights

    weights = chosen_weights(reference)
    classifier = load_weights(weights)
    results: list[dict[str, Any]] = []
    added = failed = 0
    for file in files:
        try:
            with counting(f"reading {file.name}", "boxes") as report:
                taken = take_in(file, classifier, reference or "default", again, report)
        except ImageError as error:
            failed += 1
            complain(str(error))
            results.append({"file": str(file), "error": str(error)})
            continue
        for one in taken:
            added += one.added
            results.append(_data(file, one))
            if not as_json:
                _print(one, plain or bool(out.no_color))
    if as_json:
        print_json(results)
    elif added:
        out.print(f"{counted(added, 'sample')} added; adapt a model to them: kanatui adapt")
    if failed and len(files) > 1:
        complain(f"{failed:,} of {len(files):,} files could not be read")
    return 1 if failed else 0


def _data(file: Path, taken: Taken) -> dict[str, Any]:
    page = taken.sheet.page
    return {
        "file": str(file),
        "sheet": page.name,
        "page": page.page,
        "added": taken.added,
        "known": taken.known,
        "boxes": [
            {
                "box": one.box.place + 1,
                "character": one.box.character,
                "state": one.box.state.value,
                "sample": str(one.sample.path) if one.sample else None,
                "doubt": one.doubt,
                "outline": [[round(x, 1), round(y, 1)] for x, y in one.box.outline.tolist()],
            }
            for one in taken.kept
        ],
    }


def _print(taken: Taken, plain: bool) -> None:
    from kanatui.pictures.sheets.boxes import State

    page = taken.sheet.page
    title = f"{taken.photo}: sheet {page.name}, page {page.page}"
    if taken.known:
        warn(f"{title}: {taken.known}; nothing added")
        return
    pictures = [one.box.picture for one in taken.kept if one.sample]
    if pictures:
        columns = min(len(pictures), max(1, (out.width + 1) // (_TILE + 1)))
        print_glyphs(pictures, _TILE, columns, "ascii" if plain else "")
    counts = [f"{taken.count(state)} {state.value}" for state in State if taken.count(state)]
    out.print(f"{title}: {', '.join(counts)}", soft_wrap=True)
    for one in taken.doubts[:_MOST_NAMED]:
        fate = "kept" if one.sample else "not kept"
        out.print(f"  box {one.box.place + 1} {one.box.character}: {one.doubt} ({fate})", soft_wrap=True)
    if len(taken.doubts) > _MOST_NAMED:
        out.print(f"  and {len(taken.doubts) - _MOST_NAMED} more")
    if any(one.sample for one in taken.doubts):
        out.print("  look at those that were kept: kanatui, key 4, then s")

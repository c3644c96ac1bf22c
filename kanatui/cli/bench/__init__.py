"""The command `bench`: repeatable measurements of kanatui."""

from __future__ import annotations

import datetime
import functools
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from kanatui.cli.console import complain, out, print_json, stages, status, warn

if TYPE_CHECKING:
    from kanatui.cli.bench.figures import Figure

    Bench = Callable[[], list[Figure]]

_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
_rounds = click.option("--rounds", type=click.IntRange(1, 100), help="Number of measurements of each figure.")
_full = click.option(
    "--full", is_flag=True, help="Make the article's 715,884 images (2.9 GB) instead of a part of them."
)
_peers = click.option(
    "--peers",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    envvar="KANATUI_PEERS",
    metavar="PYTHON",
    help="A Python that has TRDG or SynthTIGER: measure them too.",
)


@click.group("bench")
def bench_command() -> None:
    """Measure kanatui on this machine: alternatives side by side, and each figure against its goal."""


@bench_command.command("render")
@_rounds
@click.option(
    "--size", type=click.IntRange(16, 256), default=64, show_default=True, help="Side of the images in pixels."
)
@_peers
@_json
def bench_render(rounds: int | None, size: int, peers: Path | None, as_json: bool) -> None:
    """Compare ways to draw images: the article's, ImageMagick in batches, Pillow, masters. Takes half a minute."""
    _measure({"render": functools.partial(_render, rounds, size, peers)}, as_json)


@bench_command.command("generate")
@_rounds
@_full
@_json
def bench_generate(rounds: int | None, full: bool, as_json: bool) -> None:
    """Make data sets, streamed and on disk, with one and two workers: time per step, memory. Takes 2 minutes."""
    _measure({"generate": functools.partial(_generate, rounds, full)}, as_json)


@bench_command.command("train")
@click.option("--beside", type=click.IntRange(1), metavar="N", help="Only train alone and beside N busy processes.")
@_rounds
@_json
def bench_train(beside: int | None, rounds: int | None, as_json: bool) -> None:
    """Train: images per second, share of making the images, time to the article's score. Takes 3 minutes."""
    bench = functools.partial(_beside, beside, rounds) if beside else functools.partial(_train, rounds)
    _measure({"train": bench}, as_json)


@bench_command.command("recognize")
@_rounds
@_json
def bench_recognize(rounds: int | None, as_json: bool) -> None:
    """Read pictures: a thousand at once, and one including the start of the process. Takes half a minute."""
    _measure({"recognize": functools.partial(_recognize, rounds)}, as_json)


@bench_command.command("pictures")
@click.argument("folder", metavar="DIR", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--model", "reference", metavar="MODEL", help="A run, a weights file or `default`.")
@click.option(
    "--per-character", type=click.IntRange(1), default=4, show_default=True, help="Drawings of each character."
)
@click.option("--kind", "kinds", multiple=True, metavar="NAME", help="Only this kind; may be repeated.")
@_json
def bench_pictures(
    folder: Path, reference: str | None, per_character: int, kinds: tuple[str, ...], as_json: bool
) -> None:
    """Spoil real drawings in some 70 ways, as pens, scanners and forms do, and read them. Takes 3 minutes.

    DIR holds clean drawings, dark on light, in LABEL/*.png.
    """
    _measure({"pictures": functools.partial(_pictures, folder, reference, per_character, kinds)}, as_json)


@bench_command.command("digits")
@click.option("--minutes", type=click.FloatRange(min=0.01), default=5.0, show_default=True, help="How long to train.")
@click.option("--model", metavar="MODEL", help="Read with this run or weights file instead of training one.")
@_json
def bench_digits(minutes: float, model: str | None, as_json: bool) -> None:
    """Learn the digits from fonts, and read the 1,797 handwritten ones of scikit-learn. Takes 5 minutes."""
    _measure({"digits": functools.partial(_digits, minutes, model)}, as_json)


@bench_command.command("read")
@click.option("--drawings", type=click.Path(path_type=Path), metavar="DIR", help="Drawings: LABEL/WRITER.png.")
@click.option("--model", "reference", metavar="MODEL", help="A run, latest, a weights file, or default.")
@click.option("--lines", type=click.IntRange(1), metavar="N", help="Lines to read in each direction.  [default: 200]")
@_json
def bench_read(drawings: Path | None, reference: str | None, lines: int | None, as_json: bool) -> None:
    """Read composed lines and pages of squared paper: error rates, and characters per second. Takes 5 minutes.

    Lines are set in the handwriting faces that the model was not trained on, and composed of one person's drawings.
    """
    _measure({"read": functools.partial(_read, drawings, reference, lines)}, as_json)


@bench_command.command("unknown")
@click.argument("model", required=False)
@click.option("--images", "folder", type=click.Path(path_type=Path), metavar="DIR", help="Real kana, LABEL/*.png.")
@click.option("--faces", metavar="LIST", help="Faces to draw with (default: those held out of the training).")
@_json
def bench_unknown(model: str | None, folder: Path | None, faces: str | None, as_json: bool) -> None:
    """Measure which digits, letters, kanji, shapes and kana a model refuses to read. Takes two minutes.

    MODEL is a run, latest, a weights file, or default (used if none is given).
    """
    _measure({"unknown": functools.partial(_unknown, model, folder, faces)}, as_json)


@bench_command.command("glyphs")
@click.argument("model", required=False)
@click.option("--columns", type=click.IntRange(4, 64), help="Width of a glyph in cells.  [default: 12]")
@_json
def bench_glyphs(model: str | None, columns: int | None, as_json: bool) -> None:
    """Compare the ways to show glyphs in a terminal: likeness, legibility, bytes, time. Takes half a minute.

    MODEL is a run, latest, a weights file, or default (used if none is given).
    """
    _measure({"glyphs": functools.partial(_glyphs, model, columns)}, as_json)


@bench_command.command("sheets")
@click.argument("folder", metavar="[DIR]", required=False, type=click.Path(path_type=Path))
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of the photos.")
@click.option("--adapt", "writers", type=click.IntRange(1), metavar="N", help="Adapt to a sheet of each of N writers.")
@click.option("--minutes", type=click.FloatRange(min=0.01), default=1.0, show_default=True, help="How long to adapt.")
@click.option("--unseen", is_flag=True, help="Adapt to half of the characters, and score the others.")
@click.option("--model", "reference", metavar="MODEL", help="A run, latest, a weights file, or default.")
@_json
def bench_sheets(
    folder: Path | None,
    seed: int,
    writers: int | None,
    minutes: float,
    unseen: bool,
    reference: str | None,
    as_json: bool,
) -> None:
    """Fill sheets, photograph them in 12 scenes from easy to hard, and read them. Takes a minute.

    DIR holds drawings, LABEL/WRITER.png; without it, boxes are filled in a face. With --adapt, measure instead what one
    sheet does for the writers whom the model reads worst; that takes two minutes each.
    """
    _measure({"sheets": functools.partial(_sheets, folder, seed, writers, minutes, unseen, reference)}, as_json)


@bench_command.command("tui")
@_json
def bench_tui(as_json: bool) -> None:
    """Measure the app: first paint, keys, traffic, preview, drawing, attaching. Starts a training; takes 5 minutes."""
    _measure({"tui": _tui}, as_json)


@bench_command.command("all")
@click.option(
    "--images", "folder", type=click.Path(exists=True, file_okay=False, path_type=Path), metavar="DIR",
    help="Drawings, LABEL/WRITER.png: also run what needs them.",
)  # fmt: skip
@click.option("--only", multiple=True, metavar="NAME", help="Only this one; may be repeated.")
@_full
@_peers
@_json
def bench_all(folder: Path | None, only: tuple[str, ...], full: bool, peers: Path | None, as_json: bool) -> int:
    """Run all of these benchmarks, and quickstart and evaluate as well. Takes half an hour.

    One that fails is left out, and the others go on. README's table of results is made from the JSON (make figures).
    """
    from kanatui.core.errors import UsageError

    benches = _every(folder, full, peers)
    if unknown := [name for name in only if name not in benches]:
        needed = "" if folder else "; some more with --images DIR"
        raise UsageError(f"--only {unknown[0]!r}: no such benchmark; there are: {', '.join(benches)}{needed}")
    return _measure({name: bench for name, bench in benches.items() if not only or name in only}, as_json)


def _every(folder: Path | None, full: bool, peers: Path | None) -> dict[str, Bench]:
    """Return the benchmarks by their names; those that need drawings only with a folder of them."""
    benches: dict[str, Bench] = {
        "render": functools.partial(_render, peers=peers),
        "generate": functools.partial(_generate, full=full),
        "train": _train,
        "recognize": _recognize,
        "glyphs": _glyphs,
        "tui": _tui,
        "quickstart": _quickstart,
        "digits": _digits,
        "read": functools.partial(_read, folder),
    }
    if folder:
        benches |= {
            "pictures": functools.partial(_pictures, folder),
            "sheets": functools.partial(_sheets, folder),
            "unknown": functools.partial(_unknown, folder=folder),
            "evaluate": functools.partial(_evaluate, folder),
        }
    return benches


def _render(rounds: int | None = None, size: int = 64, peers: Path | None = None) -> list[Figure]:
    from kanatui.cli.bench import render
    from kanatui.cli.bench.peers import TITLES, find_peers

    found = find_peers(peers) if peers else dict.fromkeys(TITLES.values())
    if absent := [title for title, peer in found.items() if not peer]:
        warn(f"bench render: {' and '.join(absent)} skipped: not in a Python that --peers names")
    with _stages() as on_stage:
        return render.measure_render(rounds or render.ROUNDS, size, on_stage, [peer for peer in found.values() if peer])


def _generate(rounds: int | None = None, full: bool = False) -> list[Figure]:
    from kanatui.cli.bench import generate

    with _stages() as on_stage:
        return generate.measure_generate(rounds or generate.ROUNDS, full, on_stage)


def _train(rounds: int | None = None) -> list[Figure]:
    from kanatui.cli.bench import train

    with _stages() as on_stage:
        return train.measure_train(rounds or train.ROUNDS, on_stage)


def _beside(neighbours: int, rounds: int | None) -> list[Figure]:
    from kanatui.cli.bench.beside import ROUNDS, measure_beside

    with _stages() as on_stage:
        return measure_beside(neighbours, rounds or ROUNDS, on_stage)


def _recognize(rounds: int | None = None) -> list[Figure]:
    from kanatui.cli.bench import recognize

    with _stages() as on_stage:
        return recognize.measure_recognize(rounds or recognize.ROUNDS, on_stage)


def _pictures(
    folder: Path, reference: str | None = None, per_character: int = 4, kinds: tuple[str, ...] = ()
) -> list[Figure]:
    from kanatui.cli.bench.pictures import measure_pictures
    from kanatui.cli.bench.spoil import KINDS
    from kanatui.cli.options import chosen_weights
    from kanatui.core.errors import UsageError

    for kind in kinds:
        if kind not in KINDS:
            raise UsageError(f"--kind {kind!r}: no such kind; there are: {', '.join(KINDS)}")
    with _stages() as on_stage:
        return measure_pictures(folder, chosen_weights(reference), per_character, kinds, on_stage)


def _digits(minutes: float = 5.0, model: str | None = None) -> list[Figure]:
    from kanatui.cli.bench import digits

    with _stages() as on_stage:
        return digits.measure_digits(minutes, model, on_stage)


def _read(drawings: Path | None = None, reference: str | None = None, lines: int | None = None) -> list[Figure]:
    from kanatui.cli.bench import read
    from kanatui.cli.options import chosen_weights

    with _stages() as on_stage:
        return read.measure_read(chosen_weights(reference), drawings, lines or read.LINES, on_stage)


def _unknown(model: str | None = None, folder: Path | None = None, faces: str | None = None) -> list[Figure]:
    from kanatui.cli.bench import unknown
    from kanatui.cli.options import chosen_weights

    with _stages() as on_stage:
        return unknown.measure_unknown(chosen_weights(model), folder, faces.split(",") if faces else [], on_stage)


def _glyphs(model: str | None = None, columns: int | None = None) -> list[Figure]:
    from kanatui.cli.bench import glyphs
    from kanatui.cli.options import chosen_weights

    with _stages() as on_stage:
        return glyphs.measure_glyphs(chosen_weights(model), columns or glyphs.COLUMNS, on_stage)


def _sheets(
    folder: Path | None,
    seed: int = 0,
    writers: int | None = None,
    minutes: float = 1.0,
    unseen: bool = False,
    reference: str | None = None,
) -> list[Figure]:
    from kanatui.cli.bench.sheets import measure_adapting, measure_scenes
    from kanatui.cli.options import chosen_weights
    from kanatui.core.errors import UsageError

    with _stages() as on_stage:
        if not writers:
            return measure_scenes(folder, seed, on_stage)
        if folder is None:
            raise UsageError("bench sheets --adapt: name the folder of the writers' drawings, LABEL/WRITER.png")
        return measure_adapting(folder, chosen_weights(reference), writers, minutes, unseen, on_stage)


def _quickstart() -> list[Figure]:
    from kanatui.cli.bench import scores

    with _stages() as on_stage:
        return scores.measure_quickstart(on_stage)


def _evaluate(folder: Path) -> list[Figure]:
    from kanatui.cli.bench import scores

    with _stages() as on_stage:
        return scores.measure_evaluate(folder, on_stage)


def _tui() -> list[Figure]:
    from kanatui.cli.bench.tui import measure_tui

    with status("bench tui") as shown:
        return measure_tui(lambda text: shown.update(f"bench tui: {text}"))


_stages = functools.partial(stages, {})


def _measure(benches: Mapping[str, Bench], as_json: bool) -> int:
    """Run benchmarks by their names and print all figures; return 1 if some of several failed, else 0.

    Raises:
        KanatuiError: the only one failed.
    """
    from kanatui.core.errors import KanatuiError
    from kanatui.core.machine import describe_machine
    from kanatui.fonts import imagemagick

    machine, today = describe_machine(), datetime.date.today().isoformat()
    machine["versions"] += f", ImageMagick {imagemagick.version()}"  # the app can be measured without it
    found: dict[str, list[Figure]] = {}
    for name, bench in benches.items():
        try:
            found[name] = bench()
        except KanatuiError as error:
            if len(benches) == 1:
                raise
            complain(f"bench {name}: {error}")
    command = f"kanatui {' '.join(sys.argv[1:])}"
    if as_json:
        figures = [{"bench": name, **figure.to_dict()} for name, those in found.items() for figure in those]
        print_json({"command": command, "date": today, "machine": machine, "figures": figures})
    else:
        _print([figure for those in found.values() for figure in those], {"date": today, **machine}, command)
    return int(len(found) < len(benches))


def _print(figures: Sequence[Figure], about: Mapping[str, str], command: str) -> None:
    from rich.table import Table

    table = Table("what", "measured", "goal", "", "min … median … max", "n", "note", box=None, pad_edge=False)
    for figure in figures:
        table.add_row(
            figure.name,
            figure.measured,
            figure.goal,
            ("met" if figure.met else "MISSED") if figure.goal else "",
            figure.spread,
            str(len(figure.samples) or 1),
            figure.note,
        )
    out.print(table)
    for name, text in about.items():
        out.print(f"{name}: {text}", soft_wrap=True)
    out.print(f"command: {command}")

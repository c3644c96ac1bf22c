"""Commands about data: recipes, preview, generate, datasets."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kanatui.cli.console import counting, err, out, print_json, progress
from kanatui.cli.options import build_recipe, open_stream, recipe_options
from kanatui.words import bytes_text, duration

if TYPE_CHECKING:
    import numpy as np

    from kanatui.blocks import Pixels
    from kanatui.dataset.catalogue import Entry
    from kanatui.dataset.stream import GlyphStream
    from kanatui.dataset.write import Job
    from kanatui.recipe import Recipe

_LEFT_OUT_SHOWN = 6


@click.group("recipes", invoke_without_command=True)
@click.option("--json", "as_json", is_flag=True, help="Print for programs.")
@click.pass_context
def recipes_command(context: click.Context, as_json: bool) -> None:
    """List the recipes; `recipes show NAME` prints one, `recipes save NAME` keeps a changed one."""
    if context.invoked_subcommand:
        return
    from rich.table import Table

    from kanatui.recipe import DEFAULT, read_recipe, recipe_files

    recipes = {name: read_recipe(path) for name, path in recipe_files().items()}
    if as_json:
        print_json({name: recipe.to_dict() for name, recipe in recipes.items()})
        return
    table = Table("recipe", "mode", "px", "what it is for", box=None, header_style="bold", pad_edge=False)
    for name, recipe in recipes.items():
        mark = " (default)" if name == DEFAULT else ""
        table.add_row(name, recipe.mode, str(recipe.image_size), recipe.description + mark)
    out.print(table)


@recipes_command.command("show")
@click.argument("name")
@recipe_options
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of TOML.")
def recipes_show(name: str, as_json: bool, **options: Any) -> None:
    """Print a recipe as TOML, with the changes that options make."""
    recipe = _checked(build_recipe(**options | {"recipe": name}))
    if as_json:
        print_json(recipe.to_dict())
    else:
        click.echo(recipe.to_toml(), nl=False)


@recipes_command.command("save")
@click.argument("name")
@recipe_options
def recipes_save(name: str, **options: Any) -> None:
    """Keep a recipe, with the changes that options make, under a name of your own."""
    from kanatui.recipe import save_recipe

    if not name.replace("-", "").replace("_", "").isalnum():
        raise click.UsageError(f"{name!r}: a recipe's name has letters, digits, - and _")
    out.print(f"saved {save_recipe(_checked(build_recipe(**options)), name)}", markup=False, soft_wrap=True)


def _checked(recipe: Recipe) -> Recipe:
    from kanatui.charset import parse_characters
    from kanatui.plugins import load

    recipe.steps(load())
    parse_characters(recipe.characters)
    return recipe


@click.command("preview")
@click.argument("name", required=False, metavar="[RECIPE]")
@recipe_options
@click.option("--count", type=click.IntRange(1, 10_000), help="How many glyphs (default: what fits).")
@click.option(
    "--size", type=click.IntRange(8, 256), default=20, show_default=True, help="Columns of a glyph on screen."
)
@click.option("--png", type=click.Path(dir_okay=False, path_type=Path), help="Write the sheet to a PNG instead.")
@click.option("--ascii", "plain", is_flag=True, help="Characters instead of half blocks.")
def preview_command(
    name: str | None, count: int | None, size: int, png: Path | None, plain: bool, **options: Any
) -> None:
    """Show a contact sheet of the images that a recipe makes, spread over its whole set."""
    stream = open_stream(build_recipe(**_named(name, options)))
    columns = max(1, (out.width + 1) // (size + 1))
    count = count or (100 if png else columns * 4)
    images = _spread(stream, count)
    if png:
        _write_sheet(png, images)
        out.print(f"wrote {png}: {len(images)} glyphs", markup=False)
        return
    from kanatui.blocks import sheet, shrink

    _print_sheet(sheet([shrink(image, size) for image in images], min(columns, len(images))), plain or out.no_color)


def _named(name: str | None, options: dict[str, Any]) -> dict[str, Any]:
    if name and options.get("recipe"):
        raise click.UsageError("give the recipe once: as an argument or as --recipe")
    return options | {"recipe": name or options.get("recipe")}


def _spread(stream: GlyphStream, count: int) -> np.ndarray[Any, Any]:
    """Pick images evenly over all characters, and for each one from another part of its images."""
    from kanatui.dataset.preview import spread

    _prepare(stream)
    return stream.images(spread(stream.plan, count))


def _write_sheet(path: Path, images: np.ndarray[Any, Any]) -> None:
    from PIL import Image

    from kanatui.blocks import sheet
    from kanatui.storage import replacing

    columns = max(1, round(len(images) ** 0.5))
    with replacing(path) as file:
        Image.fromarray(sheet(list(images), columns)).save(file, format="PNG")


def _print_sheet(pixels: Pixels, plain: bool) -> None:
    from rich.text import Text

    from kanatui.blocks import ascii_lines, half_blocks

    if plain or not out.is_terminal:
        click.echo("\n".join(ascii_lines(pixels)))
        return
    for line in half_blocks(pixels):
        runs = ((text, f"rgb({ink},{ink},{ink}) on rgb({paper},{paper},{paper})") for text, ink, paper in line)
        out.print(Text.assemble(*runs), end="\n", soft_wrap=True)


@click.command("generate")
@click.argument("name", required=False, metavar="[RECIPE]")
@recipe_options
@click.option("--name", "dataset", metavar="NAME", help="Name of the data set (default: the recipe's).")
@click.option("--workers", "-j", type=click.IntRange(1, 256), help="Processes (default: one for each core).")
@click.option("--dry-run", is_flag=True, help="Print the plan and stop.")
@click.option("--resume", is_flag=True, help="Go on where an interrupted run stopped.")
@click.option("--detach", is_flag=True, help="Work in the background; `kanatui datasets` shows how far it is.")
def generate_command(
    name: str | None,
    dataset: str | None,
    workers: int | None,
    dry_run: bool,
    resume: bool,
    detach: bool,
    **options: Any,
) -> None:
    """Write a data set: images, labels and how they were made. Interrupt at any time; --resume goes on."""
    from kanatui import background, paths
    from kanatui.dataset import write

    recipe = build_recipe(**_resumable(_named(name, options), dataset, resume))
    folder = paths.datasets() / _folder_name(dataset or recipe.name)
    workers = workers or background.usable_cores()
    stream = open_stream(recipe)
    if dry_run:
        _prepare(stream)
        _print_plan(stream, workers, write.measure_rate(stream))
        return
    job = write.start(stream, folder, resume)
    if detach:
        _detach(folder)
        return
    _prepare(stream)
    _print_plan(stream, workers, None)
    _write(job, workers)


def _folder_name(name: str) -> str:
    if not name or name != Path(name).name or name.startswith("."):
        raise click.UsageError(f"--name {name!r}: not a plain name")
    return name


def _resumable(options: dict[str, Any], dataset: str | None, resume: bool) -> dict[str, Any]:
    """`generate --resume NAME` needs no recipe options: the data set's own recipe says it all."""
    from kanatui import paths

    named = dataset or options.get("recipe")
    kept = paths.datasets() / str(named) / "recipe.toml"
    changed = any(value for key, value in options.items() if key != "recipe")
    return options | {"recipe": str(kept)} if resume and not changed and kept.is_file() else options


def _prepare(stream: GlyphStream) -> None:
    with counting("drawing masters", "glyphs") as report:
        stream.prepare(report)


def _print_plan(stream: GlyphStream, workers: int, rate: float | None) -> None:
    from kanatui.dataset.write import bytes_needed, plan_manifest

    layout, counts = stream.layout, stream.counts
    side = stream.image_size
    each = f"{counts[0]:,}" if (counts == counts[0]).all() else f"{counts.min():,} to {counts.max():,}"
    out.print(f"[bold]{len(counts)} characters × {each} = {len(stream):,} images[/] of {side}×{side} px")
    present = len(layout.faces)
    out.print(f"faces     {present} of {present + len(layout.missing_faces)} installed")
    if layout.missing_faces:
        from kanatui.fonts import install_command

        out.print(f"          the others: {install_command(layout.missing_faces)}", soft_wrap=True)
    out.print(f"steps     {', '.join(step.plugin for step in layout.recipe.augments) or 'none'}")
    out.print(f"left out  {_left_out(stream)}")
    out.print(f"on disk   {bytes_text(bytes_needed(plan_manifest(stream)))}")
    if rate:
        seconds = len(stream) / (rate * workers)
        out.print(f"time      about {duration(seconds)} ({workers} workers, {rate:,.0f} images/s each, measured now)")


def _left_out(stream: GlyphStream) -> str:
    glyphs = stream.layout.left_out
    if not glyphs:
        return "no glyph: every face draws every character"
    by_face: dict[str, str] = {}
    for face, character in glyphs:
        by_face[face] = by_face.get(face, "") + character
    shown = ", ".join(f"{face} lacks {chars[:12]}" for face, chars in list(by_face.items())[:_LEFT_OUT_SHOWN])
    none = f"; no face draws {stream.layout.undrawable}" if stream.layout.undrawable else ""
    return f"{len(glyphs)} glyphs that a face cannot draw ({shown}){none}"


def _write(job: Job, workers: int) -> None:
    from kanatui.dataset import write

    total = job.manifest.images
    with _ending_on_terminate(), progress("generating", total, "images", done=job.images_done) as advance:
        written = 0

        def on_shard(images: int, count: int) -> None:
            nonlocal written
            written += count
            advance(images)

        try:
            write.write(job, workers, on_shard)
        except KeyboardInterrupt:
            done = len(job.manifest.shards)
            err.print(
                f"stopped with {done} of {job.manifest.shard_count} shards finished; "
                f"go on with: kanatui generate --resume --name {job.folder.name}",
                soft_wrap=True,
            )
            raise
    out.print(f"wrote {job.folder}: {total:,} images, {bytes_text(written)} in this run", soft_wrap=True, markup=False)


@contextlib.contextmanager
def _ending_on_terminate() -> Iterator[None]:
    """Let SIGTERM end the work as Ctrl-C does, with a state to resume from."""
    previous = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)


def _detach(folder: Path) -> None:
    from kanatui import background, storage

    given: list[str] = click.get_current_context().find_root().obj
    arguments = [argument for argument in given if argument != "--detach"]
    storage.make_folder(folder)
    process = background.start(arguments, folder / "generate.log")
    out.print(f"generating {folder.name} in the background (process {process.pid})")
    out.print(f"see how far it is: kanatui datasets    stop it: kanatui datasets --stop {folder.name}")


@click.command("datasets")
@click.option("--json", "as_json", is_flag=True, help="Print for programs.")
@click.option("--stop", metavar="NAME", help="Stop the generation of a data set; --resume goes on later.")
@click.option("--delete", metavar="NAME", help="Delete a data set (asks first).")
@click.option("--yes", is_flag=True, help="Do not ask.")
def datasets_command(as_json: bool, stop: str | None, delete: str | None, yes: bool) -> None:
    """List the data sets and how complete they are."""
    from kanatui.dataset import catalogue

    if stop:
        catalogue.stop(catalogue.find(stop).name)
        out.print(f"asked it to stop; go on with: kanatui generate --resume --name {stop}")
    elif delete:
        _delete(catalogue.find(delete), yes)
    else:
        _list_datasets(as_json)


def _list_datasets(as_json: bool) -> None:
    from rich.table import Table

    from kanatui.dataset.catalogue import Catalogue

    entries = Catalogue().look()
    if as_json:
        print_json([_described(entry) for entry in entries])
    elif not entries:
        out.print("no data sets yet: kanatui generate makes one")
    else:
        table = Table("data set", "state", "done", "images", "px", "characters", box=None, pad_edge=False)
        for entry in entries:
            state = f"{entry.state}: {entry.reason}" if entry.reason else entry.state
            sizes = (f"{entry.images:,}", str(entry.image_size), str(entry.characters)) if entry.images else ()
            table.add_row(entry.name, state, f"{entry.share:.0%}", *sizes)
        out.print(table)


def _described(entry: Entry) -> dict[str, Any]:
    known = {"name": entry.name, "state": entry.state, "reason": entry.reason, "share": entry.share}
    return known | {"images": entry.images, "image_size": entry.image_size, "characters": entry.characters}


def _delete(entry: Entry, yes: bool) -> None:
    from kanatui.dataset import catalogue

    catalogue.require_idle(entry.name)
    if not yes:
        click.confirm(f"delete {entry.folder}?", abort=True)
    catalogue.delete(entry.name)
    out.print(f"deleted {entry.folder}", soft_wrap=True, markup=False)

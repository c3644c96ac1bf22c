"""The command `generate`: write a data set."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kanatui.cli.console import err, out, progress, with_json
from kanatui.cli.options import build_recipe, draw_masters, open_stream, recipe_options, with_recipe_argument
from kanatui.core.processes import ending_on_terminate
from kanatui.core.units import bytes_text, counted, duration

if TYPE_CHECKING:
    from kanatui.dataset.recipe import Recipe
    from kanatui.dataset.stream import GlyphStream
    from kanatui.dataset.write import Job

_LEFT_OUT_SHOWN = 6


@click.command("generate")
@click.argument("name", required=False, metavar="[RECIPE]")
@recipe_options
@click.option("--name", "dataset", metavar="NAME", help="Name of the data set (default: the recipe's).")
@click.option("--workers", "-j", type=click.IntRange(1, 256), help="Processes (one per core, or OMP_NUM_THREADS).")
@click.option("--dry-run", is_flag=True, help="Print the plan only.")
@click.option("--resume", is_flag=True, help="Continue an interrupted generation.")
@click.option("--detach", is_flag=True, help="Generate in the background; `kanatui datasets` shows the progress.")
@with_json
def generate_command(
    name: str | None,
    dataset: str | None,
    workers: int | None,
    dry_run: bool,
    resume: bool,
    detach: bool,
    **options: Any,
) -> dict[str, Any]:
    """Write a data set: images, labels and a manifest. You can interrupt it at any time; --resume continues."""
    from kanatui.core import paths, processes
    from kanatui.training.torchrun import processes_together

    recipe = build_recipe(**_resumable(with_recipe_argument(name, options), dataset, resume))
    called = dataset or recipe.name
    if problem := paths.name_problem(called):
        raise click.UsageError(f"--name {called!r}: {problem}")
    # Wrong options are told before this: torch takes a second to import.
    from kanatui.dataset import write

    stream = open_stream(recipe)
    cores = workers or processes.usable_cores()
    if dry_run:
        draw_masters(stream)
        rate = write.measure_rate(stream)
        _print_plan(stream, cores, rate)
        return _planned(stream) | {"seconds": len(stream) / (rate * cores)}
    if processes_together() > 1:
        if detach:
            raise click.UsageError("--detach: cannot be given under torchrun")
        return _write_together(stream, paths.datasets() / called, resume, workers)
    job = write.start(stream, paths.datasets() / called, resume)
    if detach:
        return _planned(stream) | {"name": called, "path": str(job.folder), "process": _detach(recipe, called, workers)}
    processes.be_nice()
    draw_masters(stream)
    _print_plan(stream, cores, None)
    return _planned(stream) | {"name": called, "path": str(job.folder), "written": _write(job, cores)}


def _planned(stream: GlyphStream) -> dict[str, Any]:
    """Return the plan for `--json`; ``bytes`` on disk, ``least`` and ``most`` images of a character."""
    from kanatui.dataset.write import bytes_needed, plan_manifest

    counts, layout = stream.counts, stream.layout
    return {
        "recipe": layout.recipe.name,
        "characters": stream.characters,
        "images": len(stream),
        "least": int(counts.min()),
        "most": int(counts.max()),
        "faces": list(stream.face_ids),
        "missing_faces": [face.id for face in layout.missing_faces],
        "bytes": bytes_needed(plan_manifest(stream)),
    }


def _resumable(options: dict[str, Any], dataset: str | None, resume: bool) -> dict[str, Any]:
    """Take the recipe of `generate --resume --name NAME` from the data set itself."""
    from kanatui.dataset.generation import kept_recipe

    recipe, named = options["recipe"], dataset or options["recipe"]
    changed = any(value for key, value in options.items() if key != "recipe")
    kept = kept_recipe(named, written=bool(dataset and recipe)) if resume and named and not changed else None
    return options | {"recipe": str(kept)} if kept else options


def _print_plan(stream: GlyphStream, workers: int, rate: float | None) -> None:
    from kanatui.dataset.write import bytes_needed, plan_manifest

    layout, counts = stream.layout, stream.counts
    side = stream.image_size
    each = f"{counts[0]:,}" if (counts == counts[0]).all() else f"{counts.min():,} to {counts.max():,}"
    out.print(
        f"{counted(len(counts), 'character')} × {each} = {counted(len(stream), 'image')} of {side}×{side} px",
        style="bold",
    )
    present = len(layout.faces)
    out.print(f"faces     {present} of {present + len(layout.missing_faces)} installed")
    if layout.missing_faces:
        from kanatui.fonts.faces import install_command

        out.print(f"          the others: {install_command(layout.missing_faces)}", soft_wrap=True)
    out.print(f"steps     {', '.join(step.plugin for step in layout.recipe.augments) or 'none'}")
    out.print(f"left out  {_left_out(stream)}")
    out.print(f"on disk   {bytes_text(bytes_needed(plan_manifest(stream)))}")
    if rate:
        seconds = len(stream) / (rate * workers)
        pace = f"{counted(workers, 'worker')}, {rate:,.0f} images/s each"
        out.print(f"time      about {duration(seconds)} ({pace}, measured now)")


def _left_out(stream: GlyphStream) -> str:
    glyphs = stream.layout.left_out
    if not glyphs:
        return "no glyph: every face draws every character"
    by_face: dict[str, str] = {}
    for face, character in glyphs:
        by_face[face] = by_face.get(face, "") + character
    shown = ", ".join(f"{face} lacks {chars[:12]}" for face, chars in list(by_face.items())[:_LEFT_OUT_SHOWN])
    none = f"; no face draws {stream.layout.undrawable}" if stream.layout.undrawable else ""
    return f"{counted(len(glyphs), 'glyph')} that a face cannot draw ({shown}){none}"


def _write_together(stream: GlyphStream, folder: Path, resume: bool, workers: int | None) -> dict[str, Any]:
    """Write a data set with the other processes that torchrun has started; after a restart, continue it."""
    import torch

    from kanatui.core import processes
    from kanatui.dataset import write
    from kanatui.training.device import own_cores
    from kanatui.training.distributed import join
    from kanatui.training.torchrun import begun_before_restart, mark, unmark

    processes.be_nice()
    cores = workers or own_cores()
    with join(torch.device("cpu")) as group:
        job = write.start(stream, folder, resume or begun_before_restart(folder), group)
        if group.first:
            mark(folder)
            draw_masters(stream)
            _print_plan(stream, cores, None)
        group.wait()  # the others find the masters drawn
        if not group.first:
            stream.prepare()
            write.write(job, cores)
            click.get_current_context().exit()
        written = _write(job, cores)
        unmark(folder)
        return _planned(stream) | {"name": folder.name, "path": str(folder), "written": written}


def _write(job: Job, workers: int) -> int:
    """Write what is missing; return the bytes written."""
    from kanatui.dataset import write

    total = job.manifest.images
    with ending_on_terminate(), progress("generating", total, "images", done=job.images_done) as advance:
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
                f"continue with: kanatui generate --resume --name {job.folder.name}",
                soft_wrap=True,
            )
            raise
    out.print(
        f"wrote {job.folder}: {counted(total, 'image')}, {bytes_text(written)} in this run",
        soft_wrap=True,
    )
    return written


def _detach(recipe: Recipe, name: str, workers: int | None) -> int:
    """Generate in the background; return the id of the process."""
    from kanatui.core import paths
    from kanatui.dataset import generation

    begun = (paths.datasets() / name / "manifest.json").exists()
    process = generation.resume(name, workers) if begun else generation.generate(recipe, name, workers)
    out.print(f"generating {name} in the background (process {process.pid})")
    out.print(f"see its progress: kanatui datasets    stop it: kanatui datasets --stop {name}")
    return process.pid

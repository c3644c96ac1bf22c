"""The command `import`: make a data set of labelled pictures."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from kanatui.cli.console import counting, err, out, print_json, warn
from kanatui.cli.options import LABELS_HELP, chosen_characters
from kanatui.core.errors import ImageError, KanatuiError, PluginError, UsageError
from kanatui.core.units import bytes_text, counted

if TYPE_CHECKING:
    from kanatui.dataset.imported import Imported, Picture
    from kanatui.pictures.labelled import LabelledFolder

_SHOWN = 5
_LIGHT = 127
_SMALLEST, _USUAL, _LARGEST = 16, 64, 512  # px, as in recipes


@click.command("import")
@click.argument("place", metavar="FOLDER|FILE", type=click.Path(path_type=Path))
@click.option("--name", metavar="NAME", help="Name of the data set (default: that of the folder or file).")
@click.option("--format", metavar="NAME", help="Read it with an importer that a plugin brings (kanatui plugins).")
@click.option("--labels", metavar="NOTATION|FILE", default="auto", help=f"How labels are written: {LABELS_HELP}.")
@click.option("--characters", "-c", "spec", metavar="SPEC", help="Take these characters only, e.g. hiragana.")
@click.option(
    "--image-size",
    type=click.IntRange(_SMALLEST, _LARGEST),
    metavar="PX",
    help=f"Width and height of the images (default: {_USUAL}; with --as-is that of the first picture).",
)
@click.option("--as-is", is_flag=True, help="Keep the pixels: white on black, scaled to the size if necessary.")
@click.option("--limit", type=click.IntRange(1), metavar="N", help="Most pictures, evenly over the characters.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def import_command(
    place: Path,
    name: str | None,
    format: str | None,
    labels: str,
    spec: str | None,
    image_size: int | None,
    as_is: bool,
    limit: int | None,
    as_json: bool,
) -> None:
    """Make a data set of labelled pictures; train on it with kanatui train --data NAME.

    It takes folders named by character (ImageFolder, also with train and test), the article's PNG tree, IDX, .npz and
    Parquet files, folders of these, and the files of the databases ETL8 and ETL9. Each picture is prepared as for
    recognition: its ink is found, scaled and centred, white on black. --as-is takes pictures as they are, as those
    that kanatui exported.
    """
    from kanatui.dataset.imported import require_free_name, write_imported
    from kanatui.pictures.labelled import find_labelled

    name = name or place.resolve().name.partition(".")[0]
    require_free_name(name)
    if format is not None:
        _import_by_plugin(format, place, name, image_size or _USUAL)
        return
    found = find_labelled(place.expanduser(), labels, every=True)
    if (wanted := chosen_characters(spec)) is not None:
        found = found.only(wanted)
    if not found.files:
        raise ImageError(f"{place}: no picture of these characters ({found.understood})")
    found = found if limit is None else found.at_most(limit)
    size = image_size or (_own_size(found) if as_is else _USUAL)
    with counting("importing", "pictures") as report:
        done = write_imported(name, _pictures(found, name, size, as_is), len(found.files), size, _about(place), report)
    _say(done, found, as_is, as_json)


def _import_by_plugin(format: str, place: Path, name: str, size: int) -> None:
    """Import what an importer of a plugin reads, as it is. PluginError, which names it, if it fails."""
    from PIL import Image

    from kanatui.dataset.imported import Picture, write_imported
    from kanatui.pictures.whole import fit
    from kanatui.plugins.registry import load

    importers = load().importers
    if format not in importers:
        raise UsageError(f"--format: no importer {format!r} (there are: {', '.join(importers) or 'none'})")
    try:
        read = list(importers[format].read(place, {}))
        pictures = [Picture(character, name, fit(Image.fromarray(image), size)) for image, character in read]
    except KanatuiError:
        raise
    except Exception as error:  # a plugin may raise anything
        raise PluginError(f"importer {format}: {place}: {type(error).__name__}: {error}") from error
    with counting("importing", "pictures") as report:
        done = write_imported(name, pictures, len(pictures), size, _about(place), report)
    out.print(f"wrote {done.folder}: {counted(done.manifest.images, 'image')}", soft_wrap=True)


def _own_size(found: LabelledFolder) -> int:
    """Return the size of the first picture, within what data sets allow. ImageError if it cannot be opened."""
    from kanatui.pictures.files import open_image

    return min(max(_SMALLEST, *open_image(found.files[0][0]).size), _LARGEST)


def _about(place: Path) -> str:
    return f"imported from {place.resolve().name}"


def _pictures(found: LabelledFolder, name: str, size: int, as_is: bool) -> Iterator[Picture]:
    from kanatui.dataset.imported import Picture
    from kanatui.pictures.etl import sheet_of
    from kanatui.pictures.pool import Preparation
    from kanatui.pictures.whole import whole_image

    def face(file: Path) -> str:
        sheet = sheet_of(file)
        return name if sheet is None else f"{name}-{sheet:04d}"

    if as_is:
        for file, character in found.files:
            try:
                yield Picture(character, face(file), whole_image(file, size))
            except ImageError as error:
                yield Picture(character, face(file), error)
        return
    with Preparation([file for file, _ in found.files], size) as prepared:
        for (file, character), ready in zip(found.files, prepared, strict=True):
            image = ready if isinstance(ready, ImageError) else ready.likeliest
            yield Picture(character, face(file), image)


def _say(done: Imported, found: LabelledFolder, as_is: bool, as_json: bool) -> None:
    manifest = done.manifest
    size = manifest.images * manifest.image_size**2
    for message in done.unreadable[:_SHOWN]:
        warn(f"left out: {message}")
    if len(done.unreadable) > _SHOWN:
        warn(f"left out: {len(done.unreadable) - _SHOWN:,} more pictures that cannot be read")
    if found.left_out:
        more = f" and {len(found.left_out) - _SHOWN:,} more" if len(found.left_out) > _SHOWN else ""
        warn(f"left out: {', '.join(found.left_out[:_SHOWN])}{more}")
    if as_is and (light := _light_share(done)) > 0.5:
        warn(f"{light:.0%} of the images are light: if ink is dark on light in them, import without --as-is")
    if as_json:
        about = {"name": done.folder.name, "images": manifest.images, "characters": manifest.characters}
        print_json(about | {"image_size": manifest.image_size, "faces": len(manifest.faces)}
                   | {"labels": found.understood, "unreadable": list(done.unreadable)})  # fmt: skip
        return
    err.print(found.understood, markup=False, soft_wrap=True)
    what = f"{counted(manifest.images, 'image')} of {counted(len(manifest.characters), 'character')}"
    what += f" at {manifest.image_size} px"
    out.print(f"wrote {done.folder}: {what}, {bytes_text(size)}", markup=False, soft_wrap=True)
    out.print(f"train on it: kanatui train --data {done.folder.name}", markup=False, soft_wrap=True)


def _light_share(done: Imported) -> float:
    """Return the share of images, among some, that are rather light than dark."""
    import numpy as np

    from kanatui.dataset.read import open_dataset

    source = open_dataset(done.folder)
    some = source.images(np.linspace(0, len(source) - 1, min(256, len(source)), dtype=np.int64))
    return float((some.mean(axis=(1, 2)) > _LIGHT).mean())

"""The command `export`: hand data sets and models to other programs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from kanatui.cli.console import counting, out
from kanatui.core.units import counted

if TYPE_CHECKING:
    from kanatui.dataset.source import ImageSource, Indices

_OUTPUT = click.option(
    "--output", "-o", type=click.Path(path_type=Path), metavar="OUT", help="The file or folder to make."
)


@click.group("export")
def export_command() -> None:
    """Hand data sets and models to other programs. docs/EXPORT.md describes the formats."""


@export_command.command("dataset")
@click.argument("name", metavar="NAME")
@click.argument("format", metavar="FORMAT")
@_OUTPUT
@click.option(
    "--hold-out",
    type=click.FloatRange(0, 0.9),
    default=0.05,
    show_default=True,
    metavar="SHARE",
    help="The share of the image numbers that becomes the test part, as in training; 0 for one part.",
)
@click.option("--hold-out-faces", metavar="PATTERN,…", help="Faces whose images are in no part but the test part.")
def export_dataset(name: str, format: str, output: Path | None, hold_out: float, hold_out_faces: str | None) -> None:
    """Write a data set in another format. NAME is one of kanatui datasets, or its folder.

    \b
    FORMAT is one of
      article      PNG files with the names that the article's programs use: images/12354_あ/あ_1.png
      imagefolder  PNG files in a folder for each character, train/U+3042/: torchvision, Keras, datasets
      npz          one file of NumPy arrays: x_train, y_train, x_test, y_test
      idx          IDX files with the names of MNIST and KMNIST, and a class map
      parquet      Parquet files for Hugging Face datasets: load_dataset(FOLDER)
      webdataset   tar shards of shuffled samples for WebDataset
    """  # noqa: D301  # \b keeps click from joining the lines
    from kanatui.dataset.formats import find_format
    from kanatui.dataset.read import find_dataset, open_dataset

    chosen = find_format(format)
    source = open_dataset(find_dataset(name))
    target = output or Path(f"{source.folder.name}{chosen.suffix or f'-{chosen.name}'}")
    parts: dict[str, Indices] = {}
    if chosen.split and (hold_out or hold_out_faces):
        faces = [pattern.strip() for pattern in (hold_out_faces or "").split(",") if pattern.strip()]
        parts = _split(source, hold_out, faces)
    with counting("writing", "images") as report:
        chosen.export(source, target, {"parts": parts, "progress": report})
    sizes = " and ".join(f"{len(indices):,} in {part}" for part, indices in parts.items())
    written = counted(len(source), "image") + (f", {sizes}" if sizes else "")
    out.print(f"wrote {target}: {written}", markup=False, soft_wrap=True)


def _split(source: ImageSource, hold_out: float, faces: list[str]) -> dict[str, Indices]:
    """Return the indices to train on and to test on, as a training would hold them out."""
    import numpy as np

    from kanatui.core.errors import RunError, UsageError
    from kanatui.training.splits import split_source

    try:
        split = split_source(source, hold_out, faces)
    except RunError as error:
        message = str(error).replace("train.hold_out_faces", "--hold-out-faces").replace("train.hold_out", "--hold-out")
        raise UsageError(message) from None
    labels = range(len(source.characters))
    kept_apart = [(split.held_out.of(label), split.held_out_faces.of(label)) for label in labels]
    test = np.concatenate([np.sort(np.concatenate(both)) for both in kept_apart])
    return {"train": np.concatenate([split.train.of(label) for label in labels]), "test": test}

"""The command `export`: hand data sets and models to other programs."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from kanatui.cli.console import counting, out, stages, waiting
from kanatui.cli.options import LABELS_HELP, chosen_weights
from kanatui.core import storage
from kanatui.core.errors import UsageError
from kanatui.core.units import bytes_text, counted
from kanatui.model.shipped import DEFAULT

if TYPE_CHECKING:
    from kanatui.dataset.source import ImageSource, Indices
    from kanatui.evaluation.portable.write import Subject, Written

F = TypeVar("F", bound=Callable[..., Any])

OWN = "kanatui"
"""The name of kanatui's own format."""

_OUTPUT = click.option(
    "--output", "-o", type=click.Path(path_type=Path), metavar="OUT", help="The file or folder to make."
)


_CHECKS = (
    click.option(
        "--images",
        type=click.Path(path_type=Path),
        metavar="DIR|FILE",
        help="Check with labelled pictures instead of images held out of training.",
    ),
    click.option("--labels", metavar="NOTATION|FILE", default="auto", help=f"How they are labelled: {LABELS_HELP}."),
    click.option(
        "--check", type=click.IntRange(1), default=1000, show_default=True, metavar="N", help="How many images."
    ),
)


def check_options(command: F) -> F:
    """Add the options that :func:`open_checked` takes to a command."""
    return functools.reduce(lambda decorated, option: option(decorated), reversed(_CHECKS), command)


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
@click.option("--hold-out-faces", metavar="PATTERN,…", help="Faces whose images are for testing only.")
def export_dataset(name: str, format: str, output: Path | None, hold_out: float, hold_out_faces: str | None) -> None:
    """Write a data set in another format. NAME is one of kanatui datasets, or its folder.

    \b
    FORMAT is one of
      article      PNG files as the article names them: images/12354_あ/あ_1.png
      imagefolder  PNG files in folders train/U+3042/: torchvision, Keras, datasets
      npz          one file of NumPy arrays: x_train, y_train, x_test, y_test
      idx          IDX files with the names of MNIST and KMNIST, and a class map
      parquet      Parquet files for Hugging Face datasets: load_dataset(OUT)
      webdataset   tar shards of shuffled samples for WebDataset
    or what a plugin brings (kanatui plugins).
    """  # noqa: D301  # \b keeps click from joining the lines
    from kanatui.dataset.formats import Format, export_by, find_format
    from kanatui.dataset.read import find_dataset, open_dataset

    chosen = find_format(format)
    source = open_dataset(find_dataset(name))
    own = chosen if isinstance(chosen, Format) else None
    target = output or Path(f"{source.folder.name}{(own and own.suffix) or f'-{chosen.name}'}")
    storage.require_new(target)
    parts: dict[str, Indices] = {}
    if (own is None or own.split) and (hold_out or hold_out_faces):
        faces = [pattern.strip() for pattern in (hold_out_faces or "").split(",") if pattern.strip()]
        parts = _split(source, hold_out, faces)
    with counting("writing", "images") as report:
        export_by(chosen, source, target, {"parts": parts, "progress": report})
    sizes = " and ".join(f"{len(indices):,} in {part}" for part, indices in parts.items())
    written = counted(len(source), "image") + (f", {sizes}" if sizes else "")
    out.print(f"wrote {target}: {written}", markup=False, soft_wrap=True)


@export_command.command("model")
@click.argument("model", metavar="RUN")
@click.argument("format", metavar="FORMAT")
@_OUTPUT
@click.option("--int8", is_flag=True, help="With onnx: also write a file that computes with 8 bits, and its scores.")
@click.option("--last", is_flag=True, help="Export the last weights instead of the best.")
@click.option("--force", is_flag=True, help="Replace existing files.")
@check_options
def export_model(
    model: str,
    format: str,
    output: Path | None,
    int8: bool,
    last: bool,
    force: bool,
    **checks: Any,
) -> None:
    """Write a model for other programs. RUN is a run, latest, a weights file, or default.

    What is written is checked against the model: by default on 1,000 images that its training held out.

    \b
    FORMAT is one of
      onnx     an ONNX file: ONNX Runtime, OpenCV, browsers, phones
      torch    a program of torch.export: PyTorch without kanatui
      folder   ONNX file, labels, and a reader of 30 lines that needs no kanatui
      kanatui  kanatui's own weights file, with scores, faces and licences
    or what a plugin brings (kanatui plugins).
    """  # noqa: D301  # as above
    if format == OWN:
        if model == DEFAULT or model.endswith(".safetensors"):
            raise UsageError(f"{model}: is in kanatui's own format already ({chosen_weights(model)})")
        export_own(model, output or Path(f"{_name(model)}.safetensors"), last, force)
        return
    from kanatui.dataset.formats import export_by, plugin_exporters
    from kanatui.evaluation.portable.graph import require_onnx
    from kanatui.evaluation.portable.write import FORMATS, write_onnx
    from kanatui.model.weights import load_weights

    plugins = plugin_exporters("model")
    if format not in (*FORMATS, *plugins):
        known = ", ".join([*FORMATS, OWN, *plugins])
        raise UsageError(f"unknown format {format!r}; models can be exported as: {known}")
    if int8 and format != "onnx":
        raise UsageError(f"--int8: cannot be combined with {format}; it belongs to onnx")
    if format in plugins:
        target = output or Path(f"{_name(model)}-{format}")
        storage.require_new(target)
        export_by(plugins[format], load_weights(_weights(model, last)), target, {})
        out.print(f"wrote {target}", soft_wrap=True)
        return
    if format != "torch":
        require_onnx()
    chosen = FORMATS[format]
    target = output or Path(f"{_name(model)}{chosen.suffix or f'-{format}'}")
    small = target.with_name(f"{target.stem}.int8{target.suffix}") if int8 else None
    for path in filter(None, (target, small)):
        if not (force and path.is_file()):
            storage.require_new(path)
    subject = open_checked(_weights(model, last), calibrating=int8, **checks)
    with waiting("writing and checking it"):
        written = write_onnx(subject, target, small) if small else chosen.write(subject, target)
    say_written(written)


@export_command.command("web")
@click.argument("model", metavar="RUN")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path, file_okay=False))
@click.option(
    "--runtime",
    type=click.Path(path_type=Path),
    metavar="FILE|DIR",
    help="ONNX Runtime Web: the .tgz of npm pack onnxruntime-web, its folder, or node_modules.",
)
@check_options
def export_web(model: str, folder: Path, runtime: Path | None, **checks: Any) -> None:
    """Write a web page on which people draw characters and have them read; the model runs in their browser.

    RUN is a run, latest, a weights file, or default. The page needs ONNX Runtime Web, which kanatui does not fetch:

    \b
      npm pack onnxruntime-web
      kanatui export web RUN DIR --runtime onnxruntime-web-*.tgz
      python -m http.server -d DIR
    """  # noqa: D301  # as above
    from kanatui.evaluation.portable.graph import require_onnx
    from kanatui.evaluation.portable.web import find_runtime, runtime_files, write_web

    require_onnx()
    storage.require_new(folder)
    place = find_runtime(runtime)
    runtime_files(place)  # what is wrong with it is said before the model is opened
    subject = open_checked(chosen_weights(model), **checks)
    with waiting("writing and checking it"):
        written, version = write_web(subject, folder, place)
    say_written([written])
    out.print(
        f"with ONNX Runtime Web {version}; show it: python -m http.server -d {folder}", markup=False, soft_wrap=True
    )


def _weights(model: str, last: bool) -> Path:
    from kanatui.core.errors import RunError
    from kanatui.training.runs import find_run

    if not last:
        return chosen_weights(model)
    weights = find_run(model).checkpoint("last")
    if not weights.is_file():
        raise RunError(f"run {find_run(model).id} has no weights yet; wait for its first checkpoint")
    return weights


def _name(model: str) -> str:
    """Return what a model's files are called if no other name is given."""
    from kanatui.training.runs import find_run

    return DEFAULT if model == DEFAULT else Path(model).stem if model.endswith(".safetensors") else find_run(model).id


def open_checked(weights: Path, images: Path | None, labels: str, check: int, calibrating: bool = False) -> Subject:
    """Open a model and the images to check it with, as the options of :func:`check_options` say."""
    from kanatui.evaluation.portable.write import open_subject

    with stages({"preparing pictures": "pictures", "drawing the faces": "glyphs"}) as report:
        return open_subject(weights, report, images, labels, check, calibrating)


def say_written(written: Sequence[Written]) -> None:
    """Print what was written, and how its check went."""
    for each in written:
        size = sum(file.stat().st_size for file in _files(each.path))
        out.print(f"wrote {each.path}: {bytes_text(size)}", markup=False, soft_wrap=True)
        out.print(f"  {each.note}", markup=False, soft_wrap=True)


def _files(path: Path) -> list[Path]:
    return [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]


def export_own(run: str, file: Path, last: bool, force: bool) -> None:
    """Write a run's weights with a complete card, and say what is in it."""
    from kanatui.evaluation.export import export
    from kanatui.training.runs import find_run

    card = export(find_run(run), file, last=last, force=force)
    size, scored = bytes_text(file.stat().st_size), counted(len(card["evaluations"]), "evaluation")
    out.print(f"wrote {file}: {size}, the scores of {scored} in its card", markup=False, soft_wrap=True)
    out.print(f"look at it: kanatui models show {file}", markup=False, soft_wrap=True)


def _split(source: ImageSource, hold_out: float, faces: list[str]) -> dict[str, Indices]:
    """Return the indices to train on and to test on, as a training would hold them out."""
    import numpy as np

    from kanatui.core.errors import RunError
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

"""The formats in which data sets are handed to other programs."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kanatui.core import storage
from kanatui.core.errors import KanatuiError, PluginError, UsageError
from kanatui.dataset.formats import arrays, rows, trees
from kanatui.dataset.formats.parts import ALL, Parts, Writer
from kanatui.dataset.source import ImageSource
from kanatui.plugins.bases import Exporter


@dataclasses.dataclass(frozen=True)
class Format:
    """A way to write a data set."""

    name: str
    """What it is called on the command line."""
    help: str
    """One line that says what is written, and what reads it."""
    write: Writer
    suffix: str = ""
    """That of the file that is written, "" if it is a folder."""
    split: bool = True
    """Whether images are kept apart for testing."""
    kind: str = "dataset"

    def export(self, subject: ImageSource, out: Path, params: Mapping[str, Any]) -> None:
        """Write a source's images to ``out``, which appears only once it is complete.

        Args:
            subject: the images.
            out: the file or folder to make.
            params: ``parts``, the indices of each part by its name (all images in one if not given); and ``progress``,
                called with how many images are written and how many there are.

        Raises:
            StorageError: ``out`` exists already, or it cannot be written.
            UsageError: a package is missing, which the message names.
            DatasetError: the format cannot hold the data set.
        """
        import numpy as np

        indices = params.get("parts") or {ALL: np.arange(len(subject), dtype=np.int64)}
        parts = Parts(subject, indices, params.get("progress", lambda done, total: None))
        if self.suffix:
            storage.require_new(out)
            storage.make_folder(out.parent)
            self.write(parts, out)
            return
        with storage.new_folder(out) as folder, storage.storing(out):
            self.write(parts, folder)


FORMATS: dict[str, Format] = {
    each.name: each
    for each in (
        Format(
            "article",
            "PNG files as the article names them: images/12354_あ/あ_1.png",
            trees.write_article,
            split=False,
        ),
        Format(
            "imagefolder",
            "PNG files in folders train/U+3042/: torchvision, Keras, datasets",
            trees.write_imagefolder,
        ),
        Format("npz", "one file of NumPy arrays: x_train, y_train, x_test, y_test", arrays.write_npz, ".npz"),
        Format("idx", "IDX files with the names of MNIST and KMNIST, and a class map", arrays.write_idx),
        Format("parquet", "Parquet files for Hugging Face datasets: load_dataset(OUT)", rows.write_parquet),
        Format("webdataset", "tar shards of shuffled samples for WebDataset", rows.write_webdataset),
    )
}


def find_format(name: str) -> Format | Exporter:
    """Return a format by its name, one of these or a plugin's. UsageError, which lists them, if there is none."""
    if name in FORMATS:
        return FORMATS[name]
    others = plugin_exporters("dataset")
    if name in others:
        return others[name]
    raise UsageError(f"unknown format {name!r}; data sets can be exported as: {', '.join([*FORMATS, *others])}")


def plugin_exporters(kind: str) -> dict[str, Exporter]:
    """Return the exporters of plugins for a kind, ``dataset`` or ``model``, by name."""
    from kanatui.plugins.registry import load

    return {name: exporter for name, exporter in load().exporters.items() if exporter.kind == kind}


def export_by(exporter: Format | Exporter, subject: Any, out: Path, params: Mapping[str, Any]) -> None:
    """Let an exporter write something. PluginError, which names it, if it is a plugin's and fails."""
    try:
        exporter.export(subject, out, params)
    except KanatuiError:
        raise
    except Exception as error:  # a plugin may raise anything
        raise PluginError(f"exporter {exporter.name}: {type(error).__name__}: {error}") from error

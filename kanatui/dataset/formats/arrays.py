"""Arrays: NumPy's .npz, and IDX as MNIST and KMNIST ship."""

from __future__ import annotations

import gzip
import io
import struct
import zipfile
from pathlib import Path
from typing import IO, Protocol

import numpy as np

from kanatui.core import storage
from kanatui.core.errors import DatasetError
from kanatui.dataset.formats.parts import ALL, Parts

_MOST_CLASSES = 256
_UBYTE = 0x08
_IDX_NAMES = {"train": "train", "test": "t10k", ALL: "train"}


class _Sink(Protocol):
    def write(self, data: bytes, /) -> int: ...


def write_npz(parts: Parts, file: Path) -> None:
    """Write `x_train`, `y_train`, `x_test`, `y_test` and `characters` into one compressed .npz file.

    Images are uint8 [n, S, S], white on black; labels int64 [n], places in ``characters`` ([C], one string each).
    Without a test part the arrays are `x` and `y`.
    """
    with storage.replacing(file) as opened, zipfile.ZipFile(opened, "w", zipfile.ZIP_DEFLATED) as archive:
        for part in parts.indices:
            end = "" if part == ALL else f"_{part}"
            labels = parts.source.labels(parts.indices[part]).astype("<i8")
            with archive.open(f"x{end}.npy", "w", force_zip64=True) as member:
                _write_header(member, "|u1", parts.shape(part))
                _write_images(member, parts, part)
            _write_array(archive, f"y{end}.npy", labels)
        _write_array(archive, "characters.npy", np.array(list(parts.source.characters)))


def _write_array(archive: zipfile.ZipFile, name: str, values: np.ndarray) -> None:
    data = io.BytesIO()
    np.lib.format.write_array(data, values, allow_pickle=False)
    archive.writestr(name, data.getvalue())


def _write_header(file: IO[bytes], descr: str, shape: tuple[int, ...]) -> None:
    np.lib.format.write_array_header_1_0(file, {"descr": descr, "fortran_order": False, "shape": shape})


def _write_images(file: _Sink, parts: Parts, part: str) -> None:
    for batch in parts.batches(part):
        file.write(batch.images.tobytes())


def write_idx(parts: Parts, folder: Path) -> None:
    """Write `train-images-idx3-ubyte.gz`, `train-labels-idx1-ubyte.gz`, `t10k-…` and `classmap.csv`.

    The names and the format are those of MNIST (yann.lecun.com/exdb/mnist) and KMNIST, the class map that of
    Kuzushiji-49 (codh.rois.ac.jp/kmnist): index, code point, character.

    Raises:
        DatasetError: more than 256 characters, which the labels' single bytes cannot tell apart.
    """
    characters = parts.source.characters
    if len(characters) > _MOST_CLASSES:
        raise DatasetError(f"idx: its labels are single bytes, too few for {len(characters):,} characters; use npz")
    for part, indices in parts.indices.items():
        begin = folder / _IDX_NAMES[part]
        with _zipped(begin.with_name(f"{begin.name}-images-idx3-ubyte.gz")) as file:
            file.write(_idx_header(parts.shape(part)))
            _write_images(file, parts, part)
        with _zipped(begin.with_name(f"{begin.name}-labels-idx1-ubyte.gz")) as file:
            file.write(_idx_header((len(indices),)) + parts.source.labels(indices).astype(np.uint8).tobytes())
    rows = [f"{index},U+{ord(character):04X},{character}" for index, character in enumerate(characters)]
    storage.write_bytes(folder / "classmap.csv", "\n".join(["index,codepoint,char", *rows, ""]).encode())


def _zipped(path: Path) -> gzip.GzipFile:
    # Without name and time the same images give the same bytes.
    return gzip.GzipFile("", "wb", 6, path.open("wb"), mtime=0)


def _idx_header(shape: tuple[int, ...]) -> bytes:
    return struct.pack(f">HBB{len(shape)}I", 0, _UBYTE, len(shape), *shape)

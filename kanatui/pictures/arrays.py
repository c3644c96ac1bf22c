"""Pictures in files of many: IDX and ``.npz`` as MNIST and KMNIST ship, Parquet, and records of the ETL databases.

A picture in such a file has a path like any other: ``kmnist-test-imgs.npz#17``, or ``mnist.npz#x_test:17`` where a file
holds several arrays. So whatever reads picture files reads these too.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import gzip
import re
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from kanatui.core import arrayfiles, storage
from kanatui.core.errors import ImageError
from kanatui.pictures import etl, parquet

_SUFFIX = re.compile(r"(\.npz|\.parquet|[-.]idx[13]-ubyte(\.gz)?)$")
_MEMBER = re.compile(r"(?P<file>.+(?:\.npz|\.gz|idx3-ubyte))#(?:(?P<key>\w+):)?(?P<index>\d+)")
_IDX_TYPES = {8: ">u1", 9: ">i1", 11: ">i2", 12: ">i4", 13: ">f4", 14: ">f8"}
_CHARACTERS = "characters"
"""The array of an .npz file that says what its class numbers stand for."""

_PAIRS = (("x_train", "y_train"), ("x_test", "y_test"), ("images", "labels"), ("imgs", "labels"), ("x", "y"))
_MOST_BYTES = 4 << 30  # unpacked; the largest such set, the training part of Kuzushiji-49, takes 182 MB

Array = npt.NDArray[np.generic]


@dataclasses.dataclass(frozen=True)
class LabelledArray:
    """The pictures of one array or file, and a label for each."""

    file: Path
    key: str
    """Which array of the file, "" if it is the only one."""
    names: Sequence[str]
    """The label of each: a class number, or what the file says in its place."""
    notation: str = "auto"
    """How its labels are written, where the format says so (:data:`kanatui.kana.labels.NOTATIONS`)."""

    def path(self, index: int) -> Path:
        """Return the path of a picture."""
        key = f"{self.key}:" if self.key else ""
        return self.file.with_name(f"{self.file.name}#{key}{index}")


def is_array_file(path: Path) -> bool:
    """Say whether a file is, by its name, one of arrays."""
    return _SUFFIX.search(path.name.lower()) is not None or etl.layout_of(path) is not None


def array_files(folder: Path) -> list[Path]:
    """Return the array files in a folder that hold pictures, by name. OSError if it cannot be read."""
    files = (path for path in sorted(folder.iterdir()) if path.is_file() and not path.name.startswith("."))
    found = [path for path in files if is_array_file(path)]
    return [path for path in found if not re.search(r"labels|idx1-ubyte", path.name)]


def open_member(path: Path) -> Image.Image | None:
    """Open a picture in an array file; None if the path does not name one. ImageError if it cannot be read.

    Those in Parquet files are whole picture files (:func:`kanatui.pictures.parquet.member_bytes`).
    """
    if (record := etl.open_member(path)) is not None:
        return record
    match = _MEMBER.fullmatch(path.name)
    if match is None:
        return None
    file = path.with_name(match["file"])
    pictures, index = _pictures(file, match["key"] or ""), int(match["index"])
    if index >= len(pictures):
        raise ImageError(f"{path}: there are only {len(pictures):,} pictures in the file")
    return Image.fromarray(pictures[index])


def labelled_arrays(file: Path) -> list[LabelledArray]:
    """Find the pictures in an array file, and their labels: in the same file, or in the one shipped beside it.

    Raises:
        ImageError: the file, or that of its labels, is missing or damaged, or holds no pictures.
        UsageError: it is a Parquet file, and pyarrow is missing.
    """
    if etl.layout_of(file):
        return [LabelledArray(file, "", etl.codes(file), "jis")]
    if file.name.lower().endswith(".parquet"):
        return [LabelledArray(file, "", parquet.labels(file))]
    if file.name.lower().endswith(".npz"):
        keys = [key for key in _keys(file) if key != _CHARACTERS]
        pairs = [pair for pair in _PAIRS if set(pair) <= set(keys)]
        if pairs:
            return [_labelled(file, x, file, y) for x, y in pairs]
        if len(keys) != 1:
            raise ImageError(f"{file}: holds the arrays {', '.join(keys)}; expected x_test and y_test, or only one")
    return [_labelled(file, "", _partner(file), "")]


def _labelled(file: Path, key: str, labels: Path, labels_key: str) -> LabelledArray:
    pictures, numbers = _pictures(file, key), _load(labels, labels_key)
    if numbers.ndim != 1 or numbers.dtype.kind not in "iu":
        raise ImageError(f"{labels}: not a list of whole numbers, but {numbers.dtype} of shape {numbers.shape}")
    if len(numbers) != len(pictures):
        raise ImageError(f"{labels}: {len(numbers):,} labels for the {len(pictures):,} pictures in {file.name}")
    return LabelledArray(file, key, _named(file, numbers.astype(np.int64)))


def _named(file: Path, numbers: npt.NDArray[np.int64]) -> list[str]:
    """Return what class numbers stand for if the file says it, as those that kanatui exports do; else the numbers."""
    if not file.name.lower().endswith(".npz") or _CHARACTERS not in _keys(file):
        return [str(number) for number in numbers.tolist()]
    characters = [str(name) for name in _load(file, _CHARACTERS).tolist()]
    if len(numbers) and not 0 <= numbers.min() <= numbers.max() < len(characters):
        raise ImageError(f"{file}: class {numbers.max()} is none of its {len(characters):,} characters")
    return [characters[number] for number in numbers.tolist()]


def _partner(file: Path) -> Path:
    """Return the file of the labels that belong to a file of pictures."""
    name = file.name.replace("images", "labels").replace("imgs", "labels").replace("idx3", "idx1")
    plain = name.removesuffix(".gz")
    for candidate in (name, plain, f"{plain}.gz"):
        if candidate != file.name and file.with_name(candidate).is_file():
            return file.with_name(candidate)
    raise ImageError(f"{file}: the file of its labels is missing ({name}); put it beside this one")


def _pictures(file: Path, key: str) -> npt.NDArray[np.uint8]:
    try:
        stamp = file.stat().st_mtime_ns
    except OSError as error:
        raise ImageError(f"{file}: {(error.strerror or str(error)).lower()}") from None
    return _pictures_at(file, key, stamp)


@functools.lru_cache(maxsize=2)  # every picture is opened by itself
def _pictures_at(file: Path, key: str, stamp: int) -> npt.NDArray[np.uint8]:
    """Return uint8 [n, H, W] or [n, H, W, 3]; other numbers are stretched to 0 … 255."""
    values = _load(file, key)
    if values.ndim == 4 and values.shape[3] == 1:
        values = values[..., 0]
    if values.ndim not in (3, 4) or (values.ndim == 4 and values.shape[3] not in (3, 4)) or 0 in values.shape:
        raise ImageError(f"{file}: not pictures ([n, H, W]), but {values.dtype} of shape {values.shape}")
    if values.dtype == np.uint8:
        return np.ascontiguousarray(values, dtype=np.uint8)
    numbers = np.nan_to_num(values.astype(np.float32))
    low, span = float(numbers.min()), max(float(np.ptp(numbers)), 1e-12)
    return np.round((numbers - low) * (255.0 / span)).astype(np.uint8)


def _load(file: Path, key: str) -> Array:
    with _damage_named(file):
        if not file.name.lower().endswith(".npz"):
            return _read_idx(file)
        with zipfile.ZipFile(file) as archive:
            if sum(entry.file_size for entry in archive.infolist()) > _MOST_BYTES:
                raise ImageError(f"{file}: more than {_MOST_BYTES >> 30} GB when unpacked")
        with np.load(file, allow_pickle=False) as arrays:
            values: Array = arrays[key or arrays.files[0]]
            return values
    raise AssertionError("unreachable: it returns or raises")


def _keys(file: Path) -> list[str]:
    with _damage_named(file), np.load(file, allow_pickle=False) as arrays:
        return list(arrays.files)
    raise AssertionError("unreachable: it returns or raises")


@contextlib.contextmanager
def _damage_named(file: Path) -> Iterator[None]:
    try:
        with arrayfiles.declared():
            storage.require_file(file)
            yield
    except OSError as error:
        reason = error.strerror.lower() if error.strerror else f"damaged ({error})"
        raise ImageError(f"{file}: {reason}") from None
    except ValueError as error:
        raise ImageError(f"{file}: damaged, or not arrays of numbers ({error})") from None


def _read_idx(file: Path) -> Array:
    """Read the IDX format: two zero bytes, type, number of axes; the length of each axis, 32 bits; the values."""
    with gzip.open(file) if file.name.lower().endswith(".gz") else file.open("rb") as opened:
        start = opened.read(4)
        if len(start) < 4 or start[:2] != b"\0\0" or start[2] not in _IDX_TYPES:
            raise ValueError("it does not begin as an IDX file does")
        shape = np.frombuffer(opened.read(4 * start[3]), dtype=">u4").astype(np.int64)
        dtype = np.dtype(_IDX_TYPES[start[2]])
        size = int(np.prod(shape)) * dtype.itemsize
        if size > _MOST_BYTES:
            raise ValueError(f"it would be more than {_MOST_BYTES >> 30} GB")
        data = opened.read(size)
    if len(data) < size:
        raise EOFError(f"{len(data):,} of {size:,} bytes")
    return np.frombuffer(data, dtype=dtype).reshape(shape)

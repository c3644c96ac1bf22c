"""Pictures in Parquet files, as Hugging Face `datasets` writes them. pyarrow reads them; it is an optional extra."""

from __future__ import annotations

import functools
import importlib.util
import json
import re
from pathlib import Path
from typing import Any

from kanatui.core import storage
from kanatui.core.errors import ImageError, UsageError

_MEMBER = re.compile(r"(?P<file>.+\.parquet)#(?P<index>\d+)", re.IGNORECASE)
_IMAGES = ("image", "img", "png", "picture", "jpg")
_LABELS = ("character", "char", "label", "labels", "text", "kana", "cls", "class", "fine_label")


def require_pyarrow() -> None:
    """Raise UsageError if pyarrow is missing."""
    if importlib.util.find_spec("pyarrow") is None:
        raise UsageError("Parquet needs pyarrow: pip install pyarrow (or install kanatui with its extra, parquet)")


def labels(file: Path) -> list[str]:
    """Return the label of each picture: its class's name where the file has names, else the value in its column.

    Raises:
        ImageError: the file is damaged, or has no column of pictures or of labels.
        UsageError: pyarrow is missing.
    """
    _open(file)  # says what is wrong with its pictures
    table = _read(file)
    column = _one_of(_LABELS, table.column_names, file, "labels")
    values = table.column(column).to_pylist()
    if None in values:
        raise ImageError(f"{file}: row {values.index(None)} has no {column}")
    names = _class_names(table.schema.metadata or {}, column)
    if not names:
        return [str(value) for value in values]
    if not all(isinstance(value, int) and 0 <= value < len(names) for value in values):
        raise ImageError(f"{file}: a class in {column} is none of its {len(names):,} names")
    return [names[value] for value in values]


def member_bytes(path: Path) -> bytes | None:
    """Return the picture file in a row, ``train.parquet#17``; None if the path names none. ImageError if damaged."""
    match = _MEMBER.fullmatch(path.name)
    if match is None:
        return None
    file, index = path.with_name(match["file"]), int(match["index"])
    pictures = _open(file)
    if index >= len(pictures):
        raise ImageError(f"{path}: there are only {len(pictures):,} pictures in the file")
    data = pictures[index].as_py()
    data = data.get("bytes") if isinstance(data, dict) else data
    if not isinstance(data, bytes):
        raise ImageError(f"{path}: the file names this picture, but does not hold it")
    return data


def _open(file: Path) -> Any:
    try:
        storage.require_file(file)
        return _pictures(file, file.stat().st_mtime_ns)
    except OSError as error:
        raise ImageError(f"{file}: {(error.strerror or str(error)).lower()}") from None


@functools.lru_cache(maxsize=2)  # every picture is opened by itself
def _pictures(file: Path, stamp: int) -> Any:
    """Return the column of pictures: structs with ``bytes``, or bytes."""
    import pyarrow as pa

    table = _read(file)
    column = table.column(_one_of(_IMAGES, table.column_names, file, "pictures"))
    kind = column.type
    if not (pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_struct(kind)):
        raise ImageError(f"{file}: its pictures are {kind}, not picture files")
    return column


def _read(file: Path) -> Any:
    require_pyarrow()
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return pq.read_table(file, partitioning=None)
    except pa.ArrowException as error:
        raise ImageError(f"{file}: damaged, or not Parquet ({str(error).splitlines()[0][:120]})") from None


def _one_of(known: tuple[str, ...], columns: list[str], file: Path, what: str) -> str:
    found = next((name for name in known if name in columns), None)
    if found is None:
        raise ImageError(f"{file}: no column of {what} ({' or '.join(known)}); it has: {', '.join(columns)}")
    return found


def _class_names(metadata: dict[bytes, bytes], column: str) -> list[str]:
    """Return the names of a `ClassLabel` column, [] if it is none."""
    try:
        names = json.loads(metadata[b"huggingface"])["info"]["features"][column]["names"]
    except (KeyError, ValueError, TypeError):
        return []
    return [str(name) for name in names] if isinstance(names, list) else []

"""Reads NumPy's files, which may be damaged or come from a stranger: nothing in them is run, and memory is bounded."""

from __future__ import annotations

import contextlib
import lzma
import os
import struct
import tokenize
import warnings
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from kanatui.core import storage

_MOST_BYTES = 1 << 30
"""The most that the arrays of one file may take in memory."""

_DAMAGED = (
    ValueError, TypeError, KeyError, IndexError, OverflowError, EOFError, SyntaxError, MemoryError, RuntimeError,
    NotImplementedError, struct.error, tokenize.TokenError, zlib.error, lzma.LZMAError, zipfile.BadZipFile,
)  # fmt: skip
"""What NumPy and zipfile raise on damaged files, found by mutating them."""


def read_arrays(path: str | os.PathLike[str], names: Sequence[str], most: int = _MOST_BYTES) -> list[npt.NDArray[Any]]:
    """Return arrays of an .npz file.

    Args:
        path: of the file.
        names: the arrays wanted; all must be there.
        most: bytes that its arrays may take in memory.

    Raises:
        OSError: it cannot be opened, or is no regular file.
        ValueError: it is damaged, too large, or lacks an array.
    """
    with declared(), storage.open_to_read(path) as file:
        with zipfile.ZipFile(file) as archive:
            if sum(entry.file_size for entry in archive.infolist()) > most:
                raise ValueError(f"more than {most >> 20:,} MB when unpacked")
        file.seek(0)
        with np.load(file, allow_pickle=False) as arrays:
            return [arrays[name] for name in names]
    raise AssertionError("unreachable: it returns or raises")


def map_array(path: str | os.PathLike[str], shape: tuple[int, ...], dtype: np.dtype[Any]) -> npt.NDArray[Any]:
    """Map an .npy file into memory, read-only. Raises as :func:`read_arrays`, also if it holds another array."""
    with declared():
        storage.require_file(path)
        array: npt.NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
    if not isinstance(array, np.ndarray) or array.shape != shape or array.dtype != dtype:
        found = f"{array.dtype} {list(array.shape)}" if isinstance(array, np.ndarray) else "several arrays"
        raise ValueError(f"holds {found}, not {dtype} {list(shape)}")
    return array


@contextlib.contextmanager
def declared() -> Iterator[None]:
    """Let only OSError and ValueError out, and no warnings, which NumPy gives for damage that looks like Python 2's."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            yield
        except OSError:
            raise
        except _DAMAGED as error:
            raise ValueError(str(error) or type(error).__name__) from None

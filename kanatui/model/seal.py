"""The seal of a safetensors file: a digest of its content, so that a damaged checkpoint is noticed and not trained on.

The library checks only that a file's header fits its length. A flipped bit in the weights would be read as it stands.
"""

from __future__ import annotations

import hashlib
import json
import mmap
import re
from pathlib import Path
from typing import Any

from kanatui.core import storage

_ABOUT, _KEY = "__metadata__", "kanatui.sha256"
_HEX = re.compile("[0-9a-f]{64}")
_LONGEST_HEADER = 100 << 20
"""Bytes, as in the library (https://github.com/huggingface/safetensors, "Format")."""


def write(path: Path, data: bytes) -> None:
    """Write the bytes of a safetensors file with a seal, by atomic rename. StorageError if that fails."""
    header, start = _header(data)
    body = memoryview(data)[start:]
    header.setdefault(_ABOUT, {})[_KEY] = _digest(header, body)
    text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)  # the library aligns tensors to 8 bytes, too
    with storage.replacing(path) as file:
        file.write(len(text).to_bytes(8, "little") + text)
        file.write(body)


def check(path: Path) -> None:
    """Check a file's seal, if it has one: other programs and earlier versions wrote none.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is no safetensors file, or not as it was written.
    """
    with storage.open_to_read(path) as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        header, start = _header(data)
        about = header.get(_ABOUT)
        if not isinstance(about, dict):
            return
        if _KEY not in about:
            if any(_HEX.fullmatch(str(value)) for value in about.values()):
                raise ValueError("the name of its digest is damaged")
            return
        with memoryview(data) as whole, whole[start:] as body:
            if _digest(header, body) != about[_KEY]:
                raise ValueError("its content is not what was written")


def _header(data: bytes | mmap.mmap) -> tuple[dict[str, Any], int]:
    """Return the header and where the tensors begin."""
    length = int.from_bytes(data[:8], "little")
    if not 0 < length <= min(_LONGEST_HEADER, len(data) - 8):
        raise ValueError("it is cut off, or no safetensors file")
    try:
        header = json.loads(data[8 : 8 + length])
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if not isinstance(header, dict):
        raise ValueError("no safetensors file")
    return header, 8 + length


def _digest(header: dict[str, Any], body: memoryview) -> str:
    about = {name: value for name, value in header[_ABOUT].items() if name != _KEY}
    digest = hashlib.sha256(json.dumps({**header, _ABOUT: about}, sort_keys=True).encode())
    digest.update(body)
    return digest.hexdigest()

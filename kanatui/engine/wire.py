"""The protocol of an engine's pipes: one JSON line per message, followed by its arrays as raw bytes.

Requests: ``{"id": 7, "job": "sheet", "arguments": {…}}`` and ``{"cancel": 7}``. Answers carry the request's id and one
of ``progress`` ([done, total, text]), ``error`` with ``details``, ``cancelled``, or ``data`` with ``arrays``.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

Header = dict[str, Any]
Declared = Sequence[tuple[str, str, Sequence[int]]]
"""The arrays that follow a line, in order: name, dtype as NumPy writes it, shape."""


@dataclasses.dataclass
class Answer:
    """The result of a job."""

    data: dict[str, Any] = dataclasses.field(default_factory=dict)
    """JSON-able values."""
    arrays: dict[str, npt.NDArray[Any]] = dataclasses.field(default_factory=dict)
    """Arrays of numbers or booleans; read-only on the client's side."""


def line(message: Mapping[str, Any]) -> bytes:
    """Encode a message without arrays as one line of ASCII."""
    return json.dumps(message).encode() + b"\n"


def pack(message: Mapping[str, Any], arrays: Mapping[str, npt.NDArray[Any]]) -> list[bytes]:
    """Encode a message as its line and the bytes of each array, to be written one after the other.

    Raises:
        TypeError: an array holds objects or records, or a value is not JSON.
    """
    import numpy as np

    plain = {name: np.asarray(array) for name, array in arrays.items()}
    for name, array in plain.items():
        if array.dtype.hasobject or array.dtype.names:
            raise TypeError(f"array {name!r} holds {array.dtype}, which has no plain bytes")
    declared = [(name, array.dtype.str, array.shape) for name, array in plain.items()]
    return [line({**message, "arrays": declared}), *(array.tobytes() for array in plain.values())]


def size(declared: Declared) -> int:
    """Return the number of bytes of arrays that follow a line."""
    import numpy as np

    return sum(math.prod(shape) * np.dtype(dtype).itemsize for _, dtype, shape in declared)


def unpack(declared: Declared, raw: bytes) -> dict[str, npt.NDArray[Any]]:
    """Return the arrays that a line declared, as read-only views of the bytes that followed it."""
    import numpy as np

    arrays, start = {}, 0
    for name, dtype, shape in declared:
        kind = np.dtype(dtype)
        arrays[name] = _view(raw, kind, shape, start)
        start += math.prod(shape) * kind.itemsize
    return arrays


def _view(raw: bytes, dtype: np.dtype[Any], shape: Sequence[int], start: int) -> npt.NDArray[Any]:
    import numpy as np

    return np.frombuffer(raw, dtype, math.prod(shape), start).reshape(shape)

"""Checks what files of state hold against declared types: a file may have been damaged, or written by a stranger.

Each kind of file declares its content once, as a dataclass or TypedDict; msgspec compares. What does not fit ends as a
ValueError that names the field, which the reader of the file turns into its own error. Unknown fields are ignored:
another version may have written them.
"""

from __future__ import annotations

import json
from typing import Annotated, Any, TypeVar

import msgspec

T = TypeVar("T")

_LARGEST = 2**53
"""Whole numbers up to here are exact in JSON, in float64 and in int64."""

Count = Annotated[int, msgspec.Meta(ge=0, le=_LARGEST)]
"""A number of things, a step, an index."""

Finite = Annotated[float, msgspec.Meta(ge=-1e15, le=1e15)]
"""A time, a duration in seconds, a share: neither NaN nor infinite."""

Positive = Annotated[int, msgspec.Meta(ge=1, le=_LARGEST)]


def check(value: Any, kind: type[T]) -> T:
    """Return data as ``kind``: a dataclass, TypedDict or other annotation. ValueError names the field at fault."""
    try:
        return msgspec.convert(value, kind)
    except OverflowError:  # a whole number too large for a float
        raise ValueError("a number is too large") from None
    except RecursionError:
        raise ValueError("nested too deeply") from None


def parse(text: bytes | str, kind: type[T]) -> T:
    """Parse JSON and return it as ``kind`` (:func:`check`). ValueError if it is not JSON or does not fit.

    Unlike msgspec's own parser this takes NaN, which the loss of a training may be.
    """
    try:
        value = json.loads(text)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    return check(value, kind)

"""Keeps a plugin's code from ending the process unnamed, and from waiting for what a person might type."""

from __future__ import annotations

import contextlib
import io
import os
import sys
import threading
from collections.abc import Iterator
from typing import NoReturn

_end = os._exit
_inside = threading.local()
_lock = threading.Lock()
_depth = 0
_input = sys.stdin


def _refuse(status: int) -> NoReturn:
    """Replace ``os._exit``: a plugin's call of it would end kanatui without a word."""
    if getattr(_inside, "process", 0) == os.getpid():  # not in a process that the plugin forks
        raise RuntimeError(f"called os._exit({status})")
    _end(status)


@contextlib.contextmanager
def contained() -> Iterator[None]:
    """Run a plugin's code: ``os._exit`` raises RuntimeError in this thread, and ``sys.stdin`` is empty."""
    global _depth, _input
    with _lock:
        if not _depth:
            _input, sys.stdin = sys.stdin, io.StringIO()
            os._exit = _refuse
        _depth += 1
    before, _inside.process = getattr(_inside, "process", 0), os.getpid()
    try:
        yield
    finally:
        _inside.process = before
        with _lock:
            _depth -= 1
            if not _depth:
                sys.stdin, os._exit = _input, _end

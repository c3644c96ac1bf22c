"""Keeps a plugin's code from ending the process unnamed or waiting for input, and tells where it failed."""

from __future__ import annotations

import contextlib
import io
import os
import sys
import threading
import traceback
from collections.abc import Iterator
from pathlib import Path
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


def reason_of(error: BaseException, module: str) -> str:
    """Return a plugin's error in one line, and the last line of its module that led to it.

    For example ``KeyError: 'ink' (shade.py, line 17)``: without the line its author could not tell where to look.
    """
    text = (f"{type(error).__name__}: {error}".splitlines() or [""])[0]
    lines = [
        f"{Path(frame.f_code.co_filename).name}, line {line}"
        for frame, line in traceback.walk_tb(error.__traceback__)
        if frame.f_globals.get("__name__") == module
    ]
    return f"{text} ({lines[-1]})" if lines else text

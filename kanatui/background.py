"""Starting kanatui as a process of its own, which outlives the terminal that it was started from."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from kanatui import storage


def start(arguments: Sequence[str], log: Path) -> subprocess.Popen[bytes]:
    """Run ``kanatui ARGUMENTS…`` in a session of its own, standard input closed, output appended to ``log``.

    Returns:
        the process, which the caller may watch but need not wait for.

    Raises:
        StorageError: the log cannot be written.
    """
    with storage.storing(log), open(log, "ab") as file:
        return subprocess.Popen(
            [sys.executable, "-m", "kanatui", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

"""Shell commands for Debian and Ubuntu that are shown to the user, never run."""

from __future__ import annotations

import os
from collections.abc import Sequence


def as_root(command: str) -> str:
    """Return the command with ``sudo`` in front, unless the user is root (a bare container has no sudo)."""
    root = getattr(os, "geteuid", lambda: 0)() == 0
    return command if root else f"sudo {command}"


def apt_command(packages: Sequence[str]) -> str:
    """Return the shell command that installs packages with apt-get."""
    return as_root(f"apt-get install -y {' '.join(packages)}")

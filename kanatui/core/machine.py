"""Describes the machine on which a measurement was made."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import platform
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

import psutil

from kanatui.core.processes import allowed_cores, cpu_quota, usable_cores
from kanatui.core.version import __version__

_PACKAGES = ("torch", "numpy", "pillow", "textual")


def describe_machine() -> dict[str, str]:
    """Return processor, cores, memory, system, threads, versions and load as text."""
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in _PACKAGES)
    return {
        "processor": _processor(),
        "cores": f"{allowed_cores()} usable of {os.cpu_count() or 1}",
        "memory": f"{psutil.virtual_memory().total / 2**30:.0f} GiB",
        "system": f"{_system()}, Python {platform.python_version()}",
        "threads": f"{usable_cores()}, {limit_of_threads()}",
        "versions": f"kanatui {__version__}, {versions}",
        "load": f"{os.getloadavg()[0]:.1f} at the start (other work on the machine disturbs every figure)",
    }


def limit_of_threads() -> str:
    """Return in a few words what limits :func:`.usable_cores`."""
    if usable_cores() < allowed_cores():
        return "as OMP_NUM_THREADS says"
    quota = cpu_quota()
    return "one per core" if quota is None else f"by the container's quota of {quota:.3g} cores"


def _system() -> str:
    kernel = f"{platform.system()} {platform.release()}"
    try:
        return f"{platform.freedesktop_os_release()['PRETTY_NAME']}, {kernel}"
    except OSError:  # not a Linux, or one that does not say its name
        return kernel


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.machine())


def as_root(command: str) -> str:
    """Return the command with ``sudo`` in front, unless the user is root (a bare container has no sudo)."""
    root = getattr(os, "geteuid", lambda: 0)() == 0
    return command if root else f"sudo {command}"


def apt_command(packages: Sequence[str]) -> str:
    """Return the command that installs Debian packages, as root."""
    return as_root(f"apt-get install -y {' '.join(packages)}")


def extra_command(extra: str) -> str:
    """Return the command that installs an optional part, where kanatui is, whatever pip comes first on the path."""
    return f"{shlex.quote(sys.executable)} -m pip install 'kanatui[{extra}]'"


def missing_package(name: str, extra: str) -> str:
    """Return what to say if a package is not installed, "" if it is; a mere folder of its name is none."""
    spec = importlib.util.find_spec(name)
    return "" if spec and spec.origin else f"needs the package {name}: {extra_command(extra)}"

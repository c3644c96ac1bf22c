"""Plugin files: where they are, whether they may run, and how they are imported."""

from __future__ import annotations

import concurrent.futures
import contextlib
import ctypes
import hashlib
import importlib.util
import os
import sys
import threading
from collections.abc import Callable, Sequence
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

from typing_extensions import override

from kanatui.core.errors import PluginError
from kanatui.plugins.contained import contained

IMPORT_SECONDS = 60.0
"""Seconds in which a plugin must be imported: one that brings torch along takes ten on a busy machine."""

NONE_VARIABLE = "KANATUI_NO_PLUGINS"
ALLOWED_VARIABLE = "KANATUI_ALLOWED_PLUGINS"
"""Variables that keep plugins from running: all, or all but the packages and files named, with colons in between."""


def python_files(folder: Path) -> list[Path]:
    """Return the plugin files of a folder, by name."""
    found = (path for path in folder.glob("*.py") if not path.name.startswith(("_", ".", "test_")))
    return sorted(path for path in found if path.is_file())  # to open a pipe would wait for its writer


def stamps(folders: Sequence[str]) -> dict[str, tuple[int, int]]:
    """Return time and size of each plugin file in some folders: what differs once one is saved, added or deleted."""
    found = {}
    for folder in folders:
        for path in python_files(Path(folder)):
            with contextlib.suppress(OSError):
                status = path.stat()
                found[str(path)] = (status.st_mtime_ns, status.st_size)
    return found


def why_refused(name: str) -> str:
    """Return why a plugin that does not ship with kanatui may not run here, "" if it may.

    Args:
        name: of its package, or its file's path.
    """
    if os.environ.get(NONE_VARIABLE):
        return "--no-plugins leaves out all that do not ship with kanatui"
    allowed = os.environ.get(ALLOWED_VARIABLE)
    return "" if allowed is None or name in allowed.split(os.pathsep) else f"not named in {ALLOWED_VARIABLE}"


class _AsItIs(SourceFileLoader):
    """Compiles a file each time: Python's cache knows a file by second and size, which two savings may share."""

    @override
    def get_code(self, fullname: str) -> CodeType:
        code: CodeType = self.source_to_code(self.get_data(self.path), self.path)
        return code


def in_time(import_module: Callable[[], Any]) -> Any:
    """Import a module in another thread and return it. PluginError if that takes longer than :data:`IMPORT_SECONDS`."""
    outcome: concurrent.futures.Future[Any] = concurrent.futures.Future()

    def run() -> None:
        try:
            with contained():
                imported = import_module()
            outcome.set_result(imported)
        except BaseException as error:  # noqa: BLE001  # raised again by result()
            outcome.set_exception(error)

    thread = threading.Thread(target=run, name="import of a plugin", daemon=True)
    thread.start()
    try:
        return outcome.result(IMPORT_SECONDS)
    except TimeoutError:
        if outcome.done():  # the plugin's own
            raise
        # Ends endless Python code; what waits in C keeps its thread, which does not keep this process from ending.
        ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident or 0), ctypes.py_object(SystemExit))
        raise PluginError(f"its import took longer than {IMPORT_SECONDS:g} s") from None


def import_file(path: Path, kept: bool = False) -> ModuleType:
    """Import a plugin file under a flat unique name, placed in ``sys.modules`` before its code runs.

    Pickling a plugin's objects, and dataclasses and typing inside it, look the module up by that name.

    Args:
        path: the file.
        kept: whether its compiled code may be taken from Python's cache.
    """
    digest = hashlib.blake2b(str(path).encode(), digest_size=4).hexdigest()
    name = f"kanatui_plugin_{path.stem}_{digest}"
    loader = None if kept else _AsItIs(name, str(path))
    spec = importlib.util.spec_from_file_location(name, path, loader=loader)
    if spec is None or spec.loader is None:
        raise PluginError(f"{path}: not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module

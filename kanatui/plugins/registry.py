"""Finding plugins: discover → policy → import → register → collect.

Every plugin, shipped or not, is a Python module with functions marked :data:`kanatui.hookimpl`. It is found as an entry
point of group ``kanatui``, in the shipped ``plugins/`` folder, or in a folder that the user named. One that fails stays
in the list with its traceback and does not affect the others.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import ctypes
import dataclasses
import functools
import hashlib
import importlib.metadata
import importlib.util
import os
import re
import sys
import threading
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

import pluggy

from kanatui.core import paths
from kanatui.core.errors import PluginError
from kanatui.plugins import hookspecs, trust
from kanatui.plugins.bases import GlyphSource, Model, OutlierSource, Pixel, Placement, Plugin

ENTRY_POINT_GROUP = "kanatui"

IMPORT_SECONDS = 60.0
"""Seconds in which a plugin must be imported: one that brings torch along takes ten on a busy machine."""

_LONGEST = 400
"""Characters of an error in one line; pluggy says in its third line what is wrong."""

_COLLECTORS: dict[str, type[Plugin] | tuple[type[Plugin], ...]] = {
    "kanatui_glyph_sources": GlyphSource,
    "kanatui_augmentations": (Placement, Pixel),
    "kanatui_models": Model,
}
_ID = re.compile(r"[a-z][a-z0-9_]*")
K = TypeVar("K", bound=type[Plugin])


@dataclasses.dataclass
class PluginModule:
    """A module that provides plugins, found as a file or an entry point, and whether it could be loaded."""

    name: str
    found_as: str
    """``shipped``, ``entry point`` or ``folder`` (a file in a folder that the user named)."""
    location: str
    version: str = ""
    state: str = "found"
    """``loaded``, ``failed`` or ``untrusted``."""
    error: str = ""
    traceback: str = ""
    provides: list[str] = dataclasses.field(default_factory=list)

    def fail(self, error: BaseException) -> None:
        """Mark the module as failed, and keep the error as one line and as a traceback."""
        self.state = "failed"
        self.error = " ".join(f"{type(error).__name__}: {error}".split())[:_LONGEST]
        self.traceback = "".join(traceback.format_exception(error))


class Registry:
    """Everything that plugins provide, by id."""

    def __init__(self) -> None:
        self.manager = pluggy.PluginManager(hookspecs.NAMESPACE)
        self.manager.add_hookspecs(hookspecs)
        self.modules: list[PluginModule] = []
        self.glyph_sources: dict[str, type[GlyphSource]] = {}
        self.outlier_sources: dict[str, type[OutlierSource]] = {}
        self.augmentations: dict[str, type[Placement] | type[Pixel]] = {}
        self.models: dict[str, type[Model]] = {}
        self.module_of: dict[str, PluginModule] = {}
        """By the id of what it provides."""
        self.folders: tuple[str, ...] = ()

    @property
    def classes(self) -> dict[str, type[Plugin]]:
        """Everything by its id, kind after kind."""
        return {**self.glyph_sources, **self.outlier_sources, **self.augmentations, **self.models}

    def augmentation(self, id: str) -> type[Placement] | type[Pixel]:
        """Return an augmentation class. PluginError, which lists those that exist, if there is no such id."""
        return self._get(self.augmentations, id, "augmentation")

    def model(self, id: str) -> type[Model]:
        """Return a model class. PluginError, which lists those that exist, if there is no such id."""
        return self._get(self.models, id, "model")

    def _get(self, table: dict[str, K], id: str, what: str) -> K:
        if id in table:
            return table[id]
        for module in self.modules:
            if module.state != "loaded" and module.name == id:
                advice = "kanatui plugins trust" if module.state == "untrusted" else "kanatui plugins --failed"
                raise PluginError(f"{what} {id!r}: {module.location} is {module.state} ({module.error or advice})")
        raise PluginError(f"unknown {what} {id!r} (there are: {', '.join(sorted(table)) or 'none'})")

    def add(self, module: PluginModule, imported: Any) -> None:
        """Register an imported module and collect what its hooks return. A module that breaks a rule is removed."""
        try:
            self.manager.register(imported, name=module.location)
            self.manager.check_pending()
            found = list(_collect(self.manager, imported))
            self._check_ids(module, found)
        except Exception as error:  # noqa: BLE001  # whatever a plugin raises is the failure of that plugin alone
            if self.manager.is_registered(imported):
                self.manager.unregister(imported)
            module.fail(error)
            return
        for cls in found:
            _table_of(self, cls)[cls.id] = cls
            self.module_of[cls.id] = module
        module.provides = [cls.id for cls in found]
        module.state = "loaded"

    def _check_ids(self, module: PluginModule, found: Sequence[type[Plugin]]) -> None:
        seen = dict(self.module_of)
        for cls in found:
            if not _ID.fullmatch(cls.id):
                raise PluginError(
                    f"{module.location}: id {cls.id!r} of {cls.__name__} is not lower-case words joined by _"
                )
            if cls.id in seen:
                raise PluginError(f"id {cls.id!r} is given by both {seen[cls.id].location} and {module.location}")
            seen[cls.id] = module


def _table_of(registry: Registry, cls: type[Plugin]) -> dict[str, Any]:
    if issubclass(cls, OutlierSource):
        return registry.outlier_sources
    if issubclass(cls, GlyphSource):
        return registry.glyph_sources
    return registry.models if issubclass(cls, Model) else registry.augmentations


def _collect(manager: pluggy.PluginManager, module: Any) -> Iterator[type[Plugin]]:
    """Call each collecting hook of one module and check what comes back."""
    for hook_name, base in _COLLECTORS.items():
        caller = manager.subset_hook_caller(hook_name, [p for p in manager.get_plugins() if p is not module])
        for result in caller():
            for cls in result:
                if not (isinstance(cls, type) and issubclass(cls, base)):
                    raise PluginError(f"{hook_name} returned {cls!r}, which is not a class of its kind")
                yield cls


def load(folders: Iterable[str | os.PathLike[str]] = ()) -> Registry:
    """Load all plugins: the shipped ones, entry points, and the files in ``folders`` that the user trusts.

    The result is cached in the process. A worker that calls this with the same folders gets the same plugins.

    Raises:
        PluginError: a named folder does not exist.
    """
    named = [os.fspath(folder) for folder in folders] + _configured_folders()
    return _load(tuple(dict.fromkeys(str(Path(folder).expanduser().resolve()) for folder in named)))


def _configured_folders() -> list[str]:
    return [part for part in os.environ.get("KANATUI_PLUGINS", "").split(os.pathsep) if part]


@functools.lru_cache(maxsize=8)
def _load(folders: tuple[str, ...]) -> Registry:
    registry = Registry()
    registry.folders = folders
    for path in _python_files(paths.packaged("plugins")):
        _load_file(registry, path, "shipped")
    for entry_point in importlib.metadata.entry_points(group=ENTRY_POINT_GROUP):
        _load_entry_point(registry, entry_point)
    for folder in folders:
        if not Path(folder).is_dir():
            raise PluginError(f"--plugins-dir {folder}: no such folder")
        for path in _python_files(Path(folder)):
            _load_file(registry, path, "folder")
    return registry


def reload() -> None:
    """Forget what was loaded, so that the next :func:`load` looks again."""
    _load.cache_clear()


def _python_files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("*.py") if not path.name.startswith(("_", ".")))


def _load_file(registry: Registry, path: Path, found_as: str) -> None:
    module = PluginModule(path.stem, found_as, str(path))
    registry.modules.append(module)
    if found_as == "folder" and not trust.is_trusted(path):
        module.state = "untrusted"
        module.error = f"not trusted yet, or changed since: kanatui plugins trust {path}"
        return
    _guarded(registry, module, lambda: import_file(path))


def _load_entry_point(registry: Registry, entry_point: importlib.metadata.EntryPoint) -> None:
    # pluggy's load_setuptools_entrypoints stops at the first one that fails, so each is loaded on its own.
    distribution = entry_point.dist
    version = distribution.version if distribution else ""
    module = PluginModule(entry_point.name, "entry point", entry_point.value, version)
    registry.modules.append(module)
    _guarded(registry, module, entry_point.load)


def _guarded(registry: Registry, module: PluginModule, import_module: Callable[[], Any]) -> None:
    try:
        with contextlib.redirect_stdout(sys.stderr):  # what a plugin prints must not stand in a command's output
            imported = import_module() if module.found_as == "shipped" else _in_time(import_module)
    except (Exception, SystemExit) as error:  # noqa: BLE001  # a plugin's top level may raise anything
        module.fail(error)
        return
    module.version = module.version or str(getattr(imported, "__version__", ""))
    registry.add(module, imported)


def _in_time(import_module: Callable[[], Any]) -> Any:
    """Import a module in another thread and return it. PluginError if that takes longer than :data:`IMPORT_SECONDS`."""
    outcome: concurrent.futures.Future[Any] = concurrent.futures.Future()

    def run() -> None:
        try:
            outcome.set_result(import_module())
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


def import_file(path: Path) -> ModuleType:
    """Import a plugin file under a flat unique name, placed in ``sys.modules`` before its code runs.

    Pickling a plugin's objects, and dataclasses and typing inside it, look the module up by that name.
    """
    digest = hashlib.blake2b(str(path).encode(), digest_size=4).hexdigest()
    name = f"kanatui_plugin_{path.stem}_{digest}"
    spec = importlib.util.spec_from_file_location(name, path)
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


def description(cls: type[Plugin]) -> str:
    """Return the first line of a plugin's own docstring, else of its module's."""
    text = cls.__dict__.get("__doc__") or sys.modules[cls.__module__].__doc__ or ""
    return text.strip().splitlines()[0] if text.strip() else ""

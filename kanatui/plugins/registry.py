"""Finding plugins: discover → policy → import → register → collect.

Every plugin, shipped or not, is a Python module with functions marked :data:`kanatui.hookimpl`. It is found as an entry
point of group ``kanatui``, in the shipped ``plugins/`` folder, or in a folder that the user named. One that fails stays
in the list with its traceback and does not affect the others.
"""

from __future__ import annotations

import contextlib
import dataclasses
import difflib
import functools
import importlib.metadata
import importlib.util
import os
import re
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

import pluggy

from kanatui.core import paths
from kanatui.core.errors import PluginError
from kanatui.core.harmless import harmless
from kanatui.plugins import hookspecs, trust
from kanatui.plugins.bases import (
    Exporter,
    GlyphSource,
    Importer,
    Model,
    Observer,
    OutlierSource,
    Pixel,
    Placement,
    Plugin,
)
from kanatui.plugins.contained import contained
from kanatui.plugins.importing import import_file, in_time, python_files, why_refused

ENTRY_POINT_GROUP = "kanatui"

_COLLECTORS: dict[str, type[Plugin] | tuple[type[Plugin], ...]] = {
    "kanatui_glyph_sources": GlyphSource,
    "kanatui_augmentations": (Placement, Pixel),
    "kanatui_models": Model,
    "kanatui_observers": Observer,
}
_OBJECTS: dict[str, tuple[str, tuple[str, ...]]] = {
    "kanatui_exporters": ("exporters", ("name", "kind", "help", "export")),
    "kanatui_importers": ("importers", ("name", "help", "read")),
    "kanatui_metrics": ("metrics", ("key", "heading", "compute", "text")),
}
"""Hooks that return objects: the registry's table, and what each object must have, its name first."""

RUN_HOOKS = "kanatui_run_"
"""What the names of the hooks begin with that watch runs without a class."""
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
    package: str = ""
    """The name of the installed package that an entry point is of."""
    about: str = ""
    """The first line of its docstring."""
    state: str = "found"
    """``loaded``, ``failed``, ``untrusted``, or ``refused`` (:func:`why_refused`)."""
    error: str = ""
    traceback: str = ""
    provides: list[str] = dataclasses.field(default_factory=list)

    @property
    def origin(self) -> str:
        """Where others get it: ``package NAME VERSION``, ``file NAME.py``; "" if it ships with kanatui."""
        if self.found_as == "shipped":
            return ""
        name = f"package {self.package}" if self.package else f"file {Path(self.location).name}"
        return f"{name} {self.version}".strip()

    def fail(self, error: BaseException) -> None:
        """Mark the module as failed, and keep the error as one line and as a traceback."""
        self.state = "failed"
        self.error = harmless(" ".join(f"{type(error).__name__}: {error}".split()))
        self.traceback = "".join(traceback.format_exception(error))


_LONGEST = 200
"""Characters of a description."""


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
        self.observers: dict[str, type[Observer]] = {}
        self.exporters: dict[str, Exporter] = {}
        self.importers: dict[str, Importer] = {}
        self.metrics: dict[str, Any] = {}
        """Of :class:`kanatui.model.metrics.Metric`."""
        self.module_of: dict[str, PluginModule] = {}
        """By the id of the class that it provides."""
        self.folders: tuple[str, ...] = ()

    @property
    def classes(self) -> dict[str, type[Plugin]]:
        """Everything by its id, kind after kind."""
        return {**self.glyph_sources, **self.outlier_sources, **self.augmentations, **self.models, **self.observers}

    @property
    def guests(self) -> frozenset[str]:
        """The glyph sources that do not ship with kanatui: a recipe has their faces only if it names them."""
        return frozenset(id for id in self.glyph_sources if self.module_of[id].found_as != "shipped")

    def origin(self, id: str) -> str:
        """Return where others get what provides a class (:attr:`PluginModule.origin`)."""
        return self.module_of[id].origin if id in self.module_of else ""

    def watchers(self) -> list[tuple[str, Any]]:
        """Return the modules that watch runs with functions: each one's name and its module."""
        manager = self.manager
        named = [(name, plugin) for name, plugin in manager.list_name_plugin() if plugin is not None]
        return [
            (name, plugin)
            for name, plugin in named
            if any(caller.name.startswith(RUN_HOOKS) for caller in manager.get_hookcallers(plugin) or ())
        ]

    def why_idle(self, module: PluginModule) -> str:
        """Return why a loaded module provides nothing, "" if it provides something."""
        hooks = [hook.name for hook in self.manager.get_hookcallers(self.manager.get_plugin(module.location)) or ()]
        if not hooks:
            return "no function is marked @hookimpl, so nothing is provided"
        acts = any(name == "kanatui_commands" or name.startswith(RUN_HOOKS) for name in hooks)
        return "" if module.provides or acts else "its hooks return nothing"

    def augmentation(self, id: str) -> type[Placement] | type[Pixel]:
        """Return an augmentation class. PluginError, which lists those that exist, if there is no such id."""
        return self._get(self.augmentations, id, "augmentation")

    def model(self, id: str) -> type[Model]:
        """Return a model class. PluginError, which lists those that exist, if there is no such id."""
        return self._get(self.models, id, "model")

    def observer(self, id: str) -> type[Observer]:
        """Return an observer class. PluginError, which lists those that exist, if there is no such id."""
        return self._get(self.observers, id, "observer")

    def glyph_source(self, id: str) -> type[GlyphSource]:
        """Return a class that faces or outliers come from. PluginError, which lists them, if there is no such id."""
        return self._get({**self.glyph_sources, **self.outlier_sources}, id, "glyph source")

    def _get(self, table: dict[str, K], id: str, what: str) -> K:
        if id in table:
            return table[id]
        for module in self.modules:
            if module.state != "loaded" and module.name == id:
                advice = "kanatui plugins trust" if module.state == "untrusted" else "kanatui plugins --failed"
                raise PluginError(f"{what} {id!r}: {module.location} is {module.state} ({module.error or advice})")
            if module.name == id and not module.provides:
                raise PluginError(f"{what} {id!r}: {module.location} provides nothing here. {module.about}")
        hint = "" if self.folders else "; plugins of your own need --plugins-dir or KANATUI_PLUGINS"
        raise PluginError(f"unknown {what} {id!r} (there are: {', '.join(sorted(table)) or 'none'}){hint}")

    def add(self, module: PluginModule, imported: Any) -> None:
        """Register an imported module and collect what its hooks return. A module that breaks a rule is removed."""
        try:
            self._check_hooks(imported)
            self.manager.register(imported, name=module.location)
            self.manager.check_pending()
            found = list(_collect(self.manager, imported))
            self._check_ids(module, found)
            objects = list(_collect_objects(self, imported))
        except Exception as error:  # noqa: BLE001  # whatever a plugin raises is the failure of that plugin alone
            if self.manager.is_registered(imported):
                self.manager.unregister(imported)
            module.fail(error)
            return
        for cls in found:
            _table_of(self, cls)[cls.id] = cls
            self.module_of[cls.id] = module
        for table, name, given in objects:
            getattr(self, table)[name] = given
        module.provides = [*(cls.id for cls in found), *(name for _, name, _ in objects)]
        module.state = "loaded"

    def _check_hooks(self, imported: Any) -> None:
        """Refuse a misspelt hook. pluggy's own error names neither the hooks that exist nor the nearest one."""
        known = [name for name in vars(hookspecs) if name.startswith("kanatui_")]
        for name in dir(imported):
            if self.manager.parse_hookimpl_opts(imported, name) is not None and name not in known:
                near = difflib.get_close_matches(name, known, n=1)
                hint = f"did you mean {near[0]}?" if near else f"there are: {', '.join(known)}"
                raise PluginError(f"there is no hook {name} ({hint})")

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
    if issubclass(cls, Observer):
        return registry.observers
    return registry.models if issubclass(cls, Model) else registry.augmentations


def _collect(manager: pluggy.PluginManager, module: Any) -> Iterator[type[Plugin]]:
    """Call each collecting hook of one module and check what comes back."""
    for hook_name, base in _COLLECTORS.items():
        for cls in _returned(manager, module, hook_name):
            if not (isinstance(cls, type) and issubclass(cls, base)):
                kinds = " or ".join(each.__name__ for each in (base if isinstance(base, tuple) else (base,)))
                given = f"the class {cls.__name__}" if isinstance(cls, type) else repr(cls)
                raise PluginError(f"{hook_name} has to return classes derived from {kinds}, and returned {given}")
            yield cls


def _collect_objects(registry: Registry, module: Any) -> Iterator[tuple[str, str, Any]]:
    """Call each hook of one module that returns objects; yield the registry's table, the object's name, the object."""
    for hook_name, (table, needed) in _OBJECTS.items():
        for given in _returned(registry.manager, module, hook_name):
            missing = [attribute for attribute in needed if not hasattr(given, attribute)]
            if missing:
                raise PluginError(f"{hook_name} returned {given!r}, which has no {missing[0]}")
            name = str(getattr(given, needed[0]))
            if table == "exporters" and given.kind not in ("dataset", "model"):
                raise PluginError(f"{hook_name}: the kind of {name!r} is {given.kind!r}, neither 'dataset' nor 'model'")
            if name in getattr(registry, table):
                raise PluginError(f"{hook_name}: there is another {name!r} already")
            yield table, name, given


def _returned(manager: pluggy.PluginManager, module: Any, hook_name: str) -> Iterator[Any]:
    """Call a hook of one module alone."""
    caller = manager.subset_hook_caller(hook_name, [p for p in manager.get_plugins() if p is not module])
    for result in caller():
        if not isinstance(result, Iterable):
            raise PluginError(f"{hook_name} has to return a list, and returned {result!r}: write [ … ] around it")
        yield from result


def load(folders: Iterable[str | os.PathLike[str]] = ()) -> Registry:
    """Load all plugins: the shipped ones, entry points, and the files in ``folders`` that the user trusts.

    The result is cached in the process. A worker that calls this with the same folders gets the same plugins.

    Raises:
        PluginError: a named folder does not exist.
    """
    named = [os.fspath(folder) for folder in folders] + _configured_folders()
    return _load(tuple(dict.fromkeys(str(paths.user_path(folder).resolve()) for folder in named)))


def _configured_folders() -> list[str]:
    return [part for part in os.environ.get("KANATUI_PLUGINS", "").split(os.pathsep) if part]


@functools.lru_cache(maxsize=8)
def _load(folders: tuple[str, ...]) -> Registry:
    registry = _shipped()
    registry.folders = folders
    for entry_point in importlib.metadata.entry_points(group=ENTRY_POINT_GROUP):
        _load_entry_point(registry, entry_point)
    for folder in folders:
        if not os.path.isdir(folder):
            raise PluginError(f"--plugins-dir {folder}: no such folder")
        for path in python_files(Path(folder)):
            _load_file(registry, path, "folder")
    return registry


def _shipped() -> Registry:
    registry = Registry()
    for path in python_files(paths.packaged("plugins")):
        _load_file(registry, path, "shipped")
    return registry


def load_alone(path: Path) -> tuple[Registry, PluginModule]:
    """Run one plugin file, trusted or not, beside the shipped plugins alone; for checking it.

    Returns:
        the registry, and the file's module, whose ``state`` says whether it could be loaded.

    Raises:
        PluginError: there is no such file.
    """
    if not path.is_file():
        raise PluginError(f"{path}: no such file")
    if why := why_refused(str(path.resolve())):
        raise PluginError(f"{path}: {why}")
    registry = _shipped()
    for known in registry.modules:
        if Path(known.location).resolve() == path.resolve():
            return registry, known
    module = PluginModule(path.stem, "folder", str(path.resolve()))
    registry.modules.append(module)
    _guarded(registry, module, lambda: import_file(path.resolve()))
    return registry, module


def command_modules() -> Iterator[tuple[str, ModuleType | Exception]]:
    """Import the plugins that may add commands, and no others: where each lies, and its module or why it has none.

    `kanatui --help` asks this. Only what mentions the hook is imported, because all plugins together take NumPy.
    """
    mentioned = b"kanatui_commands"
    for path in python_files(paths.packaged("plugins")):
        if mentioned in path.read_bytes():
            yield str(path), import_file(path, kept=True)
    for entry_point in importlib.metadata.entry_points(group=ENTRY_POINT_GROUP):
        with contextlib.suppress(Exception):  # what cannot be found is listed as failed by `kanatui plugins`
            found = None if why_refused(_package(entry_point)) else importlib.util.find_spec(entry_point.module)
            if found and found.origin and mentioned in Path(found.origin).read_bytes():
                yield entry_point.value, entry_point.load()
    for folder in _configured_folders():
        for path in python_files(Path(folder).expanduser()):
            if mentioned in path.read_bytes() and not why_refused(str(path.resolve())) and trust.is_trusted(path):
                try:
                    yield str(path), import_file(path)
                except (Exception, SystemExit) as error:  # noqa: BLE001  # a plugin's top level may raise anything
                    yield str(path), PluginError(f"{type(error).__name__}: {error}")


def reload() -> None:
    """Forget what was loaded, so that the next :func:`load` looks again."""
    _load.cache_clear()


def _load_file(registry: Registry, path: Path, found_as: str) -> None:
    module = PluginModule(path.stem, found_as, str(path))
    registry.modules.append(module)
    if found_as == "folder" and (why := why_refused(str(path.resolve()))):
        module.state, module.error = "refused", why
        return
    if found_as == "folder" and not trust.is_trusted(path):
        module.state = "untrusted"
        module.error = f"not trusted yet, or changed since: kanatui plugins trust {path}"
        return
    _guarded(registry, module, lambda: import_file(path, kept=found_as == "shipped"))


def _load_entry_point(registry: Registry, entry_point: importlib.metadata.EntryPoint) -> None:
    # pluggy's load_setuptools_entrypoints stops at the first one that fails, so each is loaded on its own.
    package = _package(entry_point)
    version = entry_point.dist.version if entry_point.dist else ""
    module = PluginModule(entry_point.name, "entry point", entry_point.value, version, package)
    registry.modules.append(module)
    if why := why_refused(package):
        module.state, module.error = "refused", why
        return
    _guarded(registry, module, entry_point.load)


def _package(entry_point: importlib.metadata.EntryPoint) -> str:
    return entry_point.dist.name if entry_point.dist else ""


def _guarded(registry: Registry, module: PluginModule, import_module: Callable[[], Any]) -> None:
    try:
        with contextlib.redirect_stdout(sys.stderr):  # what a plugin prints must not stand in a command's output
            imported = import_module() if module.found_as == "shipped" else in_time(import_module)
    except (Exception, SystemExit) as error:  # noqa: BLE001  # a plugin's top level may raise anything
        module.fail(error)
        return
    module.version = module.version or str(getattr(imported, "__version__", ""))
    module.about = (getattr(imported, "__doc__", "") or "").strip().partition("\n")[0]
    registry.add(module, imported)


def problem_of(cls: type[Observer]) -> str:
    """Return why an observer cannot be used here, "" if it can (:meth:`.Observer.problem`)."""
    try:
        with contained():
            return harmless(cls.problem())
    except Exception as error:  # noqa: BLE001  # a plugin may raise anything
        return harmless(f"its problem() failed ({type(error).__name__}: {error})")


def description(cls: type[Plugin]) -> str:
    """Return the first line of a plugin's own docstring, else of its module's; at most 200 characters."""
    text = cls.__dict__.get("__doc__") or sys.modules[cls.__module__].__doc__ or ""
    return harmless(text.strip().splitlines()[0], _LONGEST) if text.strip() else ""

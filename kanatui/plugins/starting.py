"""Writes a new plugin from the starters in `plugins/starters/`, as one file or as a package that pip installs."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path

from kanatui.core import paths, storage
from kanatui.core.errors import UsageError
from kanatui.plugins.registry import load

STARTERS = {
    "augmentation": "changes pixels",
    "placement": "changes size, place or slant, before there are pixels",
    "model": "a network",
    "source": "draws characters: another kind of face",
    "observer": "watches trainings",
}
"""What can be started, and what it does."""

_NAME = re.compile(r"[a-z][a-z0-9_]*")


def write_plugin(kind: str, name: str, folder: Path) -> list[Path]:
    """Write a plugin file and a test of it, which pass `kanatui plugins check`, and return both.

    Raises:
        UsageError: the name cannot be an id or is taken, or a file is there already.
        StorageError: they cannot be written.
    """
    _check_name(name)
    test = f"""
        from pathlib import Path

        from kanatui.testing import assert_sound_file


        def test_{name}():
            assert_sound_file(Path(__file__).with_name("{name}.py"))
        """
    return _write(folder, {f"{name}.py": _starter(kind, name), f"test_{name}.py": test})


def write_package(kind: str, name: str, folder: Path) -> list[Path]:
    """Write a package with a plugin, its entry point and its test, and return the files. Raises as write_plugin."""
    _check_name(name)
    project, module = f"kanatui-{name.replace('_', '-')}", f"kanatui_{name}"
    settings = f"""
        [build-system]
        requires = ["hatchling"]
        build-backend = "hatchling.build"

        [project]
        name = "{project}"
        version = "0.1.0"
        description = "A plugin for kanatui: {STARTERS[kind]}"
        requires-python = ">=3.11"
        dependencies = ["kanatui"]

        [project.optional-dependencies]
        test = ["pytest"]

        [project.entry-points.kanatui]
        {name} = "{module}"

        [tool.pytest.ini_options]
        testpaths = ["tests"]
        """
    test = f"""
        import {module}
        from kanatui.testing import assert_sound


        def test_{name}():
            assert_sound({module}.{_class_name(name)})
        """
    files = {
        "pyproject.toml": settings,
        f"src/{module}/__init__.py": _starter(kind, name),
        f"tests/test_{name}.py": test,
    }
    return _write(folder / project, files)


def _check_name(name: str) -> None:
    if not _NAME.fullmatch(name):
        raise UsageError(f"{name!r}: not an id; use lower-case words joined by _, such as ink_fade")
    registry = load()
    if name in registry.classes:
        raise UsageError(f"{name!r}: there is a plugin of this id already ({registry.module_of[name].location})")


def _class_name(name: str) -> str:
    return "".join(word.capitalize() for word in name.split("_"))


def _starter(kind: str, name: str) -> str:
    text = (paths.packaged("plugins") / "starters" / f"{kind}.py").read_text(encoding="utf-8")
    return text.replace("Starter", _class_name(name)).replace("starter", name)


def _write(folder: Path, files: dict[str, str]) -> list[Path]:
    for name in files:
        if (folder / name).exists():
            raise UsageError(f"{folder / name}: is there already; choose another name or folder")
    for name, text in files.items():
        storage.make_folder((folder / name).parent)
        storage.write_bytes(folder / name, (textwrap.dedent(text).strip() + "\n").encode())
    return [folder / name for name in files]

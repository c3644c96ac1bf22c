"""Defaults of options from a file: `options.toml` in the folder of settings, one table for each command.

::

    pictures = "sextants"        # of kanatui itself

    [train]
    minutes = 20
    observer-set = ["tensorboard.write=on"]

    [runs.plot]
    axis = "epoch"

click takes them where neither the command line nor a variable says something.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from kanatui.core import paths, storage
from kanatui.core.errors import UsageError


def file() -> Path:
    """Return the path of the file; it need not exist."""
    return paths.config() / "options.toml"


def read(group: click.Group) -> dict[str, Any]:
    """Return click's ``default_map`` of a group. UsageError if the file is broken, or names what there is not."""
    if not file().exists():
        return {}
    return _translated(group, storage.read_toml(file(), UsageError), "")


def _translated(command: click.Command, table: Mapping[str, Any], path: str) -> dict[str, Any]:
    """Turn the names of options into those of click's parameters."""
    options = {option.lstrip("-"): each for each in command.params for option in each.opts if option.startswith("--")}
    commands = command.commands if isinstance(command, click.Group) else {}
    found: dict[str, Any] = {}
    for name, value in table.items():
        place = f"{path}.{name}".strip(".")
        if name in commands and isinstance(value, Mapping):
            found[name] = _translated(commands[name], value, place)
        elif name in options and not isinstance(value, Mapping):
            found[options[name].name or name] = value
        else:
            known = ", ".join([*options, *commands])
            raise UsageError(f"{file()}: {place}: neither an option nor a command (there are: {known})")
    return found

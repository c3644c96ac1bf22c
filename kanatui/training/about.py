"""What the user wrote about a run: a title and a note, in ``about.toml`` in its folder."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import tomlkit

from kanatui.core import storage
from kanatui.core.errors import RunError
from kanatui.core.harmless import harmless

LONGEST_TITLE = 80
LONGEST_NOTE = 4000

_FILE = "about.toml"


@dataclasses.dataclass(frozen=True)
class About:
    """Title and note, "" if not set."""

    title: str = ""
    note: str = ""
    """May have several lines."""


def title_problem(title: str) -> str:
    """Return what is wrong with a title, "" if nothing."""
    right = len(title) <= LONGEST_TITLE and title.isprintable()
    return "" if right else f"use one line of up to {LONGEST_TITLE} characters"


def read_about(folder: Path) -> About:
    """Return what was written about the run in a folder; nothing from a damaged file."""
    try:
        data = storage.read_toml(folder / _FILE, RunError)
    except RunError:
        return About()
    found = {name: value for name, value in data.items() if isinstance(value, str)}
    # Another program may have written it; a note has lines.
    title, lines = found.get("title", ""), found.get("note", "")[:LONGEST_NOTE].splitlines()
    return About(harmless(title, LONGEST_TITLE), "\n".join(harmless(line, None) for line in lines))


def write_about(folder: Path, **changed: str) -> None:
    """Change ``title`` or ``note``; "" removes it. StorageError if it cannot be written."""
    about = dataclasses.asdict(dataclasses.replace(read_about(folder), **changed))
    storage.write_bytes(folder / _FILE, tomlkit.dumps({name: text for name, text in about.items() if text}).encode())

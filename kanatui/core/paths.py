"""Locates kanatui's folders: in `$KANATUI_HOME`, else in the platform's user data folder."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs

LONGEST_NAME = 80
"""Characters, so that a name fits into a list."""

_MOST_BYTES = 224
"""Bytes of a name, so that those of temporary files, which are longer, fit into the 255 bytes of a file's name."""


def name_problem(name: str) -> str:
    """Return why a recipe, data set or run cannot have a name, "" if it can.

    Names become names of files and folders, and are typed after options.
    """
    if len(name) > LONGEST_NAME or len(os.fsencode(name)) > _MOST_BYTES:
        return f"not a plain name: at most {LONGEST_NAME} characters"
    plain = name == Path(name).name and name == name.strip() and name.isprintable() and not name.startswith((".", "-"))
    return "" if name and plain else "not a plain name: no slashes, no dot or hyphen in front, no spaces at either end"


def user_path(text: str | os.PathLike[str]) -> Path:
    """Return a path as a person writes it, ``~`` expanded; one of an unknown ``~user`` stays as it is."""
    return Path(os.path.expanduser(text))


def home() -> Path:
    """Return the folder of data sets, runs and the user's handwriting."""
    named = os.environ.get("KANATUI_HOME")
    return user_path(named) if named else Path(platformdirs.user_data_dir("kanatui", appauthor=False))


def datasets() -> Path:
    """Return the folder of data sets, each in `NAME/`."""
    return home() / "datasets"


def runs() -> Path:
    """Return the folder of runs, each in `ID/`."""
    return home() / "runs"


def cache() -> Path:
    """Return the folder of reproducible files: masters and coverage. Inside `$KANATUI_HOME` if that is set."""
    if os.environ.get("KANATUI_HOME"):
        return home() / "cache"
    return Path(platformdirs.user_cache_dir("kanatui", appauthor=False))


def config() -> Path:
    """Return the folder of the user's settings: `fonts.toml`, `recipes/`, `trusted-plugins.json`."""
    if os.environ.get("KANATUI_HOME"):
        return home() / "config"
    return Path(platformdirs.user_config_dir("kanatui", appauthor=False))


def packaged(name: str) -> Path:
    """Return a file or folder that ships with kanatui (`fonts.toml`, `plugins`), in a checkout or in a wheel.

    A checkout keeps them beside the package; the wheel carries them inside it, under `_shipped/`.
    """
    package = Path(__file__).resolve().parent.parent
    inside = package / "_shipped" / name
    return inside if inside.exists() else package.parent / name

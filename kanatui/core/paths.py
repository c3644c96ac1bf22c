"""Locates kanatui's folders: in `$KANATUI_HOME`, else in the platform's user data folder."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs


def home() -> Path:
    """Return the folder of data sets, runs and the user's handwriting."""
    named = os.environ.get("KANATUI_HOME")
    return Path(named).expanduser() if named else Path(platformdirs.user_data_dir("kanatui", appauthor=False))


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

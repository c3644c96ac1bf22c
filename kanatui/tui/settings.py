"""The app's settings, which are kept between sessions in `ui.toml` in the configuration folder."""

from __future__ import annotations

import contextlib
import dataclasses
from pathlib import Path

import tomlkit

from kanatui.core import paths, storage
from kanatui.core.errors import StorageError
from kanatui.tui.theme import AUTO


@dataclasses.dataclass
class Settings:
    """The user's choices; the defaults if the file is missing or invalid."""

    theme: str = AUTO
    """A theme's name; :data:`~kanatui.tui.theme.AUTO` for the one that fits the terminal."""
    ascii: bool = False
    """Pictures drawn with plain characters."""

    @classmethod
    def load(cls) -> Settings:
        """Read the choices."""
        try:
            data = storage.read_toml(_file(), StorageError)
        except StorageError:
            return cls()
        theme, plain = data.get("theme"), data.get("ascii")
        return cls(theme if isinstance(theme, str) else AUTO, plain is True)

    def save(self) -> None:
        """Save the choices; if that fails, they last until the app is closed."""
        with contextlib.suppress(StorageError):
            storage.make_folder(paths.config())
            storage.write_bytes(_file(), tomlkit.dumps(dataclasses.asdict(self)).encode())


def _file() -> Path:
    return paths.config() / "ui.toml"

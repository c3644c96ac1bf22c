"""What the app remembers between two sessions: how it looks. Kept in `ui.toml` of the configuration folder."""

from __future__ import annotations

import contextlib
import dataclasses
from pathlib import Path

import tomlkit

from kanatui.core import paths, storage
from kanatui.core.errors import StorageError

DEFAULT_THEME = "textual-dark"


@dataclasses.dataclass
class Settings:
    """The user's choices. A file that is missing or makes no sense counts as the defaults."""

    theme: str = DEFAULT_THEME
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
        return cls(theme if isinstance(theme, str) else DEFAULT_THEME, plain is True)

    def save(self) -> None:
        """Keep the choices; where nothing can be written they last as long as the app."""
        with contextlib.suppress(StorageError):
            storage.make_folder(paths.config())
            storage.write_bytes(_file(), tomlkit.dumps(dataclasses.asdict(self)).encode())


def _file() -> Path:
    return paths.config() / "ui.toml"

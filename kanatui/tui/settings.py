"""The app's settings, which are kept between sessions in `ui.toml` in the configuration folder."""

from __future__ import annotations

import contextlib
import dataclasses
from pathlib import Path

import tomlkit

from kanatui.core import paths, storage
from kanatui.core.errors import StorageError
from kanatui.tui.theme import FITTING
from kanatui.tui.ways import AUTO, CHOICES


@dataclasses.dataclass
class Settings:
    """The user's choices; the defaults if the file is missing or invalid."""

    theme: str = FITTING
    """A theme's name; :data:`~kanatui.tui.theme.FITTING` for the one that fits the terminal."""
    pictures: str = AUTO
    """The way to show pictures, one of :data:`.CHOICES`."""
    model: str = ""
    """The model that Draw reads with, as chosen last; "" if none was chosen."""
    adapting: str = ""
    """The run that adapts a model for Draw, until it has been seen to end."""
    run_columns: tuple[str, ...] = ()
    """The columns of the table of runs; () for all of them."""

    @classmethod
    def load(cls) -> Settings:
        """Read the choices."""
        try:
            data = storage.read_toml(_file(), StorageError)
        except StorageError:
            return cls()
        theme, pictures, columns = data.get("theme"), data.get("pictures"), data.get("run_columns")
        if data.get("ascii") is True:  # written before there were more than two ways
            pictures = "ascii"
        return cls(
            theme if isinstance(theme, str) else FITTING,
            pictures if pictures in CHOICES else AUTO,
            model=str(data.get("model", "")),
            adapting=str(data.get("adapting", "")),
            run_columns=tuple(map(str, columns)) if isinstance(columns, list) else (),
        )

    def save(self) -> None:
        """Save the choices; if that fails, they last until the app is closed."""
        with contextlib.suppress(StorageError):
            storage.make_folder(paths.config())
            storage.write_bytes(_file(), tomlkit.dumps(dataclasses.asdict(self)).encode())


def _file() -> Path:
    return paths.config() / "ui.toml"

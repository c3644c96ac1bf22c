"""Which plugin files in the user's own folders may run: a list of paths and hashes that the user has agreed to."""

from __future__ import annotations

import hashlib
from pathlib import Path

from kanatui.core import checked, paths, storage
from kanatui.core.errors import PluginError


def _record() -> Path:
    return paths.config() / "trusted-plugins.json"


def _read() -> dict[str, str]:
    try:
        return checked.parse(storage.read_bytes(_record()), dict[str, str])
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise PluginError(f"{_record()}: cannot be read ({error}); repair or delete it, then trust again") from None


def _digest(path: Path) -> str:
    try:
        return hashlib.sha256(storage.read_bytes(path)).hexdigest()
    except OSError as error:
        raise PluginError(f"{path}: cannot be read ({error.strerror})") from None


def is_trusted(path: Path) -> bool:
    """Return whether the user has agreed to run the file at this path with its present content."""
    resolved = path.resolve()
    return _read().get(str(resolved)) == _digest(resolved)


def trust(path: Path) -> None:
    """Remember the file as it is now. PluginError if it cannot be read, StorageError if it cannot be remembered."""
    resolved = path.resolve()
    entries = _read() | {str(resolved): _digest(resolved)}
    storage.make_folder(_record().parent)
    storage.write_json(_record(), entries)


def distrust(path: Path) -> bool:
    """Forget the file, and return whether it was trusted."""
    entries = _read()
    known = entries.pop(str(path.resolve()), None) is not None
    if known:
        storage.write_json(_record(), entries)
    return known

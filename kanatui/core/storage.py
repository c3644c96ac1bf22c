"""Writes files atomically, locks them, and turns failures into one-line errors."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import shutil
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from kanatui.core.errors import KanatuiError, StorageError
from kanatui.core.units import bytes_text

_ADVICE = {
    errno.ENOSPC: "the disk is full; free some space or set KANATUI_HOME to another disk",
    errno.EDQUOT: "your disk quota is used up; free some space or set KANATUI_HOME to another disk",
    errno.EROFS: "the disk is read-only; set KANATUI_HOME to a folder that can be written",
    errno.EACCES: "no permission to write there; set KANATUI_HOME to a folder of your own",
    errno.EPERM: "no permission to write there; set KANATUI_HOME to a folder of your own",
}


@contextlib.contextmanager
def storing(path: str | os.PathLike[str]) -> Iterator[None]:
    """Turn OSErrors about ``path`` into a one-line :class:`StorageError`."""
    try:
        yield
    except OSError as error:
        advice = _ADVICE.get(error.errno or 0, error.strerror or str(error))
        raise StorageError(f"{error.filename or path}: {advice}") from error


def make_folder(path: str | os.PathLike[str]) -> Path:
    """Create a folder with its parents and return it. StorageError if that fails."""
    folder = Path(path)
    with storing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    return folder


def free_bytes(folder: Path) -> int:
    """Return the bytes that are free where a folder is, or will be."""
    return shutil.disk_usage(next(there for there in (folder, *folder.parents) if there.exists())).free


def require_space(folder: Path, needed: float, advice: str) -> None:
    """Raise StorageError, with advice, if fewer bytes than needed are free where a folder is, or will be."""
    free = free_bytes(folder)
    if needed > free:
        raise StorageError(f"{folder}: needs {bytes_text(needed)} and {bytes_text(free)} are free; {advice}")


@contextlib.contextmanager
def replacing(path: Path, *, lasting: bool = True) -> Iterator[IO[bytes]]:
    """Open a temporary file beside ``path`` for writing; once flushed to disk, it replaces ``path``.

    With ``lasting`` false it is not flushed: this saves 20 ms on a busy disk, but a power cut may lose it.
    If anything fails, ``path`` is unchanged and the temporary file is removed. StorageError if writing fails.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with storing(path):
            with open(temporary, "wb") as file:
                yield file
                file.flush()
                if lasting:
                    os.fsync(file.fileno())
            os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def require_new(out: Path) -> None:
    """Raise StorageError if there is such a file or folder already."""
    if out.exists() and not (out.is_dir() and not any(out.iterdir())):
        raise StorageError(f"{out}: exists already; name another file or folder")


@contextlib.contextmanager
def new_folder(out: Path) -> Iterator[Path]:
    """Give an empty folder beside ``out``, and rename it to ``out`` once the work in it is done.

    If that fails or is interrupted, nothing is left of it. StorageError if ``out`` exists already.
    """
    require_new(out)
    target = out.absolute()
    make_folder(target.parent)
    working = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    try:
        with storing(working):
            working.mkdir()
        yield working
        with storing(out):
            working.replace(target)
    finally:
        shutil.rmtree(working, ignore_errors=True)


def write_bytes(path: Path, data: bytes, *, lasting: bool = True) -> None:
    """Write a whole file by atomic rename (see :func:`replacing`). StorageError if that fails."""
    with replacing(path, lasting=lasting) as file:
        file.write(data)


def write_json(path: Path, value: Any) -> None:
    """Write JSON (UTF-8, readable) by atomic rename. StorageError if that fails."""
    write_bytes(path, (json_text(value) + "\n").encode())


def json_text(value: Any) -> str:
    """Return readable JSON: as it is, or in ASCII alone where a file's name is not UTF-8."""
    text = json.dumps(value, ensure_ascii=False, indent=2)
    try:
        text.encode()
    except UnicodeEncodeError:
        return json.dumps(value, indent=2)
    return text


def read_toml(path: Path, error: type[KanatuiError]) -> dict[str, Any]:
    """Read a TOML file. ``error``, naming file, line and column, if it cannot be read or is not TOML."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as reason:
        raise error(f"{path}: cannot be read ({reason.strerror})") from None
    except UnicodeDecodeError as reason:
        raise error(f"{path}: not UTF-8 text (byte {reason.start})") from None
    except tomllib.TOMLDecodeError as reason:
        raise error(f"{path}: not valid TOML: {reason}") from None


@contextlib.contextmanager
def exclusive(path: str | os.PathLike[str], message: str) -> Iterator[None]:
    """Hold a lock file; the system releases it however the process ends.

    Raises:
        StorageError: with ``message``, if another process holds it, or if it cannot be written.
    """
    with storing(path):
        file = open(path, "a+", encoding="ascii")  # noqa: SIM115  # closed below; the caller's errors are not about it
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StorageError(message) from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


def lock_holder(path: Path) -> int | None:
    """Return the id of the process that holds the lock file, or None."""
    try:
        with open(path, encoding="ascii") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return None
    except BlockingIOError:
        return int(path.read_text(encoding="ascii") or 0) or None
    return None


def tail(path: Path, most: int = 8 * 1024, since: int = 0) -> str:
    """Return the end of a text file, at most ``most`` bytes of it from byte ``since`` on; "" if it cannot be read."""
    try:
        with open(path, "rb") as file:
            file.seek(max(since, path.stat().st_size - most))
            return file.read().decode(errors="replace")
    except OSError:
        return ""


def last_line(path: Path, since: int = 0) -> str:
    """Return the last non-blank line of a text file from byte ``since`` on, "" if there is none."""
    lines = (line.strip() for line in reversed(tail(path, since=since).splitlines()))
    return next((line for line in lines if line), "")

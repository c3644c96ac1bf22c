"""Writes files atomically, locks them, and turns failures into one-line errors."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import io
import json
import os
import shutil
import stat
import time
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from kanatui.core.errors import KanatuiError, StorageError
from kanatui.core.units import bytes_text

_ADVICE = {
    errno.ENOSPC: "the disk is full; free some space or set KANATUI_HOME to another disk",
    errno.EDQUOT: "your disk quota is used up; free some space or set KANATUI_HOME to another disk",
    errno.EFBIG: "larger than this process may write (ulimit -f); raise that limit",
    errno.ENOENT: "there is no such folder, or no longer",
    errno.EROFS: "the disk is read-only; set KANATUI_HOME to a folder that can be written",
    errno.EACCES: "no permission to write there; set KANATUI_HOME to a folder of your own",
    errno.EPERM: "no permission to write there; set KANATUI_HOME to a folder of your own",
    errno.ELOOP: "a link, and what kanatui writes to must not lead elsewhere; remove it",
}

_DOOMED = ".deleted"

_MOST_BYTES = 256 << 20
"""The most that a file of state may have; the events of a long run have a few MB."""


@contextlib.contextmanager
def storing(path: str | os.PathLike[str], temporary: Path | None = None) -> Iterator[None]:
    """Turn OSErrors about ``path``, or the ``temporary`` file that replaces it, into a one-line StorageError."""
    try:
        yield
    except OSError as error:
        advice = _ADVICE.get(error.errno or 0, error.strerror or str(error))
        named = path if temporary and error.filename == os.fspath(temporary) else error.filename or path
        raise StorageError(f"{named}: {advice}") from error


def make_folder(path: str | os.PathLike[str], mode: int = 0o700) -> Path:
    """Create a folder with its parents, for nobody but the user unless ``mode`` says otherwise, and return it.

    Folders that exist stay as they are. StorageError if it cannot be made.
    """
    folder = Path(path)
    with storing(folder):
        if not os.path.lexists(folder.parent):
            make_folder(folder.parent, mode)
        folder.mkdir(mode, exist_ok=True)
    return folder


def refuse_links(folder: Path) -> None:
    """Raise StorageError if anything in a folder is a link that leads out of it: it may have come from a stranger.

    What is written to such a link would replace a file elsewhere, and what is read from it need not be the folder's.
    """
    inside = os.path.realpath(folder)
    with storing(folder):
        todo: list[str | os.PathLike[str]] = [folder]
        while todo:
            for entry in os.scandir(todo.pop()):
                if entry.is_symlink() and os.path.commonpath((os.path.realpath(entry.path), inside)) != inside:
                    raise StorageError(f"{entry.path}: a link that leads out of its folder; remove it")
                if entry.is_dir(follow_symlinks=False):
                    todo.append(entry.path)


def delete_folder(folder: Path, inside: Path) -> None:
    """Delete a folder of data and everything in it.

    Args:
        folder: what to delete; a link is refused, and what links in it lead to stays.
        inside: the folder that must hold it.

    Raises:
        StorageError: it is a link, or lies elsewhere, or cannot be deleted.
    """
    if folder.is_symlink() or folder.resolve().parent != inside.resolve():
        raise StorageError(f"{folder}: not a folder in {inside}, but a link or elsewhere; remove it by other means")
    # Renamed first, so that nobody sees a partly deleted folder.
    doomed = folder.with_name(f".{time.time_ns()}{_DOOMED}")
    with storing(folder):
        os.rename(folder, doomed)
        shutil.rmtree(doomed)
    for left in inside.glob(f".*{_DOOMED}"):  # by a process that was killed
        shutil.rmtree(left, ignore_errors=True)


def open_to_write(path: str | os.PathLike[str], flags: int) -> int:
    """Open or create a file of the user's own, for nobody else, and never through a link; return its descriptor."""
    return os.open(path, flags | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)


def open_to_read(path: str | os.PathLike[str]) -> io.BufferedReader:
    """Open a file. OSError if it is none: to open a pipe would wait for its writer."""
    file = open(path, "rb", opener=lambda path, flags: os.open(path, flags | os.O_NONBLOCK))  # noqa: SIM115  # returned
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise OSError(errno.EINVAL, "not a regular file", os.fspath(path))
    return file


def require_file(path: str | os.PathLike[str]) -> None:
    """Raise OSError unless a file can be opened and is one, before a library opens it by its name."""
    open_to_read(path).close()


def read_bytes(path: str | os.PathLike[str], most: int = _MOST_BYTES) -> bytes:
    """Return what a file holds. OSError if it cannot be read, is no regular file, or has more than ``most`` bytes."""
    with open_to_read(path) as file:
        data = file.read(most + 1)
    if len(data) > most:
        raise OSError(errno.EFBIG, f"more than {bytes_text(most)}", os.fspath(path))
    return data


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
        with storing(path, temporary):
            with open(temporary, "wb") as file:
                yield file
                file.flush()
                if lasting:
                    os.fsync(file.fileno())
            os.replace(temporary, path)
    finally:
        with contextlib.suppress(OSError):  # there is none any more, or the disk is read-only
            temporary.unlink()


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
        with storing(out, working):
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
        return tomllib.loads(read_bytes(path).decode())
    except OSError as reason:
        raise error(f"{path}: cannot be read ({reason.strerror})") from None
    except UnicodeDecodeError as reason:
        raise error(f"{path}: not UTF-8 text (byte {reason.start})") from None
    except tomllib.TOMLDecodeError as reason:
        raise error(f"{path}: not valid TOML: {reason}") from None
    except (ValueError, RecursionError) as reason:  # of a date that does not exist, or tables in tables in tables …
        raise error(f"{path}: not valid TOML: {reason}") from None


@contextlib.contextmanager
def exclusive(path: str | os.PathLike[str], message: str) -> Iterator[None]:
    """Hold a lock file; the system releases it however the process ends.

    Raises:
        StorageError: with ``message``, if another process holds it, or if it cannot be written.
    """
    with storing(path):
        # Closed below; the caller's errors are not about it.
        file = open(open_to_write(path, os.O_RDWR | os.O_APPEND), "a+", encoding="ascii")  # noqa: SIM115
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
        with open_to_read(path) as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return int(path.read_text(encoding="ascii") or 0) or None
    except OSError:  # there is none, or it is nothing that could be held
        return None
    return None


def sweep(folder: Path, name: str = "*") -> None:
    """Remove temporary files of :func:`replacing` that killed processes have left.

    Only for files that nobody but this process writes.

    Args:
        folder: where they are.
        name: that of the file, or a pattern.
    """
    with contextlib.suppress(OSError):
        for left in folder.glob(f".{name}.*.tmp"):
            left.unlink()


def tail(path: Path, most: int = 8 * 1024, since: int = 0) -> str:
    """Return the end of a text file, at most ``most`` bytes of it from byte ``since`` on; "" if it cannot be read."""
    try:
        with open_to_read(path) as file:
            file.seek(max(since, path.stat().st_size - most))
            return file.read().decode(errors="replace")
    except OSError:
        return ""


def last_line(path: Path, since: int = 0) -> str:
    """Return the last non-blank line of a text file from byte ``since`` on, "" if there is none."""
    lines = (line.strip() for line in reversed(tail(path, since=since).splitlines()))
    return next((line for line in lines if line), "")

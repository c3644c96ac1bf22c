"""Takes the fonts out of archives: tarballs such as `npm pack` makes, and zip files.

Nothing is written under a name from the archive, links and devices are passed over, and an archive whose content is far
larger than itself is refused before it fills memory or disk.
"""

from __future__ import annotations

import bz2
import contextlib
import dataclasses
import gzip
import json
import lzma
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import IO, Any

from kanatui.core import storage
from kanatui.core.errors import FontError
from kanatui.core.units import bytes_text
from kanatui.fonts.folders import FONT_SUFFIXES

SUFFIXES = (".tgz", ".tar", ".tar.gz", ".tar.bz2", ".tar.xz", ".zip")

_MOST = 2 * 2**30
_LEAST_LIMIT = 64 * 2**20
_RATIO = 20
"""Fonts shrink to a third at best, web fonts not at all; gzip reaches 1,000 with a file made for that."""

_ABOUT = "metadata.json"
_LONGEST_ABOUT = 2**20


@dataclasses.dataclass(frozen=True)
class FontFile:
    """A font file that was found."""

    path: Path
    name: str
    """How it is called in messages."""
    folder: str
    """What it lies in: web fonts of one folder may be parts of one font."""
    category: str = ""
    licence: str = ""
    """What its package says of it, "" if nothing."""


def is_archive(path: Path) -> bool:
    """Return whether a file is named like an archive."""
    return path.name.lower().endswith(SUFFIXES)


def unpack(archive: Path, folder: Path) -> list[FontFile]:
    """Write the fonts of an archive into a folder, under names of their own.

    Raises:
        FontError: it cannot be read, is damaged, holds paths that lead out of it, or is far larger inside than outside.
        StorageError: the folder cannot be written.
    """
    fonts: list[tuple[Path, str]] = []
    about: dict[str, Any] = {}
    with _archive_errors():
        for name, file, size in _members(archive):
            pure = PurePosixPath(name)
            if pure.name == _ABOUT and size <= _LONGEST_ABOUT:
                about = _parsed(file.read(_LONGEST_ABOUT)) or about
            elif pure.suffix.lower() in FONT_SUFFIXES and not pure.name.startswith("."):
                path = folder / f"{len(fonts):05d}{pure.suffix.lower()}"
                with storage.replacing(path, lasting=False) as out:
                    while part := file.read(2**20):
                        out.write(part)
                fonts.append((path, name))
    stems = {str(PurePosixPath(name).with_suffix("")) for _, name in fonts if name.lower().endswith(".woff2")}
    licence = about.get("license")
    said = licence.get("type") if isinstance(licence, dict) else licence
    return [
        FontFile(
            path,
            f"{archive.name}: {PurePosixPath(name).name}",
            f"{archive}:{PurePosixPath(name).parent}",
            str(about.get("category") or ""),
            said if isinstance(said, str) else "",
        )
        for path, name in fonts
        # The same font once more, for old browsers.
        if not (name.lower().endswith(".woff") and str(PurePosixPath(name).with_suffix("")) in stems)
    ]


def _members(archive: Path) -> Iterator[tuple[str, IO[bytes], int]]:
    """Yield name, content and size of each regular file of an archive."""
    budget = _Budget(archive)
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as zipped:
            for info in zipped.infolist():
                _check_name(info.filename)
                if not info.is_dir():
                    with zipped.open(info) as file:
                        yield info.filename, _Bounded(file, budget), info.file_size  # type: ignore[misc]
        return
    with _decompressed(archive) as stream, tarfile.open(fileobj=_Bounded(stream, budget), mode="r|") as tar:  # type: ignore[call-overload]
        for member in tar:
            _check_name(member.name)
            content = tar.extractfile(member) if member.isreg() else None
            if content is not None:
                yield member.name, content, member.size


def _check_name(name: str) -> None:
    pure = PurePosixPath(name.replace("\\", "/"))
    if pure.is_absolute() or ".." in pure.parts:
        raise FontError(f"it holds {name[:100]!r}, which leads out of it; nothing was taken from it")


class _Budget:
    """How much may be read from an archive."""

    def __init__(self, archive: Path) -> None:
        self._archive = archive
        self._left = min(_MOST, max(_LEAST_LIMIT, _RATIO * archive.stat().st_size))

    def spend(self, count: int) -> None:
        self._left -= count
        if self._left < 0:
            size = bytes_text(self._archive.stat().st_size)
            raise FontError(f"far larger inside than its {size}; nothing was taken from it")


class _Bounded:
    """A stream of which no more is read than a budget allows."""

    def __init__(self, stream: IO[bytes], budget: _Budget) -> None:
        self._stream, self._budget = stream, budget

    def read(self, count: int = 2**20) -> bytes:
        data = self._stream.read(count)
        self._budget.spend(len(data))
        return data


@contextlib.contextmanager
def _decompressed(archive: Path) -> Iterator[IO[bytes]]:
    with archive.open("rb") as file:
        start = file.read(6)
        file.seek(0)
        if start.startswith(b"\x1f\x8b"):
            stream: IO[bytes] = gzip.GzipFile(fileobj=file)  # type: ignore[assignment]
        elif start.startswith(b"BZh"):
            stream = bz2.BZ2File(file)
        elif start == b"\xfd7zXZ\x00":
            stream = lzma.LZMAFile(file)  # noqa: SIM115  # it holds nothing of its own to close
        else:
            stream = file
        yield stream


@contextlib.contextmanager
def _archive_errors() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise FontError(f"cannot be read ({error.strerror or error})") from None
    except (
        tarfile.TarError,
        zipfile.BadZipFile,
        zlib.error,
        lzma.LZMAError,
        EOFError,
        ValueError,
        RuntimeError,  # of an encrypted zip file
        NotImplementedError,
    ) as error:
        raise FontError(f"not a whole archive ({error})") from None


def _parsed(text: bytes) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}

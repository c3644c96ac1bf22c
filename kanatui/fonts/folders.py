"""Finds font files in the folders of the user and of the system, or instead in those of ``$KANATUI_FONT_PATH``."""

from __future__ import annotations

import fnmatch
import functools
import itertools
import os
import re
from collections.abc import Iterable
from pathlib import Path

from kanatui.core import paths
from kanatui.fonts import convert

FONT_SUFFIXES = (".ttf", ".otf", ".ttc", ".otc", ".pfb", *convert.WEB_SUFFIXES)


def font_folders() -> tuple[Path, ...]:
    """Return the folders to search, in order of precedence: ``$KANATUI_FONT_PATH``, else the usual ones."""
    named = os.environ.get("KANATUI_FONT_PATH")
    if named is not None:
        return tuple(paths.user_path(folder) for folder in named.split(os.pathsep) if folder)
    home = Path.home()
    return (
        home / ".local/share/fonts",
        home / ".fonts",
        home / "Library/Fonts",
        Path("/usr/local/share/fonts"),
        Path("/usr/share/fonts"),
        Path("/Library/Fonts"),
        Path("/System/Library/Fonts"),
    )


def matching_files(pattern: Path) -> Iterable[Path]:
    """Yield the files that match an absolute pattern, or the font files that match it below any of the folders."""
    # Variable fonts are named like `Klee[wght].ttf`, so brackets are tried as they stand before they are a choice.
    plain = Path(*(re.sub(r"\[", "[[]", part) for part in pattern.parts))
    return itertools.chain(_found(plain), _found(pattern) if plain != pattern else ())


def _found(pattern: Path) -> Iterable[Path]:
    if pattern.is_absolute():
        return sorted(Path(pattern.anchor).glob(str(pattern.relative_to(pattern.anchor))))
    by_name = _font_files(font_folders())
    places = [place for name in fnmatch.filter(by_name, pattern.name) for place in by_name[name]]
    # Also with a leading slash, so that `**/` can match no folder at all.
    return [
        path for below, path in places if any(fnmatch.fnmatchcase(b, pattern.as_posix()) for b in (below, f"/{below}"))
    ]


@functools.cache
def _font_files(folders: tuple[Path, ...]) -> dict[str, list[tuple[str, Path]]]:
    """Walk the folders once; return for each file name its (path below the folder, full path) pairs."""
    found: dict[str, list[tuple[str, Path]]] = {}
    for folder in folders:
        for parent, inner, names in os.walk(folder):
            inner.sort()
            for name in sorted(names):
                if name.lower().endswith(FONT_SUFFIXES):
                    path = Path(parent, name)
                    found.setdefault(name, []).append((path.relative_to(folder).as_posix(), path))
    return found

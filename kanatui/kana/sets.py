"""Parses sets of characters as typed: a name, code point ranges, a file, or the characters themselves."""

from __future__ import annotations

import re
import unicodedata
from pathlib import Path

from kanatui.core.errors import UsageError
from kanatui.kana.alphabet import SETS

_RANGE = re.compile(r"U\+([0-9A-F]{4,6})(?:-U\+([0-9A-F]{4,6}))?", re.IGNORECASE)
_MOST = 20_000  # all of CJK Unified Ideographs fit; a mistyped U+0000-U+10FFFF does not


def parse_characters(spec: str) -> str:
    """Return the characters of ``spec``, in order, each once.

    ``spec`` is a comma-separated list of: the name of one of :data:`.SETS`; ``U+4E00`` or ``U+4E00-U+4E2F``
    (unassigned code points in a range are left out); the path of a text file, of which white
    space is ignored; or characters themselves, such as ``あいう``.

    Raises:
        UsageError: the spec is empty, unknown, too long, or names a file that cannot be read.
    """
    characters: dict[str, None] = {}
    for part in (piece.strip() for piece in spec.split(",")):
        characters |= dict.fromkeys(_part(part))
    if not characters:
        raise UsageError(f"--characters {spec!r}: names no character")
    if len(characters) > _MOST:
        raise UsageError(f"--characters {spec!r}: {len(characters):,} characters; the maximum is {_MOST:,}")
    return "".join(characters)


def spell_characters(characters: str) -> str:
    """Return a spec that always means these characters, in this order, even if the named sets grow.

    It uses code points, because characters could also be the name of a file: ``U+3041-U+3093,U+30AB``.
    """
    runs: list[list[int]] = []
    for code in map(ord, characters):
        if runs and code == runs[-1][1] + 1:
            runs[-1][1] = code
        else:
            runs.append([code, code])
    return ",".join(f"U+{low:04X}" if low == high else f"U+{low:04X}-U+{high:04X}" for low, high in runs)


def _part(part: str) -> str:
    if part.lower() in SETS:
        return SETS[part.lower()]
    match = _RANGE.fullmatch(part)
    if match:
        return _code_points(part, int(match[1], 16), int(match[2] or match[1], 16))
    if _is_file(part):
        return _file(Path(part))
    if part and all(ord(c) > 0x7F and is_visible(c) for c in part):
        return part
    raise UsageError(
        f"--characters {part!r}: not a set ({', '.join(SETS)}), a range (U+4E00-U+4E2F), a text file or characters"
    )


def _code_points(part: str, low: int, high: int) -> str:
    if low > high or high > 0x10FFFF:
        raise UsageError(f"--characters {part}: the range runs backwards or past U+10FFFF")
    if high - low >= _MOST:
        raise UsageError(f"--characters {part}: {high - low + 1:,} characters; the maximum is {_MOST:,}")
    found = "".join(chr(c) for c in range(low, high + 1) if is_visible(chr(c)))
    if not found:
        raise UsageError(f"--characters {part}: no assigned, visible character in that range")
    return found


def _is_file(part: str) -> bool:
    try:
        return Path(part).is_file()
    except (OSError, ValueError):  # for example, too long for a file name
        return False


def _file(path: Path) -> str:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"--characters {path}: cannot be read as UTF-8 text ({error})") from None
    return "".join(c for c in text if is_visible(c))


def is_visible(character: str) -> bool:
    """Return whether a character can have ink: control, unassigned, surrogate, private and space characters cannot."""
    return unicodedata.category(character)[0] not in "CZ"


_CODE_POINT = re.compile(r"(?:U\+)?([0-9A-F]{4,6})", re.IGNORECASE)


def parse_label(name: str) -> str | None:
    """Return the character that a folder's name stands for, None if it is not a label."""
    # Some file systems keep が as か and a combining mark.
    composed = unicodedata.normalize("NFC", name)
    if len(composed) == 1:
        return composed if composed.isprintable() and composed != "." else None
    match = _CODE_POINT.fullmatch(name)
    if match is None or int(match[1], 16) > 0x10FFFF:
        return None
    character = chr(int(match[1], 16))
    return character if character.isprintable() else None

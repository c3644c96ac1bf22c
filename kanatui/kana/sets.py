"""Parses sets of characters as typed: a name, ranges, a file, or the characters themselves."""

from __future__ import annotations

import os
import re
import unicodedata

from kanatui.core import paths, storage
from kanatui.core.errors import UsageError
from kanatui.kana.alphabet import SETS

_RANGE = re.compile(r"U\+([0-9A-F]{4,6})(?:-U\+([0-9A-F]{4,6}))?", re.IGNORECASE)
_FILE_NAME = re.compile(r"/|\.[A-Za-z]{1,5}$")
_MOST = 20_000  # all of CJK Unified Ideographs fit; a mistyped U+0000-U+10FFFF does not


def parse_characters(spec: str) -> str:
    """Return the characters of ``spec``, in order, each once.

    ``spec`` is a comma-separated list. Each part is, whichever fits first:

    - ``set:NAME``, ``file:PATH`` or ``chars:TEXT``, which leave no doubt about what is meant;
    - the name of one of :data:`.SETS`;
    - a code point or a range: ``U+4E00``, ``U+4E00-U+4E2F``, ``a-z``, ``ぁ-ん`` (unassigned code points are left out);
    - the path of a text file;
    - characters themselves, such as ``あいう`` or ``0123456789``. A word of ASCII letters is taken for a mistyped name.

    Of a file and of text, white space is ignored, and a character written as several code points (か and U+3099, as
    macOS writes が) is composed (Unicode NFC). A comma is ``U+002C``.

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
    kind, colon, value = part.partition(":")
    if colon and kind in _KINDS:
        return _KINDS[kind](value)
    if part.lower() in SETS:
        return SETS[part.lower()]
    match = _RANGE.fullmatch(part)
    if match:
        return _code_points(part, int(match[1], 16), int(match[2] or match[1], 16))
    composed = unicodedata.normalize("NFC", part)
    if len(composed) == 3 and composed[1] == "-":
        return _code_points(part, ord(composed[0]), ord(composed[2]))
    if os.path.isfile(part):
        return _file(part)
    if _looks_like_a_name(part):
        raise UsageError(
            f"--characters {part!r}: no set ({', '.join(SETS)}) and no text file has this name; "
            f"if these characters themselves are meant, write chars:{part}"
        )
    return _text(part)


def _looks_like_a_name(part: str) -> bool:
    """Say whether a part that names nothing is rather a mistyped set or file than characters."""
    named = part.isascii() or _FILE_NAME.search(part)
    return bool(len(part) > 1 and named and any(c.isalpha() for c in part))


def _set(name: str) -> str:
    if name.lower() not in SETS:
        raise UsageError(f"--characters set:{name}: there is no such set; there are: {', '.join(SETS)}")
    return SETS[name.lower()]


def _code_points(part: str, low: int, high: int) -> str:
    if low > high or high > 0x10FFFF:
        raise UsageError(f"--characters {part}: the range runs backwards or past U+10FFFF")
    if high - low >= _MOST:
        raise UsageError(f"--characters {part}: {high - low + 1:,} characters; the maximum is {_MOST:,}")
    found = "".join(chr(c) for c in range(low, high + 1) if is_visible(chr(c)))
    if not found:
        raise UsageError(f"--characters {part}: no assigned, visible character in that range")
    return found


def _file(name: str) -> str:
    try:
        text = storage.read_bytes(paths.user_path(name)).decode()
    except OSError as error:
        raise UsageError(f"--characters {name}: cannot be read ({error.strerror})") from None
    except (ValueError, RuntimeError) as error:  # not UTF-8, a null byte in the name, a home that nobody has
        raise UsageError(f"--characters {name}: cannot be read as UTF-8 text ({error})") from None
    return "".join(c for c in _composed(text, name) if is_visible(c))


def _text(text: str) -> str:
    characters = _composed(text, repr(text))
    hidden = next((c for c in characters if not is_visible(c)), None)
    if hidden is not None:
        raise UsageError(f"--characters {text!r}: U+{ord(hidden):04X} has no ink")
    return characters


def _composed(text: str, of: str) -> str:
    """Return a text's characters without white space, composed; ``of`` names it in errors."""
    composed = "".join(unicodedata.normalize("NFC", text).split())
    for place, character in enumerate(composed):
        if unicodedata.combining(character):
            raise UsageError(
                f"--characters {of}: {composed[max(0, place - 1) : place + 1]} is not one character in Unicode; "
                f"leave out its mark, or write U+{ord(character):04X} for the mark by itself"
            )
    return composed


_KINDS = {"set": _set, "file": _file, "chars": _text}
"""What a prefix says that a part is."""


def is_visible(character: str) -> bool:
    """Return whether a character can have ink: control, unassigned, surrogate, private and space characters cannot."""
    return unicodedata.category(character)[0] not in "CZ"


def literal(name: str) -> str | None:
    """Return the character that a name consists of, None if it is no single character.

    It is composed (か and U+3099 are が), and half-width katakana and full-width letters become usual ones.
    """
    composed = unicodedata.normalize("NFC", name)
    if any(unicodedata.east_asian_width(c) in "HF" for c in composed):
        composed = unicodedata.normalize("NFKC", composed)
    return composed if len(composed) == 1 and composed.isprintable() and composed not in ". " else None


def code_point(code: int) -> str | None:
    """Return the character of a code point, None if it is none that can be seen."""
    return chr(code) if code <= 0x10FFFF and is_visible(chr(code)) else None

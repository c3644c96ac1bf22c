"""Understands labels that people give pictures: か, ｶ, U+304B, 304b, 0x304b, JIS codes, decimal codes, romaji.

Some names mean different things in different notations: ``3042`` is あ in Unicode and a kanji in JIS X 0208,
``2422`` is あ in JIS and a symbol in Unicode. So the names of a folder are judged together: the notation is taken in
which all make sense. :attr:`Labels.how` says how they were understood.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable
from typing import Literal, get_args

from kanatui.core.errors import UsageError
from kanatui.core.units import counted
from kanatui.kana.alphabet import HANGUL, KANA_PLUS
from kanatui.kana.romaji import named_kana
from kanatui.kana.sets import code_point, literal, parse_characters

Notation = Literal["auto", "unicode", "jis", "decimal", "romaji", "romaji:hiragana", "romaji:katakana"]
NOTATIONS: tuple[str, ...] = get_args(Notation)
"""What may be asked for, besides ``index:SPEC``: class numbers from 0, of the characters of SPEC."""

_POINT = re.compile(r"(?:U\+?|\\U|UNI)([0-9A-F]{4,6})", re.IGNORECASE)
_HEX = re.compile(r"(?:0x([0-9A-F]{2,6})|([0-9A-F]{4,6}))", re.IGNORECASE)
_DECIMAL = re.compile(r"[0-9]{2,7}")
_DIGITS = "0123456789"
_LETTERS = re.compile(r"[A-Za-z][A-Za-z _'-]*")
_INDEX = "index:"

_CALLED = {
    "character": "characters",
    "point": "Unicode code points",
    "unicode": "Unicode code points",
    "jis": "JIS X 0208 codes",
    "decimal": "decimal Unicode code points",
    "romaji": "romaji",
    "index": "class numbers",
}


class Labels:
    """How the labels of one set of pictures are to be read."""

    def __init__(self, names: Iterable[str], notation: str = "auto") -> None:
        """Judge all names together.

        Args:
            names: the labels, as folders' names or in a table.
            notation: one of :data:`NOTATIONS`, or ``index:SPEC`` with a spec of
                :func:`~kanatui.kana.sets.parse_characters`.

        Raises:
            UsageError: the notation is unknown.
        """
        self._names = tuple(dict.fromkeys(names))
        self._classes = parse_characters(notation[len(_INDEX) :]) if notation.startswith(_INDEX) else ""
        if not self._classes and notation not in NOTATIONS:
            raise UsageError(f"--labels {notation}: no such file, and none of {', '.join(NOTATIONS)}, index:SPEC")
        self._script = notation.partition(":")[2] if notation.startswith("romaji:") else ""
        self._asked = notation.partition(":")[0]
        codes = [name for name in self._names if _HEX.fullmatch(name) or _DECIMAL.fullmatch(name)]
        self._code, self._rival = (self._asked, "") if self._asked in _CODES else _judge(codes)
        words = [name for name in self._names if _LETTERS.fullmatch(name) and named_kana(name)]
        # 0, 1 … 48 number the classes of a data set: then 7 is not the digit.
        self._numbered = (
            self._asked == "auto"
            and any(name in _DIGITS for name in self._names)
            and any(_DECIMAL.fullmatch(name) and not _everyday(_decimal(name)) for name in codes)
        )
        vowels = all(name in words for name in self._names if len(name) == 1 and name.isascii() and name.isalpha())
        self._romaji_letters = self._asked == "romaji" or (vowels and any(len(name) > 1 for name in words))

    def character(self, name: str, script: str = "") -> str | None:
        """Return the character that a label stands for, None if it makes no sense.

        Args:
            name: the label.
            script: ``hiragana`` or ``katakana`` where it is known, for romaji.
        """
        return self._read(name, script)[1]

    @property
    def how(self) -> str:
        """How the labels were understood, in one line."""
        found: dict[str, list[str]] = {}
        for name in self._names:
            kind, character = self._read(name, "")
            if character is not None:
                found.setdefault(_CALLED[kind], []).append(name)
        parts = []
        for called, names in found.items():
            # か needs no explanation.
            shown = next((name for name in names if unicodedata.normalize("NFC", name) != self.character(name)), None)
            example = f" ({shown} is {self.character(shown)})" if shown else ""
            parts.append(called + example + (f" × {len(names):,}" if len(found) > 1 else ""))
        known = counted(sum(map(len, found.values())), "label")
        return (f"{known}: {', '.join(parts)}" if found else "no label makes sense") + self._doubt(found)

    def _doubt(self, found: dict[str, list[str]]) -> str:
        if self._numbered and not self._classes:
            return "; class numbers need --labels index:CHARACTERS, or a file that says which is which"
        if _CALLED["romaji"] in found and self._asked == "auto":
            return "; --labels romaji:hiragana or romaji:katakana if the script is another"
        if self._rival and _CALLED[self._code] in found:
            return f"; --labels {self._rival} if they are {_CALLED[self._rival]}"
        return ""

    def _read(self, name: str, script: str) -> tuple[str, str | None]:
        """Return the kind of notation, a key of ``_CALLED``, and the character."""
        if self._classes:
            return "index", _class(name, self._classes)
        if self._numbered and name.isdecimal():
            return "index", None
        if self._asked in _CODES and (character := _CODES[self._asked](name)) is not None:
            return self._asked, character
        if len(name) == 1 and self._romaji_letters and (kana := named_kana(name, self._script or script)):
            return "romaji", kana
        if (character := literal(name)) is not None:
            return "character", character
        if match := _POINT.fullmatch(name):
            return "point", code_point(int(match[1], 16))
        if self._code and (character := _CODES[self._code](name)) is not None:
            return self._code, character
        if _LETTERS.fullmatch(name):
            return "romaji", named_kana(name, self._script or script)
        return "character", _spelt_twice(name)


def _spelt_twice(name: str) -> str | None:
    """Return the character of a name such as か_ka or 304b_か: one character, and other ways of writing the same."""
    parts = [part for part in re.split(r"[\s_-]+", name) if part]
    characters = {character for part in parts if not part.isascii() and (character := literal(part))}
    if len(parts) < 2 or len(characters) != 1:
        return None
    (character,) = characters
    return character if all(_may_be(part, character) for part in parts) else None


def _may_be(part: str, character: str) -> bool:
    point = _POINT.fullmatch(part)
    readings = [literal(part), named_kana(part, "hiragana"), named_kana(part, "katakana")]
    readings += [read(part) for read in _CODES.values()]
    return character in readings or (point is not None and int(point[1], 16) == ord(character))


def _unicode(name: str) -> str | None:
    match = _HEX.fullmatch(name)
    return code_point(int(match[1] or match[2], 16)) if match else None


def _jis(name: str) -> str | None:
    match = _HEX.fullmatch(name)
    code = int(match[1] or match[2], 16) if match else 0
    try:
        # EUC-JP is JIS X 0208 with the high bits set.
        return literal(bytes([code >> 8 | 0x80, code & 0xFF | 0x80]).decode("euc_jp")) if code & ~0x7F7F == 0 else None
    except UnicodeDecodeError:
        return None


def _decimal(name: str) -> str | None:
    return code_point(int(name)) if _DECIMAL.fullmatch(name) else None


_CODES: dict[str, Callable[[str], str | None]] = {"unicode": _unicode, "jis": _jis, "decimal": _decimal}


def _class(name: str, classes: str) -> str | None:
    return classes[int(name)] if name.isascii() and name.isdecimal() and int(name) < len(classes) else None


def _judge(codes: list[str]) -> tuple[str, str]:
    """Return the notation of codes, "" if there are none; and another in which all make sense too, or "".

    It is the first in which all of them are letters of everyday scripts; if there is none, the one in which most are.
    """
    if not codes:
        return "", ""
    sensible = {name: sum(_everyday(read(code)) for code in codes) for name, read in _CODES.items()}
    whole = [name for name, count in sensible.items() if count == len(codes)]
    if whole:
        return whole[0], whole[1] if len(whole) > 1 else ""
    return max(sensible, key=lambda name: sensible[name]), ""


def _everyday(character: str | None) -> bool:
    """Say whether a character is one that people are likely to have pictures of: in JIS X 0213, or Hangul."""
    if character is None or not (character.isalnum() or character in KANA_PLUS):
        return False
    if character.isascii() or character in HANGUL:
        return True
    try:
        return character in KANA_PLUS or len(character.encode("euc_jis_2004")) == 2
    except UnicodeEncodeError:
        return False

"""Romanised names of kana, and parsing of typed characters: か, U+304B, ka, or KA for katakana."""

from __future__ import annotations

import functools
import re
import unicodedata

from kanatui.kana.alphabet import HIRAGANA, KATAKANA, SMALL
from kanatui.kana.sets import code_point, literal

_CODE_POINT = re.compile(r"(?:U\+)?([0-9A-F]{4,6})", re.IGNORECASE)

_ROMAJI = (  # noqa: SIM905  # a list literal of 83 strings reads worse
    "xa a xi i xu u xe e xo o ka ga ki gi ku gu ke ge ko go sa za shi ji su zu se ze so zo ta da chi di xtsu tsu du te "
    "de to do na ni nu ne no ha ba pa hi bi pi fu bu pu he be pe ho bo po ma mi mu me mo xya ya xyu yu xyo yo ra ri ru "
    "re ro xwa wa wi we wo n"
).split()


NAMES = dict(zip(HIRAGANA, _ROMAJI, strict=True)) | dict(
    zip(KATAKANA, [*_ROMAJI, "vu", "xka", "xke"], strict=True)
)  # fmt: skip
"""Romanised names (wāpuro style: small forms begin with x), equal for hiragana and katakana."""


def parse_typed(text: str, prefer: str = "hiragana", known: str = "") -> str:
    """Return the character that was typed.

    Args:
        text: the character itself, its code point (``304b``, ``U+304B``), or its romanised name, as in ``shi``, ``si``,
            ``xtsu`` or ``small tsu``; in capitals for katakana.
        prefer: the script of names in lower case.
        known: characters that mean themselves though they are ASCII: the letters that a model reads. Digits always do.

    Raises:
        ValueError: it is none of these; the message is one line.
    """
    typed = text.strip()
    if len(typed) == 1 and (typed in known or typed in "0123456789"):
        return typed
    character = named_kana(typed, "" if typed.isupper() else prefer) or literal(typed)
    if character is None and (match := _CODE_POINT.fullmatch(typed)):
        character = code_point(int(match[1], 16))
    if character is None or (character.isascii() and character not in known):
        raise ValueError("type the character, its name (shi, xtsu, KA for katakana) or its code point (U+304B)")
    return character


def named_kana(text: str, script: str = "") -> str | None:
    """Return the kana of a romanised name, None if it is none: Hepburn (shi), Kunrei (si), small ones xtsu, small tsu.

    Args:
        text: the name.
        script: ``hiragana`` or ``katakana``; "" for katakana where the name is in capitals, else hiragana.
    """
    name = " ".join(text.lower().replace("_", " ").replace("-", " ").split()).replace("small ", "x")
    wanted = script or ("katakana" if text.isupper() else "hiragana")
    return next((found for writing in (wanted, "hiragana", "katakana") if (found := _by_name(writing).get(name))), None)


def name_of(character: str) -> str:
    """Return a character's romanised name, "small tsu" for っ; "" if it is not kana."""
    name = NAMES.get(character, "")
    return f"small {name.removeprefix('x')}" if character in SMALL else name


def spellings(character: str) -> list[str]:
    """Return all romanised names of a kana: ``shi`` and ``si`` for し; ``xtsu``, ``small tsu`` and ``xtu`` for っ."""
    return list(dict.fromkeys([NAMES[character], name_of(character), _unicode_name(character)]))


@functools.cache
def _by_name(writing: str) -> dict[str, str]:
    """Return the characters of a script by name: kanatui's names (shi, fu) take precedence over Unicode's (si, hu)."""
    characters = KATAKANA if writing == "katakana" else HIRAGANA
    names = {_unicode_name(character): character for character in characters}
    return names | {NAMES[character]: character for character in characters}


def _unicode_name(character: str) -> str:
    return unicodedata.name(character).partition(" LETTER ")[2].lower().replace("small ", "x")

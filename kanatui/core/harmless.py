"""Makes foreign text harmless and short: what others wrote is shown, but cannot command a terminal or fill a screen.

File names, arguments, labels, titles, notes, descriptions of plugins and what other programs report may hold anything:
escape sequences that move the cursor or fill the clipboard, marks that turn the direction of writing, 10,000 letters.
"""

from __future__ import annotations

import json
import re

LONGEST = 1000
"""Characters of a message. A path may have a few hundred, and what to do next stands at the end."""

_HEAD = 0.7
"""The share of a text's room for its beginning, where it is too long."""

_HARMFUL = re.compile(
    "["
    "\x00-\x1f\x7f-\x9f"  # controls: ESC, its 8-bit forms, NUL, newlines
    "\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\U000e0000-\U000e007f"  # unseen: bidi …
    "\ud800-\udfff\ufffe\uffff"  # no characters; bytes of a file's name that are not UTF-8
    "]"
)


_WIDE = frozenset(map(chr, (*range(0xD800, 0xE000), 0xFFFE, 0xFFFF)))
"""Those of the harmful characters that take a cell; the others take none."""


def harmless(text: str, most: int | None = LONGEST) -> str:
    r"""Return text in one line: what is unseen or commands a terminal as escapes such as ``\x1b``, the middle left out.

    Args:
        text: from anywhere. Harmless text is returned as it is.
        most: characters to keep, None for all.
    """
    if most is not None and len(text) > most:
        head = int(most * _HEAD)
        text = f"{text[:head]} … {text[len(text) - most + head + 3 :]}"
    text = _HARMFUL.sub(_escape, text)
    # Escapes are longer than what they stand for: a text of nothing else is cut once more.
    return text if most is None or len(text) <= most else harmless(text, most)


def visible(text: str) -> str:
    """Return text in which nothing can harm a terminal, and which takes as many cells as before."""
    return _HARMFUL.sub(lambda match: "�" if match[0] in _WIDE else "", text)


def json_escaped(text: str) -> str:
    """Return JSON in which characters that could harm a terminal are escaped; its line breaks stay."""
    return _HARMFUL.sub(lambda match: match[0] if match[0] == "\n" else json.dumps(match[0])[1:-1], text)


def _escape(match: re.Match[str]) -> str:
    return match[0].encode("unicode_escape").decode("ascii")

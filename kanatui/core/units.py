"""Formats figures for people, on the command line and in the app."""

from __future__ import annotations

import codecs


def duration(seconds: float) -> str:
    """Format seconds in words: 8 s, 1 min 30 s, 2 h 05 min."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def clock(seconds: float) -> str:
    """Format seconds in few cells: 0:08, 12:30, 2:05:00."""
    whole = round(seconds)
    hours, minutes, rest = whole // 3600, whole % 3600 // 60, whole % 60
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def age(seconds: float) -> str:
    """Format how long ago something was, in one unit: 8 s, 12 min, 5 h, 3 d."""
    for length, unit in ((86_400, "d"), (3600, "h"), (60, "min")):
        if seconds >= length:
            return f"{seconds // length:,.0f} {unit}"
    return f"{seconds:.0f} s"


def rounded(count: int) -> str:
    """Format a large count in few cells: 950, 12.3 k, 1.2 M."""
    if count < 1000:
        return str(count)
    for unit in ("k", "M", "G"):
        count_of = count / 1000
        if count_of < 999.95 or unit == "G":
            return f"{count_of:,.1f} {unit}"
        count = round(count_of)
    raise AssertionError("unreachable: the loop ends at G")


def counted(count: int, noun: str) -> str:
    """Format a count with its noun, adding an s unless the count is 1: 1 glyph, 1,200 glyphs."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def bytes_text(count: float) -> str:
    """Format a number of bytes with a decimal prefix: 2.9 GB."""
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if count < 1000 or unit == "TB":
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    raise AssertionError("unreachable: the loop ends at TB")


def percent(share: float) -> str:
    """Format a share (0 … 1) as a percentage with one decimal: 93.7 %."""
    return f"{100 * share:.1f} %"


def named(characters: str, most: int = 20) -> str:
    """List characters, the first few of many with their number: ーヷヸ, 一丁丂… (2,136)."""
    return characters if len(characters) <= most else f"{characters[:most]}… ({len(characters):,})"


def is_unicode(encoding: str | None) -> bool:
    """Return whether an encoding, as a stream names it, has every character."""
    return codecs.lookup(encoding or "ascii").name.startswith("utf")

"""Chooses which character practice asks for next."""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence

from kanatui.evaluation.samples import Tally
from kanatui.kana.alphabet import SMALL


class Practice(enum.Enum):
    """Whether practice is on, and which characters come first."""

    OFF = "off"
    LEAST = "least collected first"
    WEAKEST = "weakest first"

    @property
    def after(self) -> Practice:
        """The mode that the practice key switches to next."""
        ways = list(Practice)
        return ways[(ways.index(self) + 1) % len(ways)]


def in_order(characters: Sequence[str], tallies: Mapping[str, Tally], way: Practice) -> list[str]:
    """Return characters in the order in which to practise them.

    Args:
        characters: those to practise; ties keep their order, with small kana after the others.
        tallies: how many samples each character has, and how many of them were misread.
        way: least collected first, or weakest first with ties by least collected.
    """

    def rank(character: str) -> tuple[float, float, bool]:
        tally = tallies.get(character, Tally())
        first, second = (tally.kept, -tally.weakness) if way is Practice.LEAST else (-tally.weakness, tally.kept)
        return first, second, character in SMALL

    return sorted(characters, key=rank)


def next_wanted(
    characters: Sequence[str], tallies: Mapping[str, Tally], way: Practice, passed: Sequence[str] = ()
) -> str:
    """Return the character to ask for.

    Args:
        characters: as for :func:`in_order`, like ``tallies`` and ``way``.
        passed: characters asked for or skipped lately, the latest last; they come after all others.

    Returns:
        A character, "" if there are no characters.
    """
    late = {character: place for place, character in enumerate(passed, start=1)}
    wanted = in_order(characters, tallies, way)
    return min(wanted, key=lambda character: late.get(character, 0), default="")

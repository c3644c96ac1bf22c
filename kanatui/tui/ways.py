"""Which way of showing pictures a terminal gets: what it can be trusted with, unless the user chose.

A terminal cannot be asked which characters its font has. So sextants, mosaics and octants are used only where the
terminal is known to draw them itself, whatever the font; quadrants, which have been in Unicode since 1999, elsewhere.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping

from kanatui.core.errors import UsageError
from kanatui.core.mosaic import WAYS
from kanatui.tui.terminal import Terminal, asking, cell_of, places_pictures, understood, window

KITTY, ITERM, SIXEL = "kitty", "iterm", "sixel"
GRAPHICS = (KITTY, ITERM, SIXEL)
"""The ways in which pictures are sent as pixels: by Kitty's protocol, by iTerm2's, as Sixel."""

AUTO = "auto"
CHOICES = (AUTO, *GRAPHICS, *WAYS)
"""What the user can choose: what fits the terminal, or one way for all terminals."""

VARIABLE = "KANATUI_PICTURES"

_OLDEST = (0,)
_DRAWS_ITSELF: Mapping[str, Mapping[str, tuple[int, ...]]] = {
    "kitty": {"octants": (0, 40), "mosaics": (0, 20)},
    "ghostty": {"octants": (1, 2), "mosaics": _OLDEST},
    "foot": {"octants": (1, 20), "mosaics": (1, 8)},
    "vte": {"octants": (7800,), "mosaics": (6400,)},  # GNOME Terminal and many others
    "wezterm": {"sextants": (20210814,)},
    "alacritty": {"sextants": (0, 14)},
    "contour": {"sextants": (0, 3)},
}
"""The first version that draws the characters of a way without the font's help, the finest way first.

Alacritty's is from its release notes, kitty's from its issue 3106, foot's range from its manual. Alacritty and WezTerm
leave diagonals to the font (their issues 6860 and 5051). Octants are as another project's issue lists them
(breferrari/vigia 324). The rest are cautious guesses that nobody has checked in these terminals.
"""

REPLACED_BY_TEXT: Mapping[str, tuple[int, ...]] = {
    "xterm": (350,),
    "xterm.js": _OLDEST,  # VS Code and many others
    "foot": (1, 8),
    "wezterm": (20220319,),
    "mlterm": (3, 9),
    "contour": (0, 4),
    "iterm2": (3, 3),
}
"""The first version that shows pictures over cells, and in which text replaces them cell by cell.

xterm 379 and xterm.js 6.0 were looked at; the others are as they document it, or as others report. Missing, though they
have Sixel: tmux, which drops a whole picture when a cell of it is written to, and old pictures as soon as there are ten
(its ``image.c``); VTE and Rio, in which pictures stay behind text (vifm's issue 588, Rio's 636); Konsole and Windows
Terminal, of which it is not known.
"""

_HAS_ITERM = frozenset(("iterm2", "wezterm"))
"""Terminals with iTerm2's inline images."""


@dataclasses.dataclass(frozen=True)
class Choice:
    """The way pictures are shown, and why."""

    way: str
    """A name of :data:`~kanatui.core.mosaic.WAYS` or :data:`GRAPHICS`."""
    why: str
    terminal: Terminal = dataclasses.field(default_factory=Terminal)


def graphics_of(terminal: Terminal) -> list[str]:
    """Return the ways of :data:`GRAPHICS` that a terminal says it has, or is known to have."""
    kitty = terminal.graphics and places_pictures(terminal.name, terminal.version)
    if terminal.tmux:
        return [*([KITTY] if kitty and terminal.passthrough else []), *([SIXEL] if terminal.sixel else [])]
    has = {KITTY: kitty, ITERM: terminal.name in _HAS_ITERM, SIXEL: terminal.sixel}
    return [way for way in GRAPHICS if has[way]]


def _keeps_order(terminal: Terminal) -> bool:
    """Whether text that is written over a picture replaces it, and nothing but text; one without a version is new."""
    first = REPLACED_BY_TEXT.get(terminal.name)
    return not terminal.tmux and first is not None and (not terminal.version or terminal.version >= first)


def _fitting(terminal: Terminal) -> tuple[str, str]:
    if terminal.name == "dumb":
        return "ascii", "TERM names no terminal"
    if terminal.name == "linux":
        return "halves", "all that the console's font has"
    told = terminal.text
    if terminal.graphics and places_pictures(terminal.name, terminal.version):
        if not terminal.tmux or terminal.passthrough:
            return KITTY, f"{told} shows graphics"
        told += " (graphics: tmux set -g allow-passthrough on)"
    for way in graphics_of(terminal):
        if _keeps_order(terminal) and (way == ITERM or (way == SIXEL and all(terminal.cell))):
            return way, f"{told} shows graphics"
    return _fitting_text(terminal, told)


def _fitting_text(terminal: Terminal, told: str) -> tuple[str, str]:
    for way, first in _DRAWS_ITSELF.get(terminal.name, {}).items():
        if terminal.version and terminal.version >= first:
            return way, f"{told} draws them itself"
    return "quadrants", f"{told}: not known to draw sextants itself"


def as_text(choice: Choice) -> Choice:
    """Return the way to print pictures line by line, as commands do: over cells they need a known place."""
    if choice.way not in (ITERM, SIXEL):
        return choice
    return Choice(*_fitting_text(choice.terminal, choice.terminal.text), choice.terminal)


def choose(terminal: Terminal | None, environment: Mapping[str, str], option: str = "", setting: str = AUTO) -> Choice:
    """Choose the way to show pictures: as an option says, else the variable, else the setting, else as fits.

    Args:
        terminal: None if there is none to fit.
        environment: its variables.
        option: of the command line, "" if it was not given.
        setting: the user's; ignored if it names no way.

    Raises:
        UsageError: the option or the variable names no way.
    """
    variable = environment.get(VARIABLE, "")
    for where, wanted in (("--pictures", option), (VARIABLE, variable), ("the setting", setting)):
        if not wanted:
            continue
        if wanted not in CHOICES:
            if where == "the setting":
                continue  # written by another version: as if it were not there
            raise UsageError(f"{where} {wanted!r}: there are {', '.join(CHOICES)}")
        if wanted != AUTO:
            return Choice(wanted, f"chosen by {where}", terminal or Terminal())
        if where != "the setting":
            break
    if environment.get("NO_COLOR"):
        return Choice("ascii", "NO_COLOR is set", terminal or Terminal())
    if terminal is None:
        return Choice("quadrants", "there is no terminal")
    return Choice(*_fitting(terminal), terminal)


def is_decided(environment: Mapping[str, str], option: str = "", setting: str = AUTO) -> bool:
    """Whether the terminal need not be asked, because text was chosen."""
    wanted = option or environment.get(VARIABLE, "") or setting
    return wanted in WAYS or (wanted in ("", AUTO) and bool(environment.get("NO_COLOR")))


def chosen_here(option: str = "", setting: str = AUTO) -> Choice:
    """Ask the terminal, unless that is of no use, and choose. UsageError as in :func:`choose`."""
    choose(None, os.environ, option)
    if is_decided(os.environ, option, setting):
        return choose(understood(os.environ), os.environ, option, setting)
    with asking(os.environ) as question:
        reply = b"" if question is None else question.answers()
    return choose(understood(os.environ, reply, cell_of(window(0))), os.environ, option, setting)

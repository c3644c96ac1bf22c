"""The app's own two themes, and which of them fits the terminal.

Every colour of text here has a contrast of at least 4.5 against every colour that it is shown on (WCAG 2.2, 1.4.3),
that of disabled text 3; a test computes it on all screens. One colour shows what has the focus, another the keys; the
colours of states always stand beside a sign.
"""

from __future__ import annotations

from rich.color import Color as RichColor
from rich.segment import Segment
from rich.style import Style
from textual.color import Color
from textual.filter import LineFilter
from textual.theme import Theme
from typing_extensions import override

from kanatui.core.harmless import visible

FITTING = "auto"
"""The setting for the theme that fits the terminal."""

PLAIN = "ansi-dark"
"""The theme for NO_COLOR: the terminal's own two colours."""


_REVERSE = Style(reverse=True)
_BLACK, _WHITE = RichColor.from_ansi(0), RichColor.from_ansi(7)


def _theme(
    name: str,
    dark: bool,
    *,
    ground: tuple[str, str, str],
    text: tuple[str, str, str],
    focus: str,
    keys: str,
    states: tuple[str, str, str],
    cursors: tuple[str, str],
    lines: tuple[str, str],
) -> Theme:
    """Make a theme.

    Args:
        name: as it is chosen.
        dark: whether its background is dark.
        ground: the colours behind text: of the screen, of fields, of bars.
        text: the colours of text: normal, secondary, disabled.
        focus: the colour of what has the focus.
        keys: the colour of keys.
        states: the colours of success, warning and error.
        cursors: the background of the line under the cursor, with the focus and without.
        lines: the colours of the borders without the focus, and of scroll bars.
    """
    background, surface, panel = ground
    foreground, muted, disabled = text
    success, warning, error = states
    return Theme(
        name=name,
        dark=dark,
        primary=focus,
        secondary=keys,
        accent=focus,
        foreground=foreground,
        background=background,
        surface=surface,
        panel=panel,
        success=success,
        warning=warning,
        error=error,
        variables={
            "text": foreground,
            "text-muted": muted,
            "text-disabled": disabled,
            "text-primary": focus,
            "text-secondary": keys,
            "text-accent": focus,
            "text-success": success,
            "text-warning": warning,
            "text-error": error,
            "foreground-muted": muted,
            "foreground-disabled": disabled,
            "border": focus,
            "border-blurred": lines[0],
            "block-cursor-background": cursors[0],
            "block-cursor-foreground": foreground,
            "block-cursor-text-style": "bold",
            "block-cursor-blurred-background": cursors[1],
            "block-cursor-blurred-foreground": foreground,
            "block-hover-background": cursors[1],
            "footer-foreground": muted,
            "footer-background": panel,
            "footer-key-foreground": keys,
            "button-foreground": foreground,
            "button-color-foreground": background,
            "input-selection-background": cursors[0],
            "input-selection-foreground": foreground,
            "scrollbar": lines[1],
            "scrollbar-hover": muted,
            "scrollbar-active": focus,
            "scrollbar-background": surface,
            "scrollbar-corner-color": surface,
            "scrollbar-background-hover": surface,
            "scrollbar-background-active": surface,
            "link-color": focus,
        },
    )


DARK = _theme(
    "kanatui-dark",
    True,
    ground=("#15171c", "#1d2027", "#272b34"),
    text=("#e6e8ed", "#b0b6c2", "#868d9b"),
    focus="#6cb8ff",
    keys="#cbaaff",
    states=("#82d48f", "#f2b05e", "#ff8a92"),
    cursors=("#1f3f63", "#2b303b"),
    lines=("#454b58", "#5a6170"),
)
LIGHT = _theme(
    "kanatui-light",
    False,
    ground=("#fafbfc", "#eff1f5", "#e3e7ee"),
    text=("#1a2130", "#4a5263", "#6c7483"),
    focus="#0a58a8",
    keys="#6a32ad",
    states=("#1a6431", "#7d4a00", "#a81c2a"),
    cursors=("#cfe2f8", "#dde1e9"),
    lines=("#b4bac6", "#939baa"),
)
OURS = (DARK, LIGHT)


class Harmless(LineFilter):
    """Keeps what others wrote from commanding the terminal, whatever shows it: escape sequences, marks of direction.

    Texts that are known to be foreign are made :func:`~kanatui.core.harmless.harmless` before, so that one can see it.
    """

    @override
    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        """Leave out what takes no cells; segments that control the terminal are Textual's own."""
        return [
            segment
            if segment.control or (segment.text.isascii() and segment.text.isprintable())
            else Segment(visible(segment.text), segment.style)
            for segment in segments
        ]


class Reversing(LineFilter):
    """Shows the cursor's line in reverse where there are no colours.

    Textual's plain themes paint it black on white, it leaves out ``reverse`` from lines of lists, and its filter for
    NO_COLOR then removes the colours: nothing is left of the cursor.
    """

    @override
    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        """Add ``reverse`` to segments in black on white."""
        return [
            Segment(segment.text, segment.style + _REVERSE, segment.control)
            if segment.style is not None and _is_black_on_white(segment.style)
            else segment
            for segment in segments
        ]


def _is_black_on_white(style: Style) -> bool:
    return style.color == _BLACK and style.bgcolor == _WHITE


def fitting(light: bool | None) -> str:
    """Return the name of the theme that fits a terminal with a light background; the dark one if that is not known."""
    return LIGHT.name if light else DARK.name

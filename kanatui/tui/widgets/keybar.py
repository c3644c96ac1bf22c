"""The line at the bottom of every screen: the keys that work here.

Textual's own footer is one widget per key, made again whenever the focus moves: 17 of the 74 ms of a change of
screens (120×40, two AMD Zen 5 cores). This one is a single line of text. If it is too narrow for all keys, it
keeps the one that shows the rest.
"""

from __future__ import annotations

import dataclasses
import string
from collections.abc import Iterator, Sequence
from typing import ClassVar

from rich.cells import cell_len
from textual import events
from textual.binding import Binding
from textual.content import Content
from textual.keys import key_to_character
from textual.screen import Screen
from textual.style import Style
from textual.widget import Widget
from typing_extensions import override

_KEPT = "keys"
"""The action whose key is always shown, however narrow the line is."""


_LETTERS = frozenset(string.ascii_letters)
"""Keys that a field takes, also where the binding has a second key that the field does not take."""


@dataclasses.dataclass(frozen=True)
class _Key:
    pressed: str
    shown: str
    does: str
    kept: bool
    enabled: bool

    @property
    def width(self) -> int:
        return cell_len(self.shown) + 1 + cell_len(self.does)


class KeyBar(Widget):
    """Shows the keys of the focused widget, the screen and the app; a click on a key presses it."""

    ALLOW_SELECT = False
    COMPONENT_CLASSES: ClassVar[set[str]] = {"keybar--key", "keybar--off"}

    def __init__(self) -> None:
        super().__init__()
        self._keys: tuple[_Key, ...] = ()

    def on_mount(self) -> None:
        self.screen.bindings_updated_signal.subscribe(self, self._follow)

    def _follow(self, screen: Screen[object]) -> None:
        keys = tuple(self._shown(screen))
        if keys != self._keys:
            self._keys = keys
            self.refresh()

    def _shown(self, screen: Screen[object]) -> Iterator[_Key]:
        """Yield a key for each action that is to be shown: those of the focused widget first, of the app last.

        A key that would be typed into the focused field is not shown: it does nothing else there.
        """
        seen = set()
        for key, (_, binding, enabled, _) in screen.active_bindings.items():
            letter = binding.key_display if binding.key_display in _LETTERS else key
            typed = not binding.priority and _is_typed(screen.focused, letter)
            if binding.show and not typed and binding.action not in seen:
                seen.add(binding.action)
                yield self._key(binding, enabled)

    def _key(self, binding: Binding, enabled: bool) -> _Key:
        shown = self.app.get_key_display(binding)
        return _Key(binding.key, shown, binding.description, binding.action == _KEPT, enabled)

    @override
    def render(self) -> Content:
        """Yield as many keys as there is room for."""
        bright = self.get_visual_style("keybar--key", partial=True)
        off = self.get_visual_style("keybar--off", partial=True)
        parts = []
        for key in _fitting(self._keys, self.size.width):
            click = Style.from_meta({"key": key.pressed})
            parts.append(Content.assemble((f"{key.shown} ", bright), key.does).stylize(click))
            if not key.enabled:
                parts[-1] = parts[-1].stylize(off)
        return Content("  ").join(parts)

    def on_click(self, event: events.Click) -> None:
        """Press the key that was clicked."""
        if key := event.style.meta.get("key"):
            self.app.simulate_key(key)


def _is_typed(focused: Widget | None, key: str) -> bool:
    return focused is not None and focused.check_consume_key(key, key_to_character(key))


def _fitting(keys: Sequence[_Key], width: int) -> list[_Key]:
    """Return the keys that there is room for, in order; the key that is always shown gets its room first."""
    gap = 2
    left = width + gap - sum(key.width + gap for key in keys if key.kept)
    chosen = []
    for key in keys:
        if not key.kept:
            left -= key.width + gap
        if key.kept or left >= 0:
            chosen.append(key)
    return chosen

"""Handles keys one after the other, in the order in which they were pressed.

Textual forwards each key to the focused widget at once. A letter is typed there, but a key that is bound, such as
backspace or tab, first bubbles to the app, so in a burst, as a slow link delivers it, all letters come first: from
⌫⌫2500 an empty field, from 12⇥34 a field with 1234.
"""

from __future__ import annotations

from collections import deque
from typing import Any

from textual import events, on
from textual.app import App
from textual.message import Message
from textual.timer import Timer
from typing_extensions import override

_LOOK_EVERY = 0.1
"""Seconds between looks at whether the widget that got a key is still there."""
_MOST_LOOKS = 50
"""Looks after which the next key no longer waits, because a widget on the way is waiting for something itself. On a
machine so busy that a hop takes 0.2 s, letting it go after half a second mixed up the keys of a burst."""


class _Handled(Message):
    """Follows a key on its way from the focused widget to the app; once it arrives there, the key has been handled."""


class OrderedKeys(App[None]):
    """An app that handles keys in their order."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._keys: deque[events.Key] = deque()
        self._under_way: _Handled | None = None
        self._watch: Timer | None = None

    @override
    async def on_event(self, event: events.Event) -> None:
        """Let a key wait while the one before it is under way."""
        if not isinstance(event, events.Key) or event.is_forwarded:
            await super().on_event(event)
        elif self._under_way is not None:
            self._keys.append(event)
        else:
            await self._handle(event)

    async def _handle(self, key: events.Key) -> None:
        target = self.focused or self.screen
        looks = 0

        def look() -> None:
            nonlocal looks
            looks += 1
            if not target.is_attached or looks == _MOST_LOOKS:
                self.post_message(handled)

        await super().on_event(key)
        self._under_way = handled = _Handled()
        target.post_message(handled)
        self._watch = self.set_interval(_LOOK_EVERY, look)

    @on(_Handled)
    async def _next_key(self, event: _Handled) -> None:
        if event is not self._under_way:
            return  # it came after all, when the next key no longer waited for it
        self._under_way = None
        if self._watch is not None:
            self._watch.stop()
        if self._keys:
            await self._handle(self._keys.popleft())

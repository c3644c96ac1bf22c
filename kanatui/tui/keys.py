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

_PATIENCE = 0.5
"""Seconds after which the next key no longer waits: a widget on the way may be gone, or be waiting itself."""


class _Handled(Message):
    """Follows a key on its way from the focused widget to the app; once it arrives there, the key has been handled."""


class OrderedKeys(App[None]):
    """An app that handles keys in their order."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._keys: deque[events.Key] = deque()
        self._under_way: _Handled | None = None
        self._patience: Timer | None = None

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
        await super().on_event(key)
        self._under_way = handled = _Handled()
        target.post_message(handled)
        self._patience = self.set_timer(_PATIENCE, lambda: self.post_message(handled))

    @on(_Handled)
    async def _next_key(self, event: _Handled) -> None:
        if event is not self._under_way:
            return  # it arrived after the patience had ended, or the other way round
        self._under_way = None
        if self._patience is not None:
            self._patience.stop()
        if self._keys:
            await self._handle(self._keys.popleft())

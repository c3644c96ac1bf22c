"""One key after the other: a key waits until all that the key before it does has been done.

Textual takes a key as soon as it arrives, and that mixes up what is typed faster than the app follows:

- A letter is typed into a field at once, but a key that is bound, such as backspace or tab, first bubbles to the app.
  So from ⌫⌫2500, as a slow link delivers it, comes an empty field, and from 12⇥34 a field with 1234.
- While a dialog or a screen is still on its way, a key that is typed ahead acts on the screen below, where the same
  letter may mean something else: ``3`` and ``e``, meant to evaluate, tell a training to stop after its epoch.

With this order keys do what they do when they are typed slowly.
"""

from __future__ import annotations

import asyncio
import functools
import time
from collections import deque
from collections.abc import Callable
from typing import Any, Concatenate, ParamSpec, TypeVar, cast

from textual import events
from textual.app import App
from textual.message_pump import MessagePump
from textual.screen import Screen
from textual.widget import Widget
from textual.widgets import Input
from textual.worker import Worker
from typing_extensions import override

_LONGEST = 10.0
"""Seconds after which a key is taken although the one before it is not done: Ctrl-Q has to work in any case."""
_LOOK = 0.01
_MOST = 500
"""Keys to keep at most; later ones are lost."""

P = ParamSpec("P")
T = TypeVar("T")
N = TypeVar("N", bound=MessagePump)


class KeyOrder:
    """The keys that wait, and what they wait for."""

    def __init__(self, app: App[Any]) -> None:
        self._app = app
        self._waiting: deque[events.Event] = deque()
        self._taken: events.Event | None = None
        self._opening: list[Worker[Any]] = []
        self._unpainted: Screen[Any] | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def waiting(self) -> int:
        """How many keys wait."""
        return len(self._waiting) + (self._taken is not None)

    @property
    def busy(self) -> bool:
        """Whether the next key would wait."""
        return self._task is not None

    def may_go(self, event: events.Event) -> bool:
        """Return whether a key may be handled now; if not, it comes again once it may."""
        if event is self._taken:
            self._taken = None
            return True
        if self._task is None:
            return True
        if len(self._waiting) < _MOST:
            self._waiting.append(event)
        return False

    def gone(self, event: events.Event, focused: Widget | None) -> None:
        """Keep the next keys back until all that this one does, for the widget that had the focus, has been done."""
        if isinstance(focused, Input) and isinstance(event, events.Key) and event.is_printable and self._task is None:
            return  # it only writes; what is pasted as keys would take long otherwise
        self.hold(focused or self._app.screen)

    def hold(self, node: MessagePump | None = None) -> None:
        """Keep keys back until a widget and all above it have no more messages, and what is opening is painted."""
        if self._task is not None:
            self._task.cancel()
        self._task = asyncio.create_task(self._release(node or self._app))

    def hold_for(self, worker: Worker[Any]) -> None:
        """Keep keys back until a worker has opened a dialog or ended."""
        self._opening.append(worker)
        if self._task is None:
            self.hold()

    def opened(self, screen: Screen[Any]) -> None:
        """Keep keys back until a screen that was opened just now is painted."""
        self._opening.clear()  # now the worker waits for the answer
        self._unpainted = screen
        if not screen.call_after_refresh(self._painted, screen):
            self._painted(screen)
        if self._task is None:
            self.hold()

    def _painted(self, screen: Screen[Any]) -> None:
        if screen is self._unpainted:
            self._unpainted = None

    async def _release(self, node: MessagePump) -> None:
        deadline = time.monotonic() + _LONGEST
        for _ in range(2):  # the key bubbles up to the app; then the messages that it has caused bubble up
            await _emptied(node, deadline)
        while self._is_opening() and time.monotonic() < deadline:
            await asyncio.sleep(_LOOK)
        self._opening.clear()
        self._unpainted = None
        self._task = None
        if self._waiting:
            self._taken = self._waiting.popleft()
            self._task = asyncio.current_task()  # the keys behind it wait until it has gone
            self._app.post_message(self._taken)

    def _is_opening(self) -> bool:
        self._opening = [worker for worker in self._opening if not (worker.is_finished or worker.is_cancelled)]
        return bool(self._opening) or self._unpainted is not None


class OrderedKeys(App[None]):
    """An app that handles keys in their order."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.key_order = KeyOrder(self)

    @override
    async def on_event(self, event: events.Event) -> None:
        """Let a key wait while the one before it is under way."""
        if not isinstance(event, events.Key | events.Paste) or event.is_forwarded:
            await super().on_event(event)
        elif self.screen_stack and self.key_order.may_go(event):  # there are no screens while the app closes
            focused = self.focused
            await super().on_event(event)
            self.key_order.gone(event, focused)

    @override
    def push_screen(self, screen: Any, *arguments: Any, **options: Any) -> Any:
        """Push a screen; the next key waits until it is painted."""
        pushed = super().push_screen(screen, *arguments, **options)
        self.key_order.opened(self.screen)
        return pushed


async def _emptied(node: MessagePump | None, deadline: float) -> None:
    """Wait until a widget, and each above it up to the app, has handled what is in its queue and what came of it."""
    loop = asyncio.get_running_loop()
    while node is not None:
        for _ in range(2):
            reached = loop.create_future()
            if not node.call_later(_set, reached):
                break
            while not reached.done() and node.is_running and time.monotonic() < deadline:
                await asyncio.wait([reached], timeout=_LOOK)
        node = node._parent


def _set(reached: asyncio.Future[None]) -> None:
    if not reached.done():
        reached.set_result(None)


def asks(start: Callable[Concatenate[N, P], Worker[T]]) -> Callable[Concatenate[N, P], Worker[T]]:
    """Mark a worker that opens a dialog or a screen: keys that are typed meanwhile wait for it.

    Stands above ``@work``.
    """

    @functools.wraps(start)
    def starting(self: N, /, *arguments: P.args, **options: P.kwargs) -> Worker[T]:
        worker = start(self, *arguments, **options)
        cast(Any, self.app).key_order.hold_for(worker)
        return worker

    return starting

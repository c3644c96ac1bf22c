"""Reads the terminal's input, whatever bytes it sends.

Textual's own reader decodes strictly: one byte that is not UTF-8 ends its thread, and with it the app. So does a key
report that it cannot parse, such as ``ESC [ 97 ; 1 : 3 u``.
"""

from __future__ import annotations

import codecs
import os
import selectors
from collections.abc import Callable, Iterable

from textual import events
from textual._xterm_parser import XTermParser
from textual.drivers.linux_driver import LinuxDriver
from textual.message import Message
from typing_extensions import override

from kanatui.tui.host import host

_AT_ONCE = 4096
"""Bytes to read at once."""
_TICK = 0.1
"""Seconds after which the parser takes an escape that nothing follows for the key."""

_OLD_MOUSE = b"\x1b[M"
"""Introduces a mouse report in the old form: three bytes follow, each 32 more than its value."""
_OLD_MOUSE_VALUES = 3

_TRAIL = range(0x40, 0x7F)
"""The ASCII characters that may be the second byte of a character in Shift-JIS (JIS X 0208, annex 1), Big5 or GBK."""


def _skip(error: UnicodeError) -> tuple[str, int]:
    """Skip bytes that are not UTF-8, and a letter that belongs to them: ア is ``83 41`` in Shift-JIS, not the key A."""
    assert isinstance(error, UnicodeDecodeError)
    follows = error.object[error.end : error.end + 1]
    return "", error.end + (1 if follows and follows[0] in _TRAIL else 0)


codecs.register_error("kanatui-keys", _skip)


class InputDecoder:
    """Decodes input in parts of any size; what is not UTF-8 is left out."""

    def __init__(self) -> None:
        self._utf8 = codecs.getincrementaldecoder("utf-8")("kanatui-keys")
        self._known = 0
        self._values = 0

    def decode(self, data: bytes) -> str:
        """Decode the next bytes.

        The values of an old mouse report become spaces, because above 95 they are no ASCII, and two of them may look
        like one character in UTF-8. The parser ignores the report, which a terminal sends if it has forgotten that the
        app asked for the new form.
        """
        return self._utf8.decode(bytes(map(self._without_values, data)))

    def _without_values(self, byte: int) -> int:
        if self._values:
            self._values -= 1
            return ord(" ")
        self._known = self._known + 1 if byte == _OLD_MOUSE[self._known] else int(byte == _OLD_MOUSE[0])
        if self._known == len(_OLD_MOUSE):
            self._known, self._values = 0, _OLD_MOUSE_VALUES
        return byte


class InputParser:
    """Makes events of decoded input; what Textual's parser fails on is left out."""

    def __init__(self) -> None:
        self._parser = XTermParser()

    def feed(self, text: str) -> list[Message]:
        """Return the events of some input."""
        return [event for character in text for event in self._caught(self._parser.feed, character)]

    def tick(self) -> list[Message]:
        """Return what has waited long enough for the rest of a sequence; call this ten times a second."""
        return self._caught(self._parser.tick)

    def _caught(self, parse: Callable[..., Iterable[Message]], *arguments: str) -> list[Message]:
        try:
            return [event for event in parse(*arguments) if not _is_no_text(event)]
        except Exception:  # noqa: BLE001  # ValueError and OverflowError are known; a new parser can go on after any
            self._parser = XTermParser()
            return []


def _is_no_text(event: Message) -> bool:
    """Return whether it is a key with a half of a UTF-16 pair, which no file and no terminal can take."""
    return isinstance(event, events.Key) and any("\ud800" <= part <= "\udfff" for part in event.character or "")


class TolerantDriver(LinuxDriver):
    """Textual's driver with a reader that no input can end, which also paints pictures over cells."""

    @override
    def write(self, data: str) -> None:
        """Write to the terminal, a whole frame at a time, and the frame's pictures after it."""
        super().write(host(self._app).pictures.painted(data))

    @override
    def run_input_thread(self) -> None:
        """Read until the app leaves; leave the app if the terminal is gone."""
        decoder, parser = InputDecoder(), InputParser()
        with selectors.SelectSelector() as selector:
            selector.register(self.fileno, selectors.EVENT_READ)
            while not self.exit_event.is_set():
                if selector.select(_TICK):
                    data = self._read()
                    if not data:
                        self._loop.call_soon_threadsafe(self._app.exit)
                        return
                    for event in parser.feed(decoder.decode(data)):
                        self.process_message(event)
                for event in parser.tick():
                    self.process_message(event)

    def _read(self) -> bytes:
        try:
            return os.read(self.fileno, _AT_ONCE)
        except OSError:
            return b""

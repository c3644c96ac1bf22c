"""Pictures by Kitty's graphics protocol, with Unicode placeholders.

A picture is sent once, under a number. Wherever placeholder characters with that number as their colour are painted,
the terminal shows the picture's parts. They are text, so they scroll, are overlapped and cut off like any other text.
(https://sw.kovidgoyal.net/kitty/graphics-protocol/#unicode-placeholders)
"""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator

from kanatui.core.blocks import Pixels

_PLACEHOLDER = "\U0010eeee"
_CHUNK = 4096
"""Bytes of base64 that one escape sequence may hold."""

_RANGES = (
    (0x0305, 0x0305), (0x030D, 0x030E), (0x0310, 0x0310), (0x0312, 0x0312), (0x033D, 0x033F), (0x0346, 0x0346),
    (0x034A, 0x034C), (0x0350, 0x0352), (0x0357, 0x0357), (0x035B, 0x035B), (0x0363, 0x036F), (0x0483, 0x0487),
    (0x0592, 0x0595), (0x0597, 0x0599), (0x059C, 0x05A1), (0x05A8, 0x05A9), (0x05AB, 0x05AC), (0x05AF, 0x05AF),
    (0x05C4, 0x05C4), (0x0610, 0x0617), (0x0657, 0x065B), (0x065D, 0x065E), (0x06D6, 0x06DC), (0x06DF, 0x06E2),
    (0x06E4, 0x06E4), (0x06E7, 0x06E8), (0x06EB, 0x06EC), (0x0730, 0x0730), (0x0732, 0x0733), (0x0735, 0x0736),
    (0x073A, 0x073A), (0x073D, 0x073D), (0x073F, 0x0741), (0x0743, 0x0743), (0x0745, 0x0745), (0x0747, 0x0747),
    (0x0749, 0x074A), (0x07EB, 0x07F1), (0x07F3, 0x07F3), (0x0816, 0x0819), (0x081B, 0x0823), (0x0825, 0x0827),
    (0x0829, 0x082D),
)  # fmt: skip
NUMERALS = "".join(chr(code) for first, last in _RANGES for code in range(first, last + 1))
"""The combining characters that stand for the numbers of rows and columns, from 0 on; the protocol has more of them."""

MOST = len(NUMERALS)
"""The most columns, and lines, of a picture."""


def transmission(image: Pixels, number: int, columns: int, lines: int, tmux: bool = False) -> str:
    """Return what sends uint8 [H, W] to the terminal, to be shown on some cells wherever its placeholders are.

    Args:
        image: of any size; the terminal scales it.
        number: 1 … 2²⁴ - 1, by which placeholders refer to it.
        columns: at most :data:`MOST`, like ``lines``.
        lines: see above.
        tmux: whether tmux has to pass it through.
    """
    data = base64.standard_b64encode(png(image)).decode("ascii")
    keys = f"a=T,U=1,q=2,f=100,i={number},c={columns},r={lines}"
    return "".join(_passed(chunk, tmux) for chunk in _chunks(keys, data))


def _chunks(keys: str, data: str) -> Iterator[str]:
    for start in range(0, len(data), _CHUNK):
        more = start + _CHUNK < len(data)
        first = f"{keys},m={int(more)}" if start == 0 else f"q=2,m={int(more)}"
        yield f"\x1b_G{first};{data[start : start + _CHUNK]}\x1b\\"


def deletion(number: int, tmux: bool = False) -> str:
    """Return what makes the terminal forget a picture."""
    return _passed(f"\x1b_Ga=d,d=I,q=2,i={number}\x1b\\", tmux)


def placeholders(columns: int, lines: int) -> list[str]:
    """Return the cells of a picture, line by line.

    Every cell names its row and its column. The protocol would let a cell go on from its left neighbour, but Textual
    may repaint any cell without its neighbours.
    """
    return [
        "".join(f"{_PLACEHOLDER}{NUMERALS[line]}{NUMERALS[column]}" for column in range(columns))
        for line in range(lines)
    ]


def colour(number: int) -> tuple[int, int, int]:
    """Return the red, green and blue by which placeholders name their picture."""
    return number >> 16 & 255, number >> 8 & 255, number & 255


def _passed(sequence: str, tmux: bool) -> str:
    return "\x1bPtmux;" + sequence.replace("\x1b", "\x1b\x1b") + "\x1b\\" if tmux else sequence


def png(image: Pixels) -> bytes:
    """Return uint8 [H, W] as a file in the format PNG."""
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(image).save(file, format="PNG")
    return file.getvalue()

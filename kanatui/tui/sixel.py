"""Grey pictures as Sixel, the graphics of DEC's terminals.

Six rows of pixels make a band. A band is written once for each grey: a character for each column says which of its six
pixels have that grey (VT330/VT340 Programmer Reference Manual, volume 2, chapter 14).
"""

from __future__ import annotations

import re

import numpy as np

from kanatui.core.blocks import Pixels

MOST_GREYS = 16
"""The colours that a VT340 has, and xterm when it behaves as one."""

_ROWS = 6
_NONE = 255
_EQUAL = re.compile(rb"([?-~])\1{3,}")
"""Columns that are shorter as a repetition."""


def sixel(image: Pixels, greys: int = MOST_GREYS) -> str:
    """Return the control string that paints uint8 [H, W] from the cursor on, one pixel of the terminal for each.

    Args:
        image: the picture.
        greys: how many greys it is rounded to, 2 … :data:`MOST_GREYS`.
    """
    height, width = image.shape
    steps = np.rint(image * ((greys - 1) / 255)).astype(np.uint8)
    bands = np.pad(steps, ((0, -height % _ROWS), (0, 0)), constant_values=_NONE).reshape(-1, _ROWS, width)
    bits = (1 << np.arange(_ROWS, dtype=np.uint8))[:, None]
    used = np.unique(steps).tolist()
    columns = [(((bands == grey) * bits).sum(axis=1, dtype=np.uint8) + ord("?")).astype(np.uint8) for grey in used]
    lines = (
        b"$".join(
            b"#%d%b" % (grey, line)
            for grey, each in zip(used, columns, strict=True)
            if (line := each[band].tobytes().rstrip(b"?"))
        )
        for band in range(len(bands))
    )
    data = _EQUAL.sub(lambda match: b"!%d%b" % (len(match[0]), match[1]), b"-".join(lines)).decode("ascii")
    percent = (round(grey * 100 / (greys - 1)) for grey in used)
    palette = "".join(f"#{grey};2;{p};{p};{p}" for grey, p in zip(used, percent, strict=True))
    return f'\x1bP0;1;0q"1;1;{width};{height}{palette}{data}\x1b\\'

"""Benchmark of large character sets: planning and drawing the masters of 3,000 kanji."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from pathlib import Path

from kanatui.cli.bench.figures import Figure
from kanatui.cli.bench.process import own_home
from kanatui.dataset.recipe import find_recipe
from kanatui.dataset.source import OnStage
from kanatui.dataset.stream import GlyphStream
from kanatui.plugins.registry import load

_KANJI = "U+4E00-U+59B7"  # 3,000 code points
_FACE = "noto-sans-cjk-jp-medium"


def measure_charset(on_stage: OnStage) -> list[Figure]:
    """Measure planning a recipe of 3,000 kanji and drawing their masters, starting with an empty cache.

    Raises:
        KanatuiError: the face is not installed, or drawing fails.
    """
    recipe = find_recipe("article").but(characters=_KANJI, faces=[_FACE], image_size=64)
    seconds = []
    with own_home(cached=False) as home, _at(home):
        for done in range(3):
            on_stage(done, 4, "3,000 kanji")
            started = time.perf_counter()
            stream = GlyphStream(recipe, load())
            seconds.append(time.perf_counter() - started)
        started = time.perf_counter()
        stream.prepare()
        drawing = time.perf_counter() - started
        on_stage(4, 4, "3,000 kanji")
    drawn = len(stream.characters)
    about = f"{drawn:,} characters of {_FACE}"
    return [
        Figure("plan of 3,000 kanji", seconds[-1], "s", 2.0, note=f"{about}, {len(stream):,} images"),
        Figure("the same, with the face never seen before", seconds[0], "s", note="every glyph is drawn once"),
        Figure("masters of 3,000 kanji", drawn / drawing, "glyphs/s", least=300.0, note=f"{about}, 192 px per em"),
    ]


@contextlib.contextmanager
def _at(home: Path) -> Iterator[None]:
    """Set ``KANATUI_HOME`` to ``home`` within the block."""
    before = os.environ.get("KANATUI_HOME")
    os.environ["KANATUI_HOME"] = str(home)
    try:
        yield
    finally:
        if before is None:
            del os.environ["KANATUI_HOME"]
        else:
            os.environ["KANATUI_HOME"] = before

"""Reads drawings with a model, which runs in an engine process beside the app."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kanatui.kana.alphabet import KANA, SETS
from kanatui.tui.draw.readings import Reading

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from kanatui.engine.client import Engine
    from kanatui.pictures.drawing import Drawing, Pixels

_ALL, _HIRAGANA, _KATAKANA = "kana", "hiragana", "katakana"

_PICTURE = 64
"""Pixels per side of a character's picture, enough for the largest place that shows one."""


class Reader:
    """Reads drawings with a model, as all kana that it knows or as those of one script.

    Every method that asks the engine raises EngineError; its subclass Superseded means that a newer request
    replaced this one.
    """

    def __init__(self, engine: Callable[[], Engine]) -> None:
        """Set up; ``engine`` is called for every request."""
        self._engine = engine
        self.model = ""
        """Reference of the model in use; "" if there is none."""
        self.known = ""
        """The model's characters, "" until it is loaded."""
        self._script = _ALL

    async def load(self) -> None:
        """Load the model and its characters."""
        answer = await self._engine().ask("reader", slot="reader", model=self.model)
        self.known = str(answer.data["characters"])

    async def read(self, drawing: Drawing) -> tuple[list[Reading], str]:
        """Return the most likely characters, best first, and what to ask if the drawing may be no character at all."""
        characters = None if self._script == _ALL else self.candidates
        answer = await self._engine().ask(
            "recognize", slot="recognize", model=self.model, drawing=drawing.to_data(), characters=characters
        )
        return [Reading(**reading) for reading in answer.data["readings"]], str(answer.data["doubt"])

    async def pictures(self) -> Mapping[str, Pixels]:
        """Return a picture, uint8 [64, 64], of every kana; empty if no font is installed."""
        answer = await self._engine().ask("glyphs", characters=KANA, side=_PICTURE)
        return dict(zip(answer.data["characters"], answer.arrays["images"], strict=True))

    @property
    def candidates(self) -> str:
        """The characters a drawing may be read as, in script order."""
        known = self.known or KANA
        return known if self._script == _ALL else "".join(c for c in SETS[self._script] if c in known)

    @property
    def typed_script(self) -> str:
        """The script to use for typed romaji that could be either."""
        return _KATAKANA if self._script == _KATAKANA else _HIRAGANA

    @property
    def restriction(self) -> str:
        """The restriction in words: all kana, or one script only."""
        return "all kana" if self._script == _ALL else f"{self._script} only"

    def switch_script(self) -> None:
        """Switch from all kana to hiragana, katakana and back, skipping a script that the model does not know."""
        known = set(self.known or KANA)
        scripts = [script for script in (_ALL, _HIRAGANA, _KATAKANA) if set(SETS[script]) & known]
        place = scripts.index(self._script) if self._script in scripts else 0
        self._script = scripts[(place + 1) % len(scripts)]

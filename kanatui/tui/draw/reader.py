"""The model that reads what is drawn; it works in an engine, beside the app."""

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
"""Pixels of a character's picture: as many as the largest place for it shows."""


class Reader:
    """Reads drawings by a model, as any kana that it knows or as those of one script.

    Every method that asks the engine raises EngineError, of which Superseded says that it was asked something else
    meanwhile.
    """

    def __init__(self, engine: Callable[[], Engine]) -> None:
        """Set up; ``engine`` is called whenever something is to be asked."""
        self._engine = engine
        self.model = ""
        """The model that reads, by its reference; "" if there is none."""
        self.known = ""
        """The characters of the model, "" until it is loaded."""
        self._script = _ALL

    async def load(self) -> None:
        """Get the model ready to read."""
        answer = await self._engine().ask("reader", slot="reader", model=self.model)
        self.known = str(answer.data["characters"])

    async def read(self, drawing: Drawing) -> list[Reading]:
        """Return the likeliest characters, the likeliest first."""
        characters = None if self._script == _ALL else self.candidates
        answer = await self._engine().ask(
            "recognize", slot="recognize", model=self.model, drawing=drawing.to_data(), characters=characters
        )
        return [Reading(**reading) for reading in answer.data["readings"]]

    async def pictures(self) -> Mapping[str, Pixels]:
        """Return a picture, uint8 [64, 64], of every kana; of none where no font is installed."""
        answer = await self._engine().ask("glyphs", characters=KANA, side=_PICTURE)
        return dict(zip(answer.data["characters"], answer.arrays["images"], strict=True))

    @property
    def candidates(self) -> str:
        """The characters that a drawing may be, in the order of the script."""
        known = self.known or KANA
        return known if self._script == _ALL else "".join(c for c in SETS[self._script] if c in known)

    @property
    def typed_script(self) -> str:
        """Which script romaji stand for that may stand for either."""
        return _KATAKANA if self._script == _KATAKANA else _HIRAGANA

    @property
    def restriction(self) -> str:
        """What drawings may be, in words."""
        return "all kana" if self._script == _ALL else f"{self._script} only"

    def switch_script(self) -> None:
        """Go on from all kana to hiragana, katakana and back, past a script that the model does not know."""
        known = set(self.known or KANA)
        scripts = [script for script in (_ALL, _HIRAGANA, _KATAKANA) if set(SETS[script]) & known]
        place = scripts.index(self._script) if self._script in scripts else 0
        self._script = scripts[(place + 1) % len(scripts)]

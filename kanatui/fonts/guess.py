"""What a font says of itself, and a guess at what it does not say: style and weight.

The guesses are for people to correct (``--style``, ``--weight``): they decide nothing but which group a face is in.
Tuned on the 39 faces of ``fonts.toml``: by its strokes alone, 35 get the style that is listed there, and by what the
font says and its strokes, all but two get the listed weight or one next to it.
"""

from __future__ import annotations

import dataclasses
import re
import unicodedata
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from kanatui.fonts.faces import WEIGHTS
from kanatui.fonts.likeness import Look

if TYPE_CHECKING:
    from fontTools.ttLib import TTFont

_REGULAR = 400  # also what fonts say that do not know
_LONGEST = 60  # characters of an id or a licence

_LICENCES = {
    r"SIL Open Font|scripts\.sil\.org/OFL|openfontlicense|\bOFL\b": "OFL-1.1",
    r"Apache": "Apache-2.0",
    r"IPA Font|licenses/IPA|IPAフォント": "IPA",
    r"public domain|CC0|パブリックドメイン": "public-domain",
    r"CC[- ]BY[- ]SA|Attribution-ShareAlike|licenses/by-sa": "CC-BY-SA",
    r"CC[- ]BY\b|licenses/by/": "CC-BY",
    r"\bMIT\b": "MIT",
    r"M\+ FONT|mplus": "M+",
    r"GPL|GNU General Public": "GPL",
}
_RESTRICTED = 2  # `fsType` in a font's OS/2 table: may not be embedded or passed on

_WORDS = {
    "brush": r"brush|fude|mou?hitsu|kaisho|gyo?u?sho|so?u?sho|reisho|筆|毛筆|楷書|行書|草書|隷書",
    "handwriting": r"hand|pen\b|tegaki|handwrit|kyo?u?kasho|klee|手書|教科書|ペン",
    "mincho": r"mincho|serif|明朝",
    "gothic": r"gothic|sans|ゴシック",
}
_CATEGORIES = {"handwriting": "handwriting", "serif": "mincho"}
"""Those of a package that say a style; ``sans-serif`` and ``display`` hold all kinds."""

# Of strokes: see `Strokes`. Print and pens have even strokes, mincho and brushes do not; print is level.
_UNEVEN, _RISING, _BRUSH = 0.17, 0.012, 0.12
_LEVEL_CHARACTERS = "ニエヨユ"
_THICKNESS = ((0.03, "thin"), (0.042, "extralight"), (0.055, "light"), (0.105, "regular"), (0.125, "medium"),
              (0.135, "semibold"), (0.16, "bold"), (0.18, "extrabold"))  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Names:
    """What a font's tables say."""

    family: str
    subfamily: str
    """Regular, Bold, …"""
    licence: str
    """A short name, or ""."""
    weight_class: int
    """100 … 900; 400 if the font does not say it."""


@dataclasses.dataclass(frozen=True)
class Strokes:
    """How a face's strokes are drawn."""

    thickness: float
    """Median thickness of a stroke, as a share of the glyph's longer side."""
    contrast: float
    """Standard deviation of the thickness within a glyph, as a share of its mean."""
    slope: float
    """How far horizontal strokes rise to the right: height by length."""


def names(font: TTFont, fallback: str) -> Names:
    """Read an open font's names; ``fallback`` is the family of one that has none in Latin letters."""
    table, os2 = font.get("name"), font.get("OS/2")

    def text(*ids: int) -> str:
        found = (table.getDebugName(id) for id in ids) if table else ()
        return next((" ".join(name.split()) for name in found if name and slug(name)), "")

    family, subfamily = text(21, 16, 1, 6) or fallback, text(22, 17, 2) or "Regular"
    # `Kiwi Maru Light` is the regular one of a family of that name to programs that know four styles alone.
    head, _, tail = family.rpartition(" ")
    if head and tail.lower() in WEIGHTS and subfamily in ("Regular", tail):
        family, subfamily = head, tail
    legal = " ".join(filter(None, ((table.getDebugName(id) if table else "") for id in (13, 14, 0))))
    restricted = "restricted" if os2 and os2.fsType & 0xF == _RESTRICTED else ""
    return Names(family, subfamily, licence(legal) or restricted, int(os2.usWeightClass) if os2 else _REGULAR)


def licence(text: str) -> str:
    """Return a short name of the licence that a text speaks of, else ""."""
    return next((short for pattern, short in _LICENCES.items() if re.search(pattern, text, re.IGNORECASE)), "")


def slug(text: str) -> str:
    """Return a text as part of an id: lower-case Latin letters, digits and hyphens; "" if it has none."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain)[:_LONGEST].strip("-")


def face_id(family: str, subfamily: str, taken: set[str]) -> str:
    """Return an id for a face, of its family and subfamily, that is none of ``taken``."""
    base, style = slug(family) or "face", slug(subfamily)
    id = base if not style or base.endswith(f"-{style}") else f"{base}-{style}"
    return next(name for n in range(1, len(taken) + 2) if (name := id if n == 1 else f"{id}-{n}") not in taken)


def style(family: str, category: str, strokes: Strokes | None) -> str:
    """Guess a style: by words in the family's name, what its package says, and how its strokes are drawn.

    Args:
        family: the name of the font's family.
        category: the one in a package of the fontsource family, or "".
        strokes: None if the face has no kana to measure.
    """
    drawn = _by_strokes(strokes) if strokes else ""
    for name, words in _WORDS.items():
        if re.search(words, family, re.IGNORECASE):
            return name
    said = _CATEGORIES.get(category, "")
    return said if said and drawn != "brush" else drawn or "gothic"


def weight(weight_class: int, subfamily: str, strokes: Strokes | None) -> str:
    """Guess a weight: what the font says, or how thick its strokes are if it says 400, as fonts do that do not know."""
    if weight_class != _REGULAR:
        return WEIGHTS[min(8, max(0, round(weight_class / 100) - 1))]
    said = slug(subfamily).replace("-", "").replace("italic", "")
    if said in WEIGHTS and said != "regular":
        return said
    if strokes is None:
        return "regular"
    return next((name for most, name in _THICKNESS if strokes.thickness < most), "black")


def strokes_of(look: Look) -> Strokes | None:
    """Measure the strokes of a face; None if it has none of the kana for it."""
    level = [glyph for c, glyph in zip(look.characters, look.glyphs, strict=True) if c in _LEVEL_CHARACTERS]
    if not level:
        return None
    measured = [values for values in map(_thicknesses, look.glyphs) if len(values)]
    return Strokes(
        float(np.median([np.median(values) for values in measured])),
        float(np.mean([values.std() / values.mean() for values in measured])),
        float(np.mean([_slope(glyph) for glyph in level])),
    )


def _by_strokes(strokes: Strokes) -> str:
    if strokes.contrast > _UNEVEN:
        return "brush" if strokes.slope > _BRUSH else "mincho"
    return "handwriting" if strokes.slope > _RISING else "gothic"


def _thicknesses(glyph: npt.NDArray[np.uint8]) -> npt.NDArray[np.floating]:
    """Return the thickness along the middle of a glyph's strokes, as shares of its longer side."""
    from PIL import Image
    from scipy.ndimage import distance_transform_edt, maximum_filter

    height, width = glyph.shape
    enlarged = Image.fromarray(glyph).resize((width * 3, height * 3), Image.Resampling.BILINEAR)
    depth = distance_transform_edt(np.pad(np.asarray(enlarged) > 127, 2))
    middle = depth[(depth == maximum_filter(depth, 3)) & (depth > 1)]
    return np.asarray(2 * middle / 3 / max(height, width))


def _slope(glyph: npt.NDArray[np.uint8]) -> float:
    """Return how far the lowest stroke of a glyph rises to the right."""
    ink = glyph > 127
    height, width = ink.shape
    columns = np.arange(width // 5, width - width // 5)
    columns = columns[ink[:, columns].any(axis=0)]
    if len(columns) < 3:
        return 0.0
    lowest = height - 1 - ink[::-1, columns].argmax(axis=0)
    return float(-np.polyfit(columns, lowest, 1)[0])

"""Makes one plain font file out of what fonts come in: collections, web fonts, variable fonts and fonts in parts.

ImageMagick draws the first font of a file, a variable font only at its default, and web fonts only if its FreeType was
built with them. What is made is the same, byte for byte, whenever it is made.
"""

from __future__ import annotations

import io
import re
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from kanatui.core.errors import FontError
from kanatui.fonts.ink import font_errors, opened

if TYPE_CHECKING:
    from fontTools.ttLib import TTFont

WEB_SUFFIXES = (".woff", ".woff2")

_AXIS = re.compile(r"(\w{1,4})\s*=\s*(-?\d+(?:\.\d+)?)")
_LAYOUT = ("BASE", "GDEF", "GPOS", "GSUB", "JSTF", "MATH", "STAT", "VORG", "VVAR", "vhea", "vmtx", "DSIG", "meta")
"""Tables that say how characters stand together, or one below another. A single character on a line needs none."""


def plain_font(path: Path, index: int = 0, instance: str = "", keep: str = "") -> bytes:
    """Return one font of a file as a plain TrueType or OpenType file.

    Args:
        path: a font, web font or collection.
        index: the font's index in a collection.
        instance: for a variable font, the name of one of its instances (``SemiBold``) or values of its axes
            (``wght=600``, several with commas); "" leaves it variable.
        keep: only these characters, which makes an instance of a font of 17,000 glyphs a hundred times as fast; "" for
            all.

    Raises:
        FontError: the file is not a font, or has no such index, instance or axis.
    """
    with opened(path, index) as font:
        if not instance:
            return _saved(font)
        from fontTools.varLib.instancer import instantiateVariableFont

        place = _location(font, instance)
        small = _reduced(font, keep) if keep else _stripped(font)
        return _saved(instantiateVariableFont(small, place, inplace=True))


def merged(parts: Sequence[bytes]) -> bytes:
    """Return one font with the glyphs of several plain ones, which are parts of one font; the first wins.

    Raises:
        FontError: the parts do not fit together.
    """
    from fontTools.merge import Merger
    from fontTools.ttLib import TTFont

    if len(parts) == 1:
        return parts[0]
    with font_errors():
        lean = [_saved(_stripped(TTFont(io.BytesIO(part), recalcTimestamp=False))) for part in parts]
        font = Merger().merge([io.BytesIO(part) for part in lean])
        font.recalcTimestamp = False
        return _saved(font)


def instance_names(font: TTFont) -> list[tuple[str, str]]:
    """Return the upright named instances of an open font: (name, values of its axes as ``instance`` takes them).

    A variable font without named instances has one: its default, named Regular. A font that is not variable has none.
    """
    if "fvar" not in font:
        return []
    table = font["fvar"]
    default = {axis.axisTag: axis.defaultValue for axis in table.axes}
    found: dict[str, str] = {}
    for instance in table.instances:
        place = default | instance.coordinates
        # Slanted copies have the shapes of the upright ones, and augmentation slants too.
        if not place.get("ital") and not place.get("slnt"):
            found.setdefault(_spelt(place), font["name"].getDebugName(instance.subfamilyNameID) or _spelt(place))
    return [(name, place) for place, name in found.items()] or [("Regular", _spelt(default))]


def covering(parts: Mapping[Path, Collection[str]], wanted: str) -> list[Path]:
    """Return the fewest parts, found greedily, that together have all of ``wanted`` that any part has.

    Args:
        parts: the characters that each file has.
        wanted: the characters that matter.
    """
    left = set(wanted).intersection(*[set().union(*parts.values())]) if parts else set()
    chosen: list[Path] = []
    while left:
        # Of equals the one with more other characters, which is the whole font if there is one; then by name.
        best = max(sorted(parts), key=lambda path: (len(left & set(parts[path])), len(parts[path])))
        chosen.append(best)
        left -= set(parts[best])
    return chosen


def _location(font: TTFont, instance: str) -> dict[str, float]:
    if "fvar" not in font:
        raise FontError(f"it is not a variable font, so there is no instance {instance!r}")
    axes = {axis.axisTag: axis for axis in font["fvar"].axes}
    names = dict(instance_names(font))
    text = names.get(instance, instance)
    pairs = [_AXIS.fullmatch(part.strip()) for part in text.split(",")]
    given = {pair[1]: float(pair[2]) for pair in pairs if pair}
    if not all(pairs) or not given.keys() <= axes.keys():
        ranges = ", ".join(f"{tag}={axis.minValue:g} to {axis.maxValue:g}" for tag, axis in axes.items())
        raise FontError(f"no instance {instance!r}: there are {', '.join(names)}, and axes {ranges}")
    for tag, value in given.items():
        if not axes[tag].minValue <= value <= axes[tag].maxValue:
            raise FontError(f"{tag}={value:g} is outside {axes[tag].minValue:g} to {axes[tag].maxValue:g}")
    return {tag: given.get(tag, axis.defaultValue) for tag, axis in axes.items()}


def _spelt(place: Mapping[str, float]) -> str:
    return ",".join(f"{tag}={value:g}" for tag, value in place.items())


def _reduced(font: TTFont, keep: str) -> TTFont:
    from fontTools.subset import Options, Subsetter

    options = Options(layout_features=[], notdef_outline=True, name_IDs=["*"], drop_tables=[*_LAYOUT])
    options.recalc_timestamp = False
    subsetter = Subsetter(options)
    subsetter.populate(text=keep)
    subsetter.subset(font)
    return font


def _stripped(font: TTFont) -> TTFont:
    for tag in _LAYOUT:
        if tag in font:
            del font[tag]
    return font


def _saved(font: TTFont) -> bytes:
    font.flavor = None
    font.recalcTimestamp = False  # the time of the conversion would change the font's digest
    buffer = io.BytesIO()
    font.save(buffer)
    return buffer.getvalue()

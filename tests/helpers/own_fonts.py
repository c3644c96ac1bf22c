"""Fonts for tests: built on the spot, alone in their folder, with glyphs that are not what they seem."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from fontTools.fontBuilder import FontBuilder
from fontTools.pens.ttGlyphPen import TTGlyphPen

from kanatui.fonts.faces import Face

BOX = ((100, 0), (100, 700), (600, 700), (600, 0))


def polygon(*points: tuple[float, float]) -> Any:
    pen = TTGlyphPen(None)
    if points:
        pen.moveTo(points[0])
        for point in points[1:]:
            pen.lineTo(point)
        pen.closePath()
    return pen.glyph()


def build_font(path: Path, cmap: dict[str, str], **glyphs: Any) -> Path:
    """Write a TrueType font; ``glyphs`` are outlines by name, and ``.notdef`` is a box."""
    outlines = {".notdef": polygon(*BOX)} | glyphs
    builder = FontBuilder(1000, isTTF=True)
    builder.setupGlyphOrder(list(outlines))
    builder.setupCharacterMap({ord(character): name for character, name in cmap.items()})
    builder.setupGlyf(outlines)
    builder.setupHorizontalMetrics(
        {name: (1000, outlines[name].xMin if outlines[name].numberOfContours else 0) for name in outlines}
    )
    builder.setupHorizontalHeader(ascent=880, descent=-120)
    builder.setupNameTable({"familyName": path.stem, "styleName": "Regular"})
    builder.setupOS2(sTypoAscender=880, sTypoDescender=-120)
    builder.setupPost()
    builder.save(path)
    return path


TRIANGLE = ((100, 0), (500, 800), (900, 0))


def build_tricky_font(path: Path) -> Path:
    """Write a font whose cmap promises more than its glyphs hold; く is the one character it does not list."""
    return build_font(
        path,
        {
            "あ": "a",
            "か": "empty",
            "き": "box",
            "け": ".notdef",
            "こ": "far",
            "さ": "speck",
            "\u3000": "empty",
            "\r": "a",
        },
        a=polygon(*TRIANGLE),
        empty=polygon(),
        box=polygon(*BOX),
        far=polygon(*((x + 150, y) for x, y in BOX)),  # the box on another side bearing
        speck=polygon((500, 300), (504, 300), (502, 304)),
    )


def face_of(file: Path, **changes: Any) -> Face:
    face = Face(file.stem, "gothic", "regular", "OFL-1.1", "fonts-x", file, 0, str(file))
    return dataclasses.replace(face, **changes)


def write_list(path: Path, *entries: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"[[face]]\n{entry}\n" for entry in entries), encoding="utf-8")
    return path


ENTRY = 'id = "mine"\nfile = "mine.ttf"\nstyle = "brush"\nweight = "bold"'

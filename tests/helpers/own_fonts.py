"""Fonts for tests: built on the spot, alone in their folder, with glyphs that are not what they seem."""

from __future__ import annotations

import dataclasses
import io
import math
import random
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fontTools.fontBuilder import FontBuilder
from fontTools.pens.ttGlyphPen import TTGlyphPen
from fontTools.ttLib import TTFont
from fontTools.ttLib.tables.TupleVariation import TupleVariation

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
    _builder(path, cmap, glyphs).save(path)
    return path


def _builder(
    path: Path, cmap: dict[str, str], glyphs: dict[str, Any], names: Mapping[str, str] | None = None, weight: int = 400
) -> FontBuilder:
    outlines = {".notdef": polygon(*BOX)} | glyphs
    builder = FontBuilder(1000, isTTF=True)
    builder.setupGlyphOrder(list(outlines))
    builder.setupCharacterMap({ord(character): name for character, name in cmap.items()})
    builder.setupGlyf(outlines)
    builder.setupHorizontalMetrics(
        {name: (1000, outlines[name].xMin if outlines[name].numberOfContours else 0) for name in outlines}
    )
    builder.setupHorizontalHeader(ascent=880, descent=-120)
    builder.setupNameTable({"familyName": path.stem, "styleName": "Regular", **(names or {})})
    builder.setupOS2(sTypoAscender=880, sTypoDescender=-120, usWeightClass=weight)
    builder.setupPost()
    return builder


SOME = "あいうえおかきくけこ"
"""The characters of designed fonts."""


def build_design(
    path: Path,
    design: str,
    family: str = "",
    style: str = "Regular",
    *,
    weight: int = 400,
    bold: float = 0.0,
    characters: str = SOME,
    licence: str = "",
) -> Path:
    """Write a font of which each glyph is a star of its own; the stars depend on ``design``, their size on ``bold``."""
    names = {"familyName": family or path.stem, "styleName": style}
    names |= {"licenseDescription": licence} if licence else {}
    glyphs = {f"g{ord(c):x}": polygon(*_star(design, c, bold)) for c in characters}
    cmap = {c: f"g{ord(c):x}" for c in characters}
    _builder(path, cmap, glyphs, names, weight).save(path)
    return path


def build_variable(path: Path, design: str, family: str, characters: str = SOME) -> Path:
    """Write a variable font with the instances Thin, Regular and Black, whose stars grow with the weight."""
    names = [f"g{ord(c):x}" for c in characters]
    glyphs = {name: polygon(*_star(design, c, 0.0)) for name, c in zip(names, characters, strict=True)}
    builder = _builder(
        path, dict(zip(characters, names, strict=True)), glyphs, {"familyName": family, "styleName": "Thin"}
    )
    instances = [("Thin", 100), ("Regular", 400), ("Black", 900)]
    builder.setupFvar(
        [("wght", 100, 100, 900, "Weight")],
        [{"location": {"wght": value}, "stylename": name} for name, value in instances],
    )
    variations = {}
    for name, c in zip(names, characters, strict=True):
        thin, black = _star(design, c, 0.0), _star(design, c, 1.0)
        deltas = [(round(b[0]) - round(a[0]), round(b[1]) - round(a[1])) for a, b in zip(thin, black, strict=True)]
        phantoms = [(0, 0)] * 4
        variations[name] = [TupleVariation({"wght": (0.0, 1.0, 1.0)}, deltas + phantoms)]
    builder.setupGvar(variations)
    builder.save(path)
    return path


def web_font(path: Path, flavour: str = "woff2") -> Path:
    """Write a font once more as a web font beside itself, and return that."""
    font = TTFont(path)
    font.flavor = flavour
    made = path.with_suffix(f".{flavour}")
    font.save(made)
    return made


def pack(path: Path, files: Mapping[str, bytes | Path]) -> Path:
    """Write a tarball as `npm pack` does, with files in the order given."""
    with tarfile.open(path, "w:gz") as tar:
        for name, content in files.items():
            data = content.read_bytes() if isinstance(content, Path) else content
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return path


def _star(design: str, character: str, bold: float) -> list[tuple[float, float]]:
    chance = random.Random(f"{design} {character}")
    sizes = [chance.uniform(80, 330) for _ in range(9)]
    angles = [2 * math.pi * place / 9 for place in range(9)]
    return [
        (500 + (size + 60 * bold) * math.cos(angle), 380 + (size + 60 * bold) * math.sin(angle))
        for size, angle in zip(sizes, angles, strict=True)
    ]


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

"""Glyphs as outlines, for printing: lines and cubic curves, so that no font needs to be embedded."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from fontTools.pens.basePen import BasePen

from kanatui.core.errors import FontError
from kanatui.core.units import named
from kanatui.fonts.faces import coverage, install_command
from kanatui.fonts.ink import opened

if TYPE_CHECKING:
    from kanatui.fonts.faces import Face

Outline = tuple[list[tuple[str, tuple[tuple[float, float], ...]]], float]
"""Steps (``move``, ``line``, ``curve`` or ``close``) with their points, and the advance width; in ems, y upwards."""

PREFERRED = ("klee-regular", "klee-semibold", "kiloji-regular")
"""Faces whose shapes are those that are taught for writing by hand, unlike print's き, さ and り."""


class _Steps(BasePen):  # type: ignore[misc]  # fontTools has no types
    """Collects an outline; the base class turns all curves into cubic ones."""

    def __init__(self, glyphs: Any, em: float) -> None:
        super().__init__(glyphs)
        self.steps: list[tuple[str, tuple[tuple[float, float], ...]]] = []
        self._em = em

    def _add(self, kind: str, *points: tuple[float, float]) -> None:
        self.steps.append((kind, tuple((x / self._em, y / self._em) for x, y in points)))

    def _moveTo(self, pt: tuple[float, float]) -> None:  # noqa: N802  # fontTools calls it by this name, as the rest
        self._add("move", pt)

    def _lineTo(self, pt: tuple[float, float]) -> None:  # noqa: N802
        self._add("line", pt)

    def _curveToOne(  # noqa: N802
        self, pt1: tuple[float, float], pt2: tuple[float, float], pt3: tuple[float, float]
    ) -> None:
        self._add("curve", pt1, pt2, pt3)

    def _closePath(self) -> None:  # noqa: N802
        self._add("close")


def outlines(face: Face, characters: Iterable[str]) -> dict[str, Outline]:
    """Return the outlines of a face's glyphs; characters that it lacks are left out.

    FontError if the face is not installed or its font cannot be read.
    """
    found: dict[str, Outline] = {}
    with opened(*face.outlines()) as font:
        em, cmap, glyphs = font["head"].unitsPerEm, font.getBestCmap() or {}, font.getGlyphSet()
        for character in characters:
            name = cmap.get(ord(character))
            if name is not None:
                pen = _Steps(glyphs, em)
                glyphs[name].draw(pen)
                found[character] = pen.steps, glyphs[name].width / em
    return found


def printed(
    faces: Sequence[Face], characters: str, covers: Callable[[Face, str], Iterable[bool]] = coverage
) -> dict[str, Outline]:
    """Return an outline of each character, each from the first face that draws it: :data:`PREFERRED` come first.

    Args:
        faces: those to choose from.
        characters: what is to be printed.
        covers: says which characters a face draws.

    Raises:
        FontError: no installed face draws one of the characters.
    """
    installed = [face for face in faces if face.path is not None and not face.problem]
    order = sorted(installed, key=lambda face: PREFERRED.index(face.id) if face.id in PREFERRED else len(PREFERRED))
    found: dict[str, Outline] = {}
    for face in order:
        missing = "".join(c for c in dict.fromkeys(characters) if c not in found)
        if not missing:
            break
        drawn = [c for c, has in zip(missing, covers(face, missing), strict=True) if has]
        if drawn:
            found |= outlines(face, drawn)
    missing = "".join(c for c in dict.fromkeys(characters) if c not in found)
    if missing:
        advice = install_command([face for face in faces if face.path is None]) or "see `kanatui fonts`"
        raise FontError(f"no installed face draws {named(missing)}: {advice}")
    return found

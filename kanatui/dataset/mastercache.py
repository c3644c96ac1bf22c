"""Masters kept in memory from one recipe to the next, so that a preview need not read all faces again."""

from __future__ import annotations

import collections
import dataclasses
import threading
import zlib
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from kanatui.dataset.layout import Layout
from kanatui.fonts.faces import Face
from kanatui.fonts.masters import Masters
from kanatui.plugins.bases import GlyphSource

_LIMIT = 128 * 2**20
"""Bytes of packed pixels. The kana of 39 faces take 13 MB for images of 64 px, instead of 143 MB unpacked. Packing a
face costs 20 ms, unpacking the glyphs of a sheet 2 ms."""

_AT_ONCE = 256
"""Glyphs that :meth:`MasterCache.fill` fetches at once: 10 ms from the disk, 0.3 s if they have to be drawn."""

_Key = tuple[str, str, int]


@dataclasses.dataclass(frozen=True)
class _Glyph:
    packed: bytes
    shape: tuple[int, ...]
    corner: npt.NDArray[np.int32]
    advance: np.float32
    right: np.float32

    def image(self) -> npt.NDArray[np.uint8]:
        return np.frombuffer(zlib.decompress(self.packed), dtype=np.uint8).reshape(self.shape)


class _Kept:
    """What is known about one face at one size."""

    def __init__(self) -> None:
        self.glyphs: dict[str, _Glyph] = {}
        self.bytes = 0
        self.sides: dict[str, int] = {}
        """The longer side of every glyph that was ever kept, in pixels."""
        self.vertical = (0.0, 0.0)

    def forget(self) -> None:
        self.glyphs, self.bytes = {}, 0


class MasterCache:
    """Masters by face, size and character; the least recently used faces make room for others.

    Several threads may use it at once. It calls sources outside its lock, so several threads may also call one source.
    """

    def __init__(self, limit: int = _LIMIT) -> None:
        """Keep at most about ``limit`` bytes of packed pixels."""
        self._limit = limit
        self._lock = threading.Lock()
        self._kept: collections.OrderedDict[_Key, _Kept] = collections.OrderedDict()
        self._longest: dict[tuple[object, ...], int] = {}

    @property
    def bytes(self) -> int:
        """Bytes of packed pixels that are kept now."""
        return sum(kept.bytes for kept in self._kept.values())

    def masters(self, source: GlyphSource, face: Face, characters: str, em: int) -> Masters:
        """Return the same as ``source.masters(face, characters, em)``, calling it only for glyphs that are not kept."""
        key = _key(face, em)
        with self._lock:
            kept = self._kept.setdefault(key, _Kept())
            self._kept.move_to_end(key)
            glyphs = dict(kept.glyphs)
        absent = _absent(characters, glyphs)
        if absent:
            glyphs |= self._fetch(source, face, absent, em, keep=True)
        found = [glyphs[c] for c in characters]
        return Masters(
            [glyph.image() for glyph in found],
            np.array([glyph.corner for glyph in found], dtype=np.int32).reshape(-1, 2),
            em,
            np.array([glyph.advance for glyph in found], dtype=np.float32),
            np.array([glyph.right for glyph in found], dtype=np.float32),
            *kept.vertical,
        )

    def longest(self, layout: Layout, em: int) -> int:
        """Return the longest side of all masters of a layout in pixels, or 0 if some have not been fetched yet."""
        plan = layout.plan
        key = (em, plan.characters, plan.coverage.tobytes(), *(face.key for face in layout.faces))
        if key not in self._longest:
            with self._lock:
                found = self._find_longest(layout, em)
            if not found:
                return 0
            self._longest[key] = found
        return self._longest[key]

    def _find_longest(self, layout: Layout, em: int) -> int:
        longest = 0
        for face, characters in _wanted(layout):
            kept = self._kept.get(_key(face, em))
            if kept is None or not kept.sides.keys() >= set(characters):
                return 0
            longest = max(longest, *map(kept.sides.__getitem__, characters))
        return longest

    def fill(self, layout: Layout, em: int) -> Iterator[None]:
        """Fetch all masters of a layout, some at each step; if there is no room for more, only note their sides."""
        for face, characters in _wanted(layout):
            for start in range(0, len(characters), _AT_ONCE):
                part = characters[start : start + _AT_ONCE]
                with self._lock:
                    kept = self._kept.setdefault(_key(face, em), _Kept())
                    room = self._has_room(em)
                    absent = _absent(part, kept.glyphs if room else kept.sides)
                if absent:
                    self._fetch(layout.glyph_sources[face.source], face, absent, em, keep=room)
                    yield

    def _fetch(self, source: GlyphSource, face: Face, characters: str, em: int, keep: bool) -> dict[str, _Glyph]:
        """Get glyphs from their source, note their sides, and keep the glyphs if ``keep``."""
        found, key = source.masters(face, characters, em), _key(face, em)
        columns = zip(found.images, found.corners, found.advance, found.right, strict=True)
        new = {c: _packed(*column) for c, column in zip(characters, columns, strict=True)}
        with self._lock:
            kept = self._kept[key]
            kept.vertical = found.ascent, found.descent
            kept.sides |= {c: max(glyph.shape) for c, glyph in new.items()}
            if keep:
                kept.glyphs |= new
                kept.bytes = sum(len(glyph.packed) for glyph in kept.glyphs.values())
                self._make_room(key)
        return new

    def _has_room(self, em: int) -> bool:
        return sum(kept.bytes for (_, _, size), kept in self._kept.items() if size == em) < self._limit

    def _make_room(self, newest: _Key) -> None:
        """Forget glyphs until the limit holds: first of other sizes, then of the least recently used faces."""
        over = self.bytes - self._limit
        for key in sorted(self._kept, key=lambda key: key[2] == newest[2]):
            if over <= 0:
                return
            if key != newest:
                over -= self._kept[key].bytes
                self._kept[key].forget()


def _packed(
    image: npt.NDArray[np.uint8], corner: npt.NDArray[np.int32], advance: np.float32, right: np.float32
) -> _Glyph:
    return _Glyph(zlib.compress(image.tobytes(), 1), image.shape, corner, advance, right)


def _key(face: Face, em: int) -> _Key:
    return f"{face.source}/{face.id}", face.key, em


def _absent(characters: str, there: dict[str, _Glyph] | dict[str, int]) -> str:
    return "".join(c for c in dict.fromkeys(characters) if c not in there)


def _wanted(layout: Layout) -> Iterator[tuple[Face, str]]:
    """Yield each face with the characters that the layout draws with it."""
    characters = np.array(list(layout.plan.characters))
    for face, covered in zip(layout.faces, layout.plan.coverage.T, strict=True):
        if covered.any():
            yield face, "".join(characters[covered])

"""Masters kept in memory: the same as those from the disk, within a limit."""

import numpy as np
import pytest

from kanatui.dataset.layout import lay_out
from kanatui.dataset.mastercache import MasterCache
from kanatui.dataset.recipe import Recipe
from kanatui.fonts.masters import font_masters
from kanatui.plugins import registry as plugins

RECIPE = Recipe(
    characters="あいうヵ",
    faces=("klee-regular", "yusei-magic", "kouzan-gyosho"),
    image_size=32,
    images_per_character=90,
)


def same(one, other):
    assert all(np.array_equal(a, b) for a, b in zip(one.images, other.images, strict=True))
    assert np.array_equal(one.corners, other.corners) and np.array_equal(one.advance, other.advance)
    assert np.array_equal(one.right, other.right)
    assert (one.em, one.ascent, one.descent) == (other.em, other.ascent, other.descent)
    assert one.advance.dtype == other.advance.dtype and one.corners.dtype == other.corners.dtype


@pytest.mark.parametrize("limit", [0, 4_000, 2**30])
def test_it_gives_the_same_masters_whatever_it_has_room_for(limit):
    cache, layout = MasterCache(limit), lay_out(RECIPE, plugins.load())
    for characters in ("う", "ういあ", "ああ"):
        for face in layout.faces:
            for em in (96, 128):
                found = cache.masters(layout.glyph_sources["fonts"], face, characters, em)
                same(found, font_masters(face, characters, em))
    assert cache.bytes <= max(limit, 4_000)


@pytest.mark.parametrize("limit", [0, 2**30])
def test_a_full_one_still_learns_how_large_masters_are(limit):
    cache, layout = MasterCache(limit), lay_out(RECIPE, plugins.load())
    assert cache.longest(layout, 96) == 0
    bites = sum(1 for _ in cache.fill(layout, 96))
    assert bites == len(layout.faces)
    longest = max(max(image.shape) for face in layout.faces for image in font_masters(face, "あいうヵ", 96).images)
    assert cache.longest(layout, 96) == longest
    assert sum(1 for _ in cache.fill(layout, 96)) == 0

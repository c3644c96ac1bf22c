"""The law of preparation: a character keeps all of its ink, however tightly it was cropped."""

import functools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw, ImageFont

from kanatui.fonts.faces import coverage, load_faces
from kanatui.kana.alphabet import SETS
from kanatui.pictures.ink import find_paper
from kanatui.pictures.prepare import find_inks

KANA = SETS["kana"]
FACES = [face for face in load_faces() if face.path]
MARGINS = range(7)
SIZES = (24, 32, 48, 64, 100, 200)
SURE = 0.5
"""A paper's lean beyond which its polarity is not doubted."""


@functools.cache
def characters(face):
    return "".join(np.array(list(KANA))[coverage(face, KANA)])


def glyph(face, character, size):
    """White on black, the longer side of the ink `size` pixels, cropped to it. Pillow draws: any renderer will do."""
    font = ImageFont.truetype(str(face.path), size * 4, index=face.index)
    canvas = Image.new("L", (size * 12, size * 12))
    ImageDraw.Draw(canvas).text((size * 4, size * 4), character, font=font, fill=255)
    drawn = canvas.crop(canvas.getbbox())
    scale = size / max(drawn.size)
    return np.asarray(drawn.resize([max(1, round(side * scale)) for side in drawn.size], Image.Resampling.BOX))


def faults(ink, margin, light):
    """Say what is wrong with how a glyph on plain paper is taken; "" if nothing."""
    ink = np.pad(ink, margin)
    certain, paper = ink > 191, ink < 32
    picture = (ink if light else 255 - ink).astype(np.float32)
    taken = [found.alpha > 0.0 for found in find_inks(picture)]
    whole = [bool(alpha[certain].all()) and not alpha[paper].mean() > 0.5 for alpha in taken]
    if not any(whole):
        return "no hypothesis has all of the ink"
    if abs(find_paper(picture).dark_ink) >= SURE and not whole[0]:
        return "the first hypothesis lacks ink"
    return ""


@given(st.data())
@settings(max_examples=400, deadline=None)
def test_a_glyph_cropped_to_its_ink_keeps_all_of_it(data):
    face = data.draw(st.sampled_from(FACES))
    ink = glyph(face, data.draw(st.sampled_from(characters(face))), data.draw(st.sampled_from(SIZES)))
    assert faults(ink, data.draw(st.sampled_from(MARGINS)), data.draw(st.booleans())) == ""


@pytest.mark.slow
@pytest.mark.parametrize("face", FACES, ids=lambda face: face.id)
def test_every_glyph_of_a_face_keeps_its_ink_in_every_crop(face):
    found = {
        (character, size, margin, light): fault
        for character in characters(face)
        for size in SIZES
        for ink in [glyph(face, character, size)]
        for margin in MARGINS
        for light in (False, True)
        if (fault := faults(ink, margin, light))
    }
    assert not found

"""Sheets that are filled in and photographed without printer or camera."""

import dataclasses
import functools
import io

import numpy as np
from PIL import Image

from kanatui.cli.bench.photograph import SCENES, fill, overlap, photograph
from kanatui.cli.bench.read import glyphs_of
from kanatui.evaluation import sheets
from kanatui.fonts.faces import load_faces
from kanatui.pictures.sheets import layout, printing
from kanatui.pictures.sheets.boxes import State

NUMBER = 0xA1B2C3
SMALL = dataclasses.replace(SCENES[2], name="small", long_side=1400, blur=0.4)
"""A phone's photo from above, reduced so that it is read quickly."""
PEN = (28, 30, 44)


def scene(name):
    return next(each for each in SCENES if each.name == name)


def ink(characters, face="klee-regular"):
    glyphs = glyphs_of(next(each for each in load_faces() if each.id == face), characters)
    return {character: glyphs[character].ink.astype(np.float32) / 255 for character in characters}


@functools.cache
def printed(characters, copies=1, dpi=200):
    """Return the first page of a sheet, and a picture of it."""
    page = layout.pages(characters, copies, layout.PAPERS["a4"], NUMBER)[0]
    return page, printing.pictures(sheets.make(characters, copies, number=NUMBER), dpi)[0]


def shoot(characters, how=SMALL, copies=1, blank=(), ticked=(), seed=0, pen=PEN, shapes=None):
    """Fill in a sheet and photograph it: its page, and the photo."""
    page, picture = printed(characters, copies)
    shapes = shapes or ink(characters)
    written = {place: shapes[c] for place, c in enumerate(page.characters) if place not in blank}
    filled = fill(picture, page, written, np.random.default_rng(seed), ticked, pen)
    return page, photograph(filled, page, how, seed)


def pixels(photo):
    return np.asarray(Image.open(io.BytesIO(photo.jpeg)).convert("RGB"))


def overlaps(photo, sheet):
    return [overlap(truth, box.outline) for truth, box in zip(photo.outlines, sheet.boxes, strict=True)]


def states(sheet):
    return {state: [box.place for box in sheet.boxes if box.state is state] for state in State}

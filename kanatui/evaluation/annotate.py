"""Draws what was read into the picture that it was read from: a box around each character, and its reading."""

from __future__ import annotations

import functools
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from kanatui.core.errors import FontError, ImageMagickError
from kanatui.evaluation.read import Character, Text
from kanatui.kana.romaji import NAMES

_SURE, _DOUBTFUL = (0, 110, 230), (215, 60, 0)
_LABEL = 0.36  # of the character's longer side
_LEAST_LABEL = 9  # pixels


def annotated(image: Image.Image, text: Text) -> Image.Image:
    """Return a copy of a picture, RGB, with the readings written below their boxes; beside them in vertical lines.

    Doubtful characters are orange and have a question mark. Where no face with kana is installed, readings are
    romanised.
    """
    drawn = image.convert("RGB")
    pen = ImageDraw.Draw(drawn)
    file = kana_font()
    for line in text.lines:
        for character in line:
            _draw(pen, character, file, text.vertical)
    return drawn


def _draw(pen: ImageDraw.ImageDraw, character: Character, file: Path | None, vertical: bool) -> None:
    colour = _DOUBTFUL if character.doubtful else _SURE
    left, top, right, bottom = character.box
    size = max(_LEAST_LABEL, round(_LABEL * max(right - left, bottom - top)))
    pen.polygon(list(character.outline), outline=colour, width=max(1, size // 12))
    label = character.character if file else NAMES.get(character.character, character.character)
    label += "?" if character.doubtful else ""
    place = (right + size // 6, top) if vertical else (left, bottom + size // 8)
    pen.text(place, label, fill=colour, font=_font(file, size))


@functools.lru_cache(maxsize=64)
def _font(file: Path | None, size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.truetype(file, size) if file else ImageFont.load_default(size)


@functools.cache
def kana_font() -> Path | None:
    """Return the file of an installed face that Pillow can draw kana with, or None."""
    from kanatui.fonts.faces import load_faces

    try:
        faces = load_faces()
    except (FontError, ImageMagickError):
        return None
    for face in faces:
        try:
            if (
                face.path
                and face.style in ("gothic", "handwriting")
                and ImageFont.truetype(face.path, 20).getmask("あ")
            ):
                return face.path
        except OSError:
            continue
    return None

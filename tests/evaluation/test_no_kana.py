"""What the shipped model makes of pictures that show no kana, by whole kinds of them, and of kana drawn alike."""

import io

import numpy as np
import pytest
from PIL import Image, ImageDraw

from kanatui.dataset.recipe import Augment, Recipe
from kanatui.dataset.stream import GlyphStream
from kanatui.evaluation.files import read_files
from kanatui.kana.alphabet import KANA, SETS
from kanatui.kana.strangers import held_back, strangers
from kanatui.model.calibration import Calibration
from kanatui.model.card import read_card
from kanatui.plugins.registry import load

FACES = ("klee-regular", "noto-sans-cjk-jp-regular", "pen-32")
RANDOM = np.random.default_rng(12)


def grain(sigma):
    """A blank page as a scanner or a camera gives it: paper, grain, perhaps a shadow."""
    side = int(RANDOM.integers(60, 200))
    shade = np.linspace(0, RANDOM.uniform(0, 40), side)
    return np.clip(RANDOM.uniform(190, 250) - shade + RANDOM.normal(0, sigma, (side, side)), 0, 255).astype(np.uint8)


def dot():
    canvas = Image.new("L", (120, 120), 250)
    radius, x, y = RANDOM.uniform(3, 40), *RANDOM.uniform(45, 75, 2)
    ImageDraw.Draw(canvas).ellipse((x - radius, y - radius * RANDOM.uniform(0.8, 1.2), x + radius, y + radius), fill=20)
    return np.asarray(canvas)


def scribble():
    canvas = Image.new("L", (160, 160), 250)
    places = RANDOM.uniform(10, 150, (int(RANDOM.integers(15, 60)), 2))
    ImageDraw.Draw(canvas).line([tuple(place) for place in places], fill=20, width=int(RANDOM.integers(2, 6)))
    return np.asarray(canvas)


def photo():
    """Soft shapes all over, as of a face or a table."""
    coarse = RANDOM.integers(20, 236, (6, 6)).astype(np.uint8)
    fine = RANDOM.normal(0, 12, (150, 150))
    blown = np.asarray(Image.fromarray(coarse).resize((150, 150), Image.Resampling.BICUBIC), dtype=np.float64)
    return np.clip(blown + fine, 0, 255).astype(np.uint8)


def glyphs(characters, each=1):
    size = Augment("size", 1.0, {"points": [150.0, 220.0]})
    spelled = f"chars:{characters}"
    recipe = Recipe(
        "x", [size, Augment("rotate")], characters=spelled, faces=FACES, image_size=96, images_per_character=each
    )
    stream = GlyphStream(recipe, load())
    return list(255 - stream.images(np.arange(len(stream))))


KINDS = {
    "a blank page with grain": lambda: [grain(sigma) for sigma in np.linspace(6, 20, 20)],
    "noise": lambda: [grain(sigma) for sigma in np.linspace(40, 120, 20)],
    "a dot": lambda: [dot() for _ in range(20)],
    "a scribble": lambda: [scribble() for _ in range(30)],
    "a photo": lambda: [photo() for _ in range(20)],
    "a digit": lambda: glyphs(strangers(SETS["digits"], KANA), 4),
    "a kanji": lambda: glyphs(held_back(strangers(SETS["kyoiku"], KANA))[:60]),
}


def refused(weights, pictures, kind="PNG"):
    """Return the share that the model refuses; a picture without ink counts, too."""
    files = [io.BytesIO() for _ in pictures]
    for file, picture in zip(files, pictures, strict=True):
        Image.fromarray(picture).save(file, kind)
        file.seek(0)
    calibration = Calibration.of_card(read_card(weights))
    found = [
        isinstance(read, Exception) or bool(calibration.refuses(read.certainty)) for read in read_files(weights, files)
    ]
    return np.mean(found)


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_no_kana_is_refused(shipped_model, kind):
    assert refused(shipped_model, KINDS[kind]()) >= 0.85


def test_what_is_a_kana_is_not(shipped_model):
    assert refused(shipped_model, glyphs(KANA)) <= 0.03

"""Draw docs/sheet.png: a sheet that is filled in and photographed, and the samples that were read from the photo."""

import dataclasses
import io
from pathlib import Path

import numpy as np
from PIL import Image

from kanatui.cli.bench.photograph import SCENES, fill, photograph
from kanatui.cli.bench.read import glyphs_of
from kanatui.core.blocks import sheet
from kanatui.evaluation.sheets import make
from kanatui.fonts.faces import load_faces
from kanatui.kana.alphabet import BASIC_HIRAGANA
from kanatui.pictures.sheets import layout, printing
from kanatui.pictures.sheets.boxes import State, read_sheets

_FACE, _NUMBER, _HEIGHT = "kiloji-regular", 0x5A17E5, 720
_SCENE = dataclasses.replace(SCENES[3], long_side=2000, noise=0.0)


def main() -> None:
    """Write the picture beside this script."""
    (page,) = layout.pages(BASIC_HIRAGANA, 1, layout.PAPERS["a4"], _NUMBER)
    printed = printing.pictures(make(BASIC_HIRAGANA, number=_NUMBER), 250)[0]
    glyphs = glyphs_of(next(face for face in load_faces() if face.id == _FACE), BASIC_HIRAGANA)
    written = {place: glyphs[c].ink.astype(np.float32) / 255 for place, c in enumerate(BASIC_HIRAGANA) if place != 20}
    filled = fill(printed, page, written, np.random.default_rng(1), ticked=(33,))
    photo = Image.open(io.BytesIO(photograph(filled, page, _SCENE, 1).jpeg)).convert("RGB")
    (read,) = read_sheets(np.asarray(photo))
    kept = [
        np.asarray(Image.fromarray(box.picture).resize((82, 82))) for box in read.boxes if box.state is State.WRITTEN
    ]
    samples = Image.fromarray(sheet(kept, 5))
    photo.thumbnail((2000, _HEIGHT))
    samples.thumbnail((2000, _HEIGHT))
    whole = Image.new("RGB", (photo.width + 24 + samples.width, _HEIGHT), "white")
    whole.paste(photo, (0, 0))
    whole.paste(samples, (photo.width + 24, 0))
    target = Path(__file__).parent / "sheet.png"
    whole.quantize(48, dither=Image.Dither.NONE).save(target, optimize=True)
    print(f"wrote {target}: {len(kept)} samples")


if __name__ == "__main__":
    main()

"""Reads pictures of one character each: python read.py PICTURE…   (needs onnxruntime, numpy and Pillow)."""

import json
import sys
from pathlib import Path

import numpy as np
import onnxruntime
from PIL import Image, ImageOps

HERE = Path(__file__).parent
ABOUT = json.loads((HERE / "model.json").read_text(encoding="utf-8"))
LABELS = (HERE / "labels.txt").read_text(encoding="utf-8").splitlines()
MODEL = onnxruntime.InferenceSession(str(HERE / "model.onnx"))


def prepare(picture: Image.Image, size: int = ABOUT["image_size"], fill: float = 0.68) -> np.ndarray:
    """Return float32 [1, 1, size, size], white ink on black; the ink's longer side fills 0.68 of the frame."""
    grey = np.asarray(ImageOps.exif_transpose(picture).convert("L"), dtype=np.float32)
    ink = abs(grey - np.median(np.concatenate([grey[0], grey[-1], grey[:, 0], grey[:, -1]])))
    ink /= max(ink.max(), 1.0)
    rows, columns = (np.flatnonzero((ink > 0.4).any(axis=axis)) for axis in (1, 0))
    box = columns[0], rows[0], columns[-1] + 1, rows[-1] + 1
    glyph = Image.fromarray((255 * ink).astype(np.uint8)).crop(box)
    scale = fill * size / max(glyph.size)
    glyph = glyph.resize([max(1, round(side * scale)) for side in glyph.size], Image.Resampling.HAMMING)
    frame = Image.new("L", (size, size))
    frame.paste(glyph, ((size - glyph.width) // 2, (size - glyph.height) // 2))
    return np.asarray(frame, dtype=np.float32)[None, None] / 255


for name in sys.argv[1:]:
    logits, probabilities = MODEL.run(["logits", "probabilities"], {"images": prepare(Image.open(name))})
    best = probabilities[0].argsort()[::-1][:5]
    print(name, *(f"{LABELS[place]} {probabilities[0][place]:.1%}" for place in best))

"""Opens photos and scans of sheets: pictures, HEIC as phones write it, and PDFs of several pages."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from kanatui.core.errors import ImageError, SheetError
from kanatui.core.harmless import harmless
from kanatui.pictures.files import MOST_PIXELS, open_image, picture_bytes
from kanatui.pictures.sheets.printing import INSTALL
from kanatui.pictures.sheets.surface import Photo

_PDF_DPI = 300


def open_photos(file: Path) -> Iterator[tuple[str, Photo]]:
    """Open a file, turned upright.

    Yields:
        What to call each picture, and the picture, uint8 [H, W, 3]. A PDF has one for each page.

    Raises:
        ImageError: it is missing, damaged, too large, not a picture, or in a format whose decoder is not installed.
    """
    name = harmless(str(file))
    if os.path.isdir(file):
        raise ImageError(f"{name}: is a directory; name the photos in it")
    head = picture_bytes(file)[:16]
    if head.startswith(b"%PDF"):
        yield from _pdf_pages(file, name)
    else:
        yield name, _pixels(open_image(file))


def _pixels(image: Image.Image) -> Photo:
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    if image.mode.startswith("I;16"):
        image = Image.fromarray((np.asarray(image, dtype=np.uint32) >> 8).astype(np.uint8))
    return np.asarray(image.convert("RGB"))


def _pdf_pages(file: Path, name: str) -> Iterator[tuple[str, Photo]]:
    try:
        import pypdfium2
    except ImportError:
        raise SheetError(f"{name}: PDF needs more packages ({INSTALL}), or save its pages as pictures") from None
    try:
        with pypdfium2.PdfDocument(file) as document:
            for number, page in enumerate(document, start=1):
                scale = min(_PDF_DPI / 72, (MOST_PIXELS / max(1.0, page.get_width() * page.get_height())) ** 0.5)
                image = page.render(scale=scale).to_pil()
                yield (f"{name}, page {number}" if len(document) > 1 else name), _pixels(image)
    except (pypdfium2.PdfiumError, OSError, ValueError) as error:
        raise ImageError(f"{name}: a PDF that cannot be read ({error})".splitlines()[0]) from None

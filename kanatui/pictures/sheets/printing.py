"""Draws sheets: a vector PDF, and PNG pictures of its pages.

Glyphs are drawn as paths, so the PDF needs no fonts. What is printed inside the boxes is orange: in the red channel of
a photo it is as bright as the paper, while black and blue ink are dark (the "drop-out colour" of forms).
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from kanatui.core.errors import SheetError
from kanatui.core.machine import extra_command
from kanatui.pictures.sheets.layout import BOX, CODE, LABEL, MARGIN, TICK, Page, Rectangle, encode

Outlines = Mapping[str, tuple[Sequence[tuple[str, Sequence[tuple[float, float]]]], float]]
"""For each character its outline and advance, in ems, y upwards (:mod:`kanatui.fonts.outlines`)."""

FRAME, GUIDE = (255, 150, 90), (255, 212, 180)
"""Colours of a box's frame and of the cross in it."""
FRAME_LINE, GUIDE_LINE = 0.35, 0.25
"""Widths of their lines in millimetres; a frame's line lies inside the box, along its edge."""

PNG_DPI = 300

_MM = 72 / 25.4  # points
_MODEL = 5.0  # mm, em of the printed character
_HEADER_LEFT = MARGIN + CODE + 4.0

_TITLE = "kanatui · No. {name} · {page}/{pages}"
_NAME = "Name 名前"
_TOP = (
    "Write each character into its box with a dark pen: black or blue, not red or orange.",
    "Wrong? Tick the small square above the box: that box is left out. Empty boxes are fine.",
    "見本の字を下の枠に、黒か青のペンで一字ずつ書いてください（赤は使えません）。",
    "書き損じたら、枠の右上の小さな四角に印をつけてください。空いたままの枠があってもかまいません。",
)
_BOTTOM = (
    "Then photograph the whole page with its four corners, flat and in even light:",
    "kanatui sheet read PHOTO",
    "書き終えたら、四隅が入るように、平らに置いて明るい所で撮影してください。",
)

INSTALL = extra_command("sheets")


def texts(characters: str) -> str:
    """Return every character that is printed on sheets of these characters, each once and without spaces."""
    fixed = "".join((_TITLE, _NAME, *_TOP, *_BOTTOM, "0123456789ABCDEF"))
    return "".join(dict.fromkeys("".join((fixed + characters).split())))


def pdf(pages: Sequence[Page], outlines: Outlines) -> bytes:
    """Draw a sheet.

    Args:
        pages: all of its pages.
        outlines: of :func:`texts` of its characters.

    Returns:
        A PDF of one page for each, in millimetres true to size.

    Raises:
        SheetError: the packages that draw sheets are not installed.
    """
    try:
        from reportlab.pdfgen.canvas import Canvas
    except ImportError:
        raise SheetError(f"printing sheets needs more packages: {INSTALL}") from None
    data = io.BytesIO()
    # Without a date in it, the same sheet always gives the same file.
    canvas = Canvas(data, invariant=True, pageCompression=1)
    canvas.setTitle(f"kanatui sheet {pages[0].name}")
    for page in pages:
        _Drawn(canvas, page, outlines).draw(len(pages))
        canvas.showPage()
    canvas.save()
    return data.getvalue()


def pictures(document: bytes, dpi: float = PNG_DPI) -> list[npt.NDArray[np.uint8]]:
    """Render the pages of a PDF: uint8 [H, W, 3] each. SheetError if the package for that is not installed."""
    try:
        import pypdfium2
    except ImportError:
        raise SheetError(f"pictures of PDF pages need more packages: {INSTALL}") from None
    with pypdfium2.PdfDocument(document) as opened:
        return [np.asarray(page.render(scale=dpi / 72).to_pil().convert("RGB")) for page in opened]


class _Drawn:
    """Draws one page, in millimetres from its top left corner."""

    def __init__(self, canvas: Any, page: Page, outlines: Outlines) -> None:
        self._canvas, self._page, self._outlines = canvas, page, outlines
        canvas.setPageSize((page.paper.width * _MM, page.paper.height * _MM))

    def draw(self, of: int) -> None:
        """Draw everything; the sheet has ``of`` pages."""
        page = self._page
        for corner in range(4):
            self._code(corner)
        right = page.paper.width - _HEADER_LEFT
        self._text(_TITLE.format(name=page.name, page=page.page, pages=of), _HEADER_LEFT, MARGIN + 3.4, 3.6)
        self._text(_NAME, _HEADER_LEFT + 66, MARGIN + 3.4, 3.2)
        self._line((_HEADER_LEFT + 82, MARGIN + 4.0, right, MARGIN + 4.0), 0.2, (90, 90, 90))
        for number, line in enumerate(_TOP):
            self._text(line, _HEADER_LEFT, MARGIN + 8.8 + 4.2 * number, 2.9)
        for number, line in enumerate(_BOTTOM):
            self._text(line, _HEADER_LEFT, page.paper.height - MARGIN - CODE + 9.5 + 4.4 * number, 2.9)
        for place, character in enumerate(page.characters):
            self._box(place, character)

    def _box(self, place: int, character: str) -> None:
        left, top, right, bottom = self._page.box(place)
        across, down = (left + right) / 2, (top + bottom) / 2
        self._line((across, top + 1, across, bottom - 1), GUIDE_LINE, GUIDE)
        self._line((left + 1, down, right - 1, down), GUIDE_LINE, GUIDE)
        self._frame(self._page.box(place), FRAME_LINE)
        self._frame(self._page.tick(place), FRAME_LINE / 2)
        self._text(character, left + 0.3, top - 0.19 * LABEL, _MODEL)

    def _frame(self, box: Rectangle, width: float) -> None:
        left, top, right, bottom = box
        self._canvas.setStrokeColorRGB(*(part / 255 for part in FRAME))
        self._canvas.setLineWidth(width * _MM)
        x, y, side = left + width / 2, bottom - width / 2, right - left - width
        self._canvas.rect(*self._point(x, y), side * _MM, (bottom - top - width) * _MM)

    def _line(self, ends: Rectangle, width: float, colour: tuple[int, int, int]) -> None:
        self._canvas.setStrokeColorRGB(*(part / 255 for part in colour))
        self._canvas.setLineWidth(width * _MM)
        self._canvas.line(*self._point(*ends[:2]), *self._point(*ends[2:]))

    def _code(self, corner: int) -> None:
        left, top, right, _ = self._page.code(corner)
        dark = code_modules(self._page, corner)
        side = (right - left) / len(dark)
        path = self._canvas.beginPath()
        for row, modules in enumerate(dark):
            edges = np.flatnonzero(np.diff(np.concatenate([[False], modules, [False]]).astype(np.int8)))
            for first, end in edges.reshape(-1, 2).tolist():
                x, y = self._point(left + first * side, top + (row + 1) * side)
                path.rect(x, y, (end - first) * side * _MM, side * _MM)
        self._canvas.setFillGray(0)
        self._canvas.drawPath(path, stroke=0, fill=1)

    def _text(self, text: str, x: float, y: float, em: float) -> None:
        """Write text; (x, y) is the start of its base line."""
        path = self._canvas.beginPath()
        calls = {"move": path.moveTo, "line": path.lineTo, "curve": path.curveTo, "close": path.close}
        for character in text:
            steps, advance = self._outlines.get(character, ((), 0.33))
            for kind, points in steps:
                calls[kind](*(part for px, py in points for part in self._point(x + px * em, y - py * em)))
            x += advance * em
        self._canvas.setFillGray(0.1)
        self._canvas.drawPath(path, stroke=0, fill=1, fillMode=1)

    def _point(self, x: float, y: float) -> tuple[float, float]:
        # A hundredth of a point is finer than printers are, and halves the file.
        return round(x * _MM, 2), round((self._page.paper.height - y) * _MM, 2)


def code_modules(page: Page, corner: int) -> npt.NDArray[np.bool_]:
    """Return a corner's QR code, bool [n, n], True where it is dark. SheetError if the package is not installed."""
    try:
        import zxingcpp
    except ImportError:
        raise SheetError(f"sheets need more packages: {INSTALL}") from None
    code = zxingcpp.create_barcode(encode(page, corner), zxingcpp.BarcodeFormat.QRCode, ec_level="L")
    return np.asarray(code.to_image(scale=1, add_quiet_zones=False)) < 128


def tints(boxes: Sequence[Rectangle], scale: float, area: Rectangle) -> npt.NDArray[np.float32]:
    """Draw what is printed in light colour on part of a page: how much of it covers each pixel, weighed by darkness.

    Args:
        boxes: boxes of the page, each with its cross, and small squares.
        scale: pixels per millimetre.
        area: the part.

    Returns:
        float32 [H, W], 0 paper to 1 a frame's colour.
    """
    shape = round((area[3] - area[1]) * scale), round((area[2] - area[0]) * scale)
    drawn = np.zeros(shape, dtype=np.float32)
    light = (255 - GUIDE[2]) / (255 - FRAME[2])
    for left, top, right, bottom in boxes:
        across, down, half = (left + right) / 2, (top + bottom) / 2, GUIDE_LINE / 2
        large = right - left > (BOX + TICK) / 2
        if large:
            _fill(drawn, (across - half, top + 1, across + half, bottom - 1), scale, area, light)
            _fill(drawn, (left + 1, down - half, right - 1, down + half), scale, area, light)
        width = FRAME_LINE if large else FRAME_LINE / 2
        for bar in (
            (left, top, right, top + width),
            (left, bottom - width, right, bottom),
            (left, top, left + width, bottom),
            (right - width, top, right, bottom),
        ):
            _fill(drawn, bar, scale, area, 1.0)
    return drawn


def _fill(drawn: npt.NDArray[np.float32], bar: Rectangle, scale: float, area: Rectangle, value: float) -> None:
    """Fill a rectangle with edges that cover parts of pixels."""
    x = _covered(bar[0] - area[0], bar[2] - area[0], scale, drawn.shape[1])
    y = _covered(bar[1] - area[1], bar[3] - area[1], scale, drawn.shape[0])
    np.maximum(drawn, value * y[:, None] * x, out=drawn)


def _covered(low: float, high: float, scale: float, count: int) -> npt.NDArray[np.float32]:
    edges = np.arange(count + 1) / scale
    return np.diff(np.clip(edges, low, high)).astype(np.float32) * np.float32(scale)

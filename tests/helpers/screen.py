"""A terminal that shows pictures over its cells, as xterm does: text takes a picture's place, cell by cell."""

import base64
import functools
import io
import re

import numpy as np
from PIL import Image
from rich.cells import cell_len

_TOKEN = re.compile(
    r"\x1b\[(?P<line>\d+);(?P<column>\d+)H"
    r"|\x1bP(?P<dcs>[^\x1b]*)\x1b\\"
    r"|\x1b\]1337;File=(?P<iterm>[^:]*):(?P<data>[^\x07]*)\x07"
    r"|\x1b(?P<cursor>[78])"
    r"|\x1b(?:\[[0-?]*[ -/]*[@-~]|[\]_][^\x07\x1b]*(?:\x07|\x1b\\)|[^\[\]_P])"
    r"|(?P<text>[^\x1b\r\n]+)"
)


@functools.lru_cache(maxsize=200)  # most frames send what earlier ones sent
def decode_sixel(text):
    """Return the greys, uint8 [H, W], that the body of a control string in Sixel paints, as the VT340 reads it."""
    head, body = re.fullmatch(r"0;1;0q\"1;1;(\d+;\d+)((?:#\d+;2;\d+;\d+;\d+)*.*)", text, re.DOTALL).groups()
    width, height = map(int, head.split(";"))
    canvas, palette, grey, x, band = np.full((height, width), -1), {}, 0, 0, 0
    for colour, rgb, count, mark in re.findall(r"#(\d+)((?:;\d+){4})?|(?:!(\d+))?([?-~$\-])", body):
        if colour:
            grey = int(colour)
            if rgb:
                _, red, green, blue = rgb.strip(";").split(";")
                assert red == green == blue
                palette[grey] = round(int(red) * 255 / 100)
        elif mark in "$-":
            x, band = 0, band + (mark == "-")
        else:
            for row in range(6):
                if ord(mark) - 63 >> row & 1:
                    assert band * 6 + row < height, "below the picture"
                    canvas[band * 6 + row, x : x + int(count or 1)] = palette[grey]
            x += int(count or 1)
            assert x <= width
    assert canvas.min() >= 0, "a pixel was left out"
    return canvas.astype(np.uint8)


class Screen:
    """What a terminal shows of pictures: ``canvas`` has a grey for each pixel, -1 where there is text or nothing."""

    def __init__(self, columns, lines, cell=(10, 20)):
        self.columns, self.lines, self.cell = columns, lines, cell
        self.canvas = np.full((lines * cell[1], columns * cell[0]), -1)
        self.text = [[" "] * columns for _ in range(lines)]
        self.pictures = 0
        self._x = self._y = 0
        self._saved = (0, 0)

    def feed(self, output):
        """Take what was written to the terminal, whole sequences only."""
        for token in _TOKEN.finditer(output):
            if token["line"]:
                self._y, self._x = int(token["line"]) - 1, int(token["column"]) - 1
            elif token["cursor"] == "7":
                self._saved = self._x, self._y
            elif token["cursor"] == "8":
                self._x, self._y = self._saved
            elif token["dcs"] is not None:
                if '0;1;0q"' in token["dcs"]:
                    self._paint(decode_sixel(token["dcs"]))
            elif token["iterm"]:
                self._paint(self._decode_iterm(token["iterm"], token["data"]))
            elif token["text"]:
                self._write(token["text"])
        return self

    def _decode_iterm(self, arguments, data):
        given = dict(pair.split("=") for pair in arguments.split(";"))
        file = base64.b64decode(data, validate=True)
        assert (given["inline"], given["preserveAspectRatio"], given["doNotMoveCursor"]) == ("1", "0", "1")
        assert len(file) == int(given["size"])
        size = int(given["width"]) * self.cell[0], int(given["height"]) * self.cell[1]
        return np.asarray(Image.open(io.BytesIO(file)).resize(size, Image.Resampling.BICUBIC))

    def _paint(self, picture):
        width, height = self.cell
        x, y = self._x * width, self._y * height
        assert y + picture.shape[0] <= self.canvas.shape[0] - height, "the terminal may scroll"
        self.canvas[y : y + picture.shape[0], x : x + picture.shape[1]] = picture
        self.pictures += 1

    def _write(self, text):
        width, height = self.cell
        for character in text:
            wide = cell_len(character)
            if wide and self._y < self.lines and self._x < self.columns:
                self.text[self._y][self._x] = character
                place = np.s_[self._y * height : (self._y + 1) * height, self._x * width : (self._x + wide) * width]
                self.canvas[place] = -1
            self._x += wide

    def covered(self):
        """Return which cells show a picture, bool [lines, columns]."""
        width, height = self.cell
        return (self.canvas.reshape(self.lines, height, self.columns, width) >= 0).all((1, 3))

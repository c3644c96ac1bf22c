"""Kitty's graphics: what is sent is decoded by a reader of the protocol that is written here."""

import base64
import io
import re
import unicodedata

import numpy as np
import pytest
from PIL import Image
from rich.style import Style

from kanatui.tui import kitty
from kanatui.tui.pictures import Pictures
from kanatui.tui.terminal import Terminal
from kanatui.tui.ways import Choice

IMAGE = np.random.default_rng(1).integers(0, 256, (64, 48), dtype=np.uint8)  # noise: several chunks


class Screen:
    """Understands transmissions and deletions, as a terminal does."""

    def __init__(self):
        self.images, self.places, self._parts, self._keys = {}, {}, "", {}

    def write(self, data):
        unwrapped = re.sub(r"\x1bPtmux;((?:\x1b\x1b|[^\x1b])*)\x1b\\", lambda m: m[1].replace("\x1b\x1b", "\x1b"), data)
        commands = re.findall(r"\x1b_G([^;\x1b]*);?([^\x1b]*)\x1b\\", unwrapped)
        assert unwrapped == "".join(f"\x1b_G{keys}{';' + body if body else ''}\x1b\\" for keys, body in commands)
        for keys, body in commands:
            self._take(dict(pair.split("=") for pair in keys.split(",")), body)

    def _take(self, keys, body):
        assert keys["q"] == "2", "an answer would count as typed"
        if keys.get("a") == "d":
            del self.images[int(keys["i"])]
            return
        assert len(body) <= 4096
        if "a" in keys:
            assert not self._parts
            self._keys = keys
        self._parts += body
        if keys.get("m") == "1":
            assert len(body) % 4 == 0
            return
        first, number = self._keys, int(self._keys["i"])
        assert (first["a"], first["U"], first["f"]) == ("T", "1", "100")
        self.images[number] = np.asarray(Image.open(io.BytesIO(base64.b64decode(self._parts))))
        self.places[number] = int(first["c"]), int(first["r"])
        self._parts = ""


@pytest.mark.parametrize("tmux", [False, True])
def test_what_is_sent_is_the_picture(tmux):
    screen = Screen()
    screen.write(kitty.transmission(IMAGE, 77, 12, 6, tmux))
    assert np.array_equal(screen.images[77], IMAGE)
    assert screen.places[77] == (12, 6)
    screen.write(kitty.deletion(77, tmux))
    assert not screen.images


def test_every_placeholder_names_its_row_and_column():
    lines = kitty.placeholders(5, 3)
    for row, line in enumerate(lines):
        cells = [line[i : i + 3] for i in range(0, len(line), 3)]
        assert [(cell[0], kitty.NUMERALS.index(cell[1]), kitty.NUMERALS.index(cell[2])) for cell in cells] == [
            ("\U0010eeee", row, column) for column in range(5)
        ]


def test_numerals_are_those_of_the_protocol():
    """All combining characters of class 230 in order, without those that merge with a letter (graphics-protocol)."""
    merging = {*range(0x300, 0x305), *range(0x306, 0x30D), 0x30F, 0x311, 0x313, 0x314, 0x342, 0x653, 0x654}
    later = {0x358, 0x5BF, 0x59A}  # not of class 230 in Unicode 6, or added afterwards
    expected = [
        chr(code)
        for code in range(0x300, 0x830)
        if unicodedata.combining(chr(code)) == 230 and unicodedata.category(chr(code)) == "Mn"
        and not unicodedata.decomposition(chr(code)) and code not in merging | later
    ]  # fmt: skip
    assert list(kitty.NUMERALS) == expected
    assert len(set(kitty.NUMERALS)) == kitty.MOST


@pytest.fixture
def pictures():
    screen = Screen()
    made = Pictures(Choice("kitty", "", Terminal("kitty", (0, 35), True)), screen.write)
    made.screen = screen
    return made


def shown(pictures, drawn):
    """The picture that the terminal shows in place of these segments."""
    (number,) = {segment.style.color.triplet for line in drawn for segment in line}
    return pictures.screen.images[number.red << 16 | number.green << 8 | number.blue]


def test_a_picture_is_sent_once_and_shown_wherever_its_placeholders_are(pictures):
    first = pictures.draw(IMAGE, 12, 6, Style.null())
    assert [sum(segment.cell_length for segment in line) for line in first] == [12] * 6
    assert np.array_equal(shown(pictures, first), IMAGE)
    assert pictures.draw(IMAGE, 12, 6, Style.null()) == first
    assert len(pictures.screen.images) == 1
    other = pictures.draw(255 - IMAGE, 12, 6, Style.null())
    larger = pictures.draw(IMAGE, 24, 12, Style.null())
    assert np.array_equal(shown(pictures, other), 255 - IMAGE)
    assert np.array_equal(shown(pictures, larger), IMAGE)
    assert len(pictures.screen.images) == 3
    pictures.close()
    assert not pictures.screen.images


def test_old_pictures_make_room_and_recent_ones_stay(pictures, monkeypatch):
    monkeypatch.setattr("kanatui.tui.pictures._KEPT", 3)
    images = [np.full((8, 8), grey, np.uint8) for grey in (0, 50, 100, 150)]
    drawn = [pictures.draw(image, 4, 2, Style.null()) for image in images[:3]]
    drawn[0] = pictures.draw(images[0], 4, 2, Style.null())  # used again
    drawn.append(pictures.draw(images[3], 4, 2, Style.null()))
    assert len(pictures.screen.images) == 3
    for place in (0, 2, 3):
        assert np.array_equal(shown(pictures, drawn[place]), images[place])


def test_a_light_theme_shows_dark_ink():
    screen = Screen()
    light = Pictures(Choice("kitty", "", Terminal("kitty", (0, 35), True)), screen.write, lambda: False)
    light.draw(IMAGE, 12, 6, Style.null())
    assert np.array_equal(next(iter(screen.images.values())), 255 - IMAGE)

"""Pictures over cells, as Sixel and by iTerm2's protocol: what a terminal then shows, whatever is painted over what."""

import os
import shlex
import shutil
import subprocess
import time

import numpy as np
import psutil
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image
from rich.style import Style

from kanatui.cli.bench.terminal import Terminal as Emulated
from kanatui.core import processes
from kanatui.tui.inline import FEW_GREYS
from kanatui.tui.pictures import Pictures, graphics_bytes
from kanatui.tui.sixel import MOST_GREYS, sixel
from kanatui.tui.terminal import Terminal
from kanatui.tui.ways import Choice
from tests.helpers.app import keep_small_draft
from tests.helpers.processes import wait_until
from tests.helpers.screen import Screen, decode_sixel

COLUMNS, LINES, CELL = 24, 9, (6, 13)  # thirteen rows are not a number of bands
NOISE = np.random.default_rng(1).integers(0, 256, (48, 48), dtype=np.uint8)


def body(control_string):
    assert control_string.startswith("\x1bP") and control_string.endswith("\x1b\\")
    return control_string[2:-2]


def rounded(image, greys=MOST_GREYS):
    return np.rint(np.rint(image * ((greys - 1) / 255)) * (255 / (greys - 1)))


def furthest(greys):
    """The largest difference between a grey and what it is rounded to; palettes are in whole percents."""
    return 255 / (greys - 1) / 2 + 1.5


@settings(deadline=None)
@given(
    arrays(np.uint8, st.tuples(st.integers(1, 20), st.integers(1, 30)), elements=st.sampled_from([0, 0, 17, 99, 255]))
)
def test_sixel_decodes_to_the_picture_in_sixteen_greys(image):
    assert np.abs(decode_sixel(body(sixel(image))) - rounded(image)).max() <= 1  # its palette is in whole percents


def test_imagemagick_reads_the_same_picture(tmp_path):
    image = np.asarray(Image.fromarray(NOISE).resize((70, 83)))
    (tmp_path / "a.sixel").write_text(sixel(image))
    subprocess.run(["convert", f"sixel:{tmp_path / 'a.sixel'}", tmp_path / "a.png"], check=True)
    read = np.asarray(Image.open(tmp_path / "a.png").convert("L")).astype(int)
    assert np.abs(read[:83, :70] - rounded(image)).max() <= 1


def make_pictures(way, cell=CELL):
    return Pictures(
        Choice(way, "", Terminal("xterm", sixel=True, cell=cell)),
        lambda data: None,
        window=lambda: (COLUMNS, LINES, 0, 0),
    )


def frame(cells, places):
    """What Textual writes for some cells: each place as if it were a span of its own."""
    return "".join(f"\x1b[{y + 1};{x + 1}H\x1b[38;2;1;2;3m{cells[y][x][0]}\x1b[0m" for y, x in places)


def cells_of(pictures, layout):
    """The cells of a screen with pictures at some places, and what each shows: nothing, or image, row and column."""
    cells = [[(".", None)] * COLUMNS for _ in range(LINES)]
    for number, (x, y) in enumerate(layout):
        drawn = pictures.draw(np.roll(NOISE, number, 1), 8, 4, Style.null())
        for row, line in enumerate(drawn):
            text = "".join(segment.text for segment in line)
            for column in range(8):
                if y + row < LINES and x + column < COLUMNS:
                    cells[y + row][x + column] = text[column * 5 : column * 5 + 5], (number, row, column)
    return cells


def expected(cells, cell=CELL):
    width, height = cell
    canvas = np.full((LINES * height, COLUMNS * width), -1)
    for y, line in enumerate(cells[:-1]):  # the last line gets no picture
        for x, (_, shown) in enumerate(line):
            if shown:
                image = Image.fromarray(np.roll(NOISE, shown[0], 1)).resize(
                    (8 * width, 4 * height), Image.Resampling.BICUBIC
                )
                row, column = shown[1] * height, shown[2] * width
                part = np.asarray(image)[row : row + height, column : column + width]
                canvas[y * height : (y + 1) * height, x * width : (x + 1) * width] = part
    return canvas


def agree(screen, cells, greys):
    wanted = expected(cells)
    assert np.array_equal(screen.canvas < 0, wanted < 0), "a picture was left behind, or is missing"
    assert np.abs(screen.canvas - wanted).max() <= greys


PLACES = st.lists(st.tuples(st.integers(0, COLUMNS - 1), st.integers(0, LINES - 1)), max_size=5)
ALL = [(y, x) for y in range(LINES) for x in range(COLUMNS)]


@pytest.mark.parametrize(("way", "greys"), [("sixel", furthest(FEW_GREYS)), ("iterm", 0)])
@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_after_any_frames_the_screen_shows_just_the_pictures_that_are_there(way, greys, data):
    pictures, screen = make_pictures(way), Screen(COLUMNS, LINES, CELL)
    before = cells_of(pictures, [])
    for layout in data.draw(st.lists(PLACES, min_size=1, max_size=4)):
        cells = cells_of(pictures, layout)
        changed = [(y, x) for y, x in ALL if cells[y][x] != before[y][x]]
        again = data.draw(st.lists(st.sampled_from(ALL), max_size=20))
        screen.feed(pictures.painted(frame(cells, sorted({*changed, *again}))))
        agree(screen, cells, greys)
        before = cells


def test_a_frame_without_pictures_and_one_of_another_way_are_written_as_they_are():
    assert make_pictures("sixel").painted("\x1b[1;1Habc") == "\x1b[1;1Habc"
    kitty = make_pictures("kitty")
    text = "".join(segment.text for segment in kitty.draw(NOISE, 8, 4, Style.null())[0])
    assert kitty.painted(text) == text


def test_placeholders_of_no_picture_become_blanks():
    mark = make_pictures("sixel").draw(NOISE, 1, 1, Style.null())[0][0].text
    assert make_pictures("iterm").painted(f"\x1b[1;1Ha{mark}b{mark[0]}c") == "\x1b[1;1Ha b c"


def test_a_picture_is_as_large_as_its_cells_whatever_the_user_zooms_to():
    size = [0, 0]
    pictures = make_pictures("sixel")
    pictures._window = lambda: (COLUMNS, LINES, *size)
    cells = cells_of(pictures, [(2, 1)])
    for cell in (CELL, (9, 15), (60, 300)):  # the last is larger than xterm shows at once
        size[:] = COLUMNS * cell[0] + 5, LINES * cell[1] + 3
        screen = Screen(COLUMNS, LINES, cell).feed(pictures.painted(frame(cells, ALL)))
        assert np.abs(screen.canvas - expected(cells, cell)).max() <= furthest(
            MOST_GREYS if cell[1] > 100 else FEW_GREYS
        )
    assert screen.pictures == 2


def test_bytes_are_those_that_are_sent():
    for way in ("sixel", "iterm"):
        pictures = make_pictures(way)
        sent = pictures.painted(
            "\x1b[1;1H" + frame(cells_of(pictures, [(0, 0)]), [(y, x) for y in range(4) for x in range(8)])
        )
        counted = graphics_bytes(NOISE, 8, 4, way, CELL)
        assert pictures.bytes_of(NOISE, 8, 4) == 3 * counted  # others are sent again with it
        start = sent.index("\x1b7\x1b[1;1H") + 8
        assert len(sent) - start - len("\x1b8") == counted - 32


XTERM = {
    b"\x1b[>0q": b"\x1bP>|XTerm(379)\x1b\\",
    b"\x1b[16t": b"\x1b[6;20;10t",
    b"\x1b[c": b"\x1b[?63;1;2;4;6;9;15;16;22;28c",
    b"\x1b[?2026$p": b"\x1b[?2026;2$y",
}
ITERM = {**XTERM, b"\x1b[>0q": b"\x1bP>|iTerm2 3.5.0\x1b\\"}


class App:
    """The app on a terminal that answers, and what the terminal shows."""

    def __init__(self, answers, columns=100, lines=30, **environment):
        keep_small_draft()
        command = processes.python("-m", "kanatui")
        self.terminal = Emulated(command, columns, lines, environment=environment, answers=answers)
        self.screen, self._fed = Screen(columns, lines), 0
        self._shown, self._changed = None, 0.0

    def __enter__(self):
        self.terminal.wait_for("klee")  # a caption
        self.look()
        return self

    def __exit__(self, *error):
        self.terminal.end()

    def look(self, since=-1):
        """Wait until all is painted, and return what the pictures cover."""
        self._shown = None  # what has stood for long says nothing of what a key is about to change
        wait_until(lambda: self._has_painted(since), lambda: "\n".join(map("".join, self.screen.text)))
        return self.screen.canvas.copy()

    def _has_painted(self, since):
        """For half a second nothing changes but the cursor, which blinks, and the app does not wait for a core."""
        self._feed()
        now, shown = time.perf_counter(), ("".join(map("".join, self.screen.text)), self.screen.canvas.tobytes())
        if shown != self._shown or not self._is_asleep():
            self._shown, self._changed = shown, now
        return self.terminal.painted > since and now - self._changed >= 0.5

    def _feed(self):
        """Show the frames that are complete."""
        frames, end, _ = self.terminal.text(self._fed).rpartition("\x1b[?2026l")
        self._fed += len((frames + end).encode())
        self.screen.feed(frames + end)

    def _is_asleep(self):
        app = psutil.Process(self.terminal.process.pid)
        try:
            return all(process.status() != psutil.STATUS_RUNNING for process in (app, *app.children(recursive=True)))
        except psutil.NoSuchProcess:  # one that has just ended
            return False

    def press(self, keys, text=""):
        """Press keys, wait until a text is painted, and then all."""
        since = self.terminal.press(keys)
        self.terminal.wait_for(text, since)
        return self.look(since)

    def resize(self, columns, lines):
        """Change the terminal's size; return what it shows then."""
        self.look()
        since = self.terminal.painted
        self.screen = Screen(columns, lines)
        self.terminal.resize(columns, lines)
        return self.look(since)

    def repainted(self):
        """Cover the whole screen, and uncover it."""
        assert (self.press("?", "Keys on this screen") < 0).all()
        return self.press("?")


CLICK = "\x1b[<0;70;8M\x1b[<0;70;8m"  # on the sheet


@pytest.mark.parametrize("answers", [XTERM, pytest.param(ITERM, marks=pytest.mark.slow)], ids=["sixel", "iterm"])
def test_dialogs_scrolling_and_sizes_leave_no_ghost_in_a_terminal_that_shows_pictures(answers):
    with App(answers) as app:
        first = app.look()
        assert app.screen.covered().sum() >= 9 * 10 * 5, "the sheet shows its glyphs"
        dialog = app.press("S", "Save this screen as")
        row = next(row for row, line in enumerate(app.screen.text) if "kanatui-dataset.svg" in "".join(line))
        assert not app.screen.covered()[row, 20:80].any()
        assert 0 < (dialog >= 0).sum() < (first >= 0).sum()
        assert np.array_equal(app.press("\x1b"), first)
        assert not np.array_equal(app.press(CLICK, "Close"), first)
        assert (app.press("\x1b") >= 0).sum() == (first >= 0).sum()
        scrolled = app.press("\x1b[B" * 4)
        assert not np.array_equal(scrolled, first)
        assert np.array_equal(app.repainted(), scrolled)
        assert (app.resize(120, 40) >= 0).sum() > (first >= 0).sum()
        small = app.resize(80, 24)
        assert 0 < (small >= 0).sum() < (first >= 0).sum()
        assert np.array_equal(app.repainted(), small)


def test_without_colour_pictures_are_sent_if_the_user_wants_them():
    with App(XTERM, NO_COLOR="1", KANATUI_PICTURES="sixel") as app:
        assert app.screen.covered().any()


@pytest.mark.skipif(not shutil.which("tmux"), reason="needs tmux")
def test_in_a_tmux_without_sixel_the_app_is_sent_no_pictures(tmp_path):
    keep_small_draft()
    tmux = ["tmux", "-L", f"kanatui-{os.getpid()}", "-f", "/dev/null"]
    inner = shlex.join(processes.python("-m", "kanatui"))
    command = [*tmux, "new-session", f"exec {inner}"]
    with Emulated(command, 120, 40, environment={"TMUX": "", "LC_ALL": "C.UTF-8"}, answers=XTERM) as terminal:
        try:
            terminal.wait_for("klee")
            screen = Screen(120, 40).feed(terminal.text())
            assert not screen.pictures
            assert not any(character in line for line in screen.text for character in "\U0010eeef\U0010eeee")
        finally:
            subprocess.run([*tmux, "kill-server"], check=False, capture_output=True)

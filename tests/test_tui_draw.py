"""The Draw screen: drawing by mouse and by keys, reading, labelling, practice, samples."""

import functools
import itertools
import json

import numpy as np
import pytest
import torch
from textual.events import MouseDown, MouseMove, MouseUp
from textual.widgets import OptionList, Select

from kanatui import handwriting, trust
from kanatui.drawing import PEN_WIDTHS, Drawing, Stroke
from kanatui.kana import HIRAGANA, KANA
from kanatui.training.runs import Run
from kanatui.tui.draw.board import Board
from kanatui.tui.draw.canvas import Canvas
from kanatui.tui.draw.picture import braille_lines
from kanatui.tui.draw.practice import Practice, in_order, next_wanted
from kanatui.tui.draw.readings import Readings
from kanatui.tui.draw.samples import Samples
from kanatui.tui.draw.typed import name_of, parse_typed
from kanatui.tui.widgets.dialogs import Ask, Confirm, Details
from kanatui.tui.widgets.glyphs import GlyphSheet
from kanatui.weights import save_weights
from tests.test_drawing import STROKES, drawn
from tests.tui import make_app, screen_text, until

SIZES = [(80, 24), (120, 40)]
KNOWN = "".join(STROKES) + "っヵ"

PLUGIN = '''
"""Reads by comparing with pictures: a model without training, for tests."""

import torch
from torch import nn

from kanatui import Model, hookimpl


class Soft(nn.Module):
    def __init__(self, size, classes):
        super().__init__()
        self.compare = nn.Linear((size // 2) ** 2, classes, bias=False)

    def features(self, images):
        for _ in range(2):
            images = nn.functional.avg_pool2d(images, 5, 1, 2)
        flat = nn.functional.avg_pool2d(images, 2).flatten(1)
        return nn.functional.normalize(flat - flat.mean(1, keepdim=True), dim=1)

    def forward(self, images):
        return 40.0 * self.compare(self.features(images))


class Template(Model):
    id = "template"

    def build(self, image_size, num_classes):
        return Soft(image_size, num_classes)


@hookimpl
def kanatui_models():
    return [Template]
'''


@functools.cache
def templates():
    """The pictures that the test model compares with: KNOWN, drawn by an installed face, prepared like any picture."""
    from kanatui.engine.jobs.recognize import glyphs
    from kanatui.engine.workshop import Workshop
    from kanatui.prepare import prepare

    answer = glyphs(Workshop(), {"characters": KNOWN, "side": 96}, lambda done, total, text="": None)
    assert answer.data["characters"] == KNOWN
    return np.stack([prepare(image, 48) for image in answer.arrays["images"]])


@pytest.fixture
def model(home, tmp_path, monkeypatch):
    """A finished run whose model reads by comparing with a font's glyphs."""
    folder = tmp_path / "plugins"
    folder.mkdir()
    (folder / "template.py").write_text(PLUGIN)
    trust.trust(folder / "template.py")
    monkeypatch.setenv("KANATUI_PLUGINS", str(folder))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    space = {}
    exec(compile(PLUGIN, "template", "exec"), space)
    module = space["Soft"](48, len(KNOWN))
    module.compare.weight.data = module.features(torch.from_numpy(templates()).float()[:, None] / 255)
    run = Run.create("template", {"recipe": "none"})
    (run.path / "checkpoints").mkdir()
    (run.path / "status.json").write_text(json.dumps({"state": "finished", "best": {"strict": 0.5, "folded": 0.9}}))
    card = {"model": {"id": "template", "parameters": {}}, "characters": KNOWN, "image_size": 48}
    save_weights(run.checkpoint("best"), module, card)
    return run


@pytest.fixture
def board(request):
    """Open the app at the drawing board; with a model, wait until it can read."""

    class Opened:
        def __init__(self, app, pilot):
            self.app, self.pilot = app, pilot
            self.canvas = app.screen.query_one(Canvas)
            self.readings = app.screen.query_one(Readings)
            self.board = app.screen.query_one(Board)

        async def until(self, predicate, seconds=60.0):
            return await until(self.pilot, predicate, seconds)

        def report(self, kind, place, button=1, exact=False):
            """Post a mouse event as a terminal reports it: for whole cells, or by pixels."""
            region, side = self.canvas.region, self.canvas._side
            x, y = region.x + place[0] * side, region.y + place[1] * side / 2
            if not exact:
                x, y = int(x), int(y)
            event = kind(None, x, y, 0, 0, button, False, False, False, screen_x=x, screen_y=y)
            self.app.post_message(event)

        async def stroke(self, line, points=8, exact=False):
            """Draw a stroke by mouse; a fast hand is reported at few places."""
            corners = np.array(line)
            walk = np.concatenate(
                [np.linspace(a, b, points, endpoint=False) for a, b in itertools.pairwise(corners)] + [corners[-1:]]
            )
            before = len(self.canvas.drawing.strokes)
            self.report(MouseDown, walk[0], exact=exact)
            for place in walk[1:]:
                self.report(MouseMove, place, exact=exact)
            self.report(MouseUp, walk[-1], exact=exact)
            await self.until(lambda: len(self.canvas.drawing.strokes) == before + 1)

        async def draw(self, lines, **how):
            for line in lines:
                await self.stroke(line, **how)

        async def read(self):
            """Wait for the readings of what is drawn now."""
            await self.until(lambda: self.board._read_up.is_set() and self.readings.shown)
            return [reading.character for reading in self.readings.shown]

        async def ready(self):
            await self.until(lambda: self.readings.known and self.readings.pictures)

        async def press(self, *keys):
            await self.pilot.press(*keys)
            await self.pilot.pause()

    class Opening:
        def __init__(self, size=(80, 24), **options):
            self.app = make_app(mode="draw", **options)
            self.running = self.app.run_test(size=size, notifications=True)

        async def __aenter__(self):
            pilot = await self.running.__aenter__()
            await until(pilot, lambda: self.app.current_mode == "draw" and list(self.app.screen.query(Canvas)))
            opened = Opened(self.app, pilot)
            await opened.until(lambda: opened.canvas.has_focus and opened.canvas._side)
            return opened

        async def __aexit__(self, *error):
            return await self.running.__aexit__(*error)

    return Opening


def ink(canvas):
    return canvas._pixels > 127


# --- the board


async def test_a_stroke_by_mouse_has_no_gaps_however_few_places_are_reported(board):
    async with board() as at:
        await at.stroke([(0.2, 0.5), (0.8, 0.5)], points=1)
        side = at.canvas._side
        row = ink(at.canvas)[side // 2 - 1 : side // 2 + 2].any(axis=0)
        assert row[round(0.22 * side) : round(0.78 * side)].all()
        assert "▀" in screen_text(at.app)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("exact", [False, True], ids=["cells", "pixels"])
async def test_what_is_drawn_is_what_the_hand_did(board, size, exact):
    off = []
    async with board(size) as at:
        at.app.supports_smooth_scrolling = exact
        for character in ("か", "の", "コ", "メ"):
            at.canvas.clear()
            await at.draw(STROKES[character], exact=exact)
            assert len(at.canvas.drawing.strokes) == len(STROKES[character])
            wanted, made = (d.raster(96) > 127 for d in (drawn(character), at.canvas.drawing))
            off.append(_mean_distance(wanted, made) / 96)
    # In shares of the board: half a cell's height is 1/44 of it at 80×24.
    assert max(off) < (0.004 if exact else 0.02)


def _mean_distance(one, other):
    from scipy.ndimage import distance_transform_edt

    return (distance_transform_edt(~one)[other].mean() + distance_transform_edt(~other)[one].mean()) / 2


async def test_only_changed_cells_are_painted_again(board):
    async with board((120, 40)) as at:
        await at.stroke([(0.2, 0.2), (0.8, 0.2)])
        painted = []
        render = at.canvas.render_line
        at.canvas.render_line = lambda y: painted.append(y) or render(y)
        await at.stroke([(0.2, 0.8), (0.8, 0.8)])
        await at.pilot.pause()
        assert painted
        assert min(painted) > at.canvas.size.height * 0.6


async def test_keys_draw_move_and_lift(board):
    async with board() as at:
        side = at.canvas._side
        await at.press("left", *["left"] * 5, "space", *["right"] * 8, *["shift+down"] * 2, *["pagedown"] * 3, "space")
        (stroke,) = at.canvas.drawing.strokes
        first, last = np.array(stroke.points[0]) * side, np.array(stroke.points[-1]) * side
        assert np.allclose(last - first, (8 + 3, 8 + 3), atol=0.01)
        assert not at.canvas.pen_down
        await at.press("shift+up", "space", "space")
        assert len(at.canvas.drawing.strokes[1].points) == 1
        at.canvas._cursor = (0.5, 0.5)
        await at.press("home")
        assert at.canvas._cursor_pixel() == (side // 2 - 1, side // 2 - 1)
        await at.press(*["shift+left"] * side)
        assert at.canvas._cursor_pixel()[0] == 0


async def test_the_pen_says_whether_it_is_down_and_how_wide_it_is(board):
    async with board() as at:
        assert "pen 3/5" in screen_text(at.app) and "DOWN" not in screen_text(at.app)
        await at.press("space", "plus")
        assert "pen 4/5 DOWN" in screen_text(at.app)
        await at.press("enter", *["plus"] * 9)
        assert "pen 5/5 ·" in screen_text(at.app)
        await at.press(*["minus"] * 9)
        await at.stroke([(0.5, 0.5), (0.6, 0.6)])
        assert at.canvas.drawing.strokes[-1].width == PEN_WIDTHS[0]
        await at.press("e")
        assert "eraser" in screen_text(at.app)


async def test_undo_takes_strokes_back_one_by_one_and_clear_all(board):
    async with board() as at:
        await at.draw(STROKES["き"])
        before = at.canvas._pixels.copy()
        await at.stroke([(0.1, 0.9), (0.9, 0.9)])
        await at.press("u")
        assert (at.canvas._pixels == before).all()
        await at.press("backspace")
        assert len(at.canvas.drawing.strokes) == 3
        await at.press("space", "right", "u")
        assert len(at.canvas.drawing.strokes) == 3 and not at.canvas.pen_down
        await at.press("c")
        assert at.canvas.empty and not at.canvas._pixels.any()
        await at.press("u", "c")
        assert at.canvas.empty


async def test_the_eraser_rubs_out_and_is_undone_like_a_stroke(board):
    async with board() as at:
        await at.stroke([(0.2, 0.5), (0.8, 0.5)])
        before = at.canvas._pixels.copy()
        await at.press("e")
        await at.stroke([(0.5, 0.3), (0.5, 0.7)])
        middle = at.canvas._side // 2
        assert at.canvas._pixels[middle, middle] < 40 and at.canvas._pixels[middle, middle // 2] > 200
        await at.press("u")
        assert (at.canvas._pixels == before).all()


async def test_a_lost_release_and_a_second_press_leave_no_stroke_open(board):
    async with board() as at:
        at.report(MouseDown, (0.3, 0.3))
        at.report(MouseMove, (0.5, 0.3))
        at.report(MouseMove, (0.6, 0.6), button=0)
        await at.until(lambda: len(at.canvas.drawing.strokes) == 1)
        assert at.app.mouse_captured is None
        at.report(MouseDown, (0.3, 0.5))
        at.report(MouseDown, (0.3, 0.7))
        at.report(MouseUp, (0.6, 0.7))
        await at.until(lambda: len(at.canvas.drawing.strokes) == 3)


async def test_resizing_keeps_the_drawing(board):
    async with board() as at:
        await at.draw(STROKES["ロ"])
        drawing = at.canvas.drawing
        for size in ((120, 40), (20, 6), (3, 2), (200, 60), (80, 24)):
            await at.pilot.resize_terminal(*size)
            await at.pilot.pause()
            side = at.canvas._side
            assert at.canvas._pixels.shape == (side, side)
            assert (at.canvas._pixels == drawing.raster(side)).all()
        assert at.canvas.drawing == drawing


async def test_plain_characters_show_the_drawing_without_colour(board):
    async with board(plain=True) as at:
        await at.draw(STROKES["コ"])
        await at.press("left")
        text = screen_text(at.app)
        assert "####" in text and "+" in text and "▀" not in text


async def test_escape_leaves_the_board_so_that_digits_are_screens_again(board):
    async with board() as at:
        await at.draw(STROKES["コ"])
        await at.press("1")
        assert at.app.current_mode == "draw"
        await at.press("escape", "1")
        await at.until(lambda: at.app.current_mode == "dataset")
        at.app.action_go("draw")
        await at.until(lambda: at.app.current_mode == "draw")
        assert len(at.canvas.drawing.strokes) == len(STROKES["コ"])
        await at.press("d", "c", "1")  # nothing drawn: the digits are screens
        await at.until(lambda: at.app.current_mode == "dataset")


async def test_without_a_model_it_says_how_to_get_one_and_drawings_can_be_kept(board):
    async with board() as at:
        await at.until(lambda: "No model yet. Press 2" in screen_text(at.app))
        await at.draw(STROKES["か"])
        await at.press("enter")
        await at.until(lambda: "no such reading" in screen_text(at.app))
        await at.press("t", *"ka", "enter")
        await at.until(lambda: [sample.character for sample in handwriting.samples()] == ["か"])
        await at.until(lambda: "kept as か ka · 1 of it" in screen_text(at.app))
        assert at.canvas.empty


# --- reading


async def test_drawings_by_mouse_are_read(board, model):
    """Strokes as a hand makes them, reported cell by cell, read by comparison with a font: no training involved."""
    right, among = [], []
    async with board() as at:
        await at.ready()
        for character, lines in STROKES.items():
            at.canvas.clear()
            at.board._read()
            await at.draw(lines)
            read = await at.read()
            assert len(read) == 5
            right += [character] if read[0] == character else []
            among += [character] if character in read else []
    assert len(right) >= 26, f"not read: {set(STROKES) - set(right)}"
    assert len(among) >= 32, f"not even among the five: {set(STROKES) - set(among)}"


@pytest.mark.parametrize("size", SIZES)
async def test_five_readings_with_bars_names_and_pictures(board, model, size):
    async with board(size) as at:
        await at.ready()
        assert "template · 90.0 %" in screen_text(at.app)
        assert "Draw with the mouse" in screen_text(at.app)
        await at.draw(STROKES["つ"])
        await at.read()
        text = screen_text(at.app)
        assert "1 つ tsu" in text and "2 っ small tsu" in text
        assert "≈ っ, together" in text and "↑ looks the same" in text
        assert text.count(" %") >= 6 and "█" in text
        assert sum(0x2800 < ord(c) <= 0x28FF for c in text) > 30
        for place in range(1, 6):
            assert f"{place} {at.readings.shown[place - 1].character}" in text


async def test_keys_alone_draw_a_character_that_is_read(board, model):
    async with board() as at:
        await at.ready()
        side = at.canvas._side
        at.canvas._cursor = (0.42, 0.14)
        down, aslant = round(0.7 * side), round(0.25 * side)
        await at.press("space", *["down"] * down, "space", *["up"] * (down - side // 4))
        await at.press("space", *["pagedown"] * aslant, "space")
        assert (await at.read())[0] == "ト"


async def test_size_on_the_board_tells_small_from_normal(board, model):
    async with board() as at:
        await at.ready()
        await at.draw([[(0.22 + x * 0.55, 0.41 + y * 0.55) for x, y in line] for line in STROKES["つ"]])
        assert (await at.read())[:2] == ["っ", "つ"]


async def test_a_script_restricts_the_readings(board, model):
    async with board() as at:
        await at.ready()
        await at.draw(STROKES["か"])
        assert {c in HIRAGANA for c in await at.read()} == {True, False}
        await at.press("k")
        await at.until(lambda: at.board._read_up.is_set() and all(r.character in HIRAGANA for r in at.readings.shown))
        assert "hiragana only" in screen_text(at.app)
        await at.press("k")
        await at.until(lambda: at.board._read_up.is_set() and all(r.character in KANA[83:] for r in at.readings.shown))
        await at.press("k", "u", "u", "u")
        await at.until(lambda: not at.readings.shown)


async def test_another_model_reads_the_same_drawing(board, model):
    import shutil

    other = Run.create("other", {})
    shutil.copytree(model.path / "checkpoints", other.path / "checkpoints")
    (other.path / "status.json").write_text(json.dumps({"state": "stopped"}))
    async with board() as at:
        await at.ready()
        assert at.app.screen.query_one("#model", Select).value == model.id  # the finished one, though it is older
        await at.draw(STROKES["ト"])
        await at.read()
        await at.press("m", "down", "enter")
        await at.until(lambda: at.board._model == other.id)
        await at.until(lambda: at.canvas.has_focus)
        assert (await at.read())[0] == "ト"


async def test_a_model_that_cannot_be_loaded_is_a_message_and_the_board_goes_on(board, model):
    model.checkpoint("best").write_bytes(b"no weights")
    async with board() as at:
        await at.until(lambda: "not a weights file" in at.app._problem[0])  # its toast may be gone again
        await at.draw(STROKES["ト"])
        await at.press("enter")
        await at.until(lambda: "no such reading" in screen_text(at.app))


# --- labelling


async def test_enter_digits_look_alike_and_typing_keep_the_drawing(board, model):
    async with board() as at:
        await at.ready()

        async def kept(*keys):
            await at.draw(STROKES["つ"])
            await at.press(*keys)  # at once: the reading is waited for
            before = len(handwriting.samples())
            await at.until(lambda: len(handwriting.samples()) == before + 1 or at.canvas.empty)
            await at.until(lambda: "kept as" in screen_text(at.app) and at.canvas.empty)

        await kept("enter")
        await kept("2")
        await kept("x")
        await kept("t", *"TSU", "enter")
        await kept("t", *"30d5", "enter")
        found = sorted(sample.character for sample in handwriting.samples())
        assert found == sorted("つっっツフ")
        notes = handwriting.samples()[0].notes()
        assert notes.readings[0][0] == "つ" and notes.model == model.id
        assert len(notes.drawing.strokes) == 1
        assert "5 kept" in screen_text(at.app)


async def test_keeping_nothing_and_typing_nonsense_are_said_in_place(board, model):
    async with board() as at:
        await at.ready()
        await at.press("enter")
        await at.until(lambda: "draw something first" in screen_text(at.app))
        await at.draw(STROKES["つ"])
        await at.press("t", *"qqq")
        await at.until(lambda: "type the character, its name" in screen_text(at.app))
        await at.press("enter")
        assert isinstance(at.app.screen, Ask)
        await at.press("escape")
        assert not at.canvas.empty and handwriting.samples() == []


async def test_a_drawing_that_cannot_be_kept_comes_back_to_the_board(board, home):
    (home / "handwriting").write_text("in the way")
    async with board() as at:
        await at.draw(STROKES["き"])
        await at.press("t", *"ki", "enter")
        await at.until(lambda: "! shows the details" in screen_text(at.app))
        await at.until(lambda: len(at.canvas.drawing.strokes) == len(STROKES["き"]))


@pytest.mark.parametrize(
    ("text", "prefer", "character"),
    [
        ("か", "hiragana", "か"),
        ("か\u3099", "hiragana", "が"),
        ("ka", "hiragana", "か"),
        ("KA", "hiragana", "カ"),
        ("ka", "katakana", "カ"),
        ("shi", "hiragana", "し"),
        ("si", "hiragana", "し"),
        ("TU", "hiragana", "ツ"),
        ("small tsu", "hiragana", "っ"),
        ("xtu", "katakana", "ッ"),
        ("vu", "hiragana", "ヴ"),
        ("n", "hiragana", "ん"),
        ("304b", "hiragana", "か"),
        (" U+30F6 ", "hiragana", "ヶ"),
        ("漢", "hiragana", "漢"),
    ],
)
def test_typed_characters(text, prefer, character):
    assert parse_typed(text, prefer) == character


@pytest.mark.parametrize("text", ["", "kq", "かき", "U+110000", "!", "z"])
def test_what_is_no_character_is_refused_in_one_line(text):
    with pytest.raises(ValueError) as caught:
        parse_typed(text)
    assert "\n" not in str(caught.value)


def test_every_kana_can_be_typed_by_its_name():
    for character in KANA:
        typed = name_of(character).upper() if character not in HIRAGANA else name_of(character)
        assert parse_typed(typed) == character


# --- practice


def tally(kept=0, read=0, misread=0):
    return handwriting.Tally(kept, read, misread)


def test_the_order_of_practice():
    tallies = {"い": tally(5, 5, 4), "う": tally(2, 2, 0), "え": tally(2, 2, 2)}
    assert "".join(in_order("いうえお", tallies, Practice.LEAST)) == "おえうい"
    assert "".join(in_order("いうえお", tallies, Practice.WEAKEST)) == "えいおう"
    assert next_wanted("いうえお", tallies, Practice.LEAST, passed=["お", "え"]) == "う"
    assert next_wanted("お", tallies, Practice.LEAST, passed=["お"]) == "お"
    assert next_wanted("", tallies, Practice.LEAST) == ""


async def test_practice_asks_keeps_and_goes_on(board):
    for character in KANA[2:]:
        handwriting.keep(drawn("か"), character, [("か", 1.0)])
    async with board() as at:
        await at.until(lambda: "167 kept" in screen_text(at.app))
        await at.press("p")
        assert "Draw ぁ small a" in screen_text(at.app) and "least collected first" in screen_text(at.app)
        await at.until(lambda: at.readings.pictures)
        assert sum(0x2800 < ord(c) <= 0x28FF for c in screen_text(at.app)) > 10
        await at.stroke([(0.5, 0.5), (0.7, 0.7)])
        await at.press("enter")
        await at.until(lambda: "Draw あ a" in screen_text(at.app))
        await at.until(lambda: sum(sample.character == "ぁ" for sample in handwriting.samples()) == 1)
        await at.press("n")
        assert "Draw あ a" not in screen_text(at.app)
        await at.press("p")
        assert "weakest first" in screen_text(at.app) and "1 misread" in screen_text(at.app)
        await at.press("p")
        assert "Draw " not in screen_text(at.app)


# --- samples


@pytest.fixture
def collected(home):
    for character, first in (("か", "か"), ("か", "ガ"), ("き", "き"), ("コ", "ユ")):
        handwriting.keep(drawn(character), character, [(first, 0.8)], "001-quick")


async def open_samples(at, count):
    await at.press("s")
    sheet = at.app.screen.query_one(GlyphSheet)
    await at.until(lambda: len(sheet._images) == count)
    return sheet


@pytest.mark.parametrize("size", SIZES)
async def test_samples_by_character_with_counts(board, collected, size):
    async with board(size) as at:
        await open_samples(at, 4)
        text = screen_text(at.app)
        assert "all  4" in text and "か    2 ka" in text and "!か→ガ" in text
        assert "read as: か 80 %" in text
        await at.press("down", "down")
        await at.until(lambda: len(at.app.screen.query_one(GlyphSheet)._images) == 1)
        await at.press("enter", "enter")
        await at.until(lambda: isinstance(at.app.screen, Details))
        assert "read by 001-quick" in screen_text(at.app)
        await at.press("escape", "escape")
        await at.until(lambda: at.canvas.has_focus)


async def test_samples_are_relabelled_and_removed(board, collected):
    async with board() as at:
        sheet = await open_samples(at, 4)
        sheet.focus()
        await at.press("end", "l", *"YU", "enter")
        await at.until(lambda: sorted(s.character for s in handwriting.samples()) == sorted("かかきユ"))
        await at.until(lambda: "ユ    1 yu" in screen_text(at.app))
        await at.press("home", "x")
        await at.until(lambda: isinstance(at.app.screen, Confirm))
        await at.press("enter")  # stands on Cancel
        assert len(handwriting.samples()) == 4
        await at.press("x", "r")
        await at.until(lambda: len(handwriting.samples()) == 3)
        await at.until(lambda: "all  3" in screen_text(at.app))
        await at.press("d")
        await at.until(lambda: "3 kept" in screen_text(at.app))


async def test_samples_are_exported_and_imported(board, collected, tmp_path):
    async with board((120, 40)) as at:
        await open_samples(at, 4)
        await at.press("o", *str(tmp_path / "out.zip"), "enter")
        await at.until(lambda: (tmp_path / "out.zip").exists())
        for sample in handwriting.samples()[:3]:
            handwriting.remove(sample)
        await at.press("i", *str(tmp_path / "out.zip"), "enter")
        await at.until(lambda: "3 samples imported, 1 were here already" in screen_text(at.app))
        await at.until(lambda: "all  4" in screen_text(at.app))
        await at.press("i", *str(tmp_path / "none"), "enter")
        await at.until(lambda: "no such folder" in screen_text(at.app))
        assert len(handwriting.samples()) == 4


async def test_no_samples_is_said(board):
    async with board() as at:
        await at.press("s", "x", "l")
        await at.until(lambda: "No samples yet" in screen_text(at.app))
        assert at.app.screen.query_one(OptionList).option_count == 1
        assert list(at.app.screen.query(Samples))


def test_braille_draws_eight_dots_a_cell():
    image = np.zeros((16, 16), dtype=np.uint8)
    image[0, 0] = image[15, 15] = image[3, 2] = 255
    assert braille_lines(image, 8) == ["⠁⡀" + "⠀" * 6, "⠀" * 8, "⠀" * 8, "⠀" * 7 + "⢀"]


def test_an_erased_drawing_has_no_readings(model):
    from kanatui.engine.jobs.recognize import recognize
    from kanatui.engine.workshop import Workshop

    drawing = Drawing((Stroke(((0.5, 0.5),)), Stroke(((0.5, 0.5),), 0.5, erases=True)))
    answer = recognize(Workshop(), {"model": model.id, "drawing": drawing.to_data()}, lambda *told: None)
    assert answer.data == {"readings": []}

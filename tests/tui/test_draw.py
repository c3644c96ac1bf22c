"""The Draw screen: drawing by mouse and by keys, and reading what is drawn."""

import json

import numpy as np
import pytest
from textual.events import MouseDown, MouseMove, MouseUp
from textual.widgets import Select, Static

from kanatui.evaluation import samples
from kanatui.kana.alphabet import FOLD, HIRAGANA, KANA
from kanatui.model import shipped
from kanatui.model.calibration import Calibration
from kanatui.pictures.drawing import PEN_WIDTHS, Drawing, Stroke
from kanatui.training.calibrate import write_calibration
from kanatui.training.events import EventWriter
from kanatui.training.runs import Run
from kanatui.tui.draw.paper import guides
from kanatui.tui.settings import Settings
from kanatui.tui.widgets.dialogs import Ask
from tests.helpers.app import screen_text, tells
from tests.helpers.board import SIZES, open_board
from tests.helpers.drawings import STROKES, drawn


def ink(canvas):
    return canvas.pixels > 127


# --- the board


async def test_a_stroke_by_mouse_has_no_gaps_however_few_places_are_reported():
    async with open_board() as at:
        await at.stroke([(0.2, 0.5), (0.8, 0.5)], points=1)
        side = at.canvas.side
        row = ink(at.canvas)[side // 2 - 1 : side // 2 + 2].any(axis=0)
        assert row[round(0.22 * side) : round(0.78 * side)].all()
        assert "▀" in screen_text(at.app)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("exact", [False, True], ids=["cells", "pixels"])
async def test_what_is_drawn_is_what_the_hand_did(size, exact):
    off = []
    async with open_board(size) as at:
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


async def test_only_changed_cells_are_painted_again():
    async with open_board((120, 40)) as at:
        await at.stroke([(0.2, 0.2), (0.8, 0.2)])
        painted = []
        render = at.canvas.render_line
        at.canvas.render_line = lambda y: painted.append(y) or render(y)
        await at.stroke([(0.2, 0.8), (0.8, 0.8)])
        await at.pilot.pause()
        assert painted
        assert min(painted) > at.canvas.size.height * 0.6


async def test_keys_draw_move_and_lift():
    async with open_board() as at:
        side = at.canvas.side
        await at.press("left", *["left"] * 5, "space", *["right"] * 8, *["shift+down"] * 2, *["pagedown"] * 3, "space")
        (stroke,) = at.canvas.drawing.strokes
        first, last = np.array(stroke.points[0]) * side, np.array(stroke.points[-1]) * side
        assert np.allclose(last - first, (8 + 3, 8 + 3), atol=0.01)
        assert not at.canvas.pen_down
        await at.press("shift+up", "space", "space")
        assert len(at.canvas.drawing.strokes[1].points) == 1
        at.canvas.cursor = (0.5, 0.5)
        await at.press("home")
        assert at.canvas.cursor_pixel == (side // 2 - 1, side // 2 - 1)
        await at.press(*["shift+left"] * side)
        assert at.canvas.cursor_pixel[0] == 0


async def test_the_pen_says_whether_it_is_down_and_how_wide_it_is():
    async with open_board() as at:
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


async def test_undo_takes_strokes_back_one_by_one_and_clear_all():
    async with open_board() as at:
        await at.draw(STROKES["き"])
        before = at.canvas.pixels.copy()
        await at.stroke([(0.1, 0.9), (0.9, 0.9)])
        await at.press("u")
        assert (at.canvas.pixels == before).all()
        await at.press("backspace")
        assert len(at.canvas.drawing.strokes) == 3
        await at.press("space", "right", "u")
        assert len(at.canvas.drawing.strokes) == 3 and not at.canvas.pen_down
        await at.press("c")
        assert at.canvas.empty and not at.canvas.pixels.any()
        await at.press("u", "c")
        assert at.canvas.empty


async def test_the_eraser_rubs_out_and_is_undone_like_a_stroke():
    async with open_board() as at:
        await at.stroke([(0.2, 0.5), (0.8, 0.5)])
        before = at.canvas.pixels.copy()
        await at.press("e")
        await at.stroke([(0.5, 0.3), (0.5, 0.7)])
        middle = at.canvas.side // 2
        assert at.canvas.pixels[middle, middle] < 40 and at.canvas.pixels[middle, middle // 2] > 200
        await at.press("u")
        assert (at.canvas.pixels == before).all()


async def test_a_lost_release_and_a_second_press_leave_no_stroke_open():
    async with open_board() as at:
        at.report(MouseDown, (0.3, 0.3))
        at.report(MouseMove, (0.5, 0.3))
        at.report(MouseMove, (0.6, 0.6), button=0)
        await at.until(lambda: len(at.canvas.drawing.strokes) == 1)
        assert at.app.mouse_captured is None
        at.report(MouseDown, (0.3, 0.5))
        at.report(MouseDown, (0.3, 0.7))
        at.report(MouseUp, (0.6, 0.7))
        await at.until(lambda: len(at.canvas.drawing.strokes) == 3)


async def test_resizing_in_mid_stroke_goes_on_with_the_stroke():
    async with open_board() as at:
        await at.press("space", *["right"] * 5)
        for size in ((120, 40), (80, 24), (120, 40)):
            await at.pilot.resize_terminal(*size)
            await at.press("down", "down")
        await at.press("space")
        (stroke,) = at.canvas.drawing.strokes
        first, last = stroke.points[0], stroke.points[-1]
        assert last[0] > first[0] and last[1] > first[1]


async def test_resizing_keeps_the_drawing():
    async with open_board() as at:
        await at.draw(STROKES["ロ"])
        drawing = at.canvas.drawing
        for size in ((120, 40), (20, 6), (3, 2), (200, 60), (80, 24)):
            await at.pilot.resize_terminal(*size)
            await at.pilot.pause()
            side = at.canvas.side
            assert at.canvas.pixels.shape == (side, side)
            assert (at.canvas.pixels == drawing.raster(side)).all()
        assert at.canvas.drawing == drawing


@pytest.mark.parametrize("side", range(16, 120, 2))
def test_the_frame_is_symmetrical_and_no_dots_touch(side):
    frame = guides(side)
    rows, columns = np.nonzero(frame)
    top, left = rows.min(), columns.min()
    framed = frame[top : rows.max() + 1, left : columns.max() + 1]
    assert (framed == framed[:, ::-1]).all()
    for edge in (framed[0], framed[:, 0], framed[:, -1]):
        assert edge[0] and edge[-1] and not (edge[1:] & edge[:-1]).any()


async def test_plain_characters_show_the_drawing_without_colour():
    async with open_board(pictures="ascii") as at:
        await at.draw(STROKES["コ"])
        await at.press("left")
        text = screen_text(at.app)
        assert "####" in text and "+" in text and "▀" not in text


async def test_escape_leaves_the_board_so_that_digits_are_screens_again():
    async with open_board() as at:
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


async def test_without_a_model_it_says_how_to_get_one_and_drawings_can_be_kept():
    async with open_board() as at:
        await at.until(lambda: "No model yet. Press 2" in screen_text(at.app))
        await at.draw(STROKES["か"])
        await at.press("enter")
        await at.until(lambda: "no such reading" in screen_text(at.app))
        await at.press("t", *"ka", "enter")
        await at.until(lambda: [sample.character for sample in samples.samples()] == ["か"])
        await at.until(lambda: "kept as か ka · 1 of it" in screen_text(at.app))
        assert at.canvas.empty


# --- reading


async def test_drawings_by_mouse_are_read(model):
    """Strokes as a hand makes them, reported cell by cell, read by comparison with a font: no training involved."""
    right, among = [], []
    async with open_board() as at:
        await at.ready()
        for character, lines in STROKES.items():
            await at.press("c")
            await at.draw(lines)
            read = await at.read()
            assert len(read) == 5
            right += [character] if read[0] == character else []
            among += [character] if character in read else []
    assert len(right) >= 26, f"not read: {set(STROKES) - set(right)}"
    assert len(among) >= 32, f"not even among the five: {set(STROKES) - set(among)}"


@pytest.mark.parametrize("size", [SIZES[0], pytest.param(SIZES[1], marks=pytest.mark.slow)])
async def test_drawings_by_mouse_are_read_by_the_shipped_model(shipped_model, size):
    wrong = {}
    async with open_board(size) as at:
        await at.ready()
        assert at.board.model == shipped.DEFAULT and "default, ships with kanatui" in screen_text(at.app)
        for character, lines in STROKES.items():
            await at.press("c")
            await at.draw(lines)
            read = await at.read()
            if read[0] != character and FOLD.get(read[0], read[0]) != FOLD.get(character, character):
                wrong[character] = "".join(read)
    assert len(STROKES) >= 20 and len(wrong) <= len(STROKES) // 10, f"misread: {wrong}"


@pytest.mark.parametrize("size", SIZES)
async def test_five_readings_with_bars_names_and_pictures(model, size):
    async with open_board(size) as at:
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


async def test_keys_alone_draw_a_character_that_is_read(model):
    async with open_board() as at:
        await at.ready()
        side = at.canvas.side
        at.canvas.cursor = (0.42, 0.14)
        down, aslant = round(0.7 * side), round(0.25 * side)
        await at.press("space", *["down"] * down, "space", *["up"] * (down - side // 4))
        await at.press("space", *["pagedown"] * aslant, "space")
        assert (await at.read())[0] == "ト"


async def test_curves_and_corners_drawn_by_keys_are_read_by_the_shipped_model(shipped_model):
    read = {}
    async with open_board((120, 40)) as at:
        await at.ready()
        for character in "つけロ":
            await at.press("c")
            await at.draw_by_keys(STROKES[character])
            first = (await at.read())[0]
            read[character] = FOLD.get(first, first)
    assert read == {character: character for character in read} and len(read) == 3


async def test_size_on_the_board_tells_small_from_normal(model):
    async with open_board() as at:
        await at.ready()
        await at.draw([[(0.22 + x * 0.55, 0.41 + y * 0.55) for x, y in line] for line in STROKES["つ"]])
        assert (await at.read())[:2] == ["っ", "つ"]


async def test_a_script_restricts_the_readings(model):
    async with open_board() as at:
        await at.ready()
        await at.draw(STROKES["か"])
        assert {c in HIRAGANA for c in await at.read()} == {True, False}
        await at.press("k")
        await at.until(lambda: at.board.up_to_date and all(r.character in HIRAGANA for r in at.readings.shown))
        assert "hiragana only" in screen_text(at.app)
        await at.press("k")
        await at.until(lambda: at.board.up_to_date and all(r.character in KANA[83:] for r in at.readings.shown))
        await at.press("k", "u", "u", "u")
        await at.until(lambda: not at.readings.shown)


async def test_a_drawing_that_the_model_refuses_is_asked_about(model):
    write_calibration(model.weights(), Calibration(1.0, 1.0, 100, "faces"))
    async with open_board() as at:
        await at.ready()
        await at.draw(STROKES["ト"])
        await at.read()
        await at.until(lambda: "not a kana?" in screen_text(at.app))
        await at.press("c")
        await at.until(lambda: "not a kana?" not in screen_text(at.app))


async def test_another_model_reads_the_same_drawing(model):
    import shutil

    other = Run.create("other", {})
    shutil.copytree(model.path / "checkpoints", other.path / "checkpoints")
    (other.path / "status.json").write_text(json.dumps({"state": "stopped"}))
    async with open_board() as at:
        await at.ready()
        assert at.app.screen.query_one("#model", Select).value == model.id  # the finished one, though it is older
        await at.draw(STROKES["ト"])
        await at.read()
        await at.press("m", "down", "enter")
        await at.until(lambda: at.board.model == other.id)
        await at.until(lambda: at.canvas.has_focus)
        assert (await at.read())[0] == "ト"


async def test_a_model_that_cannot_be_loaded_is_a_message_and_the_board_goes_on(model):
    model.checkpoint("best").write_bytes(b"no weights")
    async with open_board() as at:
        await at.until(tells(at.app, "not a weights file"))
        await at.draw(STROKES["ト"])
        await at.press("enter")
        await at.until(lambda: "no such reading" in screen_text(at.app))


def scores(folded):
    return {"images": 23, "strict": 0.5, "folded": folded}


@pytest.mark.parametrize(
    ("drawings", "generated", "takes"), [(0.87, 0.972, True), (0.82, 0.98, False), (0.87, 0.96, False)]
)
async def test_an_adaptation_that_helped_reads_from_then_on(model, drawings, generated, takes):
    import shutil

    made = Run.create("adapted", {})
    shutil.copytree(model.path / "checkpoints", made.path / "checkpoints")
    (made.path / "status.json").write_text(json.dumps({"state": "finished"}))
    events = EventWriter(made.path / "events.jsonl")
    events.write("validation", step=0, samples=scores(0.826), held_out=scores(0.975))
    events.write("validation", step=900, samples=scores(drawings), held_out=scores(generated))
    events.close()
    async with open_board((120, 40)) as at:
        await at.ready()
        at.board.read_with(model.id, "")
        at.app.screen._follow(made)
        figures = f"23 held-back drawings 82.6 % → {100 * drawings:.1f} %, generated 97.5 % → {100 * generated:.1f} %"
        verdict = "adapted" if takes else "adapting made it worse"
        await at.until(tells(at.app, f"{verdict}: {figures} · "))
        wanted = made.id if takes else model.id
        await at.until(lambda: at.app.screen.query_one("#model", Select).value == wanted)
        assert at.board.model == wanted
        await at.draw(STROKES["ト"])
        assert (await at.read())[0] == "ト"
    async with open_board() as at:  # and the next time
        await at.until(lambda: at.board.model == wanted)


async def test_an_adaptation_that_ended_while_the_app_was_closed_counts_the_next_time(model):
    import shutil

    made = Run.create("adapted", {})
    shutil.copytree(model.path / "checkpoints", made.path / "checkpoints")
    (made.path / "status.json").write_text(json.dumps({"state": "finished"}))
    events = EventWriter(made.path / "events.jsonl")
    for step, folded in ((0, 0.8), (900, 0.9)):
        events.write("validation", step=step, samples=scores(folded), held_out=scores(0.97))
    events.close()
    Settings(model=model.id, adapting=made.id).save()
    async with open_board() as at:
        await at.until(lambda: at.board.model == made.id)
    assert (Settings.load().model, Settings.load().adapting) == (made.id, "")


async def test_too_few_samples_to_adapt_are_said_before_anything_is_asked(model):
    async with open_board((120, 40)) as at:
        await at.ready()
        await at.press("escape", "a")
        said = at.readings.query_one("#note", Static)
        await at.until(lambda: "adapting needs 20 samples, 0 are kept: draw 20 more" in str(said.content))
        assert not isinstance(at.app.screen, Ask)


def test_an_erased_drawing_has_no_readings(model):
    from kanatui.engine.context import Context
    from kanatui.engine.jobs.recognize import recognize

    drawing = Drawing((Stroke(((0.5, 0.5),)), Stroke(((0.5, 0.5),), 0.5, erases=True)))
    answer = recognize(Context(), {"model": model.id, "drawing": drawing.to_data()}, lambda *told: None)
    assert answer.data == {"readings": [], "doubt": ""}

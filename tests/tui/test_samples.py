"""The Draw screen: saying what a drawing was, practice, and the samples."""

import pytest
from textual.widgets import Input, OptionList

from kanatui.evaluation import samples
from kanatui.kana.alphabet import KANA
from kanatui.tui.draw.practice import Practice, in_order, next_wanted
from kanatui.tui.draw.readings import ReadingRow
from kanatui.tui.draw.samples import Samples
from kanatui.tui.widgets.dialogs import Ask, Confirm, Details
from kanatui.tui.widgets.glyphs import GlyphSheet
from tests.helpers.app import screen_text
from tests.helpers.board import SIZES, open_board
from tests.helpers.drawings import STROKES, drawn
from tests.helpers.sheets import ink, shoot

# --- labelling


async def test_enter_digits_look_alike_and_typing_keep_the_drawing(model):
    async with open_board() as at:
        await at.ready()

        async def kept(*keys):
            before = len(samples.samples())
            await at.draw(STROKES["つ"])
            await at.press(*keys)  # at once: the reading is waited for
            await at.until(lambda: len(samples.samples()) == before + 1 and at.canvas.empty)
            await at.until(lambda: f"{before + 1} kept" in screen_text(at.app))

        await kept("enter")
        await kept("2")
        await kept("x")
        await kept("t", *"TSU", "enter")
        await kept("t", *"30d5", "enter")
        found = sorted(sample.character for sample in samples.samples())
        assert found == sorted("つっっツフ")
        notes = samples.samples()[0].notes()
        assert notes.readings[0][0] == "つ" and notes.model == model.id
        assert len(notes.drawing.strokes) == 1


async def test_a_click_on_a_reading_picks_it(model):
    async with open_board() as at:
        await at.ready()
        await at.pilot.click(list(at.app.screen.query(ReadingRow))[1])
        await at.draw(STROKES["つ"])
        second = (await at.read())[1]
        await at.pilot.click(list(at.app.screen.query(ReadingRow))[1])
        await at.until(lambda: [sample.character for sample in samples.samples()] == [second])
        await at.until(lambda: f"kept as {second} small tsu, read as つ" in screen_text(at.app))
        assert at.canvas.has_focus


async def test_a_kana_typed_on_the_board_keeps_the_drawing_as_it(model):
    async with open_board() as at:
        await at.ready()
        await at.press("カ")
        await at.until(lambda: "draw something first" in screen_text(at.app))
        await at.draw(STROKES["か"])
        await at.press("カ")
        await at.until(lambda: [sample.character for sample in samples.samples()] == ["カ"])
        await at.until(lambda: "kept as カ ka, read as か" in screen_text(at.app))


async def test_keeping_nothing_and_typing_nonsense_are_said_in_place(model):
    async with open_board() as at:
        await at.ready()
        await at.press("enter")
        await at.until(lambda: "draw something first" in screen_text(at.app))
        await at.draw(STROKES["つ"])
        await at.press("t", *"qqq")
        await at.until(lambda: "type the character, its name" in screen_text(at.app))
        await at.press("enter")
        assert isinstance(at.app.screen, Ask)
        await at.press("escape")
        assert not at.canvas.empty and samples.samples() == []


async def test_a_drawing_that_cannot_be_kept_comes_back_to_the_board(home):
    (home / "handwriting").write_text("in the way")
    async with open_board() as at:
        await at.draw(STROKES["き"])
        await at.press("t", *"ki", "enter")
        await at.until(lambda: "! shows the details" in screen_text(at.app))
        await at.until(lambda: len(at.canvas.drawing.strokes) == len(STROKES["き"]))


# --- practice


def tally(kept=0, read=0, misread=0):
    return samples.Tally(kept, read, misread)


def test_the_order_of_practice():
    tallies = {"い": tally(5, 5, 4), "う": tally(2, 2, 0), "え": tally(2, 2, 2)}
    assert "".join(in_order("いうえお", tallies, Practice.LEAST)) == "おえうい"
    assert "".join(in_order("いうえお", tallies, Practice.WEAKEST)) == "えいおう"
    assert next_wanted("いうえお", tallies, Practice.LEAST, passed=["お", "え"]) == "う"
    assert "".join(in_order("ぁあぃい", {}, Practice.LEAST)) == "あいぁぃ"
    assert next_wanted("お", tallies, Practice.LEAST, passed=["お"]) == "お"
    assert next_wanted("", tallies, Practice.LEAST) == ""


async def test_practice_asks_keeps_and_goes_on():
    for character in KANA[2:]:
        samples.keep(drawn("か"), character, [("か", 1.0)])
    async with open_board() as at:
        await at.until(lambda: "167 kept" in screen_text(at.app))
        await at.press("p")
        assert "Draw あ a" in screen_text(at.app) and "least collected first" in screen_text(at.app)
        await at.until(lambda: at.readings.pictures)
        assert sum(0x2800 < ord(c) <= 0x28FF for c in screen_text(at.app)) > 10
        await at.stroke([(0.5, 0.5), (0.7, 0.7)])
        await at.press("enter")
        await at.until(lambda: "Draw ぁ small a" in screen_text(at.app))
        await at.until(lambda: sum(sample.character == "あ" for sample in samples.samples()) == 1)
        await at.press("n")
        assert "Draw ぁ small a" not in screen_text(at.app)
        await at.press("p")
        assert "weakest first" in screen_text(at.app) and "1 misread" in screen_text(at.app)
        await at.press("p")
        assert "Draw " not in screen_text(at.app)


async def test_the_character_asked_for_can_be_traced():
    async with open_board() as at:
        empty = at.canvas.render_line(at.canvas.size.height // 2)
        await at.press("g")
        assert at.canvas.render_line(at.canvas.size.height // 2) == empty, "nothing is asked for yet"
        await at.press("g", "p", "g")
        await at.until(lambda: at.readings.pictures)
        await at.until(lambda: at.canvas.render_line(at.canvas.size.height // 2) != empty)
        assert at.canvas.empty, "what is traced is not drawn"
        await at.press("g")
        await at.until(lambda: at.canvas.render_line(at.canvas.size.height // 2) == empty)


async def test_the_sample_kept_last_is_taken_back():
    async with open_board() as at:
        await at.press("U")
        assert "nothing was kept" in screen_text(at.app)
        assert "u Undo" not in screen_text(at.app), "there is no stroke to undo"
        await at.press("p")
        first = [[(0.5, 0.5), (0.7, 0.7)]]
        for line, character in ((first, "あ"), ([[(0.2, 0.2), (0.7, 0.7)]], "い")):
            await at.until(lambda character=character: f"Draw {character} " in screen_text(at.app))
            await at.draw(line)
            await at.until(lambda: "u Undo" in screen_text(at.app))
            await at.press("enter")
            await at.until(lambda character=character: any(kept.character == character for kept in samples.samples()))
        await at.draw(first)
        await at.press("U")
        await at.until(lambda: "clear the board first" in screen_text(at.app))
        await at.press("c", "U")
        await at.until(
            lambda: (
                len(at.canvas.drawing.strokes) == 1
                and "1 kept" in screen_text(at.app)
                and "Draw い " in screen_text(at.app)
            )
        )
        assert [kept.character for kept in samples.samples()] == ["あ"]
        await at.press("c", "U")
        await at.until(lambda: not samples.samples() and "Draw あ " in screen_text(at.app))


# --- samples


@pytest.fixture
def collected(home):
    for character, first in (("か", "か"), ("か", "ガ"), ("き", "き"), ("コ", "ユ")):
        samples.keep(drawn(character), character, [(first, 0.8)], "001-quick")


async def open_samples(at, count):
    await at.press("s")
    sheet = at.app.screen.query_one(Samples).query_one(GlyphSheet)
    await at.until(lambda: len(sheet.images) == count)
    return sheet


@pytest.mark.parametrize("size", SIZES)
async def test_samples_by_character_with_counts(collected, size):
    async with open_board(size) as at:
        await open_samples(at, 4)
        text = screen_text(at.app)
        assert "all  4" in text and "か    2 ka" in text and "!か→ガ" in text
        assert "か ka · read as: か 80 %" in text
        await at.press("down", "down")
        await at.until(lambda: len(at.app.screen.query_one(Samples).query_one(GlyphSheet).images) == 1)
        await at.press("enter", "enter")
        await at.until(lambda: isinstance(at.app.screen, Details))
        assert "read by 001-quick" in screen_text(at.app)
        await at.press("escape", "escape")
        await at.until(lambda: at.canvas.has_focus)


async def test_samples_are_relabelled_and_removed(collected):
    async with open_board() as at:
        sheet = await open_samples(at, 4)
        sheet.focus()
        await at.press("end", "l", *"YU", "enter")
        await at.until(lambda: sorted(s.character for s in samples.samples()) == sorted("かかきユ"))
        await at.until(lambda: "ユ    1 yu" in screen_text(at.app))
        await at.press("home", "x")
        await at.until(lambda: isinstance(at.app.screen, Confirm))
        await at.press("enter")  # stands on Cancel
        assert len(samples.samples()) == 4
        await at.press("x")
        await at.until(lambda: isinstance(at.app.screen, Confirm))
        await at.press("r")
        await at.until(lambda: len(samples.samples()) == 3)
        await at.until(lambda: "all  3" in screen_text(at.app))
        await at.press("d")
        await at.until(lambda: "3 kept" in screen_text(at.app))


async def test_samples_are_exported_and_imported(collected, tmp_path):
    async with open_board((120, 40)) as at:
        await open_samples(at, 4)
        await at.press("o", *str(tmp_path / "out.zip"), "enter")
        await at.until(lambda: (tmp_path / "out.zip").exists())
        for sample in samples.samples()[:3]:
            samples.remove(sample)
        await at.press("i", *str(tmp_path / "out.zip"), "enter")
        await at.until(lambda: "3 samples imported, 1 already there" in screen_text(at.app))
        await at.until(lambda: "all  4" in screen_text(at.app))
        await at.press("i", *str(tmp_path / "none"), "enter")
        await at.until(lambda: "no such folder" in screen_text(at.app))
        assert len(samples.samples()) == 4


async def test_a_sheet_is_printed_read_from_a_photo_and_its_doubts_are_settled(model, tmp_path):
    characters = "かきくつのり"
    async with open_board((120, 40)) as at:
        await at.ready()
        await open_samples(at, 0)
        await at.press("g")
        await at.until(lambda: "A sheet of which characters" in screen_text(at.app))
        await at.press("ctrl+u", *f"chars:{characters}", "enter")
        await at.until(lambda: "Write the sheet to which PDF" in screen_text(at.app))
        await at.press("ctrl+u", *str(tmp_path / "sheet.pdf"), "enter")
        await at.until(lambda: (tmp_path / "sheet.pdf").exists())
        # つ stands in the box of き, which the model cannot read as き.
        shapes = ink(characters)
        _, photo = shoot(characters, blank=(5,), shapes={**shapes, "き": shapes["つ"]})
        (tmp_path / "photo.jpg").write_bytes(photo.jpeg)
        await at.press("h")
        await at.until(lambda: "Read which photo" in screen_text(at.app))
        await at.press(*str(tmp_path / "pho"), "right")
        assert at.app.screen.query_one(Input).value == str(tmp_path / "photo.jpg")
        await at.press("enter")
        await at.until(lambda: "doubtful  1" in screen_text(at.app))
        assert sorted(sample.character for sample in samples.samples()) == sorted("かきくつの")
        await at.until(lambda: "the model reads つ: y it is right" in screen_text(at.app))
        await at.press("y")
        await at.until(lambda: "doubtful" not in screen_text(at.app).split("Samples")[0] and not samples.doubtful())
        await at.press("h", *str(tmp_path / "photo.jpg"), "enter")
        await at.until(lambda: "this photo was read before" in screen_text(at.app))
        assert len(samples.samples()) == 5


async def test_no_samples_is_said():
    async with open_board() as at:
        await at.press("s", "x", "l")
        await at.until(lambda: "No samples yet" in screen_text(at.app))
        assert at.app.screen.query_one(OptionList).option_count == 1
        assert list(at.app.screen.query(Samples))

"""The Draw screen's pane that reads pictures of lines: walking the characters, correcting and keeping them."""

import contextlib

import numpy as np
import pytest
from PIL import Image
from textual.widgets import ContentSwitcher, Input

from kanatui.evaluation import samples
from kanatui.tui.draw.board import Board
from kanatui.tui.draw.pages import Pages, PageView
from kanatui.tui.widgets.dialogs import Ask
from kanatui.tui.widgets.glyphs import GlyphSheet
from tests.helpers.app import make_app, screen_text, until
from tests.helpers.writing import image, line

TEXT = "いぬとねこ"


class Opened:
    """The app at the pane."""

    def __init__(self, app, pilot):
        self.app, self.pilot = app, pilot

    async def until(self, predicate):
        return await until(self.pilot, predicate)

    async def shows(self, words):
        await self.until(lambda: words in screen_text(self.app))

    @property
    def pages(self):
        return self.app.screen.query_one(Pages)

    @property
    def read(self):
        return "".join(each.readings[0][0] for each in self.pages.found)

    async def open(self, path):
        await self.until(lambda: isinstance(self.app.screen, Ask))
        self.app.screen.query_one(Input).value = str(path)
        await self.pilot.press("enter")
        await self.until(lambda: not isinstance(self.app.screen, Ask))


@contextlib.asynccontextmanager
async def open_pages(size=(100, 36), plain=False):
    app = make_app("draw", "ascii" if plain else "")
    async with app.run_test(size=size) as pilot:
        await until(pilot, lambda: app.screen.query(Board) and app.screen.query_one(Board).model)
        await pilot.press("escape", "r")
        yield Opened(app, pilot)


@pytest.fixture
def picture(tmp_path, shipped_model, home):
    path = tmp_path / "line.png"
    image(line(TEXT).picture).save(path)
    return path


@pytest.mark.parametrize(("size", "plain"), [((100, 36), False), ((80, 24), True)])
async def test_a_picture_is_read_and_its_characters_walked(picture, size, plain):
    async with open_pages(size, plain) as at:
        await at.open(picture)
        await at.shows("5 characters in 1 line")
        assert at.read == TEXT
        sheet, view = at.pages.query_one(GlyphSheet), at.pages.query_one(PageView)
        assert [caption[0] for caption in sheet.captions] == list(TEXT)
        middle = str(view.render_line(view.size.height // 2))
        await at.pilot.press("right", "right")
        await at.shows("3/5 to")
        assert str(view.render_line(view.size.height // 2)) != middle  # the box under the cursor is another
        await at.pilot.press("left")
        await at.shows("2/5 nu")


async def test_a_character_is_kept_corrected_and_picked(picture):
    async with open_pages() as at:
        await at.open(picture)
        await at.shows("5 characters")
        await at.pilot.press("enter")
        await at.until(lambda: [sample.character for sample in samples.samples()] == ["い"])
        await at.pilot.press("enter")
        await at.shows("kept as い already")
        assert len(samples.samples()) == 1
        await at.pilot.press("right", "t", *"me", "enter")
        await at.until(lambda: sorted(sample.character for sample in samples.samples()) == ["い", "め"])
        await at.shows("ぬ→め")
        await at.pilot.press("right", "2")
        second = at.pages.found[2].readings[1][0]
        await at.until(lambda: second in [sample.character for sample in samples.samples()])
        kept = next(sample for sample in samples.samples() if sample.character == "め")
        assert kept.notes().readings[0][0] == "ぬ" and kept.notes().model == "default"
        assert kept.notes().drawing is None
        assert (np.asarray(kept.prepared(48)) > 127).sum() > 50


async def test_mistakes_are_told_and_the_other_views_are_a_key_away(tmp_path, picture):
    blank = tmp_path / "blank.png"
    Image.new("L", (80, 60), 255).save(blank)
    async with open_pages() as at:
        await at.until(lambda: isinstance(at.app.screen, Ask))
        at.app.screen.query_one(Input).value = str(tmp_path / "nothing.png")
        await at.shows("there is no such file")
        await at.pilot.press("enter")
        assert isinstance(at.app.screen, Ask)
        await at.open(blank)
        await at.until(lambda: any("blank.png: no ink found" in told for told in at.app.told))
        await at.pilot.press("o")
        await at.open(picture)
        await at.shows("5 characters in 1 line")
        await at.pilot.press("v", "v")
        await at.shows("vertical lines")
        shown = at.app.screen.query_one(ContentSwitcher)
        for key, view in (("s", "samples"), ("r", "pages"), ("d", "board")):
            await at.pilot.press(key)
            await at.until(lambda view=view: shown.current == view)

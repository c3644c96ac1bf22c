"""The Dataset screen for tests: the app opened at it, with two faces and a small recipe."""

import pytest
from textual.widgets import TabbedContent

from kanatui.dataset.recipe import Augment, Recipe, find_recipe, save_recipe
from kanatui.fonts import faces
from kanatui.tui.dataset.draft import Draft
from kanatui.tui.dataset.plan import PlanLine
from kanatui.tui.dataset.preview import PreviewPanel
from kanatui.tui.dataset.steps import StepsPanel
from tests.helpers.app import make_app, screen_text, until

FACES = ("klee-regular", "ipaex-gothic")
TINY = Recipe(
    "tiny",
    [Augment("size", 1.0, {"points": [180.0, 240.0]}), Augment("rotate"), Augment("noise", 1.0, {"sigma": [0.3, 0.3]})],
    characters="あいう",
    faces=FACES,
    image_size=32,
    images_per_character=40,
)


@pytest.fixture(scope="session")
def few_fonts(tmp_path_factory):
    """A font folder with two faces in it, so that looking at all of them is quick and most are missing."""
    folder = tmp_path_factory.mktemp("fonts")
    for face in faces.load_faces():
        if face.id in FACES:
            (folder / face.path.name).symlink_to(face.path)
    return folder


@pytest.fixture
def tiny(home, few_fonts, monkeypatch):
    """A home whose kept draft is the recipe TINY, saved as `tiny`."""
    monkeypatch.setenv("KANATUI_FONT_PATH", str(few_fonts))
    save_recipe(TINY, "tiny")
    Draft.of(find_recipe("tiny")).keep()


class Screen:
    """What the tests look at."""

    def __init__(self, app):
        self.app = app

    @property
    def draft(self):
        return self.app.screen_stack[0].draft

    def one(self, kind):
        return self.app.screen_stack[0].query_one(kind)

    @property
    def images(self):
        return self.one(PreviewPanel).shown and self.one(PreviewPanel).shown.images

    @property
    def plan(self):
        return str(self.one(PlanLine).content)

    def text(self):
        return screen_text(self.app)


@pytest.fixture
async def open_app(tiny):
    """Open the app and wait until the sheet, the plan and the faces are there."""
    from contextlib import asynccontextmanager

    @asynccontextmanager
    async def opened(size=(120, 40), **options):
        app = make_app(**options)
        async with app.run_test(size=size) as pilot:
            screen = Screen(app)
            await until(pilot, lambda: app.screen.query(PreviewPanel) and screen.images is not None, 60)
            await until(pilot, lambda: "images" in screen.plan)
            await until(pilot, lambda: screen.one(StepsPanel).registry is not None)
            yield pilot, screen

    return opened


async def go(pilot, tab):
    """Go to a tab by its key, as a user does."""
    for _ in range(5):
        if pilot.app.screen.query_one(TabbedContent).active == f"tab-{tab}":
            break
        await pilot.press("full_stop")
        await pilot.pause()
    await pilot.pause()


async def answer(pilot, dialog, *keys):
    """Wait for a dialog and press keys in it."""
    await until(pilot, lambda: isinstance(pilot.app.screen, dialog))
    await pilot.press(*keys)

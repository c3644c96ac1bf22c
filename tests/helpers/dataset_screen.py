"""The Dataset screen for tests: the app opened at it, with two faces and a small recipe."""

import contextlib

from textual.widgets import TabbedContent

from kanatui.dataset.recipe import Augment, Recipe
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


@contextlib.asynccontextmanager
async def opened(size=(120, 40), **options):
    """The app on the Dataset screen, once the sheet, the plan and the plugins are there."""
    app = make_app(**options)
    async with app.run_test(size=size) as pilot:
        screen = Screen(app)
        await until(pilot, lambda: app.screen.query(PreviewPanel) and screen.images is not None)
        await until(pilot, lambda: "images" in screen.plan)
        await until(pilot, lambda: screen.one(StepsPanel).registry is not None)
        yield pilot, screen


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

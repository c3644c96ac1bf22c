"""What the tests of the app share."""

import asyncio
import time

from kanatui.core import paths
from kanatui.dataset.recipe import Recipe
from kanatui.tui.app import KanatuiApp
from kanatui.tui.dataset.draft import Draft

SMALL = Recipe("small", characters="あい", faces=("klee-regular",), image_size=32, images_per_character=50)


def keep_small_draft():
    """Have the app begin with a recipe whose glyphs are drawn at once, not with the default one's ten thousand."""
    if not (paths.config() / "draft.toml").exists():
        Draft.of(SMALL).keep()


def make_app(mode="", plain=False):
    keep_small_draft()
    return KanatuiApp(plain, mode)


async def until(pilot, predicate, seconds=90.0):
    """Wait until a condition holds, letting the app work meanwhile; fail with the screen's text if it never does."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        await pilot.pause()
        if value := predicate():
            return value
        await asyncio.sleep(0.02)
    raise AssertionError(f"waited {seconds} s in vain on:\n{screen_text(pilot.app)}")


def screen_text(app):
    """What the terminal shows, as plain lines."""
    strips = app.screen._compositor.render_strips()
    return "\n".join(strip.text.rstrip() for strip in strips)


def line_of(listed, words):
    """The line of an OptionList that has these words."""
    return next(i for i, option in enumerate(listed.options) if words in str(option.prompt))


def shows(app, words):
    """A condition to wait for: these words are on the screen."""
    return lambda: words in screen_text(app)


def complains(app, words):
    """A condition to wait for: the last problem told of has these words."""
    return lambda: words in app.last_problem[0]

"""What the tests of the app share."""

import asyncio
import contextlib
import functools
import time
from pathlib import Path

from textual import events

from kanatui.core import paths
from kanatui.dataset.recipe import Recipe
from kanatui.tui import app as shipped
from kanatui.tui.dataset.draft import Draft
from tests.helpers.processes import LONGEST, engines

SMALL = Recipe("small", characters="あい", faces=("klee-regular",), image_size=32, images_per_character=50)


def keep_small_draft():
    """Have the app begin with a recipe whose glyphs are drawn at once, not with the default one's ten thousand."""
    if not (paths.config() / "draft.toml").exists():
        Draft.of(SMALL).keep()


class WatchedApp(shipped.KanatuiApp):
    """The app, which also keeps all that it told of: a toast may be gone before a test has looked."""

    CSS_PATH = [Path(shipped.__file__).parent / name for name in shipped.KanatuiApp.CSS_PATH]  # noqa: RUF012

    def __init__(self, *arguments):
        self.told = []
        super().__init__(*arguments)

    def notify(self, message, **options):
        self.told.append(message)
        super().notify(message, **options)

    @contextlib.asynccontextmanager
    async def run_test(self, **options):
        """End its workers first, as quitting does: Textual's own way takes the widgets from under them."""
        async with super().run_test(**options) as pilot:
            # Textual's own limit is 30 s, which a busy machine has taken for one key.
            pilot._wait_for_screen = functools.partial(pilot._wait_for_screen, LONGEST)
            try:
                yield pilot
            finally:
                self.workers.cancel_all()


def make_app(mode="", pictures="", terminal=None):
    keep_small_draft()
    return WatchedApp(pictures, mode, terminal)


async def until(pilot, predicate):
    """Wait until a condition holds, letting the app work meanwhile; fail with the screen's text if it never does.

    It looks seldom once that takes long: a pause of the pilot's sends a message to every widget, and with one before
    each look a wait for an engine kept a core busy.
    """
    deadline = time.monotonic() + LONGEST
    await pilot.pause()
    wait = 0.01
    while not (value := predicate()):
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {LONGEST:g} s in vain on:\n{screen_text(pilot.app)}")
        await asyncio.sleep(wait)
        wait = min(1.5 * wait, 0.1)
    await pilot.pause()  # a dialog that has just come is painted now: keys for it are not typed ahead
    return value


def screen_text(app):
    """What the terminal shows, as plain lines."""
    strips = app.screen._compositor.render_strips()  # Textual has no public way to them
    return "\n".join(strip.text.rstrip() for strip in strips)


def line_of(listed, words):
    """The line of an OptionList that has these words."""
    return next(i for i, option in enumerate(listed.options) if words in str(option.prompt))


def shows(app, words):
    """A condition to wait for: these words are on the screen."""
    return lambda: words in screen_text(app)


def tells(app, words):
    """A condition to wait for: it has told of something in these words, in a toast that may be gone again."""
    return lambda: any(words in told for told in app.told)


async def suspended_engine(app, name):
    """One of the app's engines, stopped, so that what it is asked next takes until it is resumed."""
    await app.engine(name).ask("layout", recipe=SMALL.to_dict())
    (engine,) = engines(name)
    engine.suspend()
    return engine


def burst(app, *keys):
    """Send keys at once, as a slow link delivers them or a held key repeats: none waits for what came before."""
    for key in keys:
        name = {" ": "space", ".": "full_stop", ",": "comma"}.get(key, key)
        app.post_message(events.Key(name, key if len(key) == 1 else None))

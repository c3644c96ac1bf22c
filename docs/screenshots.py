"""Take every screen and dialog of the app: ``python docs/screenshots.py FOLDER``.

They are taken at three sizes, dark, light, with plain characters and without colour, to be looked at after a change of
the layout. They show a home in FOLDER, which is made first: a data set, two trainings of a few seconds, an evaluation
and samples. The app writes the SVG itself; ``rsvg-convert`` makes PNG files of them. ``docs/session.py`` takes the
README's pictures.
"""

import argparse
import asyncio
import contextlib
import json
import os
import subprocess
import sys
from pathlib import Path

from textual.pilot import WaitForScreenTimeout

from kanatui.tui.theme import DARK, LIGHT

SIZES = ((80, 24), (120, 40), (200, 60))
LOOKS = ("dark", "light", "ascii", "nocolor")
STROKES = Path(__file__).parents[1] / "tests/data/strokes.json"
DRAWING = "き"
BUSY = ("drawing the first", "planning", "loading", "looking", "reading …", "come with the next", "time …")
"""Words on a screen that is not complete yet."""
PATIENCE = 30.0
"""Seconds to wait for a screen to be complete."""

RECIPE = ("--characters", "いうえかきくけこへヘ", "--faces", "klee-*", "--image-size", "32", "-n", "60")
TRAINING = ("--data", "few", "--precision", "float32", "--workers", "0")
COMMANDS = (
    ("generate", *RECIPE, "--name", "few"),
    ("train", *TRAINING, "--name", "first", "--epochs", "12"),
    ("train", *TRAINING, "--name", "second", "--epochs", "3"),
    ("evaluate", "1", "--limit", "200"),
)


async def settle(pilot, seconds):
    """Give the app time to finish its work."""
    await asyncio.sleep(seconds)
    await pilot.pause()


def drawing(character):
    """Return the strokes of a character as somebody drew them."""
    from kanatui.pictures.drawing import Drawing, Stroke, smoothed

    strokes = json.loads(STROKES.read_text("utf-8"))[character]
    return Drawing(tuple(Stroke(smoothed([tuple(point) for point in points], 0.0)) for points in strokes))


def make_home(home):
    """Make what the screens show, unless an earlier call has."""
    os.environ["KANATUI_HOME"] = str(home)
    if (home / "complete").exists():
        return
    from kanatui.evaluation import samples

    for command in COMMANDS:
        subprocess.run([sys.executable, "-m", "kanatui", *command], check=True)
    for character in "いうえかき":
        samples.keep(drawing(character), character)
    (home / "complete").touch()


class Album:
    """Takes a screen at every size, in every look of one app."""

    def __init__(self, app, pilot, folder, looks, only):
        self.app, self.pilot, self.folder, self.looks, self.only = app, pilot, folder, looks, only

    async def complete(self):
        """Wait until the screen says that nothing is missing, and stays as it is."""
        before, until = "", asyncio.get_running_loop().time() + PATIENCE
        while asyncio.get_running_loop().time() < until:
            await self.calmly(settle(self.pilot, 0.4))
            now = "\n".join(strip.text for strip in self.app.screen._compositor.render_strips())
            if now == before and not any(word in now for word in BUSY):
                return
            before = now

    async def take(self, name):
        """Write the screen to files."""
        if self.only and not any(word in name for word in self.only):
            return
        await self.complete()
        for width, height in SIZES:
            await self.calmly(self.pilot.resize_terminal(width, height))
            for look in self.looks:
                self.dress(look)
                await self.complete()
                svg = self.app.export_screenshot(title=f"kanatui: {name}")
                (self.folder / f"{name}-{width}x{height}-{look}.svg").write_text(svg, encoding="utf-8")
        print(f"took {name}", flush=True)

    def dress(self, look):
        """Change theme and characters."""
        if look == "nocolor":
            return
        self.app.action_pictures("ascii" if look == "ascii" else "auto")
        self.app.theme = LIGHT.name if look == "light" else DARK.name

    async def go(self, *keys):
        """Press keys and wait for what they show."""
        await self.calmly(self.pilot.press(*keys))
        await self.complete()

    async def calmly(self, step):
        """Wait for a step of the pilot, however long it takes on a busy machine."""
        with contextlib.suppress(WaitForScreenTimeout):
            await step


async def walk(album):
    """Take the screens one after the other, as a user reaches them by keys."""
    from kanatui.tui.draw.canvas import Canvas

    await album.take("dataset-recipe")
    for name in ("faces", "augmentations", "sets"):
        await album.go("full_stop")
        await album.take(f"dataset-{name}")
    await album.go("g")
    await album.take("dialog-ask")
    await album.go("escape", "question_mark")
    await album.take("dialog-keys")
    await album.go("escape", "ctrl+p")
    await album.take("palette")
    await album.go("escape", "2")
    await album.take("train-runs")
    await album.go("d")
    await album.take("dialog-confirm")
    await album.go("escape", "enter")
    await album.take("train-live")
    await album.go("n")
    await album.take("train-new")
    await album.go("escape", "3")
    album.app.evaluate_run("001-first")
    await album.complete()
    for key, name in zip("cmiv", ("scores", "confusions", "images", "versus"), strict=True):
        await album.go(key)
        await album.take(f"evaluate-{name}")
    await album.go("c", "4")
    await album.complete()
    album.app.screen.query_one(Canvas).put(drawing(DRAWING))
    await album.take("draw-board")
    await album.go("escape", "s")
    await album.take("draw-samples")
    await album.go("r")
    await album.go("escape")
    await album.take("draw-pages")


async def walk_empty(album):
    """Take the screens of a home without anything in it."""
    await album.go("full_stop", "full_stop", "full_stop")
    await album.take("empty-sets")
    for key, name in zip("234", ("train", "evaluate", "draw"), strict=True):
        await album.go("escape", key)
        await album.take(f"empty-{name}")
    await album.go("escape", "s")
    await album.take("empty-samples")


async def every(folder, looks, only):
    """Take all screens in all looks; NO_COLOR is read when the app starts, so it needs an app of its own."""
    from kanatui.tui.app import KanatuiApp

    make_home(folder / "home")
    for steps, home in ((walk, folder / "home"), (walk_empty, folder / "empty-home")):
        os.environ["KANATUI_HOME"] = str(home)
        for part in ([look for look in looks if look != "nocolor"], [look for look in looks if look == "nocolor"]):
            if not part:
                continue
            os.environ.pop("NO_COLOR", None)
            if part == ["nocolor"]:
                os.environ["NO_COLOR"] = "1"
            app = KanatuiApp()
            async with app.run_test(size=SIZES[1]) as pilot:
                await steps(Album(app, pilot, folder, part, only))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="where to write them")
    parser.add_argument("--look", action="append", choices=LOOKS, help="only this look (can be repeated)")
    parser.add_argument("--only", action="append", metavar="WORD", help="only pictures whose name has this word")
    chosen = parser.parse_args()
    chosen.folder.mkdir(parents=True, exist_ok=True)
    asyncio.run(every(chosen.folder.absolute(), chosen.look or LOOKS, chosen.only))

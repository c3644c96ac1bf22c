"""Film a session for the README: ``python docs/session.py [--minutes 2] [--frames FOLDER]``.

Drives the app as a user does, by keys and mouse: looks at the default recipe, trains on it, watches the run, evaluates
it, looks at what it misreads, and draws a character. What is shown is computed while it is filmed; only the pen's path
was recorded before. Writes ``docs/session.gif`` and the four screens in ``docs/screens``. Needs ``rsvg-convert``.

Pictures are shown in octants, as in terminals that draw these characters themselves. Hardly any font has them, so the
SVG files have rectangles in their place.

``$KANATUI_HOME`` should be an empty folder: the run is left there, and its glyphs, which later calls use again.
"""

import argparse
import asyncio
import html
import io
import itertools
import json
import re
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image
from screenshots import BUSY
from textual.events import MouseDown, MouseMove, MouseUp

from kanatui.core.mosaic import WAYS

HERE = Path(__file__).parent
STROKES = json.loads((HERE.parent / "tests/data/strokes.json").read_text(encoding="utf-8"))
SIZE = (120, 36)
WIDTH = 1000
"""Pixels of the animation."""
COLOURS = 48
CELL, TOP = (12.2, 24.4), 1.5
"""Width and height of a cell in Rich's SVG, and where the first line begins."""
DOT = 1.9
"""Half the side of a braille dot."""
DRAWN = "き"
WATCHED = 24
"""Frames of the training."""
KEYS = {".": "full_stop"}
PATIENCE = 900.0
"""Seconds to wait for what a busy machine does."""


class Film:
    """The app's screens as frames, each with how long it is shown."""

    def __init__(self, app, pilot, folder):
        self.app, self.pilot, self.folder = app, pilot, folder
        self.frames = []

    @property
    def text(self):
        """What the screen says."""
        return "\n".join(strip.text for strip in self.app.screen._compositor.render_strips())

    async def until(self, condition):
        """Wait for a condition; fail with what is on the screen."""
        end = time.monotonic() + PATIENCE
        while not condition():
            if time.monotonic() > end:
                raise TimeoutError(self.text)
            await self.pilot.pause(0.1)
        await self.pilot.pause(0.1)

    async def complete(self):
        """Wait until nothing is missing from the screen, and it stays as it is."""
        before = ""
        while before != self.text or any(word in before for word in BUSY):
            before = self.text
            await self.pilot.pause(0.7)

    def take(self, seconds, still=""):
        """Add a frame that is shown so long; one with a name is also a picture of its own."""
        path = self.folder / f"{len(self.frames):03}.svg"
        path.write_text(drawn(self.app.export_screenshot(title="kanatui")), encoding="utf-8")
        self.frames.append((path, seconds))
        if still:
            (HERE / "screens" / f"{still}.svg").write_text(path.read_text(encoding="utf-8"), encoding="utf-8")

    async def stroke(self, canvas, line, points=5):
        """Draw a stroke with the mouse, and film it on its way."""
        corners = np.array(line)
        walk = [point for a, b in itertools.pairwise(corners) for point in np.linspace(a, b, points, endpoint=False)]
        before = len(canvas.drawing.strokes)
        self.point(MouseDown, canvas, walk[0])
        for place in [*walk, corners[-1]]:
            self.point(MouseMove, canvas, place)
        await self.pilot.pause()
        self.take(0.15)
        self.point(MouseUp, canvas, corners[-1])
        await self.until(lambda: len(canvas.drawing.strokes) > before)

    def point(self, kind, canvas, place):
        """Send a mouse event at a place of the board, in shares of its side."""
        x = int(canvas.region.x + place[0] * canvas.side)
        y = int(canvas.region.y + place[1] * canvas.side / 2)
        self.app.post_message(kind(None, x, y, 0, 0, 1, False, False, False, screen_x=x, screen_y=y))

    def write(self, target):
        """Join the frames to one animation with one palette."""
        images = [Image.open(io.BytesIO(_png(path))).convert("RGB") for path, _ in self.frames]
        palette = _palette(images)
        frames = [image.quantize(palette=palette, dither=Image.Dither.NONE) for image in images]
        lengths = [int(1000 * seconds) for _, seconds in self.frames]
        frames[0].save(target, save_all=True, append_images=frames[1:], duration=lengths, loop=0, optimize=False)
        print(
            f"wrote {target}: {len(frames)} frames, {sum(lengths) / 1000:.0f} s, {target.stat().st_size / 1e6:.2f} MB"
        )


def drawn(svg):
    """Draw block characters as rectangles, as terminals do that do not take them from a font."""

    def replace(match):
        style, x, line, text = match[1], float(match[2]), int(match[3]), html.unescape(match[4])
        if not any(character in PARTS for character in text):
            return match[0]
        path, rest = "", ""
        for place, character in enumerate(text):
            for left, top, right, bottom in PARTS.get(character, ()):
                x0, y0 = x + CELL[0] * (place + left), TOP + CELL[1] * (line + top)
                path += f"M{x0:.2f} {y0:.2f}h{CELL[0] * (right - left):.2f}v{CELL[1] * (bottom - top):.2f}"
                path += f"H{x0:.2f}z"
            rest += "\N{NO-BREAK SPACE}" if character in PARTS else character
        return f'<path class="{style}" shape-rendering="crispEdges" d="{path}"/>' + (
            match[0].replace(f">{match[4]}<", f">{rest}<") if rest.strip("\N{NO-BREAK SPACE}") else ""
        )

    return re.sub(r'<text class="([^"]*)" x="([^"]*)"[^>]*line-(\d+)\)">([^<]*)</text>', replace, svg)


def _parts():
    """Return the rectangles of each block character: left, top, right and bottom in shares of the cell."""
    parts = {character: list(_dots(mask)) for mask, character in enumerate(WAYS["braille"].characters)}
    parts |= {character: list(_rectangles(shape >= 0.5)) for character, shape in WAYS["octants"].shapes.items()}
    return {character: rectangles for character, rectangles in parts.items() if character != " "}


def _rectangles(painted):
    """Yield the painted parts of a cell as rectangles: the runs of a row, equal rows together."""
    height, width = painted.shape
    changes = np.flatnonzero((painted[1:] != painted[:-1]).any(axis=1)) + 1
    for top, bottom in itertools.pairwise([0, *changes.tolist(), height]):
        edges = np.flatnonzero(np.diff(painted[top].astype(int), prepend=0, append=0)).tolist()
        for left, right in zip(edges[::2], edges[1::2], strict=True):
            yield left / width, top / height, right / width, bottom / height


def _dots(mask):
    """Yield braille dots as small squares."""
    for dot in range(8):
        if mask >> dot & 1:
            x, y = (dot % 2 + 0.5) / 2, (dot // 2 + 0.5) / 4
            yield x - DOT / CELL[0], y - DOT / CELL[1], x + DOT / CELL[0], y + DOT / CELL[1]


PARTS = _parts()


def _png(path):
    # rsvg-convert ignores textLength: at this size DejaVu Sans Mono is as wide as the cells.
    svg = (
        path.read_text(encoding="utf-8").replace("Fira Code, monospace", "DejaVu Sans Mono").replace("20px", "20.264px")
    )
    command = ["rsvg-convert", "-w", str(WIDTH)]
    return subprocess.run(command, input=svg.encode(), check=True, capture_output=True).stdout


def _palette(images):
    """Return the colours of all frames: of one in three, side by side."""
    some = images[::3]
    together = Image.new("RGB", (some[0].width, some[0].height * len(some)))
    for place, image in enumerate(some):
        together.paste(image, (0, place * image.height))
    return together.quantize(COLOURS, dither=Image.Dither.NONE)


async def play(film, minutes):
    """Go through the app."""
    from kanatui.tui.draw.board import Board
    from kanatui.tui.draw.canvas import Canvas

    press, app = film.pilot.press, film.app
    await film.until(lambda: "images" in film.text)
    await press("full_stop", "full_stop")
    await film.complete()
    film.take(2.5, "dataset")
    await press("ctrl+t")
    await film.until(lambda: app.current_mode == "train")
    await film.complete()
    await press(*["tab"] * 5, *(KEYS.get(key, key) for key in f"{minutes:g}"))  # the field of the minutes
    await film.pilot.pause(0.3)
    film.take(2.0)
    await press("ctrl+s")
    await film.until(lambda: "step" in film.text and "images/s" in film.text)
    for number in range(WATCHED):
        film.take(0.2)
        await asyncio.sleep(60 * minutes / WATCHED)
        if number == WATCHED // 2:
            await press("i")
            await film.pilot.pause(3.0)
            film.take(1.5)
            await press("g")
            await film.pilot.pause(0.5)
    await film.until(lambda: "finished" in film.text)
    await film.complete()
    film.take(2.5, "train")
    await press("v")
    await film.until(lambda: app.current_mode == "evaluate")
    await film.complete()
    await press("e")
    await film.until(lambda: "held-out images ·" in film.text)
    await film.complete()
    film.take(2.5)
    await press("i")
    await film.complete()
    film.take(2.5, "evaluate")
    await press("right", "enter")
    await film.complete()
    film.take(2.5)
    await press("escape")
    await press("4")
    await film.until(lambda: app.current_mode == "draw" and app.screen.query(Canvas))
    await film.complete()
    canvas, board = app.screen.query_one(Canvas), app.screen.query_one(Board)
    film.take(0.5)
    for line in STROKES[DRAWN]:
        await film.stroke(canvas, line)
        await film.until(lambda: board.up_to_date)
        await film.complete()
        film.take(0.5)
    film.take(3.0, "draw")


async def main(minutes, folder):
    """Film it."""
    from kanatui.tui.app import KanatuiApp

    (HERE / "screens").mkdir(exist_ok=True)
    app = KanatuiApp(pictures="octants")
    async with app.run_test(size=SIZE) as pilot:
        film = Film(app, pilot, folder)
        await play(film, minutes)
    film.write(HERE / "session.gif")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=2.0, help="how long to train")
    parser.add_argument("--frames", type=Path, metavar="FOLDER", help="keep the frames there")
    chosen = parser.parse_args()
    if chosen.frames:
        chosen.frames.mkdir(parents=True, exist_ok=True)
        asyncio.run(main(chosen.minutes, chosen.frames.absolute()))
    else:
        with tempfile.TemporaryDirectory() as temporary:
            asyncio.run(main(chosen.minutes, Path(temporary)))

"""The drawing board for tests: the app opened at it, and a model that reads without having been trained."""

import contextlib
import functools
import itertools
import json

import numpy as np
import torch
from textual.events import MouseDown, MouseMove, MouseUp

from kanatui.model.weights import save_weights
from kanatui.plugins import trust
from kanatui.training.runs import Run
from kanatui.tui.draw.board import Board
from kanatui.tui.draw.canvas import Canvas
from kanatui.tui.draw.readings import ReadingsPanel
from tests.helpers.app import make_app, until
from tests.helpers.drawings import STROKES

SIZES = [(80, 24), (120, 40)]
KNOWN = "".join(STROKES) + "っヵ"
KEYS = {
    (-1, 0): "left", (1, 0): "right", (0, -1): "up", (0, 1): "down",
    (-1, -1): "home", (1, -1): "pageup", (-1, 1): "end", (1, 1): "pagedown",
}  # fmt: skip

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
    from kanatui.engine.context import Context
    from kanatui.engine.jobs.recognize import glyphs
    from kanatui.pictures.prepare import prepare

    answer = glyphs(Context(), {"characters": KNOWN, "side": 96}, lambda done, total, text="": None)
    assert answer.data["characters"] == KNOWN
    return np.stack([prepare(image, 48) for image in answer.arrays["images"]])


def make_template_model(folder):
    """Make a finished run whose model reads by comparing with a font's glyphs; its plugin goes into a folder."""
    (folder / "template.py").write_text(PLUGIN)
    trust.trust(folder / "template.py")
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


def keys_along(start, end):
    """The keys that lead from one pixel to another as straight as can be."""
    count = np.abs(end - start).max()
    steps = np.diff(np.round(np.linspace(start, end, count + 1)).astype(int), axis=0)
    return [KEYS[x, y] for x, y in steps.tolist()]


class Opened:
    """The app at the drawing board, and a hand that draws there."""

    def __init__(self, app, pilot):
        self.app, self.pilot = app, pilot
        self.canvas = app.screen.query_one(Canvas)
        self.readings = app.screen.query_one(ReadingsPanel)
        self.board = app.screen.query_one(Board)

    async def until(self, predicate):
        return await until(self.pilot, predicate)

    def report(self, kind, place, button=1, exact=False):
        """Post a mouse event as a terminal reports it: for whole cells, or by pixels."""
        region, side = self.canvas.region, self.canvas.side
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

    async def draw_by_keys(self, lines):
        """Go along strokes by arrows and their diagonals, a pixel at a time, with the pen up between them."""
        side = self.canvas.side
        await self.press("left")  # the first only shows the cursor
        here = np.array(self.canvas.cursor_pixel)
        for line in lines:
            corners = np.minimum((np.array(line) * side).astype(int), side - 1)
            await self.press(*keys_along(here, corners[0]), "space")
            for start, end in itertools.pairwise(corners):
                await self.press(*keys_along(start, end))
            await self.press("space")
            here = corners[-1]

    async def read(self):
        """Wait for the readings of what is drawn now."""
        await self.until(lambda: self.board.up_to_date and self.readings.shown)
        return [reading.character for reading in self.readings.shown]

    async def ready(self):
        await self.until(lambda: self.readings.known and self.readings.pictures)

    async def press(self, *keys):
        await self.pilot.press(*keys)
        await self.pilot.pause()


@contextlib.asynccontextmanager
async def open_board(size=(80, 24), **options):
    """Open the app at the drawing board; `ready` waits until a model can read."""
    app = make_app(mode="draw", **options)
    async with app.run_test(size=size, notifications=True) as pilot:
        await until(pilot, lambda: app.current_mode == "draw" and list(app.screen.query(Canvas)))
        at = Opened(app, pilot)
        await at.until(lambda: at.canvas.has_focus and at.canvas.side)
        yield at

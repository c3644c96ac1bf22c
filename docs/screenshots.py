"""Take the README's pictures of the four screens: ``python docs/screenshots.py [RUN]``.

They show what is in ``$KANATUI_HOME``: the default recipe, a run (the latest finished one), its misread held-out
images, and a drawing that it reads. The app writes the SVG itself.
"""

import asyncio
import json
import sys
from pathlib import Path

from kanatui.pictures.drawing import Drawing, Stroke, smoothed
from kanatui.training.runs import find_run
from kanatui.tui.app import KanatuiApp
from kanatui.tui.draw.canvas import Canvas

SIZE = (120, 36)
FOLDER = Path(__file__).parent / "screens"
DRAWING = "き"


async def settle(pilot, seconds):
    """Give the app time to finish its work."""
    await asyncio.sleep(seconds)
    await pilot.pause()


async def take(app, pilot, name, seconds=3.0):
    """Wait, then write the screen to a file."""
    await settle(pilot, seconds)
    (FOLDER / f"{name}.svg").write_text(app.export_screenshot(title=f"kanatui: {name}"), encoding="utf-8")
    print(f"wrote docs/screens/{name}.svg")


async def main(reference):
    """Walk through the screens."""
    run = find_run(reference)
    FOLDER.mkdir(exist_ok=True)
    app = KanatuiApp()
    async with app.run_test(size=SIZE) as pilot:
        await settle(pilot, 5.0)
        await pilot.press("full_stop", "full_stop")  # the Augmentations tab
        await take(app, pilot, "dataset", 8.0)
        app.show_run(run.id)
        await take(app, pilot, "train")
        app.evaluate_run(run.id)
        await settle(pilot, 2.0)
        await pilot.press("e")
        await take(app, pilot, "evaluate", 45.0)
        app.action_go("draw")
        await settle(pilot, 10.0)
        strokes = json.loads((Path(__file__).parents[1] / "tests/data/strokes.json").read_text("utf-8"))[DRAWING]
        lines = [smoothed([tuple(point) for point in points], 0.0) for points in strokes]
        app.screen.query_one(Canvas).put(Drawing(tuple(Stroke(line) for line in lines)))
        await take(app, pilot, "draw", 5.0)


if __name__ == "__main__":
    asyncio.run(main(*(sys.argv[1:] or ["latest"])))

"""How the four screens look, at 80×24 and at 120×40: `pytest --snapshot-update` accepts what has changed on purpose."""

import json
import shutil
import time
from pathlib import Path

import numpy as np
import pytest

from kanatui.dataset.recipe import Augment, Recipe
from kanatui.engine.client import Answer, Engine
from kanatui.evaluation.scores import Scores
from kanatui.evaluation.store import Evaluation, save
from kanatui.model.predictions import Predictions
from kanatui.training.runs import Run
from kanatui.tui.dataset.draft import Draft
from kanatui.tui.draw.canvas import Canvas
from tests.helpers.app import make_app, screen_text, shows, until

SIZES = pytest.mark.parametrize("size", [(80, 24), (120, 40)], ids=["80x24", "120x40"])
RECIPE = Recipe(
    "snapshot",
    [Augment("rotate", 1.0, {"degrees": (-12.0, 12.0)}), Augment("blur", 0.5, {"sigma": (0.5, 1.0)})],
    description="three characters of one face",
    characters="きすヌ",
    faces=("klee-regular",),
    image_size=32,
    images_per_character=50,
)
RECORDED = Path(__file__).parent.parent / "data" / "continued.jsonl"


@pytest.fixture(autouse=True)
def one_time_zone(monkeypatch):
    """Events are shown with the time of day."""
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.fixture
def steady_rate(monkeypatch):
    """The rate of generation is measured, and differs each time; here it is one figure."""
    ask = Engine.ask

    async def asked(self, job, /, **options):
        if job == "rate":
            return Answer({"rate": 50.0, "workers": 2}, {})
        return await ask(self, job, **options)

    monkeypatch.setattr(Engine, "ask", asked)


def make_run(**status):
    source = {"recipe": RECIPE.to_dict(), "plugins": []}
    run = Run.create("snapshot", {"recipe": "snapshot", "train": {"minutes": 1.0}, "model": {}, "source": source})
    shutil.copy(RECORDED, run.path / "events.jsonl")
    best = {"step": 225, "strict": 1.0, "folded": 1.0}
    fields = {"state": "finished", "progress": 1.0, "epoch": 7, "step": 277, "elapsed": 14.6, "best": best}
    (run.path / "status.json").write_text(json.dumps(fields | status))
    run.checkpoint("best").parent.mkdir()
    run.checkpoint("best").touch()  # a run without weights has nothing to evaluate
    return run


@SIZES
def test_dataset(snap_compare, steady_rate, size):
    Draft.of(RECIPE).keep()

    async def ready(pilot):
        await pilot.press("full_stop", "full_stop")
        await until(pilot, lambda: "= 150 images" in screen_text(pilot.app) and "about" in screen_text(pilot.app))
        await until(pilot, lambda: "き" in screen_text(pilot.app))

    assert snap_compare(make_app(), terminal_size=size, run_before=ready)


@SIZES
def test_train(snap_compare, size):
    run = make_run()
    app = make_app()
    charts = ("finished", "step 277", "smoothed", "─x─ folded")
    words_of = {(80, 24): charts, (120, 40): (*charts, "stopped as asked")}

    async def ready(pilot):
        app.show_run(run.id)
        await until(pilot, lambda: all(words in screen_text(app) for words in words_of[size]))
        await pilot.pause()

    assert snap_compare(app, terminal_size=size, run_before=ready)


@SIZES
def test_evaluate(snap_compare, size):
    run = make_run()
    characters, labels = "きすヌ", np.repeat([0, 1, 2], 20)
    probabilities = np.full((60, 3), 0.05)
    probabilities[np.arange(60), labels] = 0.9
    probabilities[[3, 4, 22]] = [[0.1, 0.7, 0.2], [0.2, 0.2, 0.6], [0.05, 0.15, 0.8]]
    predictions = Predictions(characters)
    predictions.add(probabilities, labels, np.arange(60))
    scores = Scores.of(predictions)
    about = Evaluation(
        model=str(run.checkpoint("best")), run=run.id, step=225, characters=characters, image_size=32, kind="held_out",
        where=run.id, data=RECIPE.fingerprint(), available=60, seconds=1.0,
        total=scores.total, by_script=scores.by_script,
    )  # fmt: skip
    saved = save(run.path / "evaluations", about, predictions, scores, [])
    saved.path.write_text(json.dumps(json.loads(saved.path.read_text()) | {"made": "2026-01-02T03:04:05+00:00"}))
    app = make_app()

    async def ready(pilot):
        app.evaluate_run(run.id)
        await until(pilot, lambda: "strict 95.0 %" in screen_text(app))
        await pilot.press("m")
        await until(pilot, shows(app, "read as"))
        if size[0] > 80:  # at 80 columns the images have a tab of their own
            await until(pilot, shows(app, "す 70 %"))
        await pilot.pause()

    assert snap_compare(app, terminal_size=size, run_before=ready)


@SIZES
def test_draw(snap_compare, size):
    app = make_app(mode="draw")

    async def ready(pilot):
        await until(pilot, lambda: app.current_mode == "draw" and "0 kept" in screen_text(app))
        await until(pilot, shows(app, "No model yet"))
        await until(pilot, lambda: app.screen.query_one(Canvas).has_focus)
        await pilot.pause()

    assert snap_compare(app, terminal_size=size, run_before=ready)

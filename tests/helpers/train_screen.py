"""The Train screen for tests: runs as they lie on disk, a training to steer, the app opened at it."""

import contextlib
import json
import shutil
import threading
import time
from pathlib import Path

import numpy as np
from textual.widgets import Static

from kanatui.core.errors import RunError
from kanatui.training.commands import CommandHandler
from kanatui.training.control import Control, Mailbox, is_watched
from kanatui.training.previews import BatchPreview, write_batch
from kanatui.training.recorder import Recorder
from kanatui.training.runs import Run
from kanatui.tui.train.screen import TrainScreen
from tests.helpers.app import make_app, until

RECORDED = Path(__file__).parent.parent / "data" / "continued.jsonl"
STEPS = [{"plugin": "rotate", "degrees": [-10.0, 10.0]}, {"plugin": "noise", "p": 0.5}]
RECIPE = {
    "name": "tiny",
    "characters": "あいう",
    "faces": ["klee-regular", "noto-sans-cjk-jp-regular"],
    "image_size": 32,
    "images_per_character": 200,
    "augment": STEPS,
    "train": {"epochs": 1, "batch_size": 16, "validations": 2, "workers": 0, "precision": "float32", "threads": 1},
}


def make_run(name="tiny", state="finished", events=None, best=None, **status):
    """A run directory as a training leaves it behind."""
    run = Run.create(name, {"recipe": "tiny", "source": {"recipe": RECIPE}})
    recorder = Recorder(run)
    for event in events or []:
        fields = {key: value for key, value in event.items() if key not in ("time", "event")}
        recorder.event(event["event"], **fields)
    recorder.update(best=best, **status)
    recorder.finish(state, status.get("reason", ""))
    recorder.close()
    return run


def recorded_run():
    """A real run: augmentations changed, paused, killed, continued, stopped; its last line is torn."""
    run = make_run("recorded", "stopped", progress=0.15, step=277, elapsed=14.6)
    shutil.copy(RECORDED, run.path / "events.jsonl")
    return run


def crashed_run():
    run = make_run("crashed")
    status = json.loads((run.path / "status.json").read_text()) | {"state": "running", "pid": 4_000_000}
    (run.path / "status.json").write_text(json.dumps(status))
    run.log.write_text("loading\nRuntimeError: \x1b[31mout of luck\x1b[0m\n")
    return run


class Training(threading.Thread):
    """A training without a network: the real recorder, mailbox and command handler, a step each 50 ms."""

    def __init__(self, refuse="", checkpoint_takes_forever=False):
        super().__init__(daemon=True)
        self.checkpoint_takes_forever = checkpoint_takes_forever
        self.run_ = Run.create("live", {"recipe": "tiny", "source": {"recipe": RECIPE}})
        self.refuse = refuse
        self.ready = threading.Event()
        self.over = threading.Event()

    def run(self):
        recorder = Recorder(self.run_)
        handler = CommandHandler(recorder)
        step = 0

        def augment(arguments):
            if self.refuse:
                raise RunError(self.refuse)
            recorder.event("augment", step=step + 1, augments=arguments["augments"])
            return f"from step {step + 1} on"

        handler.handlers["augment"] = augment
        control = Control(Mailbox(self.run_.control))
        recorder.event("start", step=0, device="cpu", precision="float32", weights=10, batches=100)
        recorder.update(state="running")
        while handler.ending is None and not self.over.is_set():
            step += 1
            fields = {"step": step, "epoch": 0, "progress": 0.25, "elapsed": step / 20, "seconds_left": 15.0}
            measured = {"loss": 1 / step, "rate": 0.01, "images_per_second": 900.0, "memory": 5e8, "cpu": 180.0}
            recorder.event("step", **fields, **measured)
            recorder.update(**fields)
            if is_watched(self.run_.control):
                images = np.random.default_rng(step).integers(0, 255, (4, 16, 16), dtype=np.uint8)
                batch = BatchPreview(step, images, "あいうえ", "あいうう", np.full(4, 0.5, np.float32))
                write_batch(self.run_.previews, batch)
            self.ready.set()
            time.sleep(0.05)
            handler.obey(control.take(), step)
            while self.checkpoint_takes_forever and handler.paused and not self.over.is_set():
                time.sleep(0.02)
                handler.obey(control.take(), step)
            if handler.paused:
                recorder.event("paused", step=step)
                recorder.update(state="paused")
                while handler.paused and handler.ending is None and not self.over.is_set():
                    time.sleep(0.02)
                    handler.obey(control.take(), step)
                    recorder.update()
                recorder.event("resumed", step=step)
                recorder.update(state="running")
        recorder.finish("stopped", handler.ending or "")
        recorder.close()


@contextlib.contextmanager
def training(refuse="", **options):
    thread = Training(refuse, **options)
    thread.start()
    assert thread.ready.wait(20)
    try:
        yield thread.run_
    finally:
        thread.over.set()
        thread.join(20)


@contextlib.asynccontextmanager
async def opened(size=(120, 40), shown=True, **options):
    """The app on the Train screen, a run shown if there is one."""
    app = make_app("train", **options)
    async with app.run_test(size=size, notifications=True) as pilot:
        await until(pilot, lambda: app.screen.query("#train-live") and app.screen.runs.loaded)
        if shown:
            await until(pilot, lambda: app.screen.live.row and app.screen.live.caught_up and titles(app))
        yield app, pilot


def on_train(app):
    """The Train screen itself, also while a question stands over it."""
    return next(screen for screen in app.screen_stack if isinstance(screen, TrainScreen))


def note(app):
    return str(on_train(app).query_one("#live-note", Static).content)


def titles(app):
    return [str(title.content) for title in on_train(app).live.query(".chart-title")]

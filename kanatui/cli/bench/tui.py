"""Benchmark of the app on a pseudo-terminal: first paint, keys, traffic, preview, drawing, attaching."""

from __future__ import annotations

import contextlib
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from kanatui.cli.bench.drawing import measure_pen
from kanatui.cli.bench.figures import Figure, percentile
from kanatui.cli.bench.terminal import Terminal
from kanatui.core import paths, processes
from kanatui.core.errors import KanatuiError
from kanatui.tui.ways import CHOICES, VARIABLE

if TYPE_CHECKING:
    import subprocess

COLUMNS, LINES = 120, 40

_STARTS = 5
_IDLE_SECONDS = 10.0
_WATCH_SECONDS = 30.0
_KEY_ROUNDS = 20
_PREVIEWS = 20
_SHEETS = 3
_EVENTS = 100_000
_BETWEEN_KEYS = 0.3
_TRAINING = "while training"
_PATIENCE = 300.0  # seconds without a word from the training, whose niceness leaves it little of a busy machine
_SETTLED = 1.0  # seconds without output after which a screen counts as painted

OnProgress = Callable[[str], None]


def measure_tui(on_progress: OnProgress) -> list[Figure]:
    """Measure the app in a temporary home that shares the user's cache of masters; takes about five minutes.

    Raises:
        KanatuiError: the app or the training that it watches did not start.
    """
    with _home() as environment:
        figures = []
        on_progress("first paint")
        figures.append(_first_paint(environment))
        on_progress("idle traffic and the preview")
        figures += _idle_and_preview(environment)
        for way in CHOICES[1:]:
            on_progress(f"the sheet in {way}")
            figures += _sheet({**environment, VARIABLE: way}, way)
        on_progress("drawing")
        figures.append(_drawing(environment))
        on_progress("attaching to a long run")
        figures.append(_attach(environment))
        on_progress("starting a training on all cores")
        with _training(environment):
            on_progress("traffic, keys and drawing while a training runs")
            figures += _watching(environment)
    return figures


@contextlib.contextmanager
def _home() -> Iterator[dict[str, str]]:
    with tempfile.TemporaryDirectory(prefix="kanatui-bench-") as folder:
        paths.cache().mkdir(parents=True, exist_ok=True)
        (Path(folder) / "cache").symlink_to(paths.cache())
        yield {"KANATUI_HOME": folder}


def _open(environment: Mapping[str, str]) -> Terminal:
    return Terminal.app(columns=COLUMNS, lines=LINES, environment=environment)


def _first_paint(environment: Mapping[str, str]) -> Figure:
    """Measure the time from starting the process until the header is painted."""
    times = []
    for _ in range(_STARTS):
        with _open(environment) as terminal:
            times.append(terminal.wait_for("[1 Dataset]") - terminal.started)
    loaded = _modules_at_first_paint()
    note = "torch imported!" if "torch" in loaded else "torch not imported"
    return Figure("first paint", statistics.median(times), "s", 1.0, times, note)


def _modules_at_first_paint() -> set[str]:
    """Return the top-level modules that the first screen imports."""
    import subprocess

    code = (
        "import sys, asyncio\n"
        "from kanatui.tui.app import KanatuiApp\n"
        "async def main():\n"
        "    async with KanatuiApp().run_test() as pilot: await pilot.pause()\n"
        "    print(*{name.partition('.')[0] for name in sys.modules})\n"
        "asyncio.run(main())\n"
    )
    done = subprocess.run(processes.python("-c", code), capture_output=True, text=True, check=False)
    return set(done.stdout.split())


def _idle_and_preview(environment: Mapping[str, str]) -> list[Figure]:
    with _open(environment) as terminal:
        terminal.wait_for("[1 Dataset]")
        terminal.wait_until_quiet(5.0, 60.0)  # the first sheet draws its masters
        before = terminal.painted
        time.sleep(_IDLE_SECONDS)
        idle = (terminal.painted - before) / _IDLE_SECONDS
        terminal.press("\x1b")  # leave the form, which takes letters
        time.sleep(_SETTLED)
        times, bytes_each = [], []
        for _ in range(_PREVIEWS):
            before, pressed = terminal.press("r"), time.perf_counter()
            terminal.wait_until_quiet(_SETTLED, since=before)
            if terminal.painted == before:
                raise KanatuiError("the preview was not redrawn on r")
            times.append(terminal.last_painted - pressed)
            bytes_each.append(terminal.painted - before)
    sheet = f"a complete new sheet, {statistics.median(bytes_each) / 1000:.0f} kB"
    return [
        Figure("idle traffic", idle, "bytes/s", 20.0),
        Figure("preview, key to last paint (median)", 1000 * statistics.median(times), "ms", 200.0, _ms(times), sheet),
    ]


def _sheet(environment: Mapping[str, str], way: str) -> list[Figure]:
    """Measure the bytes of a new sheet of glyphs that are shown one way."""
    with _open(environment) as terminal:
        terminal.wait_for("[1 Dataset]")
        terminal.wait_until_quiet(5.0, 60.0)
        terminal.press("\x1b")  # leave the form, which takes letters
        time.sleep(_SETTLED)
        sizes = []
        for _ in range(_SHEETS):
            before = terminal.press("r")
            terminal.wait_until_quiet(_SETTLED, since=before)
            sizes.append((terminal.painted - before) / 1000)
    return [Figure.median(f"a new sheet in {way}", sizes, "kB", note=f"{COLUMNS}×{LINES}")]


def _drawing(environment: Mapping[str, str]) -> Figure:
    with _open(environment) as terminal:
        terminal.wait_for("[1 Dataset]")
        terminal.wait_until_quiet(_SETTLED)
        return measure_pen(terminal, "no training")


def _attach(environment: Mapping[str, str]) -> Figure:
    """Measure the time from opening a run of many events until its last step is shown."""
    times = []
    run = _long_run(Path(environment["KANATUI_HOME"]))
    with _open(environment) as terminal:
        terminal.wait_for("[1 Dataset]")
        since = terminal.press("2")
        terminal.wait_for(run.name.partition("-")[2], since)
        terminal.wait_until_quiet(_SETTLED)
        since, pressed = terminal.press("\r"), time.perf_counter()
        times.append(terminal.wait_for(f"{_EVENTS:,}", since) - pressed)
    return Figure(f"attach to {_EVENTS:,} events", times[0], "s", 1.5, times)


def _long_run(home: Path) -> Path:
    """Write a finished run with as many events as a long training leaves."""
    folder = home / "runs" / "001-long"
    folder.mkdir(parents=True)
    (folder / "config.toml").write_text('name = "long"\nrecipe = "bench"\n[train]\n[model]\n[source]\n', "utf-8")
    with open(folder / "events.jsonl", "w", encoding="utf-8") as file:
        for step in range(1, _EVENTS + 1):
            share = step / _EVENTS
            event = {
                "time": 1.6e9 + step,
                "event": "step",
                "step": step,
                "epoch": step // 1000,
                "progress": round(share, 5),
                "elapsed": step * 0.1,
                "seconds_left": 0.0,
                "loss": round(5.0 * (1 - share) + 0.3 + 0.05 * (step % 7), 4),
                "rate": 0.008,
                "images_per_second": 2000.0,
                "waiting": 0.0,
            }
            file.write(json.dumps(event) + "\n")
    status = {"state": "finished", "progress": 1.0, "epoch": _EVENTS // 1000, "step": _EVENTS, "elapsed": _EVENTS * 0.1}
    (folder / "status.json").write_text(json.dumps(status), "utf-8")
    return folder


@contextlib.contextmanager
def _training(environment: Mapping[str, str]) -> Iterator[None]:
    """Keep all cores busy with a training within the block."""
    import os

    folder = Path(environment["KANATUI_HOME"])
    before = os.environ.get("KANATUI_HOME")
    os.environ["KANATUI_HOME"] = environment["KANATUI_HOME"]
    try:
        process = processes.start(["train", "quick", "--minutes", "30", "--name", "watched"], folder / "train.log")
    finally:
        if before is None:
            del os.environ["KANATUI_HOME"]
        else:
            os.environ["KANATUI_HOME"] = before
    try:
        events = folder / "runs" / "002-watched" / "events.jsonl"
        _wait_for_a_step(process, folder / "train.log", events)
        yield
    finally:
        process.terminate()
        process.wait(60)


def _wait_for_a_step(process: subprocess.Popen[bytes], log: Path, events: Path) -> None:
    """Wait for a training's first step as long as it tells of progress, such as drawing glyphs on a busy machine."""
    said, deadline = 0, time.monotonic() + _PATIENCE
    while not (events.exists() and '"event":"step"' in events.read_text("utf-8")):
        if log.stat().st_size > said:
            said, deadline = log.stat().st_size, time.monotonic() + _PATIENCE
        if process.poll() is not None or time.monotonic() > deadline:
            raise KanatuiError(f"the training to watch did not start: {log.read_text()[-300:]}")
        time.sleep(0.2)


def _watching(environment: Mapping[str, str]) -> list[Figure]:
    with _open(environment) as terminal:
        terminal.wait_for("[1 Dataset]")
        since = terminal.press("2")
        terminal.wait_for("watched", since)
        time.sleep(_SETTLED)
        terminal.press("\r")
        time.sleep(3.0)
        before = terminal.painted
        time.sleep(_WATCH_SECONDS)
        traffic = (terminal.painted - before) / _WATCH_SECONDS
        keys = _key_times(terminal)
        answered = _pause_times(terminal)
        pen = measure_pen(terminal, _TRAINING)
    return [
        Figure("watching a training", traffic / 1000, "kB/s", 20.0, note=f"{COLUMNS}×{LINES}, {_WATCH_SECONDS:.0f} s"),
        Figure("key to paint (95th percentile)", 1000 * percentile(keys, 0.95), "ms", 50.0, _ms(keys), _TRAINING),
        Figure("pause and resume, key to word on screen", 1000 * max(answered), "ms", 200.0, _ms(answered)),
        pen,
    ]


def _key_times(terminal: Terminal) -> list[float]:
    """Time keys whose effect can be told apart from the training's repaints by a text that only they show.

    They are the slowest keys because they paint the whole screen. The first round is left out because it creates the
    screens, which takes 0.2 s each.
    """
    times = []
    for _ in range(1 + _KEY_ROUNDS):
        for keys, text in (("3", "[3 Evaluate]"), ("4", "[4 Draw]"), ("1", "[1 Dataset]"), ("2", "[2 Train]")):
            times.append(_key_time(terminal, keys, text))
        times.append(_key_time(terminal, "?", "Keys on this screen"))
        terminal.press("?")
        time.sleep(_BETWEEN_KEYS)
    return times[len(times) // (1 + _KEY_ROUNDS) :]


def _key_time(terminal: Terminal, keys: str, text: str) -> float:
    since, pressed = terminal.press(keys), time.perf_counter()
    took = terminal.wait_for(text, since) - pressed
    time.sleep(_BETWEEN_KEYS)
    return took


def _pause_times(terminal: Terminal) -> list[float]:
    times = []
    for text in ("pause", "resume") * 3:
        since, pressed = terminal.press("p"), time.perf_counter()
        times.append(terminal.wait_for(text, since) - pressed)
        time.sleep(3.0)
    return times


def _ms(seconds: list[float]) -> list[float]:
    return [1000 * value for value in seconds]

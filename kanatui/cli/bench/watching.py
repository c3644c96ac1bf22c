"""Benchmark of the memory that watching a very long training takes."""

from __future__ import annotations

import json
import time
from pathlib import Path

from kanatui.cli.bench.figures import Figure
from kanatui.cli.bench.process import own_home, resident
from kanatui.cli.bench.terminal import Terminal
from kanatui.dataset.source import OnStage

_EVENTS = 1_000_000
_STEADY = 5.0  # seconds after the last step is shown


def measure_watching(on_stage: OnStage) -> list[Figure]:
    """Open the app on a run with a million events and measure its memory once all of them are shown.

    Raises:
        KanatuiError: the app did not show the run.
    """
    title = "watching a million events"
    on_stage(0, 2, title)
    with own_home() as home:
        run = _write_run(home)
        on_stage(1, 2, title)
        with Terminal.app(environment={"KANATUI_HOME": str(home)}) as terminal:
            terminal.wait_for("[1 Dataset]")
            since = terminal.press("2")
            terminal.wait_for(run.name.partition("-")[2], since)
            terminal.wait_until_quiet(1.0)
            since = terminal.press("\r")
            terminal.wait_for(f"{_EVENTS:,}", since)
            time.sleep(_STEADY)
            alone, whole = resident(terminal.process.pid, children=False), resident(terminal.process.pid)
    on_stage(2, 2, title)
    note = f"the app's own process; {whole / 1e6:.0f} MB with its workers for previews and drawing"
    return [Figure(f"watching {_EVENTS:,} events, memory", alone / 1e6, "MB", 300.0, note=note)]


def _write_run(home: Path) -> Path:
    """Write a finished run with as many events as a very long training leaves."""
    folder = home / "runs" / "001-million"
    folder.mkdir(parents=True)
    (folder / "config.toml").write_text('name = "million"\nrecipe = "bench"\n[train]\n[model]\n[source]\n', "utf-8")
    rest = {"seconds_left": 0.0, "rate": 0.008, "images_per_second": 2000.0, "waiting": 0.0}
    with open(folder / "events.jsonl", "w", encoding="utf-8") as file:
        for step in range(1, _EVENTS + 1):
            share = step / _EVENTS
            loss = round(5.0 * (1 - share) + 0.3 + 0.05 * (step % 7), 4)
            event = {"time": 1.6e9 + step, "event": "step", "step": step, "epoch": step // 1000, "elapsed": step * 0.1}
            file.write(json.dumps(event | {"progress": round(share, 7), "loss": loss} | rest) + "\n")
    status = {"state": "finished", "progress": 1.0, "epoch": _EVENTS // 1000, "step": _EVENTS, "elapsed": _EVENTS * 0.1}
    (folder / "status.json").write_text(json.dumps(status), "utf-8")
    return folder

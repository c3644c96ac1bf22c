"""Benchmark of training on a machine that other processes keep busy, as on a shared server."""

from __future__ import annotations

import contextlib
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

from kanatui.cli.bench.figures import Figure
from kanatui.cli.bench.process import own_home, run_kanatui
from kanatui.cli.bench.rounds import alternate
from kanatui.core import processes
from kanatui.core.errors import KanatuiError
from kanatui.dataset.source import OnStage

ROUNDS = 3

_MINUTES = 0.3  # of each training
_SETTLED = 6.0  # seconds of training, after which its speed counts: by then it has noticed its neighbours


def measure_beside(neighbours: int, rounds: int, on_stage: OnStage) -> list[Figure]:
    """Measure training alone and beside busy processes, in turns, against its fair share of the processor.

    Fair is what the threads would get if each thread on the machine got the same time. All run at the same niceness,
    in one session, so that the system treats them alike.

    Args:
        neighbours: number of processes with one busy thread each.
        rounds: number of trainings each way.

    Raises:
        KanatuiError: a training failed, or made no progress worth measuring.
    """
    with own_home() as home:
        alone, beside = alternate(
            {"alone": lambda: _train(home, 0), "beside": lambda: _train(home, neighbours)},
            rounds,
            on_stage,
            f"beside {neighbours} busy process{'es' * (neighbours > 1)}",
        ).values()
    cores, threads = processes.allowed_cores(), processes.usable_cores()
    fair = min(1.0, cores / (neighbours + threads))
    note = f"{threads} threads on {cores} cores: fair is {100 * fair:.0f} % of its speed alone"
    shares = [100 * slow / (fair * fast) for slow, fast in zip(beside, alone, strict=True)]
    return [
        Figure.median("train alone", alone, "images/s", note="the default recipe"),
        Figure.median(f"train beside {neighbours} busy processes", beside, "images/s", note=note),
        Figure.median("share of what is fair", shares, "%", least=70.0),
    ]


def _train(home: Path, neighbours: int) -> float:
    """Train in a process of its own; return images/s once it has settled."""
    with busy(neighbours):
        arguments = ["train", "--minutes", str(_MINUTES), "--validations", "1"]
        run_kanatui(arguments, home, KANATUI_NICENESS="0")
    latest = max(home.glob("runs/*/events.jsonl"), key=lambda events: int(events.parent.name.partition("-")[0]))
    events = map(json.loads, latest.read_text("utf-8").splitlines())
    rates = [
        event["images_per_second"] for event in events if event["event"] == "step" and event["elapsed"] >= _SETTLED
    ]
    if not rates:
        raise KanatuiError("the training beside busy processes made no step in time: the machine is too busy")
    return float(sum(rates) / len(rates))  # reports come at even times


@contextlib.contextmanager
def busy(count: int) -> Iterator[None]:
    """Keep ``count`` processes busy within the block."""
    command = processes.python("-c", "while True: pass")
    started = [subprocess.Popen(command, stdin=subprocess.DEVNULL) for _ in range(count)]
    try:
        yield
    finally:
        for process in started:
            process.kill()
            process.wait()

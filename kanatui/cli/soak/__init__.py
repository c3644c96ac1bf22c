"""The command `soak`: works and is killed at random in a home of its own, and tells whether anything was lost."""

from __future__ import annotations

import random
import shutil
import signal
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kanatui.cli.console import err, out, print_json, progress
from kanatui.core.units import counted

if TYPE_CHECKING:
    from kanatui.cli.soak.world import World

_INTERRUPTED = 130


@click.command("soak")
@click.option("--minutes", type=click.FloatRange(0, 10_000), default=20.0, show_default=True, help="How long.")
@click.option("--seed", type=click.IntRange(0), help="Chooses operations and faults (default: another each time).")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def soak_command(minutes: float, seed: int | None, as_json: bool) -> int:
    """Try whether anything can be lost on this machine.

    Generates, trains, pauses, resumes, kills, attaches, evaluates and adapts at random, in a temporary home, and
    checks after each operation that what was finished is whole and what was killed goes on where it was. Exit status 1
    if anything was lost; then the home is kept.
    """
    from kanatui.cli.soak.world import World

    seed = random.randrange(2**32) if seed is None else seed
    folder = Path(tempfile.mkdtemp(prefix="kanatui-soak-"))
    world = World(folder, seed)
    try:
        interrupted = _soak(world, minutes * 60)
    finally:
        world.end()
        if not world.losses:
            shutil.rmtree(folder, ignore_errors=True)
    report = {
        "seed": seed,
        "minutes": minutes,
        "interrupted": interrupted,
        "operations": dict(world.operations.most_common()),
        "faults": dict(world.faults.most_common()),
        "losses": [{"what": what, "look_at": where} for what, where in world.losses.items()],
        "kept": str(folder) if world.losses else None,
    }
    if as_json:
        print_json(report)
    else:
        _show(report)
    return 1 if world.losses else _INTERRUPTED if interrupted else 0


def _soak(world: World, seconds: float) -> bool:
    """Soak for some time, and then finish all that was begun. Returns whether Ctrl-C ended it."""
    from kanatui.cli.soak import laws, operations
    from kanatui.core.processes import ending_on_terminate

    shown = 0
    try:
        with ending_on_terminate():
            signal.signal(signal.SIGINT, signal.default_int_handler)  # what starts in the background may ignore it
            with progress(f"soaking {world.seed}", round(seconds)) as advance:
                advance(0, note="preparing")
                operations.prepare(world)
                started = time.monotonic()
                while (gone := time.monotonic() - started) < seconds:
                    advance(int(gone) - shown, note=_figures(world))
                    shown = int(gone)
                    operations.do_one(world)
                    world.check()
            err.print("finishing what was begun")
            operations.finish(world)
            world.check()
            world.judge(laws.of_the_end(world.home, world.temporary))
    except KeyboardInterrupt:
        world.end()
        world.check()
        return True
    return False


def _figures(world: World) -> str:
    return f"{world.operations.total():,} done, {counted(world.faults.total(), 'fault')}, {len(world.losses)} lost"


def _show(report: Mapping[str, Any]) -> None:
    from rich.table import Table

    for name in ("operations", "faults"):
        table = Table(box=None, header_style="bold", pad_edge=False)
        table.add_column(f"{name} (seed {report['seed']})" if name == "operations" else "faults injected")
        table.add_column(f"{sum(report[name].values()):,}", justify="right")
        for kind, times in report[name].items():
            table.add_row(kind, f"{times:,}")
        out.print(table)
        out.print()
    for loss in report["losses"]:
        out.print(f"LOST  {loss['what']}", soft_wrap=True)
        out.print(f"      look at {loss['look_at']}", soft_wrap=True)
    kept = f"; kept in {report['kept']}" if report["kept"] else ""
    out.print(f"losses: {len(report['losses'])}{kept}", soft_wrap=True)

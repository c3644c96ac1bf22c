"""`kanatui bench`: measurements that anybody can repeat."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from kanatui.cli.console import err, out, print_json

if TYPE_CHECKING:
    from kanatui.bench.figures import Figure


@click.group("bench")
def bench_command() -> None:
    """Measure kanatui on this machine."""


@bench_command.command("tui")
@click.option("--json", "as_json", is_flag=True, help="Print for programs.")
def bench_tui(as_json: bool) -> None:
    """Measure the app: first paint, keys, traffic, preview, attaching. Takes about two minutes; starts a training."""
    from kanatui.bench.machine import describe_machine
    from kanatui.bench.tui import measure_tui

    machine = describe_machine()
    with err.status("bench tui") as status:
        figures = measure_tui(lambda text: status.update(f"bench tui: {text}"))
    command = f"kanatui {' '.join(sys.argv[1:])}"
    if as_json:
        print_json({"command": command, "machine": machine, "figures": [figure.to_dict() for figure in figures]})
        return
    _print(figures, machine, command)


def _print(figures: Sequence[Figure], machine: dict[str, str], command: str) -> None:
    from rich.table import Table

    table = Table("what", "measured", "goal", "", "least … median … most", "n", "note", box=None, pad_edge=False)
    for figure in figures:
        table.add_row(
            figure.name,
            f"{figure.value:.3g} {figure.unit}",
            f"< {figure.most:g} {figure.unit}",
            "met" if figure.met else "MISSED",
            figure.spread,
            str(len(figure.samples) or 1),
            figure.note,
        )
    out.print(table)
    for name, text in machine.items():
        out.print(f"{name}: {text}", markup=False, soft_wrap=True)
    out.print(f"command: {command}", markup=False)

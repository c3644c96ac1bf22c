"""The command `doctor`: checks that the machine can run kanatui."""

from __future__ import annotations

import contextlib
import dataclasses
from typing import TYPE_CHECKING

import click

from kanatui.cli.console import out, print_json, status

if TYPE_CHECKING:
    from kanatui.cli.checks import Check

_STYLES = {"ok": "green", "warning": "yellow", "fail": "bold red"}
_SLOW = ("ImageMagick", "policy", "fonts", "torch")  # checks worth a spinner


@click.command("doctor")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_context
def doctor_command(context: click.Context, as_json: bool) -> None:
    """Check what kanatui needs, and show commands that fix what is wrong.

    Exit status 1 if the main job cannot run.
    """
    from kanatui.cli.checks import CHECKS

    checks = []
    for name, check in CHECKS.items():
        # No spinner while the terminal is asked for its cursor position: a spinner moves the cursor.
        with status(f"checking {name}") if name in _SLOW else contextlib.nullcontext():
            checks.append(check())
        if not as_json:
            _print_check(checks[-1])
    if as_json:
        print_json([dataclasses.asdict(found) for found in checks])
    if any(found.state == "fail" for found in checks):
        context.exit(1)


def _print_check(check: Check) -> None:
    from rich.table import Table
    from rich.text import Text

    line = Table.grid(padding=(0, 1))
    line.add_column(width=7)
    line.add_column(width=11)
    line.add_column(overflow="fold")
    word = {"ok": "OK", "warning": "warning", "fail": "FAIL"}[check.state]
    line.add_row(Text(word, style=_STYLES[check.state]), check.name, Text(check.detail))
    out.print(line)
    if check.remedy:
        # Never wrapped, so that it can be copied.
        out.print(f"        → {check.remedy}", soft_wrap=True)

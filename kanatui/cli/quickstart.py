"""The command `quickstart`: runs the main job step by step and shows each step's command."""

from __future__ import annotations

import shlex
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kanatui.cli.console import out, with_json
from kanatui.cli.runs import told_of
from kanatui.core.units import duration

if TYPE_CHECKING:
    from kanatui.training.runs import Run

_DATASET = "quickstart"
_SAMPLE = "き"


@click.command("quickstart")
@with_json
@click.pass_context
def quickstart_command(context: click.Context) -> dict[str, Any]:
    """Make a recogniser from scratch: check the machine, generate, train, evaluate, recognise a picture."""
    started = time.monotonic()
    _step(context, "check the machine", ["doctor"])
    _step(context, "generate a data set", ["generate", "quick", "--name", _DATASET, *_resume_if_begun()])
    _step(context, "train on it", ["train", "--data", _DATASET])
    run = _latest_run()
    _step(context, "evaluate on images it has not seen", ["evaluate", run.id])
    sample = _draw_sample(run)
    _step(context, f"recognise a picture, {_SAMPLE}", ["recognize", str(sample), "--model", run.id])
    seconds = time.monotonic() - started
    _say_what_next(run, sample, seconds)
    return told_of(run) | {"dataset": _DATASET, "sample": str(sample), "seconds": seconds}


def _step(context: click.Context, title: str, arguments: Sequence[str]) -> None:
    """Run another command in this process; print a title and the command line first."""
    out.print()
    out.rule(title, align="left")
    out.print(f"$ kanatui {shlex.join(arguments)}", style="dim", soft_wrap=True)
    group = context.find_root().command
    assert isinstance(group, click.Group)
    command = group.get_command(context, arguments[0])
    assert command is not None
    with command.make_context(arguments[0], list(arguments[1:]), parent=context) as inner:
        command.invoke(inner)


def _resume_if_begun() -> list[str]:
    from kanatui.core import paths

    return ["--resume"] if (paths.datasets() / _DATASET / "manifest.json").exists() else []


def _latest_run() -> Run:
    from kanatui.training.runs import find_run

    return find_run("latest")


def _draw_sample(run: Run) -> Path:
    """Draw a picture like a user's own: dark ink on light paper, of another size than the model's images."""
    import numpy as np
    from PIL import Image

    from kanatui.core.storage import replacing
    from kanatui.dataset.recipe import find_recipe
    from kanatui.dataset.stream import GlyphStream
    from kanatui.plugins.registry import load

    recipe = find_recipe("quick").but(characters=_SAMPLE, image_size=128, seed=2026, images_per_character=1)
    pixels = GlyphStream(recipe, load()).images(np.array([0]))[0]
    path = run.path / "sample.png"
    with replacing(path) as file:
        Image.fromarray(255 - pixels).save(file, format="PNG")
    return path


def _say_what_next(run: Run, sample: Path, seconds: float) -> None:
    from kanatui.core import paths

    out.print()
    out.rule(f"done in {duration(seconds)}", align="left")
    for what, where in (
        ("data set", paths.datasets() / _DATASET),
        ("run", run.path),
        ("sample", sample),
    ):
        out.print(f"{what:9} {where}", soft_wrap=True)
    out.print()
    out.print("next:")
    for arguments, why in (
        ("recognize picture.png", "read a picture of your own (one character)"),
        ("preview handwriting", "see images of the best recipe"),
        ("train handwriting", "train a full recogniser (ten minutes)"),
        (f"evaluate {run.id} --images DIR", "score it on your own labelled pictures"),
    ):
        out.print(f"  kanatui {arguments:38} {why}", soft_wrap=True)

"""The `kanatui` command. Command modules stay light: heavy imports happen inside the command that needs them."""

from __future__ import annotations

import gc
import io
import os
import sys
import traceback
from collections.abc import Sequence

import click

from kanatui import __version__
from kanatui.cli import (
    ablate,
    adapt,
    bench,
    datasets,
    doctor,
    evaluate,
    export,
    fonts,
    generate,
    importing,
    models,
    plugins,
    preview,
    quickstart,
    read,
    recipes,
    recognize,
    report,
    runs,
    sheet,
    train,
)
from kanatui.cli.console import err
from kanatui.core.errors import KanatuiError

INTERRUPTED = 130  # what a shell reports for a program ended by Ctrl-C


@click.group(context_settings={"help_option_names": ["-h", "--help"]}, invoke_without_command=True)
@click.version_option(__version__, message="kanatui %(version)s")
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
@click.option("--plugins-dir", "folders", multiple=True, metavar="DIR", help="Also load trusted plugins from DIR.")
@click.option("--ascii", "plain", is_flag=True, help="Draw pictures in the app with plain characters.")
@click.option("--pictures", metavar="WAY", help="Show pictures in the app this way: auto, sextants … (see doctor).")
@click.pass_context
def group(context: click.Context, debug: bool, folders: tuple[str, ...], plain: bool, pictures: str | None) -> None:
    """Make a handwriting recogniser for Japanese kana: generate, train, evaluate, recognise.

    Without a command, opens the app. `kanatui quickstart` runs all steps once, `kanatui doctor` checks the machine.
    """
    if folders:
        # Passed through the environment so that workers and detached runs load the same plugins.
        present = [part for part in os.environ.get("KANATUI_PLUGINS", "").split(os.pathsep) if part]
        os.environ["KANATUI_PLUGINS"] = os.pathsep.join([*(os.path.abspath(f) for f in folders), *present])
    if context.invoked_subcommand is None:
        from kanatui.tui.launch import run_app

        run_app("ascii" if plain else pictures or "")


for command in (
    quickstart.quickstart_command,
    recipes.recipes_command,
    preview.preview_command,
    generate.generate_command,
    datasets.datasets_command,
    importing.import_command,
    train.train_command,
    runs.runs_command,
    runs.attach_command,
    runs.stop_command,
    runs.pause_command,
    runs.resume_command,
    sheet.sheet_command,
    adapt.adapt_command,
    evaluate.evaluate_command,
    report.report_command,
    recognize.recognize_command,
    read.read_command,
    models.models_command,
    export.export_command,
    ablate.ablate_command,
    plugins.plugins_command,
    fonts.fonts_command,
    doctor.doctor_command,
    bench.bench_command,
):
    group.add_command(command)


def run(arguments: Sequence[str]) -> int:
    """Run a command line and return its exit status; errors become one line on standard error."""
    debug = "--debug" in arguments
    try:
        result = group.main(list(arguments), prog_name="kanatui", standalone_mode=False)
        return result if isinstance(result, int) else 0
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        err.print("interrupted")
        return INTERRUPTED
    except BrokenPipeError:
        # The reader has gone (`| head`); Python would complain again when it flushes on exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except KanatuiError as error:
        return _report(error, str(error), error.exit_status, debug)
    except Exception as error:  # noqa: BLE001  # last resort: a bug in kanatui also ends in one line
        text = f"{type(error).__name__}: {error}".splitlines()[0]
        return _report(error, f"internal error: {text} (--debug shows where; please report it)", 1, debug)


def _report(error: Exception, text: str, status: int, debug: bool) -> int:
    if debug:
        traceback.print_exception(error)
    err.print(f"kanatui: {text}", style="red", markup=False, soft_wrap=True)
    return status


def main() -> None:
    """Run this process's command line and exit with its status."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a file's name need not be UTF-8
    status = run(sys.argv[1:])
    gc.freeze()  # no need to collect at exit: looking for cycles among torch's objects took 0.4 s
    sys.exit(status)

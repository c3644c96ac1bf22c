"""The `kanatui` command. Command modules stay light: heavy imports happen inside the command that needs them."""

from __future__ import annotations

import gc
import os
import sys
import traceback
from collections.abc import Sequence

import click
from typing_extensions import override

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
from kanatui.cli.console import complain, err, lines_of, print_in_any_encoding
from kanatui.core.errors import KanatuiError, PluginError
from kanatui.core.harmless import harmless
from kanatui.core.processes import obey_quota
from kanatui.core.version import __version__

INTERRUPTED = 130  # what a shell reports for a program ended by Ctrl-C


class Commands(click.Group):
    """kanatui's commands, and those of plugins, which are loaded only for a list or a name that is not kanatui's."""

    @override
    def list_commands(self, context: click.Context) -> list[str]:
        return [*super().list_commands(context), *self._added()]

    @override
    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        return super().get_command(context, name) or self._added().get(name)

    def _added(self) -> dict[str, click.Command]:
        """Return the commands of plugins; one that cannot be added is complained about and left out."""
        from kanatui.plugins.registry import command_modules

        added: dict[str, click.Command] = {}
        for where, module in command_modules():
            new = click.Group()
            try:
                if isinstance(module, Exception):
                    raise module
                module.kanatui_commands(new)
                if taken := next((name for name in new.commands if name in self.commands or name in added), ""):
                    raise PluginError(f"there is a command {taken!r} already")
            except Exception as error:  # noqa: BLE001  # a plugin may raise anything; kanatui's commands must go on
                complain(f"{where}: no commands of it: {error}")
                continue
            added |= new.commands
        return added


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]}, invoke_without_command=True)
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
    except click.exceptions.Exit as ended:
        return ended.exit_code
    except click.ClickException as error:
        _show(error)
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
    except UnicodeEncodeError as error:  # a file's name, in a locale other than UTF-8
        lacking = ascii(error.object[error.start : error.end])
        text = f"{lacking} cannot be written in {error.encoding}, the encoding of this locale: export LC_ALL=C.UTF-8"
        return _report(error, text, 1, debug)
    except Exception as error:  # noqa: BLE001  # last resort: a bug in kanatui also ends in one line
        text = f"{type(error).__name__}: {error}".splitlines()[0]
        return _report(error, f"internal error: {text} (--debug shows where; please report it)", 1, debug)


def _show(error: click.ClickException) -> None:
    """Print Click's error, which quotes arguments as they are, after the usage of its command."""
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        error.show()
    elif isinstance(error, click.UsageError):
        click.UsageError(harmless(error.format_message()), error.ctx).show()
    else:
        click.ClickException(harmless(error.format_message())).show()


def _report(error: Exception, text: str, status: int, debug: bool) -> int:
    if debug:
        click.echo(lines_of("".join(traceback.format_exception(error))), err=True)
    complain(harmless(text))
    return status


def main() -> None:
    """Run this process's command line and exit with its status."""
    print_in_any_encoding()
    obey_quota()
    status = run(sys.argv[1:])
    gc.freeze()  # no need to collect at exit: looking for cycles among torch's objects took 0.4 s
    sys.exit(status)

"""The `kanatui` command. Command modules stay light: heavy imports happen inside the command that needs them."""

from __future__ import annotations

import contextvars
import errno
import gc
import os
import signal
import sys
import time
import traceback
from collections.abc import Sequence
from typing import Any

import click
from typing_extensions import override

from kanatui.cli import (
    ablate,
    adapt,
    bench,
    completion,
    console,
    datasets,
    defaults,
    doctor,
    evaluate,
    examples,
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
    soak,
    train,
)
from kanatui.cli.console import complain, err, lines_of, open_standard_files, print_in_any_encoding
from kanatui.core.errors import KanatuiError, PluginError
from kanatui.core.harmless import harmless
from kanatui.core.processes import obey_quota
from kanatui.core.version import __version__

_debugging: contextvars.ContextVar[bool] = contextvars.ContextVar("debugging", default=False)
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
INTERRUPTED = 130  # what a shell reports for a program ended by Ctrl-C


class Commands(click.Group):
    """kanatui's commands, and those of plugins, which are loaded only for a list or a name that is not kanatui's."""

    @override
    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        """Take the user's own defaults, and prepare names for a shell that asks how to go on."""
        if "--no-plugins" in args:  # also before `--help` lists their commands; and for all processes that are started
            os.environ["KANATUI_NO_PLUGINS"] = "1"
        if completion.VARIABLE in os.environ:
            completion.add_names(self)
        return super().make_context(info_name, args, parent, default_map=defaults.read(self), **extra)

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
                    raise PluginError(f"there is already a command {taken!r}")
            except Exception as error:  # noqa: BLE001  # a plugin may raise anything; kanatui's commands must go on
                complain(f"{where}: its commands are left out: {error}")
                continue
            added |= new.commands
        return added


def _print_versions(context: click.Context, parameter: click.Parameter, wanted: bool) -> None:
    """Print the versions of kanatui, and of what decides pixels, training and screens; none of it is imported."""
    if not wanted or context.resilient_parsing:
        return
    import importlib.metadata
    import platform

    from kanatui.fonts import imagemagick

    def version_of(package: str) -> str:
        try:
            return importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            return "not found"

    click.echo(f"kanatui {__version__}")
    click.echo(
        f"Python {platform.python_version()}, torch {version_of('torch')}, Textual {version_of('textual')}, "
        f"ImageMagick {imagemagick.version()}"
    )
    context.exit()


@click.group(
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"]},
    invoke_without_command=True,
    epilog=examples.EXIT_CODES,
)
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_print_versions,
    help="Print the versions of kanatui, torch, Textual and ImageMagick.",
)
@click.option("--debug", is_flag=True, envvar="KANATUI_DEBUG", help="Show the traceback of an error.")
@click.option("--quiet", "-q", is_flag=True, envvar="KANATUI_QUIET", help="Print results and errors only.")
@click.option("--verbose", "-v", is_flag=True, envvar="KANATUI_VERBOSE", help="Also print where things are, and times.")
@click.option("--plugins-dir", "folders", multiple=True, metavar="DIR", help="Also load trusted plugins from DIR.")
@click.option("--no-plugins", is_flag=True, expose_value=False, help="Run no plugins but those that ship with kanatui.")
@click.option("--ascii", "plain", is_flag=True, envvar="KANATUI_ASCII", help="Draw pictures with plain characters.")
@click.option("--pictures", metavar="WAY", help="Show pictures in the app this way: auto, sextants … (see doctor).")
@click.pass_context
def group(
    context: click.Context,
    debug: bool,
    quiet: bool,
    verbose: bool,
    folders: tuple[str, ...],
    plain: bool,
    pictures: str | None,
) -> None:
    """Make a handwriting recogniser for Japanese kana: generate, train, evaluate, recognise.

    Without a command, opens the app. `kanatui quickstart` runs all steps once, `kanatui doctor` checks the machine.
    """
    _debugging.set(debug)
    console.quiet = quiet
    if folders:
        # Passed through the environment so that workers and detached runs load the same plugins.
        present = [part for part in os.environ.get("KANATUI_PLUGINS", "").split(os.pathsep) if part]
        os.environ["KANATUI_PLUGINS"] = os.pathsep.join([*(os.path.abspath(f) for f in folders), *present])
    if verbose:
        _say_where(context)
    if context.invoked_subcommand is None:
        from kanatui.tui.launch import run_app

        run_app("ascii" if plain else pictures or "")


def _say_where(context: click.Context) -> None:
    """Print what decides how a command behaves, and at its end how long it took."""
    from kanatui.core import paths

    started = time.monotonic()
    options = defaults.file() if defaults.file().exists() else f"none ({defaults.file()})"
    told = {"home": paths.home(), "settings": paths.config(), "options": options, "cache": paths.cache()}
    for name, place in (told | {"plugins": os.environ.get("KANATUI_PLUGINS") or "none of your own"}).items():
        err.print(f"{name:9} {place}", markup=False, soft_wrap=True, style="dim")
    context.call_on_close(lambda: err.print(f"took      {time.monotonic() - started:.2f} s", style="dim"))


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
    soak.soak_command,
    completion.completion_command,
    examples.help_command,
):
    group.add_command(command)


def _show_examples(command: click.Command, path: str) -> None:
    command.epilog = examples.epilog(path) or command.epilog
    if isinstance(command, click.Group):
        for name, inner in command.commands.items():
            _show_examples(inner, f"{path} {name}")


for name, command in group.commands.items():
    _show_examples(command, name)


def run(arguments: Sequence[str]) -> int:
    """Run a command line and return its exit status; errors become one line on standard error."""
    _debugging.set("--debug" in arguments)
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
        return _report(error, str(error), error.exit_status)
    except UnicodeEncodeError as error:  # a file's name, in a locale other than UTF-8
        lacking = ascii(error.object[error.start : error.end])
        text = f"{lacking} cannot be written in {error.encoding}, the encoding of this locale: export LC_ALL=C.UTF-8"
        return _report(error, text, 1)
    except OSError as error:
        if error.errno not in _FULL:
            return _bug(error)
        return _report(error, f"cannot write any more: {(error.strerror or str(error)).lower()}; make room", 1)
    except Exception as error:  # noqa: BLE001  # last resort: a bug in kanatui also ends in one line
        return _bug(error)


def _bug(error: Exception) -> int:
    text = f"{type(error).__name__}: {error}".splitlines()[0]
    return _report(error, f"internal error: {text} (--debug shows where; please report it)", 1)


def _show(error: click.ClickException) -> None:
    """Print Click's error, which quotes arguments as they are, after the usage of its command."""
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        error.show()
    elif isinstance(error, click.UsageError):
        click.UsageError(harmless(error.format_message()), error.ctx).show()
    else:
        click.ClickException(harmless(error.format_message())).show()


def _report(error: Exception, text: str, status: int) -> int:
    if _debugging.get():
        click.echo(lines_of("".join(traceback.format_exception(error))), err=True)
    complain(harmless(text))
    return status


def main() -> None:
    """Run this process's command line and exit with its status. Ctrl-C only ends it before and after that."""
    open_standard_files()
    print_in_any_encoding()
    obey_quota()
    if signal.getsignal(signal.SIGINT) is signal.SIG_DFL:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    status = run(sys.argv[1:])
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    gc.freeze()  # no need to collect at exit: looking for cycles among torch's objects took 0.4 s
    sys.exit(status)

"""Writes docs/CLI.md from what `kanatui --help` and each command's `--help` say: `python docs/make_cli.py`."""

import inspect
from pathlib import Path

import click

from kanatui.cli import examples, group

FILE = Path(__file__).parent / "CLI.md"
INTRODUCTION = """\
# Commands

Made by `docs/make_cli.py` from the command line itself; `kanatui help COMMAND` shows the same. Plugins can add
commands: `kanatui tensorboard RUN` and `kanatui wandb RUN` come with two that ship (extras `tensorboard` and `wandb`).

RUN or MODEL is a run's number, id, name or unique prefix, `latest`, a weights file, or `default`, the model that ships.
[RECIPES.md](RECIPES.md) says what `--characters`, `--faces` and `--set` take.

`--json` prints for programs; what people read then goes to standard error. {exit_status}

Options before the command can also be set by variables: `KANATUI_QUIET`, `KANATUI_VERBOSE`, `KANATUI_DEBUG`,
`KANATUI_ASCII`, `KANATUI_PICTURES=WAY`, `KANATUI_PLUGINS=DIR:DIR`. Other variables: `KANATUI_HOME` (where files are
kept, [FILES.md](FILES.md)), `KANATUI_IMAGEMAGICK` (the program to use), `KANATUI_FONT_PATH` (the font folders),
`KANATUI_PEERS` (a Python for `bench render --peers`), `KANATUI_NICENESS`, `OMP_NUM_THREADS` and `NO_COLOR`
([TERMINALS.md](TERMINALS.md)).

Your own defaults of any option go into `options.toml` in the folder of settings, with a table for each command, such as
`[train]` with `minutes = 20`.
"""


def commands(command, path, context=None):
    """Yield a command and those in it, each with the words that call it."""
    inner = click.Context(command, info_name=path.rpartition(" ")[2], parent=context)
    yield path, command, inner
    if isinstance(command, click.Group):
        for name, each in command.commands.items():
            yield from commands(each, f"{path} {name}", inner)


def paragraphs(text):
    r"""Return a help text as Markdown; paragraphs that click must not wrap (after `\b`) become code."""
    parts = []
    for part in inspect.cleandoc(text or "").split("\n\n"):
        literal = part.startswith("\b\n")
        parts.append("```\n" + inspect.cleandoc(part[2:]) + "\n```" if literal else " ".join(part.split()))
    return "\n\n".join(parts)


def cell(text):
    """Return a text that can stand in a cell of a table."""
    return " ".join(text.split()).replace("|", "\\|").replace("*", "\\*")


def options(command, context):
    """Return the table of a command's options, "" if it has none but --help."""
    records = [each.get_help_record(context) for each in command.params if isinstance(each, click.Option)]
    rows = [f"| `{name}` | {cell(text)} |".replace("|`", "`") for name, text in filter(None, records)]
    rows = [row.replace(row.split("`")[1], row.split("`")[1].replace("|", "\\|")) for row in rows]
    return "\n".join(["| option | what it does |", "|---|---|", *rows]) if rows else ""


def usage(path, command, context):
    """Return how the command is called."""
    return " ".join([path, *command.collect_usage_pieces(context)])


def document():
    """Return the whole page."""
    listed = [(path, command) for path, command, _ in commands(group, "kanatui") if path != "kanatui"]
    rows = [f"| [`{path}`](#{path.replace(' ', '-')}) | {cell(first(command))} |" for path, command in listed]
    introduction = INTRODUCTION.format(exit_status=" ".join(examples.EXIT_CODES.split()))
    parts = [introduction, "\n".join(["| command | what it does |", "|---|---|", *rows])]
    for path, command, context in commands(group, "kanatui"):
        parts.append(f"## {path}")
        parts.append(f"```\n{usage(path, command, context)}\n```")
        parts.append(paragraphs(command.help))
        parts.append(options(command, context))
        lines = examples.EXAMPLES.get(path.removeprefix("kanatui "), ())
        if lines:
            parts.append("Examples:\n\n```\n" + "\n".join(f"kanatui {line}" for line in lines) + "\n```")
    return "\n\n".join(part.strip() for part in parts if part) + "\n"


def first(command):
    """Return the first sentence or paragraph of a command's help."""
    return inspect.cleandoc(command.help or "").partition("\n\n")[0]


if __name__ == "__main__":
    FILE.write_text(document(), encoding="utf-8")
    print(f"wrote {FILE}")

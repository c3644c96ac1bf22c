"""The command `completion`: what a shell needs to complete kanatui's commands, options and the names that there are."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

import click
from click.shell_completion import CompletionItem, get_completion_class
from click.types import StringParamType
from typing_extensions import override

from kanatui.core.errors import KanatuiError

if TYPE_CHECKING:
    from kanatui.plugins.registry import Registry

VARIABLE = "_KANATUI_COMPLETE"
"""Set by the shell's script when it asks kanatui what could come next."""

Names = Iterable[tuple[str, str]]
"""Names, each with what it is."""

_WHERE = {"bash": "~/.bashrc", "zsh": "~/.zshrc", "fish": "~/.config/fish/completions/kanatui.fish"}


@click.command("completion")
@click.argument("shell", type=click.Choice(list(_WHERE)))
def completion_command(shell: str) -> None:
    """Print the script that makes a shell complete commands, options and names of runs, data sets, recipes and faces.

    For bash and zsh, put its result into ~/.bashrc or ~/.zshrc: eval "$(kanatui completion bash)"
    """
    made = get_completion_class(shell)
    assert made is not None
    click.echo(made(click.Group("kanatui"), {}, "kanatui", VARIABLE).source())


# ── names ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def _recipes() -> Names:
    from kanatui.dataset.recipe import recipe_files

    return [(name, "recipe") for name in recipe_files()]


def _datasets() -> Names:
    from kanatui.core import paths

    return [(path.parent.name, "data set") for path in sorted(paths.datasets().glob("*/manifest.json"))]


def _runs() -> Names:
    from kanatui.training.runs import list_runs

    return [("latest", "the newest run"), *((run.id, run.title) for run in reversed(list_runs()))]


def _models() -> Names:
    return [("default", "the model that ships"), *_runs()]


def _faces() -> Names:
    from kanatui.fonts.faces import STYLES, load_faces

    return [*((f"style:{style}", "all of a style") for style in STYLES), *((face.id, "face") for face in load_faces())]


def _own_faces() -> Names:
    from kanatui.fonts.faces import read_entries, user_file

    return [(str(entry.get("id", "")), "face") for entry in read_entries(user_file())] if user_file().exists() else []


def _augmentations() -> Names:
    return [(id, cls.kind) for id, cls in _registry().augmentations.items()]


def _architectures() -> Names:
    return [(id, "model") for id in _registry().models]


def _plugins() -> Names:
    return [(id, cls.kind) for id, cls in _registry().classes.items()]


def _assignments() -> Names:
    classes = _registry().augmentations.items()
    return [(f"{id}.{name}=", parameter.help) for id, cls in classes for name, parameter in cls.parameters().items()]


def _characters() -> Names:
    from kanatui.kana.alphabet import SETS

    return [(name, f"{len(characters)} characters") for name, characters in SETS.items()]


def _registry() -> Registry:
    from kanatui.plugins.registry import load

    return load()


_BY_OPTION: dict[str, Callable[[], Names]] = {
    "--recipe": _recipes,
    "--data": _datasets,
    "--resume": _runs,
    "--replay": _runs,
    "--faces": _faces,
    "--hold-out-faces": _faces,
    "--with": _augmentations,
    "--without": _augmentations,
    "--set": _assignments,
    "--characters": _characters,
}
_BY_PLACE: dict[tuple[str, str], Callable[[], Names]] = {
    ("recipes show", "name"): _recipes,
    ("preview", "name"): _recipes,
    ("generate", "name"): _recipes,
    ("train", "name"): _recipes,
    ("ablate", "name"): _recipes,
    ("train", "model"): _architectures,
    ("ablate", "model"): _architectures,
    ("datasets", "stop"): _datasets,
    ("datasets", "delete"): _datasets,
    ("runs", "delete"): _runs,
    ("fonts remove", "ids"): _own_faces,
    ("plugins check", "plugins"): _plugins,
}
_LISTS = (_faces, _augmentations, _architectures)
"""What may be typed with commas between."""


class _Known(StringParamType):
    """Text of which kanatui knows what it may be; anything else may be typed too."""

    def __init__(self, names: Callable[[], Names]) -> None:
        self._names = names

    @override
    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        before, comma, last = incomplete.rpartition(",") if self._names in _LISTS else ("", "", incomplete)
        before += comma
        if last.startswith("-"):  # leaves faces out
            before, last = f"{before}-", last[1:]
        with contextlib.suppress(KanatuiError):  # a broken list of fonts is told by the command, not while typing
            return [CompletionItem(before + name, help=about) for name, about in self._names() if name.startswith(last)]
        return []


def add_names(group: click.Group) -> None:
    """Let the parameters of a group's commands complete the names that there are."""
    for path, parameter in _parameters(group, ""):
        if parameter.type is click.STRING and (names := _names_of(path, parameter)):
            parameter.type = _Known(names)


def _names_of(path: str, parameter: click.Parameter) -> Callable[[], Names] | None:
    metavar = parameter.metavar or ""
    if found := _BY_PLACE.get((path, parameter.name or "")):
        return found
    if found := next((_BY_OPTION[option] for option in parameter.opts if option in _BY_OPTION), None):
        return found
    if metavar.startswith(("RUN", "[RUN")):
        return _runs
    return _models if metavar == "MODEL" or parameter.name == "model" else None


def _parameters(command: click.Command, path: str) -> Iterator[tuple[str, click.Parameter]]:
    yield from ((path, parameter) for parameter in command.params)
    if isinstance(command, click.Group):
        for name, inner in command.commands.items():
            yield from _parameters(inner, f"{path} {name}".strip())

"""The command `plugins`: lists plugins, and manages trust in those of the user's own folders."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kanatui.cli.console import out, print_json

if TYPE_CHECKING:
    from kanatui.plugins.registry import PluginModule, Registry


@click.group("plugins", invoke_without_command=True)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--failed", is_flag=True, help="Show the tracebacks of plugins that failed to load.")
@click.pass_context
def plugins_command(context: click.Context, as_json: bool, failed: bool) -> None:
    """List plugins: id, kind, version, source, state and parameters."""
    if context.invoked_subcommand:
        return
    from kanatui.plugins.registry import load

    registry = load()
    if as_json:
        print_json({"plugins": _rows(registry), "sources": [_module_row(module) for module in registry.modules]})
        return
    if failed:
        from rich.text import Text

        for module in registry.modules:
            if module.state == "failed":
                out.print(module.location, soft_wrap=True)
                out.print(Text(module.traceback), soft_wrap=True)
        return
    _print_table(registry)


def _rows(registry: Registry) -> list[dict[str, Any]]:
    from kanatui.plugins.registry import description

    return [
        {
            "id": cls.id,
            "kind": cls.kind,
            "version": cls.version,
            "source": registry.module_of[cls.id].found_as,
            "location": registry.module_of[cls.id].location,
            "state": registry.module_of[cls.id].state,
            "description": description(cls),
            "parameters": {name: parameter.describe() for name, parameter in cls.parameters().items()},
        }
        for cls in registry.classes.values()
    ]


def _module_row(module: PluginModule) -> dict[str, Any]:
    return {
        "name": module.name,
        "origin": module.found_as,
        "location": module.location,
        "version": module.version,
        "state": module.state,
        "error": module.error,
        "provides": module.provides,
    }


def _print_table(registry: Registry) -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table("id", "kind", "version", "source", "state", "parameters", box=None, pad_edge=False)
    for row in _rows(registry):
        parameters = ", ".join(f"{name}={_default(registry, row['id'], name)}" for name in row["parameters"])
        table.add_row(row["id"], row["kind"], row["version"], row["source"], row["state"], Text(parameters or "–"))
    for module in registry.modules:
        if module.state != "loaded":
            note = Text(module.error, style="red")
            table.add_row(module.name, "", module.version, module.found_as, Text(module.state, style="bold red"), note)
    out.print(table)
    if any(module.state == "failed" for module in registry.modules):
        out.print("kanatui plugins --failed shows the tracebacks")


def _default(registry: Registry, id: str, name: str) -> str:
    parameter = registry.classes[id].parameters()[name]
    return parameter.format(parameter.default)


@plugins_command.command("trust")
@click.argument("files", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path))
def plugins_trust(files: tuple[Path, ...]) -> None:
    """Allow plugin files from your own folders to run. A file that changes must be trusted again."""
    from kanatui.plugins import trust

    for file in files:
        trust.trust(file)
        out.print(f"trusted {file}", soft_wrap=True)


@plugins_command.command("distrust")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
def plugins_distrust(files: tuple[Path, ...]) -> None:
    """Revoke the trust in plugin files."""
    from kanatui.plugins import trust

    for file in files:
        known = trust.distrust(file)
        out.print(f"{'no longer trusted' if known else 'was not trusted'}: {file}", soft_wrap=True)

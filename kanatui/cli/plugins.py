"""The command `plugins`: lists, starts and checks plugins, and manages trust in those of the user's own folders."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kanatui.cli.console import out, print_json
from kanatui.core.errors import UsageError
from kanatui.plugins.starting import STARTERS

if TYPE_CHECKING:
    from kanatui.plugins.bases import Plugin
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
    return [*_class_rows(registry), *_object_rows(registry), *_watcher_rows(registry)]


def _object_rows(registry: Registry) -> Iterator[dict[str, Any]]:
    """Return what hooks give as objects: formats and metrics."""
    tables: dict[str, dict[str, Any]] = {
        "exporter": {**registry.exporters},
        "importer": {**registry.importers},
        "metric": registry.metrics,
    }
    for kind, table in tables.items():
        for id, given in table.items():
            module = next(module for module in registry.modules if id in module.provides)
            yield _row(id, kind, module, getattr(given, "help", getattr(given, "heading", "")))


def _watcher_rows(registry: Registry) -> Iterator[dict[str, Any]]:
    """Return the modules that watch runs with functions instead of a class."""
    modules = {module.location: module for module in registry.modules}
    for location, watcher in registry.watchers():
        lines = (watcher.__doc__ or "").strip().splitlines()
        yield _row(modules[location].name, "observer", modules[location], lines[0] if lines else "")


def _row(id: str, kind: str, module: PluginModule, about: str) -> dict[str, Any]:
    where = {"source": module.found_as, "location": module.location, "state": module.state}
    return {"id": id, "kind": kind, "version": module.version, **where, "description": about, "parameters": {}}


def _class_rows(registry: Registry) -> list[dict[str, Any]]:
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
        loaded = module.state == "loaded"
        # Of the shipped ones timm's provides nothing where timm is not installed.
        if note := (registry.why_idle(module) if module.found_as != "shipped" else "") if loaded else module.error:
            state = Text(module.state, style="bold red")
            table.add_row(module.name, "", module.version, module.found_as, state, Text(note, style="red"))
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


@plugins_command.command("new")
@click.argument("kind", type=click.Choice(list(STARTERS)))
@click.argument("name")
@click.option("--package", is_flag=True, help="Write a package that pip installs, with entry point and test.")
@click.option(
    "--dir",
    "folder",
    default=".",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where (default: here).",
)
def plugins_new(kind: str, name: str, package: bool, folder: Path) -> None:
    """Write a working plugin to start from, and a test of it."""
    from kanatui.plugins import starting

    files = (starting.write_package if package else starting.write_plugin)(kind, name, folder)
    for file in files:
        out.print(f"wrote {file}", soft_wrap=True)
    source = next(file for file in files if file.suffix == ".py")
    out.print()
    out.print("next:")
    for arguments, why in _next_steps(kind, name, package, source, folder):
        out.print(f"  {arguments:60}  {why}", soft_wrap=True)


def _next_steps(kind: str, name: str, package: bool, source: Path, folder: Path) -> Iterator[tuple[str, str]]:
    file, given = shlex.quote(str(source)), "kanatui "
    yield f"kanatui plugins check {file}", "whether it keeps the rules"
    if package:
        yield f"pip install -e {shlex.quote(str(source.parents[2]))}", "kanatui finds it from then on"
    else:
        yield f"kanatui plugins trust {file}", "allow it to run; again after each change"
        given = f"kanatui --plugins-dir {shlex.quote(str(folder))} "
    yield {
        "augmentation": (f"{given}preview quick --with {name}", "look at it"),
        "placement": (f"{given}preview quick --with {name}", "look at it"),
        "model": (f"{given}train quick --model {name}", "train it"),
        "source": (f"{given}preview quick --faces '{name}-*' -c しくへハ", "look at it"),
        "observer": (f"{given}train quick", "watch a training"),
    }[kind]


@plugins_command.command("guide")
def plugins_guide() -> None:
    """Show how plugins are written, with examples and the reference of every hook."""
    from kanatui.core import paths

    click.echo_via_pager(paths.packaged("docs/PLUGINS.md").read_text(encoding="utf-8"))


@plugins_command.command("check")
@click.argument("plugins", nargs=-1, required=True, metavar="FILE|ID…")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def plugins_check(plugins: tuple[str, ...], as_json: bool) -> None:
    """Run plugin files, trusted or not, or plugins by id, and check that they keep the rules.

    The rules are about shapes, types and ranges, the same pixels for the same keys in any batch, no random numbers but
    those of the keys, input left alone, and parameters. The check also measures how fast they are. Exit status 1 if a
    rule is broken.
    """
    from kanatui.testing import Finding

    found: list[Finding] = []
    for plugin in plugins:
        for finding in _findings(plugin):
            found.append(finding)
            if not as_json:
                _print_finding(finding)
    if as_json:
        print_json([vars(finding) for finding in found])
    broken = sum(not finding.ok for finding in found)
    if not as_json:
        out.print(f"{len(found)} checks, {broken} failed" if broken else f"{len(found)} checks, all good")
    if broken:
        raise click.exceptions.Exit(1)


def _findings(plugin: str) -> Iterator[Any]:
    from kanatui.plugins.registry import load
    from kanatui.testing import check_file, check_plugin

    if Path(plugin).suffix == ".py":
        yield from check_file(Path(plugin))
        return
    classes: dict[str, type[Plugin]] = load().classes
    if plugin not in classes:
        raise UsageError(f"{plugin!r}: neither a .py file nor the id of a plugin (there are: {', '.join(classes)})")
    yield from check_plugin(classes[plugin])


def _print_finding(finding: Any) -> None:
    from rich.text import Text

    mark = ("✓ ", "green") if finding.ok else ("✗ ", "bold red")
    detail = (f": {finding.detail}" if finding.detail else "", "" if finding.ok else "red")
    out.print(Text.assemble(mark, (f"{finding.plugin}  ", "bold"), finding.check, detail), soft_wrap=True)

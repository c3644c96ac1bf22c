"""The command `datasets`: list, stop and delete data sets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from kanatui.cli.console import confirm, out, print_json

if TYPE_CHECKING:
    from kanatui.dataset.catalogue import Entry


@click.command("datasets")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--stop", metavar="NAME", help="Stop generating a data set; generate --resume continues it.")
@click.option("--delete", metavar="NAME", help="Delete a data set (asks first).")
@click.option("--yes", is_flag=True, help="Do not ask.")
def datasets_command(as_json: bool, stop: str | None, delete: str | None, yes: bool) -> None:
    """List the data sets and their progress."""
    from kanatui.dataset import catalogue, generation

    if stop:
        generation.stop(catalogue.find(stop).name)
        out.print(f"stop requested; continue with: kanatui generate --resume --name {stop}")
    elif delete:
        _delete(catalogue.find(delete), yes)
    else:
        _list_datasets(as_json)


def _list_datasets(as_json: bool) -> None:
    from rich.table import Table

    from kanatui.dataset.catalogue import Catalogue

    entries = Catalogue().look()
    if as_json:
        print_json([_described(entry) for entry in entries])
    elif not entries:
        out.print("no data sets yet: kanatui generate makes one")
    else:
        table = Table("data set", "state", "done", "images", "px", "characters", box=None, pad_edge=False)
        for entry in entries:
            state = f"{entry.state}: {entry.reason}" if entry.reason else entry.state
            sizes = (f"{entry.images:,}", str(entry.image_size), str(entry.characters)) if entry.images else ()
            table.add_row(entry.name, state, f"{entry.share:.0%}", *sizes)
        out.print(table)


def _described(entry: Entry) -> dict[str, Any]:
    known = {"name": entry.name, "state": entry.state, "reason": entry.reason, "share": entry.share}
    return known | {"images": entry.images, "image_size": entry.image_size, "characters": entry.characters}


def _delete(entry: Entry, yes: bool) -> None:
    from kanatui.dataset import generation

    generation.require_idle(entry.name)
    if not yes:
        confirm(f"delete {entry.folder}?")
    generation.delete(entry.name)
    out.print(f"deleted {entry.folder}", soft_wrap=True)

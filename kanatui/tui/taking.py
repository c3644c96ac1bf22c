"""Taking things out of the app: what is under the cursor as text, the screen as a picture, charts as figures."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from textual.dom import DOMNode
from textual.screen import Screen
from textual.widgets import DataTable, OptionList, RichLog

from kanatui.core import paths, storage
from kanatui.core.errors import KanatuiError
from kanatui.tui.host import host
from kanatui.tui.widgets.dialogs import Ask
from kanatui.tui.widgets.table import Table

SCREENS = (".svg", ".txt")
"""The kinds of files for a screen."""

FIGURES = (".png", ".svg", ".pdf")
"""The kinds of files for a figure, as :data:`kanatui.evaluation.figures.FORMATS` has them."""


@runtime_checkable
class Copied(Protocol):
    """A widget that can be copied as text."""

    def copied(self) -> str:
        """Return what it shows as text: a figure as it is drawn, a table with tabs between its columns."""


def text_at(node: DOMNode | None) -> str:
    """Return the figure or table that a widget shows or is part of, as text; "" if there is none."""
    for widget in node.ancestors_with_self if node else ():
        if isinstance(widget, Copied):
            return widget.copied()
        if isinstance(widget, DataTable):
            headings = [str(column.label) for column in widget.ordered_columns]
            rows = [list(map(str, widget.get_row_at(row))) for row in range(widget.row_count)]
            return tabbed([headings, *rows])
        if isinstance(widget, Table):
            return tabbed([[heading.title for heading in widget.headings], *(line.cells for line in widget.lines)])
        if isinstance(widget, OptionList):
            return "\n".join(str(option.prompt) for option in widget.options)
        if isinstance(widget, RichLog):
            return "\n".join(line.text.rstrip() for line in widget.lines)
    return ""


def tabbed(rows: Sequence[Sequence[str]]) -> str:
    """Return a table as text that spreadsheets understand."""
    return "\n".join("\t".join(cell.strip() for cell in row) for row in rows)


def screen_text(screen: Screen[Any]) -> str:
    """Return what a screen shows, as lines of text."""
    strips = screen._compositor.render_strips()  # Textual has no public way to them
    return "\n".join(strip.text.rstrip() for strip in strips) + "\n"


async def save_screen(screen: Screen[Any], name: str) -> None:
    """Ask for a file, then write the screen there, as it was before the question."""
    with _without_graphics(screen):
        picture, text = screen.app.export_screenshot(title="kanatui"), screen_text(screen)

    def write(path: Path) -> None:
        storage.write_bytes(path, (text if path.suffix == ".txt" else picture).encode())

    await save_as(screen, "Save this screen as", f"{name}.svg", SCREENS, write)


@contextlib.contextmanager
def _without_graphics(screen: Screen[Any]) -> Iterator[None]:
    """Show pictures as text within the block, if the terminal is sent graphics; all is painted again after it."""

    def draw_again() -> None:
        for widget in screen.query("*"):
            widget.refresh()

    pictures = host(screen).pictures
    before = pictures.look
    with pictures.only_text():
        differs = pictures.look != before
        if differs:
            draw_again()
        yield
    if differs:
        draw_again()


async def save_as(
    node: DOMNode, question: str, name: str, endings: Sequence[str], write: Callable[[Path], None]
) -> None:
    """Ask for a file, write it in a thread, and say where it is.

    Args:
        node: any widget of the screen.
        question: what to ask.
        name: the name that is offered.
        endings: the kinds of files that can be written, with their dots.
        write: writes the file; may raise KanatuiError.
    """
    whole = f"{question} ({', '.join(endings)})"
    text = await node.app.push_screen_wait(Ask(whole, _free(name), lambda text: _wrong(text, endings)))
    if text is None:
        return
    path = paths.user_path(text.strip()).absolute()
    try:
        await asyncio.to_thread(write, path)
    except KanatuiError as error:
        host(node).tell_problem(error)
    else:
        node.app.notify(f"saved {path}", markup=False)


def _wrong(text: str, endings: Sequence[str]) -> str:
    """Return why a file of this name cannot be written, "" if it can."""
    path = paths.user_path(text.strip())
    if path.suffix.lower() not in endings:
        return f"the name must end in {', '.join(endings)}"
    if os.path.exists(path):
        return "this file exists already: choose another name"
    return "" if os.path.isdir(path.parent) else f"there is no folder {path.parent}"


def _free(name: str) -> str:
    """Return a file name that is not taken in the current folder."""
    path, number = Path(name), 1
    while path.exists():
        number += 1
        path = Path(f"{Path(name).stem}-{number}{Path(name).suffix}")
    return str(path)

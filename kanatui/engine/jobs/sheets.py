"""The jobs of the samples' pane that print sheets and read photos of them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kanatui.engine.context import Context, Reporter
from kanatui.engine.jobs.recognize import classifier_of
from kanatui.engine.wire import Answer


def make_sheet(context: Context, arguments: Mapping[str, Any], report: Reporter) -> Answer:
    """Write a sheet of ``characters`` (a spec) to the PDF file ``path``.

    Returns:
        {"boxes": how many}.

    Raises:
        UsageError: the spec is wrong, or there are too many boxes.
        FontError: no installed face draws a character.
        StorageError: the file cannot be written.
    """
    from kanatui.core.storage import write_bytes
    from kanatui.evaluation.sheets import make
    from kanatui.kana.sets import parse_characters

    characters = parse_characters(arguments["characters"])
    write_bytes(Path(arguments["path"]), make(characters))
    return Answer({"boxes": len(characters)})


def take_in(context: Context, arguments: Mapping[str, Any], report: Reporter) -> Answer:
    """Keep what is written on the sheets in the photo ``path``, read by a ``model``.

    Returns:
        {"pages": for each {"photo", "sheet", "page", "added", "known", "empty", "out", "doubts": [text, …]}}.

    Raises:
        ImageError: the photo cannot be opened, or shows no sheet that can be read.
        StorageError: a sample cannot be written.
    """
    from kanatui.evaluation import sheets
    from kanatui.pictures.sheets.boxes import State

    taken = sheets.take_in(
        Path(arguments["path"]),
        classifier_of(context, arguments["model"]),
        arguments["model"],
        on_progress=lambda done, total: report(done, total, "reading boxes"),
    )
    pages = [
        {
            "photo": one.photo,
            "sheet": one.sheet.page.name,
            "page": one.sheet.page.page,
            "added": one.added,
            "known": one.known,
            "empty": one.count(State.EMPTY),
            "out": one.count(State.TICKED),
            "doubts": [
                f"box {each.box.place + 1} {each.box.character}: {each.doubt} ({'kept' if each.sample else 'not kept'})"
                for each in one.doubts
            ],
        }
        for one in taken
    ]
    return Answer({"pages": pages})

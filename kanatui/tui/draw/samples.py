"""The samples: browse, relabel, remove, export and import labelled drawings."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, TypeVar

import numpy as np
from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.message import Message
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option
from typing_extensions import override

from kanatui.core import paths
from kanatui.core.errors import ImageError, KanatuiError, Superseded
from kanatui.core.units import counted
from kanatui.evaluation import samples, transfer
from kanatui.evaluation.samples import Sample
from kanatui.kana.romaji import name_of, parse_typed
from kanatui.pictures.drawing import Pixels
from kanatui.tui.host import host
from kanatui.tui.keys import asks
from kanatui.tui.models import NONE_YET
from kanatui.tui.screen import pane
from kanatui.tui.widgets.dialogs import Ask, AskPath, Confirm, Details
from kanatui.tui.widgets.filter import Filterable, FilterLine, searchable
from kanatui.tui.widgets.glyphs import GlyphSheet

_MOST_SHOWN = 400
"""The most samples on the sheet; the newest are shown."""

_SIDE = 64
_ALL = "all"
_DOUBTFUL = "doubtful"
_NONE_YET = "No samples yet: d draws, g prints a sheet, i imports."

T = TypeVar("T")


class Samples(Horizontal, Filterable):
    """The samples."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("l", "relabel", "Relabel", tooltip="Change the character of the sample under the cursor"),
        Binding("x,delete", "remove", "Remove", tooltip="Remove the sample under the cursor", key_display="x"),
        Binding("o", "export", "Export", tooltip="Copy all samples to a folder or a .zip file"),
        Binding("i", "import", "Import", tooltip="Add labelled pictures from a folder or a .zip file"),
        Binding("g", "print", "Print a sheet", tooltip="Write a PDF to print: boxes to write characters into by hand"),
        Binding("h", "photo", "Read a sheet", tooltip="Keep what is written on a sheet, from a photo or scan of it"),
        Binding("y", "settle", "Is right", tooltip="The doubtful sample under the cursor has the right label"),
    ]

    class Changed(Message):
        """Samples were added, removed or relabelled."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._samples: list[Sample] = []
        self._shown: list[Sample] = []
        self._doubtful: list[Sample] = []
        self._chosen = _ALL
        self._wanted = ""
        self.model = ""
        """Reference of the model that reads what is written on sheets, "" if there is none."""

    @override
    def compose(self) -> ComposeResult:
        with pane(Vertical(id="sample-characters"), "Characters"):
            yield OptionList(id="characters")
        with pane(Vertical(id="samples-sheet"), "Samples"):
            yield GlyphSheet(empty=_NONE_YET)
            yield Static("", id="about", markup=False)
            yield FilterLine(id="characters-filter")

    @override
    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Offer what can be done with the sample under the cursor, and with all of them."""
        if action in ("relabel", "remove"):
            return self.is_mounted and self._current is not None
        if action == "settle":
            return self.is_mounted and self._current in self._doubtful
        return bool(self._samples) if action == "export" else super().check_action(action, parameters)

    @property
    def _current(self) -> Sample | None:
        cursor = self.query_one(GlyphSheet).cursor
        return self._shown[cursor] if cursor < len(self._shown) else None

    def choose(self, character: str) -> None:
        """Show the samples of a character once they are listed again; all of them if there is none."""
        self._chosen = self._wanted = character

    # ── showing ───────────────────────────────────────────────────────────────────────────────────────────────────

    @work(exclusive=True, group="samples")
    async def reload(self) -> None:
        """List the samples on disk again."""
        try:
            self._samples = await asyncio.to_thread(samples.samples)
            self._doubtful = await asyncio.to_thread(samples.doubtful)
        except KanatuiError as error:
            host(self).tell_problem(error)
            return
        self._list()
        self._show()

    def _list(self) -> None:
        """List the characters that have the words looked for, with the number of samples of each."""
        counts: dict[str, int] = {}
        for sample in self._samples:
            counts[sample.character] = counts.get(sample.character, 0) + 1
        terms = self.terms
        shown = [character for character in counts if terms.match(searchable([character, name_of(character)]))]
        self.filter_line.count(len(shown), len(counts))
        if self._chosen not in shown and not (self._chosen == _DOUBTFUL and self._doubtful):
            self._chosen = _ALL
            if self._wanted:
                self.notify(f"no samples of {self._wanted} yet: draw one and label it")
        self._wanted = ""
        options = self.query_one(OptionList)
        with self.prevent(OptionList.OptionHighlighted):
            options.set_options(
                [
                    Option(Content(f"all  {len(self._samples):,}"), _ALL),
                    *([Option(Content(f"doubtful  {len(self._doubtful):,}"), _DOUBTFUL)] if self._doubtful else []),
                    *(Option(Content(f"{c}  {counts[c]:>3} {name_of(c)}"), c) for c in shown),
                ]
            )
            options.highlighted = options.get_option_index(self._chosen)

    @on(FilterLine.Changed)
    def _narrow(self) -> None:
        before = self._chosen
        self._list()
        if self._chosen != before:
            self._show()

    @on(OptionList.OptionHighlighted, "#characters")
    def _choose(self, event: OptionList.OptionHighlighted) -> None:
        if event.option_id and event.option_id != self._chosen:
            self._chosen = event.option_id
            self._show()

    @on(OptionList.OptionSelected, "#characters")
    def _enter(self) -> None:
        self.query_one(GlyphSheet).focus()

    @work(exclusive=True, group="show")
    async def _show(self) -> None:
        wanted = [sample for sample in self._samples if self._chosen in (_ALL, sample.character)]
        wanted = self._doubtful if self._chosen == _DOUBTFUL else wanted
        shown = sorted(wanted, key=lambda sample: sample.path.name)[-_MOST_SHOWN:] if self._chosen == _ALL else wanted
        shown = sorted(shown[-_MOST_SHOWN:], key=lambda sample: (sample.character, sample.path.name))
        images, firsts = await asyncio.to_thread(_look_at, shown)
        self._shown = shown
        captions = [f"{s.character}→{first}" if first else s.character for s, first in zip(shown, firsts, strict=True)]
        self.query_one(GlyphSheet).show(images, captions, [bool(first) for first in firsts])
        self._tell()

    @on(GlyphSheet.Highlighted)
    def _tell(self) -> None:
        self.refresh_bindings()
        sample = self._current
        if sample is None:
            self.query_one("#about", Static).update("")
            return
        notes = sample.notes()
        readings = "  ".join(f"{c} {100 * p:.0f} %" for c, p in notes.readings) or "not known"
        source = notes.source if notes.origin or notes.imported else sample.path.stem
        doubt = f"{notes.doubt}: y it is right, l relabel, x remove · " if notes.doubt else ""
        about = f"{sample.character} {name_of(sample.character)} · {doubt}read as: {readings} · {source}"
        self.query_one("#about", Static).update(about)

    @on(GlyphSheet.Selected)
    def _look_closer(self) -> None:
        sample = self._current
        if sample is not None:
            notes = sample.notes()
            lines = [str(sample.path), f"shows {sample.character} {name_of(sample.character)}, from {notes.source}"]
            lines += [f"in doubt: {notes.doubt}"] if notes.doubt else []
            lines += [f"read by {notes.model}"] if notes.model else []
            lines += [f"  {character}  {100 * probability:5.1f} %" for character, probability in notes.readings]
            self.app.push_screen(Details(f"Sample of {sample.character}", "\n".join(lines)))

    # ── changing ──────────────────────────────────────────────────────────────────────────────────────────────────

    @asks
    @work(exclusive=True, group="change")
    async def action_relabel(self) -> None:
        """Ask for the sample's character, and move it there."""
        sample = self._current
        if sample is None:
            return
        text = await self.app.push_screen_wait(
            Ask(f"Which character is this sample of {sample.character}? (か, ka, KA, U+304B)", check=_wrong)
        )
        if text is not None:
            await self._do(lambda: samples.relabel(sample, parse_typed(text)))

    @asks
    @work(exclusive=True, group="change")
    async def action_remove(self) -> None:
        """Ask, then delete the sample."""
        sample = self._current
        if sample is None:
            return
        question = f"Remove this sample of {sample.character}? This cannot be undone."
        if await self.app.push_screen_wait(Confirm(question, {"remove": "Remove"}, danger="remove")) == "remove":
            await self._do(lambda: samples.remove(sample))

    @asks
    @work(exclusive=True, group="change")
    async def action_export(self) -> None:
        """Ask for a destination, then copy all samples there."""
        text = await self.app.push_screen_wait(Ask("Export all samples to a new folder, or to a new .zip file"))
        if text:
            count = await self._do(lambda: transfer.export_to(paths.user_path(text)))
            if count is not None:
                self.app.notify(f"{counted(count, 'sample')} exported to {text}", markup=False)

    @asks
    @work(exclusive=True, group="change")
    async def action_import(self) -> None:
        """Ask for a source, then copy its pictures into the samples."""
        text = await self.app.push_screen_wait(
            AskPath("Import from a folder of LABEL/*.png or *.jpg, or a .zip of one")
        )
        if not text:
            return
        came = await self._do(lambda: transfer.import_from(paths.user_path(text)))
        if came is not None:
            known = f", {came.known:,} already there" if came.known else ""
            self.app.notify(f"{counted(came.kept, 'sample')} imported{known} ({came.understood})", markup=False)
            if came.unreadable or came.left_out:
                unread = f"{counted(len(came.unreadable), 'picture')} could not be read" if came.unreadable else ""
                names = f"{came.left_out[0]} and others" if len(came.left_out) > 1 else "".join(came.left_out)
                left_out = f"{names} left out" if names else ""
                details = "\n".join([*came.left_out, *came.unreadable])
                host(self).tell_problem(", ".join(filter(None, [left_out, unread])), details)

    # ── sheets of paper ───────────────────────────────────────────────────────────────────────────────────────────

    @work(exclusive=True, group="change")
    async def action_print(self) -> None:
        """Ask for characters and a file, and write a sheet to print."""
        spec = await self.app.push_screen_wait(
            Ask("A sheet of which characters? (basic-hiragana, basic-katakana, kana, か-こ …)", "basic-hiragana")
        )
        path = spec and await self.app.push_screen_wait(Ask("Write the sheet to which PDF file?", "sheet.pdf"))
        if spec and path:
            made = await self._ask("make_sheet", characters=spec, path=str(paths.user_path(path)))
            if made is not None:
                text = f"{made['boxes']:,} boxes in {path}: print it, write, take a photo, then press h"
                self.app.notify(text, markup=False)

    @work(exclusive=True, group="change")
    async def action_photo(self) -> None:
        """Ask for a photo of a filled sheet, and keep what is written on it."""
        if not self.model:
            self.app.notify(NONE_YET)
            return
        path = await self.app.push_screen_wait(AskPath("Read which photo or scan of a filled sheet?", check=_missing))
        taken = path and await self._ask("take_in", path=str(paths.user_path(path)), model=self.model)
        if not taken:
            return
        doubts = [doubt for page in taken["pages"] for doubt in page["doubts"]]
        added = sum(page["added"] for page in taken["pages"])
        known = next((page["known"] for page in taken["pages"] if page["known"]), "")
        left = sum(page["empty"] + page["out"] for page in taken["pages"])
        text = known or f"{counted(added, 'sample')} kept, {left:,} empty or taken out; press a to adapt the model"
        self.app.notify(text, markup=False)
        if doubts:
            self._chosen = _DOUBTFUL
            boxes = "1 box is" if len(doubts) == 1 else f"{len(doubts):,} boxes are"
            host(self).tell_problem(f"{boxes} in doubt", "\n".join(doubts))
        self.reload()
        self.post_message(self.Changed())

    async def _ask(self, job: str, **arguments: Any) -> dict[str, Any] | None:
        """Have the engine do a job, with its progress shown below; return None if it failed."""
        about = self.query_one("#about", Static)
        about.update("working …")
        try:
            answer = (
                await host(self)
                .engine("draw")
                .ask(
                    job,
                    slot=job,
                    on_progress=lambda done, total, text: about.update(f"{text} · {done:,}/{total:,}"),
                    **arguments,
                )
            )
        except Superseded:
            return None
        except KanatuiError as error:
            host(self).tell_problem(error)
            return None
        finally:
            self._tell()
        data: dict[str, Any] = answer.data
        return data

    @work(exclusive=True, group="change")
    async def action_settle(self) -> None:
        """Take the doubt from the sample under the cursor."""
        sample = self._current
        if sample is not None:
            await self._do(lambda: samples.settle(sample))

    async def _do(self, change: Callable[[], T]) -> T | None:
        """Run a change to the files in a thread, and show the result; return None if it failed."""
        try:
            result = await asyncio.to_thread(change)
        except KanatuiError as error:
            host(self).tell_problem(error)
            return None
        self.reload()
        self.post_message(self.Changed())
        return result


def _look_at(samples: Sequence[Sample]) -> tuple[Pixels, list[str]]:
    """Load samples: uint8 [n, S, S], light ink on dark as everywhere in the app; and each first reading if wrong."""
    images = np.zeros((len(samples), _SIDE, _SIDE), dtype=np.uint8)
    firsts = []
    for image, sample in zip(images, samples, strict=True):
        try:
            grey = np.asarray(sample.picture().convert("L").resize((_SIDE, _SIDE)))
            image[:] = 255 - grey if grey.mean() > 127 else grey
        except ImageError:
            image[:] = 0  # an empty tile, with its caption, that can still be removed
        readings = sample.notes().readings
        firsts.append(readings[0][0] if readings and readings[0][0] != sample.character else "")
    return images, firsts


def _missing(text: str) -> str:
    return "" if os.path.isfile(paths.user_path(text)) else "there is no such file"


def _wrong(text: str) -> str:
    try:
        parse_typed(text)
    except ValueError as error:
        return str(error)
    return ""

"""The samples: what was drawn and labelled, to look through, mend, give away and bring in."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
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

from kanatui.core.errors import ImageError, KanatuiError
from kanatui.evaluation import samples
from kanatui.evaluation.samples import Sample
from kanatui.kana.romaji import name_of, parse_typed
from kanatui.pictures.drawing import Pixels
from kanatui.tui.host import host
from kanatui.tui.widgets.dialogs import Ask, Confirm, Details
from kanatui.tui.widgets.glyphs import GlyphSheet

_MOST_SHOWN = 400
"""Samples on the sheet, the newest ones of those that were chosen."""

_SIDE = 64
_ALL = "all"
_NONE_YET = "No samples yet: draw a character, and say what it is."

T = TypeVar("T")


class Samples(Horizontal):
    """The labelled drawings."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("l", "relabel", "Relabel", tooltip="Say that the sample under the cursor shows another character"),
        Binding("x,delete", "remove", "Remove", tooltip="Delete the sample under the cursor", key_display="x"),
        Binding("o", "export", "Export", tooltip="Copy all samples into a folder or a .zip file"),
        Binding("i", "import", "Import", tooltip="Bring in labelled pictures from a folder or a .zip file"),
    ]

    class Changed(Message):
        """There are other samples than before."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._samples: list[Sample] = []
        self._shown: list[Sample] = []
        self._chosen = _ALL

    @override
    def compose(self) -> ComposeResult:
        """Give the characters, the sheet, and what is known of the sample under the cursor."""
        yield OptionList(id="characters")
        with Vertical():
            yield GlyphSheet(empty=_NONE_YET)
            yield Static("", id="about", markup=False)

    @property
    def _current(self) -> Sample | None:
        cursor = self.query_one(GlyphSheet).cursor
        return self._shown[cursor] if cursor < len(self._shown) else None

    # ── showing ───────────────────────────────────────────────────────────────────────────────────────────────────

    @work(exclusive=True, group="samples")
    async def reload(self) -> None:
        """Look again what samples there are."""
        try:
            self._samples = await asyncio.to_thread(samples.samples)
        except KanatuiError as error:
            host(self).tell_problem(error)
            return
        counts: dict[str, int] = {}
        for sample in self._samples:
            counts[sample.character] = counts.get(sample.character, 0) + 1
        if self._chosen not in counts:
            self._chosen = _ALL
        options = self.query_one(OptionList)
        with self.prevent(OptionList.OptionHighlighted):
            options.set_options(
                [
                    Option(Content(f"all  {len(self._samples):,}"), _ALL),
                    *(Option(Content(f"{c}  {counts[c]:>3} {name_of(c)}"), c) for c in counts),
                ]
            )
            options.highlighted = options.get_option_index(self._chosen)
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
        shown = sorted(wanted, key=lambda sample: sample.path.name)[-_MOST_SHOWN:] if self._chosen == _ALL else wanted
        shown = sorted(shown[-_MOST_SHOWN:], key=lambda sample: (sample.character, sample.path.name))
        images, firsts = await asyncio.to_thread(_look_at, shown)
        self._shown = shown
        captions = [f"{s.character}→{first}" if first else s.character for s, first in zip(shown, firsts, strict=True)]
        self.query_one(GlyphSheet).show(images, captions, [bool(first) for first in firsts])
        self._tell()

    @on(GlyphSheet.Highlighted)
    def _tell(self) -> None:
        sample = self._current
        if sample is None:
            self.query_one("#about", Static).update("")
            return
        readings = "  ".join(f"{c} {100 * p:.0f} %" for c, p in sample.notes().readings) or "not known"
        about = f"{sample.character} {name_of(sample.character)} · read as: {readings} · {sample.path.stem}"
        self.query_one("#about", Static).update(about)

    @on(GlyphSheet.Selected)
    def _look_closer(self) -> None:
        sample = self._current
        if sample is not None:
            notes = sample.notes()
            lines = [str(sample.path), f"shows {sample.character} {name_of(sample.character)}"]
            lines += [f"read by {notes.model}"] if notes.model else []
            lines += [f"  {character}  {100 * probability:5.1f} %" for character, probability in notes.readings]
            self.app.push_screen(Details(f"Sample of {sample.character}", "\n".join(lines)))

    # ── changing ──────────────────────────────────────────────────────────────────────────────────────────────────

    @work(exclusive=True, group="change")
    async def action_relabel(self) -> None:
        """Ask what the sample shows."""
        sample = self._current
        if sample is None:
            return
        text = await self.app.push_screen_wait(
            Ask(f"What does this sample of {sample.character} show? (か, ka, KA, U+304B)", check=_wrong)
        )
        if text is not None:
            await self._do(lambda: samples.relabel(sample, parse_typed(text)))

    @work(exclusive=True, group="change")
    async def action_remove(self) -> None:
        """Ask, then delete the sample."""
        sample = self._current
        if sample is None:
            return
        answers = {"remove": "Remove", "cancel": "Cancel"}
        question = f"Remove this sample of {sample.character}? It cannot be brought back."
        if await self.app.push_screen_wait(Confirm(question, answers, "cancel", danger="remove")) == "remove":
            await self._do(lambda: samples.remove(sample))

    @work(exclusive=True, group="change")
    async def action_export(self) -> None:
        """Ask where to, then copy all samples there."""
        text = await self.app.push_screen_wait(Ask("Export all samples to a new folder, or to a new .zip file"))
        if text:
            count = await self._do(lambda: samples.export_to(Path(text).expanduser()))
            if count is not None:
                self.app.notify(f"{count:,} samples exported to {text}", markup=False)

    @work(exclusive=True, group="change")
    async def action_import(self) -> None:
        """Ask where from, then copy what is there into the samples."""
        text = await self.app.push_screen_wait(Ask("Import from a folder of LABEL/*.png or *.jpg, or a .zip of one"))
        if not text:
            return
        came = await self._do(lambda: samples.import_from(Path(text).expanduser()))
        if came is not None:
            known = f", {came.known:,} were here already" if came.known else ""
            self.app.notify(f"{came.kept:,} samples imported{known}", markup=False)
            if came.unreadable:
                host(self).tell_problem(f"{len(came.unreadable):,} pictures cannot be read", "\n".join(came.unreadable))

    async def _do(self, change: Callable[[], T]) -> T | None:
        """Do something to the files, off the event loop, and show what came of it; None if it failed."""
        try:
            result = await asyncio.to_thread(change)
        except KanatuiError as error:
            host(self).tell_problem(error)
            return None
        self.reload()
        self.post_message(self.Changed())
        return result


def _look_at(samples: Sequence[Sample]) -> tuple[Pixels, list[str]]:
    """Open samples: uint8 [n, S, S], light ink on dark as everywhere in the app; and each first reading if wrong."""
    images = np.zeros((len(samples), _SIDE, _SIDE), dtype=np.uint8)
    firsts = []
    for image, sample in zip(images, samples, strict=True):
        try:
            grey = np.asarray(sample.picture().convert("L").resize((_SIDE, _SIDE)))
            image[:] = 255 - grey if grey.mean() > 127 else grey
        except ImageError:
            image[:] = 0  # an empty tile: its caption still says what it should be, and it can be removed
        readings = sample.notes().readings
        firsts.append(readings[0][0] if readings and readings[0][0] != sample.character else "")
    return images, firsts


def _wrong(text: str) -> str:
    try:
        parse_typed(text)
    except ValueError as error:
        return str(error)
    return ""

"""The Data sets tab: complete, active and resumable data sets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.message import Message
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option
from typing_extensions import override

from kanatui.core.storage import tail
from kanatui.core.units import bytes_text, counted, percent
from kanatui.dataset.catalogue import Entry
from kanatui.tui.dataset.progress import SYMBOLS
from kanatui.tui.widgets.dialogs import Details
from kanatui.tui.widgets.filter import Filterable, FilterLine, searchable
from kanatui.tui.widgets.ticks import line
from kanatui.tui.words import in_the_app

_NONE_YET = """No data sets yet: g writes one from this recipe.
A training needs none: it makes its images as it goes (ctrl+t)."""
_LOG_SHOWN = 16 * 1024


class DatasetsPanel(Vertical, Filterable):
    """The data sets on disk."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("t", "ask('train')", "Train on it", tooltip="Train on the data set under the cursor"),
        Binding("d", "describe", "Details", tooltip="Figures, recipe and log of the data set under the cursor"),
        Binding("x,delete", "ask('delete')", "Delete", key_display="x", tooltip="Delete the data set under the cursor"),
    ]

    class Asked(Message):
        """The user asked for an action on a data set: ``browse``, ``train`` or ``delete``."""

        def __init__(self, what: str, data: Entry) -> None:
            super().__init__()
            self.what, self.data = what, data

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._found: Sequence[Entry] = ()
        self._shown: Sequence[Entry] = ()

    @override
    def compose(self) -> ComposeResult:
        yield Static("", id="datasets-state", markup=False)
        datasets = OptionList(id="datasets")
        datasets.tooltip = "data sets: images that are written to disk; t trains on the one under the cursor"
        yield datasets
        yield FilterLine(id="datasets-filter")

    @property
    def chosen(self) -> Entry | None:
        """The data set under the cursor, None if there is none."""
        highlighted = self.query_one(OptionList).highlighted
        return self._shown[highlighted] if highlighted is not None and highlighted < len(self._shown) else None

    def on_resize(self) -> None:
        self._repaint()

    def show(self, found: Sequence[Entry]) -> None:
        """List the data sets that were found."""
        self._found = found
        self._narrow()

    @on(FilterLine.Changed)
    def _narrow(self) -> None:
        """Show the data sets that have the words looked for; the cursor stays on the same one where possible."""
        here, terms = self.chosen, self.terms
        self._shown = [data for data in self._found if terms.match(searchable([data.name, data.state]))]
        self.filter_line.count(len(self._shown), len(self._found))
        self._repaint()
        place = next((i for i, data in enumerate(self._shown) if here and data.name == here.name), None)
        if place is not None:
            self.query_one(OptionList).highlighted = place

    def _repaint(self) -> None:
        listed = self.query_one(OptionList)
        width = listed.scrollable_content_region.width
        text = "enter: its images · d: details" if self._found else _NONE_YET
        state = self.query_one("#datasets-state", Static)
        if str(state.content) != text:
            # Every update repeats the layout and sends the scroll bars again, which costs 0.5 kB/s.
            state.update(text)
        if width < 1:
            return
        lines = [_line(data, width) for data in self._shown]
        if len(lines) != listed.option_count:
            place = listed.highlighted or 0
            listed.set_options(map(Option, lines))
            listed.highlighted = min(place, len(lines) - 1) if lines else None
        for index, text_line in enumerate(lines):
            if listed.get_option_at_index(index).prompt != text_line:
                listed.replace_option_prompt_at_index(index, text_line)

    @on(OptionList.OptionSelected)
    def _open(self, event: OptionList.OptionSelected) -> None:
        event.stop()
        if self._shown[event.option_index].state == "complete":
            self.action_ask("browse")
        else:
            self.action_describe()

    def action_describe(self) -> None:
        """Show the figures of the data set under the cursor."""
        if self.chosen is not None:
            self.app.push_screen(Details(f"Data set {self.chosen.name}", details(self.chosen)))

    @override
    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Offer to train on a complete data set only, and to delete one that is not being written."""
        if action != "ask" or not self.is_mounted:
            return super().check_action(action, parameters)
        data = self.chosen
        if data is None:
            return False
        return data.state == "complete" if parameters == ("train",) else not data.active

    @on(OptionList.OptionHighlighted)
    def _other_data(self) -> None:
        self.refresh_bindings()

    def action_ask(self, what: str) -> None:
        """Post :class:`Asked` for the data set under the cursor."""
        if self.chosen is not None:
            self.post_message(self.Asked(what, self.chosen))


def _line(data: Entry, width: int) -> Content:
    share = "" if data.state == "complete" or not data.images else f" {percent(data.share)}"
    size = bytes_text(data.bytes_done) if data.done else ""
    style = "$text-error" if data.state in ("failed", "damaged") else ""
    return line(data.name, f"{SYMBOLS[data.state]} {data.state}{share}  {size:>8}", width, right_style=style)


def details(data: Entry) -> str:
    """Return a data set's figures and recipe, and the log if it is not complete."""
    facts = [f"{SYMBOLS[data.state]} {data.state}" + (f": {in_the_app(data.reason)}" if data.reason else "")]
    if data.images:
        facts += [
            f"{data.done:,} of {data.images:,} images, {data.image_size}×{data.image_size} px",
            f"{counted(data.characters, 'character')}, {counted(data.faces, 'face')}, {bytes_text(data.bytes_done)}",
        ]
    elif data.active:
        facts += ["No image yet: its process prepares. Once it is complete, enter shows its images."]
    facts += [str(data.folder)]
    recipe = tail(data.folder / "recipe.toml", _LOG_SHOWN)
    log = "" if data.state == "complete" else tail(data.log, _LOG_SHOWN)
    return "\n\n".join(part.strip() for part in ("\n".join(facts), log, recipe) if part.strip())

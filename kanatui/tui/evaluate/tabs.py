"""The tabs of an evaluation, and beside them the images of the row or cell under the cursor."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING

from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.message import Message
from textual.widgets import ContentSwitcher, DataTable, Static, Tab, Tabs
from typing_extensions import override

from kanatui.tui.evaluate.characters import CharacterPane, CharacterTable, named
from kanatui.tui.evaluate.comparison import ComparePanel
from kanatui.tui.evaluate.confusions import ConfusionMap, Confusions
from kanatui.tui.evaluate.images import Fetched, ImagesPanel
from kanatui.tui.evaluate.reliability import ReliabilityPanel
from kanatui.tui.evaluate.results import LoadedEvaluation, Selection, select, select_bin
from kanatui.tui.screen import pane

if TYPE_CHECKING:
    from kanatui.evaluation.store import Evaluation

    Fetch = Callable[[Evaluation, Sequence[int]], Awaitable[Fetched]]

_TABS = {
    "characters": "c Characters",
    "confusions": "m Map",
    "images": "i Images",
    "compare": "v Versus",
    "reliability": "r Reliability",
}
"""The tabs, each with its key."""

_TITLES = {
    "characters": "Scores by character",
    "confusions": "What is read as what",
    "compare": "Versus a second run",
    "reliability": "How far its probabilities can be trusted",
}
"""What stands above the list of each tab."""


class ResultTabs(Vertical):
    """An evaluation's scores by character, confusions, reliability and comparison, with the images meant by each."""

    class Switched(Message):
        """Another tab is shown."""

    def __init__(self, fetch: Fetch, id: str) -> None:
        """Set up.

        Args:
            fetch: returns the images of some records of an evaluation, and how each was made; raises EngineError.
            id: of the widget.
        """
        super().__init__(id=id)
        self._fetch = fetch
        self._loaded: LoadedEvaluation | None = None
        self._folded = True
        self._all = False
        self.list_shown = "characters"
        """The list shown, or the last one if the images have all the room."""

    @override
    def compose(self) -> ComposeResult:
        yield Tabs(*(Tab(text, id=f"tab-{name}") for name, text in _TABS.items()))
        with Horizontal(id="panes"):
            with pane(ContentSwitcher(initial="characters", id="lists"), _TITLES["characters"]):
                yield CharacterPane(id="characters")
                with Vertical(id="confusions"):
                    yield ConfusionMap(id="map")
                    yield Static("", id="cell", markup=False)
                yield ComparePanel(id="compare")
                yield ReliabilityPanel(id="reliability")
            yield pane(ImagesPanel(id="images"), "Misread images")

    @property
    def compare_panel(self) -> ComparePanel:
        """The tab that compares with a second run."""
        return self.query_one(ComparePanel)

    @property
    def character(self) -> str:
        """The character under the cursor of the list shown, "" for none."""
        if self.list_shown == "confusions":
            return (self.query_one(ConfusionMap).cell or ("",))[0]
        if self.list_shown == "compare":
            return self.compare_panel.character
        return self.query_one(CharacterTable).character if self.list_shown == "characters" else ""

    # ── showing ───────────────────────────────────────────────────────────────────────────────────────────────────

    def show(self, loaded: LoadedEvaluation, folded: bool) -> None:
        """Show an evaluation, with look-alikes counted as the same or not."""
        self._loaded, self._folded = loaded, folded
        self.query_one(CharacterPane).show(loaded.scores, folded)
        self.query_one(ConfusionMap).show(Confusions(loaded.scores, folded))
        self.query_one(ReliabilityPanel).show(loaded.scores.reliability)
        self.look()

    def fold(self, folded: bool) -> None:
        """Count look-alikes as the same, or no longer; the cursors stay on their characters where possible."""
        if self._loaded:
            table, confusions = self.query_one(CharacterTable), self.query_one(ConfusionMap)
            character, cell = table.character, confusions.cell
            self.show(self._loaded, folded)
            table.go_to(character)
            confusions.go_to(cell)

    def go_to(self, name: str) -> None:
        """Go to a tab and focus its content."""
        self.query_one(Tabs).active = f"tab-{name}"
        self._switch(name)
        target = {"characters": CharacterTable, "confusions": ConfusionMap}.get(name)
        if target:
            self.query_one(target).focus()
        elif name == "images":
            self.query_one(ImagesPanel).sheet.focus()
        elif name == "reliability":
            self.query_one(ReliabilityPanel).table.focus()
        elif self.compare_panel.comparison:
            self.compare_panel.table.focus()
        else:
            self.query_one("#second").focus()

    def toggle_all_images(self) -> bool:
        """Show all images of the character under the cursor, or the misread ones again; return whether it is all."""
        self._all = not self._all
        self.go_to("characters")
        return self._all

    @on(Tabs.TabActivated)
    def _tab_activated(self, event: Tabs.TabActivated) -> None:
        event.stop()
        self._switch((event.tab.id or "").removeprefix("tab-"))

    def _switch(self, name: str) -> None:
        self.set_class(name == "images", "images-only")
        if name != "images":
            self.list_shown = name
            lists = self.query_one("#lists", ContentSwitcher)
            lists.current, lists.border_title = name, _TITLES[name]
        self.post_message(self.Switched())
        self.look()

    # ── images ────────────────────────────────────────────────────────────────────────────────────────────────────

    @on(DataTable.RowHighlighted, "#character-table")
    @on(ComparePanel.Highlighted)
    @on(ReliabilityPanel.Highlighted)
    def _moved(self) -> None:
        self.look()

    @on(ConfusionMap.Highlighted)
    def _walked(self, event: ConfusionMap.Highlighted) -> None:
        self.query_one("#cell", Static).update(event.text)
        self.look()

    @on(DataTable.RowSelected)
    @on(ConfusionMap.Selected)
    def _images_wanted(self) -> None:
        if self.screen.has_class("-wide"):
            self.query_one(ImagesPanel).sheet.focus()
        else:
            self.go_to("images")

    def on_resize(self) -> None:
        """Fetch the images if there is now room for them."""
        self.call_after_refresh(self.look)

    def look(self) -> None:
        """Show the images of the list's row or cell under the cursor, once it rests."""
        if loaded := self._loaded:
            self.query_one(ImagesPanel).look(
                lambda: self._under_cursor(loaded), lambda records: self._fetch(loaded.evaluation, records)
            )

    def _under_cursor(self, loaded: LoadedEvaluation) -> Selection:
        """Return the images of the row or cell under the cursor of the list shown."""
        if self.list_shown == "compare":
            return self.compare_panel.differing(self.compare_panel.character, self._folded)
        if self.list_shown == "reliability":
            return select_bin(loaded, self.query_one(ReliabilityPanel).bin)
        if self.list_shown == "confusions":
            confusions = self.query_one(ConfusionMap)
            places = loaded.predictions.cell(*confusions.cell).tolist() if confusions.cell else []
            return select(loaded, confusions.description, places, folded=False, with_truth=False)
        character = self.query_one(CharacterTable).character
        if self._all and character:
            places = loaded.predictions.of(character).tolist()
            about = f"{named(character)}: {len(places):,} images"
            return select(loaded, about, places, self._folded, with_truth=False)
        places = loaded.predictions.misread(character, self._folded).tolist()
        about = f"{named(character)}: {len(places):,} misread" + (" (look-alikes aside)" if self._folded else "")
        return select(loaded, about, places, self._folded, with_truth=not character)

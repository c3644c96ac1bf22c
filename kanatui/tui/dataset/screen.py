"""The Dataset screen: edit a recipe, preview its images live, write data sets from it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.widgets import Input, OptionList, TabbedContent, TabPane
from typing_extensions import override

from kanatui.core import paths, storage
from kanatui.core.errors import KanatuiError, StorageError
from kanatui.core.storage import tail
from kanatui.core.units import bytes_text, counted
from kanatui.dataset import generation
from kanatui.dataset.catalogue import Entry
from kanatui.dataset.recipe import Recipe, find_recipe, recipe_files, save_recipe
from kanatui.tui.dataset.adding import AddStep
from kanatui.tui.dataset.browse import Browser, stored
from kanatui.tui.dataset.datasets import DatasetsPanel
from kanatui.tui.dataset.draft import Draft
from kanatui.tui.dataset.faces import FacesPanel
from kanatui.tui.dataset.fields import RecipePanel
from kanatui.tui.dataset.generations import Generations
from kanatui.tui.dataset.messages import Edited
from kanatui.tui.dataset.plan import PlanLine
from kanatui.tui.dataset.plugins import Plugins
from kanatui.tui.dataset.preview import PreviewPanel
from kanatui.tui.dataset.steps import StepsPanel
from kanatui.tui.host import host
from kanatui.tui.keys import asks
from kanatui.tui.screen import KanatuiScreen, pane
from kanatui.tui.widgets.dialogs import Ask, Confirm, Details
from kanatui.tui.widgets.form import Field, FieldHelp, ParameterForm

if TYPE_CHECKING:
    from kanatui.dataset.read import Dataset

_KEEP_AFTER = 0.2
"""Seconds from a change until the draft is written, so that typing counts as one change."""
_MUCH, _LONG = 0.5, 3600.0
"""The share of the free disk, and the seconds, from which a data set is written only after a question."""
_ABOUT_DATASETS: dict[str, Callable[[Entry], bool]] = {
    "stop_generation": lambda data: data.active,
    "resume_generation": lambda data: data.resumable,
    "log": lambda data: data.state != "damaged",
}
"""Actions on a data set, each with the condition for offering it."""


class DatasetScreen(KanatuiScreen):
    """The recipe's tabs, the preview, the plan and the data sets."""

    mode = "dataset"
    AUTO_FOCUS = "#recipe-picker"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("g", "generate", "Generate", tooltip="Write a data set from this recipe"),
        Binding("c", "stop_generation", "Stop", tooltip="Stop the generation; it can be resumed"),
        Binding("R", "resume_generation", "Resume", key_display="R", tooltip="Resume the stopped generation"),
        Binding("r", "redraw", "Redraw", tooltip="Show different images of this recipe"),
        Binding("b", "compare", "Compare", tooltip="Show each glyph without and with the step under the cursor"),
        Binding("s", "save_as", "Save as", tooltip="Save this recipe under a name"),
        Binding("u", "revert", "Revert", tooltip="Discard the changes since the recipe was saved"),
        Binding("ctrl+t", "train", "Train", tooltip="Train on this recipe, with images made on the fly"),
        Binding("comma", "tab(-1)", "Previous tab", key_display=",", show=False),
        Binding("full_stop", "tab(1)", "Tab", key_display=".", tooltip="Next tab"),
        Binding("v", "only_preview", "Large preview", show=False, tooltip="Give the preview the full width, or not"),
        Binding(
            "escape",
            "leave_field",
            "Leave the field",
            tooltip="Leave the field; letters are keys again",
        ),
        Binding("l", "log", "Generation log", show=False),
    ]

    def __init__(self) -> None:
        super().__init__()
        self.draft = Draft.kept()
        self._offered: list[bool | None] = []

    @override
    def compose_body(self) -> ComposeResult:
        with Horizontal(id="dataset-body"):
            with pane(TabbedContent(id="dataset-tabs"), "Recipe"):
                with TabPane("Recipe", id="tab-recipe"):
                    yield RecipePanel(self.draft)
                with TabPane("Faces", id="tab-faces"):
                    yield FacesPanel(self.draft)
                with TabPane("Augmentations", id="tab-steps"):
                    yield StepsPanel(self.draft)
                with TabPane("Data sets", id="tab-datasets"):
                    yield DatasetsPanel()
            yield pane(PreviewPanel(self.draft), "Preview")
        with pane(Vertical(id="dataset-lines"), "Plan"):
            yield Generations()
            yield PlanLine(id="plan")
            yield Plugins()
        yield FieldHelp("Press tab for the fields: the range, default and meaning of each are shown here.")

    def on_mount(self) -> None:
        """Start everything that takes time."""
        self._mark()
        self.query_one(PlanLine).follow(self.draft)
        self.query_one(FacesPanel).look()

    @override
    async def on_shown(self) -> None:
        """Refresh what may have changed in the meantime."""
        self.query_one(RecipePanel).list_recipes()
        self.query_one(Generations).look()

    def on_unmount(self) -> None:
        """Write the draft at once, with the last change."""
        with contextlib.suppress(StorageError):
            self.draft.keep()

    # ── the draft ─────────────────────────────────────────────────────────────────────────────────────────────────

    @on(Edited)
    def _take(self, event: Edited) -> None:
        self.edit(event.change(self.draft))

    def edit(self, draft: Draft, cursor: int | None = None, reset: bool = False) -> None:
        """Show another draft on every tab and in preview and plan.

        Args:
            cursor: the step to move the cursor to; None leaves it where it is.
            reset: whether it did not come from the forms, which then show its values and forget what was typed.
        """
        if draft is self.draft and not reset:
            return
        before = self.draft
        self.draft = draft
        self.query_one(RecipePanel).show(draft, reset)
        self._mark()
        self.query_one(FacesPanel).show(draft)
        steps = self.query_one(StepsPanel)
        steps.show(draft, cursor, reset)
        self.query_one(PreviewPanel).show(draft, steps.cursor if cursor is None else cursor)
        self._plan()
        self._keep()
        if (draft.fields["characters"], draft.sources) != (before.fields["characters"], before.sources):
            self.query_one(FacesPanel).look()

    def _settle(self) -> None:
        """Take what the forms show at this moment: a key pressed right after typing must find what was typed."""
        draft = self.draft
        for panel in (self.query_one(RecipePanel), self.query_one(StepsPanel)):
            draft = panel.settle()(draft)
        self.edit(draft)

    @property
    def _wrong(self) -> Field | None:
        """The first field with an invalid value, None if all are valid."""
        step = self.query_one(StepsPanel).form
        forms = [*self.query_one(RecipePanel).forms, *([step] if step else [])]
        return next((form.wrong for form in forms if form.wrong), None)

    @on(ParameterForm.Judged)
    def _plan(self) -> None:
        """Plan the draft, or say which field is in the way."""
        wrong = self._wrong
        if wrong is None:
            self.query_one(PlanLine).follow(self.draft)
        else:
            self.query_one(PlanLine).refuse(f"{wrong.parameter.label}: {wrong.error}")

    def _mark(self) -> None:
        """Mark a changed recipe in the tab's title, which every tab shows."""
        self.query_one(TabbedContent).get_tab("tab-recipe").label = "Recipe*" if self.draft.changed else "Recipe"
        self.refresh_bindings()

    @work(exclusive=True, group="keep")
    async def _keep(self) -> None:
        await asyncio.sleep(_KEEP_AFTER)
        try:
            await asyncio.to_thread(self.draft.keep)
        except StorageError as error:
            host(self).tell_problem(error)

    # ── plugins ───────────────────────────────────────────────────────────────────────────────────────────────────

    @on(Plugins.Loaded)
    def _use_plugins(self, event: Plugins.Loaded) -> None:
        """Show what the plugins declare now, and if they were loaded before, what they draw now."""
        steps = self.query_one(StepsPanel)
        if event.again:
            self._settle()
        self.query_one(RecipePanel).use(event.registry)
        steps.use(event.registry)
        if event.again:
            self.query_one(PreviewPanel).draw()
            self._plan()

    @on(StepsPanel.Adding)
    @asks
    @work
    async def _add_step(self, event: StepsPanel.Adding) -> None:
        plugins = self.query_one(Plugins)
        if plugins.registry is None:
            return
        chosen = await self.app.push_screen_wait(AddStep(plugins.registry))
        if isinstance(chosen, str):
            self.edit(self.draft.added(chosen, event.after), event.after + 1)
        elif chosen is not None:
            try:
                await plugins.trust(chosen)
            except KanatuiError as error:
                host(self).tell_problem(error)

    @on(StepsPanel.Moved)
    def _move(self) -> None:
        self.query_one(PreviewPanel).show(self.draft, self.query_one(StepsPanel).cursor)

    # ── recipes ───────────────────────────────────────────────────────────────────────────────────────────────────

    @on(RecipePanel.Picked)
    @asks
    @work
    async def _pick(self, event: RecipePanel.Picked) -> None:
        if await self._may_drop():
            try:
                self.edit(Draft.of(find_recipe(event.name)), reset=True)
                return
            except KanatuiError as error:
                host(self).tell_problem(error)
        self.query_one(RecipePanel).list_recipes()

    async def _may_drop(self) -> bool:
        if not self.draft.changed and self._wrong is None:
            return True
        question = f"{self.draft.origin.name} has unsaved changes."
        ask = Confirm(question, {"drop": "Discard changes"}, danger="drop", cancel="Keep editing")
        return await self.app.push_screen_wait(ask) == "drop"

    @asks
    @work
    async def action_revert(self) -> None:
        """Return to the saved recipe."""
        if (self.draft.changed or self._wrong) and await self._may_drop():
            self.edit(Draft.of(self.draft.origin), reset=True)

    @asks
    @work
    async def action_save_as(self) -> None:
        """Ask for a name and save the recipe under it."""
        recipe = self._recipe()
        if recipe is None:
            return
        name = await self.app.push_screen_wait(Ask("Save the recipe as", self.draft.origin.name, paths.name_problem))
        if name is None or not await self._may_replace(name):
            return
        try:
            await asyncio.to_thread(save_recipe, recipe, name)
        except StorageError as error:
            host(self).tell_problem(error)
            return
        off = f", without {', '.join(self.draft.off)}" if self.draft.off else ""
        self.edit(self.draft.saved_as(recipe.but(name=name)))
        self.notify(f"saved {name}{off}")

    async def _may_replace(self, name: str) -> bool:
        if name not in recipe_files():
            return True
        question = f"There is already a recipe {name}."
        ask = Confirm(question, {"replace": "Replace it"}, danger="replace")
        return await self.app.push_screen_wait(ask) == "replace"

    def _recipe(self) -> Recipe | None:
        """Return the recipe that the screen shows; if it is invalid, show the problem and return None."""
        self._settle()
        if wrong := self._wrong:
            host(self).tell_problem(f"{wrong.parameter.label}: {wrong.error}; correct it first")
            return None
        try:
            return self.draft.recipe()
        except KanatuiError as error:
            host(self).tell_problem(error)
            return None

    def action_train(self) -> None:
        if recipe := self._recipe():
            host(self).train_with(recipe.to_dict(), None)

    # ── generations ───────────────────────────────────────────────────────────────────────────────────────────────

    @on(Generations.Looked)
    def _show_datasets(self, event: Generations.Looked) -> None:
        self.query_one(DatasetsPanel).show(event.found)
        offered = [self.check_action(action, ()) for action in _ABOUT_DATASETS]
        if offered != self._offered:
            self._offered = offered
            self.refresh_bindings()

    def _target(self) -> Entry | None:
        """Return the data set that the keys act on: if the list has the focus, the one under its cursor."""
        panel = self.query_one(DatasetsPanel)
        return panel.chosen if panel.query_one(OptionList).has_focus else self.query_one(Generations).current

    @override
    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Offer to stop or resume only if there is something to stop or resume, and so on."""
        if action == "revert":
            return self.draft.changed or (self.is_mounted and self._wrong is not None)
        if action == "leave_field":
            return isinstance(self.focused, Input)
        if action == "compare":
            return bool(self.draft.steps)
        if action not in _ABOUT_DATASETS:
            return True
        target = self._target() if self.is_mounted else None
        if action == "stop_generation" and target is not None and self.query_one(Generations).is_stopping(target):
            return False
        return target is not None and _ABOUT_DATASETS[action](target)

    @asks
    @work(exclusive=True, group="generate")
    async def action_generate(self) -> None:
        """Say what it will take, ask for a name and start writing a data set."""
        recipe = self._recipe()
        if recipe is None or not await self._may_write(recipe):
            return
        ask = Ask("Name of the data set", generation.free_name(recipe.name or "dataset"), generation.new_name_problem)
        name = await self.app.push_screen_wait(ask)
        if name is not None:
            await self.query_one(Generations).generate(recipe, name)

    async def _may_write(self, recipe: Recipe) -> bool:
        """Refuse a data set for which the disk has no room, and ask about one that takes very much."""
        try:
            takes = await self.query_one(PlanLine).takes(recipe)
            free = await asyncio.to_thread(storage.free_bytes, paths.datasets())
        except (KanatuiError, OSError) as error:
            host(self).tell_problem(error)
            return False
        figures = f"{takes} ({bytes_text(free)} are free)"
        if takes.bytes > free:
            advice = "lower images per character or image size, or make room"
            host(self).tell_problem(f"there is no room for this data set: {figures}; {advice}")
            return False
        if takes.bytes < _MUCH * free and takes.seconds < _LONG:
            return True
        ask = Confirm(f"This data set takes {figures}.", {"generate": "Generate"}, danger="generate")
        return await self.app.push_screen_wait(ask) == "generate"

    @work
    async def action_resume_generation(self) -> None:
        if target := self._target():
            await self.query_one(Generations).resume(target)

    @work
    async def action_stop_generation(self) -> None:
        if target := self._target():
            await self.query_one(Generations).stop(target)

    def action_log(self) -> None:
        if target := self._target():
            self.app.push_screen(Details(f"Log of {target.name}", tail(target.log) or "The log is empty."))

    @on(DatasetsPanel.Asked)
    @asks
    @work
    async def _do_with_dataset(self, event: DatasetsPanel.Asked) -> None:
        data = event.data
        if event.what == "delete":
            question = f"Delete the data set {data.name} with {counted(data.done, 'image')}?"
            ask = Confirm(question, {"delete": "Delete"}, danger="delete")
            if await self.app.push_screen_wait(ask) == "delete":
                await self.query_one(Generations).delete(data)
        elif event.what == "browse":
            try:
                opened = await asyncio.to_thread(_opened, data.folder)
            except KanatuiError as error:
                host(self).tell_problem(error)
                return
            self.app.push_screen(Browser(stored(data.name, opened)))
        elif data.state == "complete":
            host(self).train_with(None, data.name)
        else:
            host(self).tell_problem(f"{data.name} is {data.state}: only a complete data set can be trained on")

    # ── the view ──────────────────────────────────────────────────────────────────────────────────────────────────

    def action_redraw(self) -> None:
        """Show different images, and repeat requests that failed."""
        self.query_one(PreviewPanel).redraw()
        if self.query_one(PlanLine).failed:
            self._plan()
        if not self.query_one(FacesPanel).filled:
            self.query_one(FacesPanel).look()

    def action_compare(self) -> None:
        preview = self.query_one(PreviewPanel)
        preview.show(self.draft, self.query_one(StepsPanel).cursor)
        preview.compare()

    def action_only_preview(self) -> None:
        body = self.query_one("#dataset-body").toggle_class("only-preview")
        if body.has_class("only-preview"):
            self.query_one("#preview-sheet").focus()
        else:
            self.call_after_refresh(self._enter_tab)

    def action_tab(self, by: int) -> None:
        """Go to another tab and focus its content."""
        tabs = self.query_one(TabbedContent)
        panes = [pane.id for pane in self.query(TabPane)]
        tabs.active = panes[(panes.index(tabs.active) + by) % len(panes)] or ""
        self.call_after_refresh(self._enter_tab)

    def action_leave_field(self) -> None:
        """Move the focus from a field to the list on its tab, where letters are keys."""
        self._enter_tab()

    def _enter_tab(self) -> None:
        pane = self.query_one(f"#{self.query_one(TabbedContent).active}")
        pane.query("RecipePanel Select, TickList, #datasets").first().focus()


def _opened(folder: Path) -> Dataset:
    from kanatui.dataset.read import open_dataset

    return open_dataset(folder)

"""The Augmentations tab: the steps in their order, and the parameters of the one under the cursor."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.message import Message
from textual.widgets import OptionList, Static
from typing_extensions import override

from kanatui.core.errors import PluginError
from kanatui.core.params import Parameter
from kanatui.dataset.recipe import Chance
from kanatui.tui.dataset.draft import Draft, Step
from kanatui.tui.dataset.messages import Change, Edited
from kanatui.tui.widgets.form import ParameterForm, checked
from kanatui.tui.widgets.ticks import OPEN, TICKED, TickList, line
from kanatui.tui.words import in_the_app

if TYPE_CHECKING:
    from kanatui.plugins.registry import Registry

_SETTLE = 0.04
"""Seconds that the cursor must rest before a form is built, which costs more than moving on."""

_ABSENT = {"untrusted": "✗ not trusted: a, t", "failed": "✗ failed: a says why", "refused": "✗ may not run here"}
"""What stands beside a step whose plugin is not there, by the state of the file of that name."""


class StepsPanel(Vertical):
    """The augmentations to tick and order, and the parameters of one."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("a", "add", "Add", tooltip="Add an augmentation after this one"),
        Binding("x,delete", "remove", "Remove", key_display="x", tooltip="Remove this augmentation"),
        Binding("K,shift+up", "move(-1)", "Earlier", key_display="K", tooltip="Move this augmentation up"),
        Binding("J,shift+down", "move(1)", "Later", key_display="J", tooltip="Move this augmentation down"),
    ]

    class Adding(Message):
        """The user wants to add an augmentation after a step (-1: at the front)."""

        def __init__(self, after: int) -> None:
            super().__init__()
            self.after = after

    class Moved(Message):
        """The cursor moved to another step."""

    def __init__(self, draft: Draft, **options: Any) -> None:
        super().__init__(**options)
        self._draft = draft
        self.ticks = TickList(id="steps")
        self.registry: Registry | None = None
        """The plugins, None until they are loaded."""
        self._form_of: tuple[str, int] | None = None
        self._form: ParameterForm | None = None
        self._form_wanted = self._form_busy = False

    @override
    def compose(self) -> ComposeResult:
        yield self.ticks
        yield Static("", id="step-about", markup=False)
        yield VerticalScroll(id="step-form", can_focus=False)

    @property
    def cursor(self) -> int | None:
        """Index of the step under the cursor, None if there is none."""
        highlighted = self.ticks.highlighted
        return highlighted if highlighted is not None and highlighted < len(self._draft.steps) else None

    @property
    def busy(self) -> bool:
        """Whether a form is being built."""
        return self._form_busy

    def on_resize(self) -> None:
        self._repaint()

    def use(self, registry: Registry) -> None:
        """Take the loaded plugins; the forms are made from their declarations."""
        self.registry = registry
        self._form_of = None
        self._repaint()

    def show(self, draft: Draft, cursor: int | None = None, reset: bool = False) -> None:
        """Show a draft, with the cursor on step ``cursor``; None leaves it where it is.

        The form's values come from its fields themselves, unless it is another draft (``reset``).
        """
        self._draft = draft
        if reset:
            self._form_of = None
        self._repaint(cursor)

    @property
    def form(self) -> ParameterForm | None:
        """The parameters of the step under the cursor, None while there is no such form."""
        return self._form if self._form_of is not None else None

    def settle(self) -> Change:
        """Return the change by what the form shows at this moment, ahead of messages under way."""
        if self._form is None or self._form_of is None:
            return lambda draft: draft
        return self._change(self._form_of, self._form.settle())

    def _change(self, step: tuple[str, int], values: Mapping[str, Any]) -> Change:
        """Return the change of a step's values, which does nothing if the step is no longer there."""
        plugin, index = step
        defaults = {name: parameter.default for name, parameter in self._declared(plugin).items()}

        def change(draft: Draft) -> Draft:
            if index < len(draft.steps) and draft.steps[index].augment.plugin == plugin:
                for name, value in values.items():
                    draft = draft.with_value(index, name, value, defaults[name])
            return draft

        return change

    def _repaint(self, cursor: int | None = None) -> None:
        width = self.ticks.scrollable_content_region.width
        if width < 1:
            return
        self.ticks.show([self._line(step, width) for step in self._draft.steps], cursor)
        self._show_form()

    def _line(self, step: Step, width: int) -> Content:
        plugin = step.augment.plugin
        tick = TICKED if step.on else OPEN
        if self.registry and plugin not in self.registry.augmentations:
            state = next((module.state for module in self.registry.modules if module.name == plugin), "")
            return line(f"{tick} {plugin}", _ABSENT.get(state, "✗ no such plugin"), width, "$text-error")
        chance = "" if step.augment.p == 1.0 else f"{100 * step.augment.p:g} % of images"
        return line(f"{tick} {plugin}", chance, width, "" if step.on else "$text-muted", "$text-muted")

    # ── the form ──────────────────────────────────────────────────────────────────────────────────────────────────

    def _declared(self, plugin: str) -> dict[str, Parameter[Any]]:
        assert self.registry is not None
        return {**Chance.parameters(), **self.registry.augmentation(plugin).parameters()}

    def _show_form(self) -> None:
        """Show the form of the step under the cursor; requests while one is being built are merged into one."""
        self._form_wanted = True
        if not self._form_busy:
            self._form_busy = True
            self._build_forms()

    @work
    async def _build_forms(self) -> None:
        # Not an exclusive worker: if it is cancelled while it mounts or removes widgets, Textual waits forever.
        try:
            while self._form_wanted:
                self._form_wanted = False
                await self._build_form()
        finally:
            self._form_busy = False

    async def _build_form(self) -> None:
        """Build the form; if it is still about the same step, only update its values."""
        place = self.query_one("#step-form", VerticalScroll)
        cursor = self.cursor
        if cursor is None or self.registry is None:
            self._form_of = None
            self._say("no augmentations: press a to add one" if self.registry else "loading the plugins …")
            await place.remove_children()
            return
        augment = self._draft.steps[cursor].augment
        try:
            declared = self._declared(augment.plugin)
        except PluginError as error:
            self._form_of = None
            self._say(f"✗ {in_the_app(error)}")
            await place.remove_children()
            return
        if self._form_of == (augment.plugin, cursor):
            return
        await asyncio.sleep(_SETTLE)
        if self._form_wanted or not place.is_running:
            return
        self._leave_form()
        values = checked(declared, {"p": augment.p, **augment.values})
        self._form_of, self._form = (augment.plugin, cursor), ParameterForm(declared, values)
        self._say(self._about(augment.plugin))
        await place.remove_children()
        await place.mount(self._form)

    def _leave_form(self) -> None:
        """Take what was typed last into the form that is about to go, and tell if a part of it cannot be taken."""
        if self._form is None or self._form_of is None:
            return
        if values := self._form.settle():
            self.post_message(Edited(self._change(self._form_of, values)))
        if wrong := self._form.wrong:
            kept = wrong.parameter.format(self._form.values[wrong.parameter.name])
            text = f"{self._form_of[0]}, {wrong.parameter.label}: {wrong.error}; it stays {kept}"
            self.notify(text, severity="warning", markup=False)

    def _about(self, plugin: str) -> str:
        from kanatui.plugins.registry import description

        assert self.registry is not None
        return f"{plugin}: {description(self.registry.augmentation(plugin))}"

    def _say(self, text: str) -> None:
        self.query_one("#step-about", Static).update(text)

    # ── changes ───────────────────────────────────────────────────────────────────────────────────────────────────

    @on(OptionList.OptionHighlighted)
    def _move_cursor(self, event: OptionList.OptionHighlighted) -> None:
        event.stop()
        self._show_form()
        self.refresh_bindings()
        self.post_message(self.Moved())

    @on(OptionList.OptionSelected)
    def _enter_form(self, event: OptionList.OptionSelected) -> None:
        """Focus the step's first parameter."""
        event.stop()
        controls = self.query("#step-form Input, #step-form Select, #step-form Checkbox")
        if controls:
            controls.first().focus()

    @on(TickList.Ticked)
    def _tick(self, event: TickList.Ticked) -> None:
        event.stop()
        self.post_message(Edited(lambda draft: draft.toggled(event.index)))

    @on(ParameterForm.Changed)
    def _typed(self, event: ParameterForm.Changed) -> None:
        event.stop()
        if event.form is self._form and self._form_of is not None:  # that of another step was settled when it went
            self.post_message(Edited(self._change(self._form_of, {event.name: event.value})))

    @override
    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Offer what can be done with the step under the cursor."""
        if action not in ("remove", "move") or not self.is_mounted:
            return True
        cursor = self.cursor
        if cursor is None or action == "remove":
            return cursor is not None
        by = parameters[0]
        return isinstance(by, int) and 0 <= cursor + by < len(self._draft.steps)

    def action_add(self) -> None:
        self.post_message(self.Adding(-1 if self.cursor is None else self.cursor))

    def action_remove(self) -> None:
        cursor = self.cursor
        if cursor is not None:
            self._form_of = None
            self._draft = self._draft.removed(cursor)
            self._repaint()
            self.post_message(Edited(lambda draft: draft.removed(cursor)))

    def action_move(self, by: int) -> None:
        """Move the step under the cursor, and the cursor with it."""
        cursor = self.cursor
        if cursor is None or not 0 <= cursor + by < len(self._draft.steps):
            return
        self._leave_form()
        self._form_of = None
        self._draft = self._draft.moved(cursor, by)
        self._repaint(cursor + by)
        self.post_message(Edited(lambda draft: draft.moved(cursor, by)))

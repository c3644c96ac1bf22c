"""The augmentations of a training while it trains: ticks, probabilities, parameters."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from textual import on, work
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.message import Message
from textual.timer import Timer
from textual.widgets import OptionList, Static
from typing_extensions import override

from kanatui.core.errors import KanatuiError, ParameterError, PluginError
from kanatui.core.params import Parameter
from kanatui.dataset.recipe import Augment, Chance, Recipe
from kanatui.training.events import Event
from kanatui.training.runs import Run
from kanatui.tui.widgets.form import FieldHelp, ParameterForm, checked
from kanatui.tui.widgets.ticks import OPEN, TICKED, TickList, line
from kanatui.tui.words import in_the_app

if TYPE_CHECKING:
    from kanatui.plugins.registry import Registry

_SETTLES = 0.6
"""Seconds without a key press after which a value counts as typed to its end and is sent."""

_FIXED = "This run trains on a written data set: its images cannot be changed."


class Augmentations(Vertical):
    """The steps of the recipe that a training draws from. Space ticks one on or off."""

    class Wanted(Message):
        """The user wants the training to use these steps from its next batch on."""

        def __init__(self, augments: list[dict[str, Any]]) -> None:
            super().__init__()
            self.augments = augments

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._run: Run | None = None
        self._steps: tuple[Augment, ...] = ()
        """The steps as shown, including changes that are not answered yet."""
        self.in_force: tuple[Augment, ...] = ()
        """The steps as the training uses them."""
        self._ticked_off: dict[int, float] = {}
        """The probability that each step had before it was switched off."""
        self._seen: Event = {}
        self._active = False
        self._registry: Registry | None = None
        self._form: ParameterForm | None = None
        self._form_of: tuple[str, str, int] | None = None
        self._settling: Timer | None = None

    @override
    def compose(self) -> ComposeResult:
        """Yield the current state, the list, and a place for the form."""
        yield Static("", id="augment-say", markup=False)
        with Horizontal():
            yield TickList(id="augment-steps")
            yield VerticalScroll(id="augment-form", can_focus=False)
        yield FieldHelp("Press enter for the parameters: the range, default and meaning of each are shown here.")

    # ── current steps ────────────────────────────────────────────────────────────────────────────────────────────

    @work(exclusive=True, group="augment-run")
    async def watch_run(self, run: Run) -> None:
        """Show the steps of a run."""
        self._run, self._seen = run, {}
        self._steps = self.in_force = ()
        self._ticked_off.clear()
        self._say("loading the plugins …")
        try:
            self._registry = await asyncio.to_thread(_load)
            config = await asyncio.to_thread(lambda: run.config)
            self._steps = self.in_force = _steps(config["source"]["recipe"]["augment"])
        except KanatuiError as error:
            self._say(f"✗ {in_the_app(error)}")
        except (KeyError, TypeError):
            self._say(_FIXED)
        else:
            self._say("as the run began" if self._steps else "The run's recipe has no augmentations.")
        self._repaint()

    def update_state(self, event: Event, active: bool) -> None:
        """Update the last change that took effect, {} for none, and whether the run is active."""
        self._active = active
        if event and event is not self._seen and self._settling is None:
            self._seen = event
            try:
                self._steps = self.in_force = _steps(event["augments"])
                self._say(f"in force from step {int(event['step']):,}")
            except (KanatuiError, KeyError, TypeError, ValueError):
                return  # written by another version; the steps shown stay
            self._repaint(follow=True)

    def refused(self, reason: str) -> None:
        """Show why the training refused a change, and show the current steps again."""
        self._say(f"✗ {in_the_app(reason)}")
        self._steps = self.in_force
        self._repaint(follow=True)
        self._mark_refused(reason)

    def _mark_refused(self, reason: str) -> None:
        """Mark what was typed and stays, because the user is there, but is not in force."""
        if self._form is None or self._form_of is None or self._form_of[2] >= len(self._steps):
            return
        step = self._steps[self._form_of[2]]
        in_force = checked(self._declared(step.plugin), {"p": step.p, **step.values})
        for name, value in self._form.values.items():
            if value != in_force[name]:
                self._form.reject(name, in_the_app(reason))

    def _say(self, text: str) -> None:
        self.query_one("#augment-say", Static).update(text)

    # ── the list and the form ─────────────────────────────────────────────────────────────────────────────────────

    @property
    def _ticks(self) -> TickList:
        return self.query_one("#augment-steps", TickList)

    @property
    def _cursor(self) -> int | None:
        highlighted = self._ticks.highlighted
        return highlighted if highlighted is not None and highlighted < len(self._steps) else None

    def on_resize(self) -> None:
        self._repaint()

    def _repaint(self, follow: bool = False) -> None:
        """Show the steps; ``follow``: they come from elsewhere, and the form shows their values."""
        width = self._ticks.scrollable_content_region.width
        if width < 1:
            return
        lines = []
        for step in self._steps:
            style = "" if step.p else "$text-muted"
            chance = f"{100 * step.p:g} % of images" if 0 < step.p < 1 else ""
            lines.append(line(f"{TICKED if step.p else OPEN} {step.plugin}", chance, width, style, "$text-muted"))
        self._ticks.show(lines)
        self._show_form(follow)

    def _show_form(self, follow: bool = False) -> None:
        place, cursor = self.query_one("#augment-form", VerticalScroll), self._cursor
        if cursor is None or self._registry is None or self._run is None:
            self._form = self._form_of = None
            place.remove_children()
            return
        step = self._steps[cursor]
        try:
            declared = self._declared(step.plugin)
        except PluginError as error:
            self._say(f"✗ {in_the_app(error)}")
            return
        values = checked(declared, {"p": step.p, **step.values})
        if self._form is not None and self._form_of == (self._run.id, step.plugin, cursor):
            for name, value in values.items() if follow else ():
                self._form.put(name, value)
            return
        self._leave_form()
        self._form, self._form_of = ParameterForm(declared, values), (self._run.id, step.plugin, cursor)
        # Not awaited: an awaited removal that is cancelled ends Textual's message loop, and with it the app.
        place.remove_children()
        place.mount(self._form)

    def _leave_form(self) -> None:
        """Take what was typed last into the form that is about to go."""
        if self._form is not None and self._form_of is not None and self._run is not None:
            run, plugin, index = self._form_of
            typed = self._form.settle()
            if typed and run == self._run.id and self._steps[index : index + 1] and self._steps[index].plugin == plugin:
                self._type(index, typed)

    def _declared(self, plugin: str) -> Mapping[str, Parameter[Any]]:
        assert self._registry is not None
        return {**Chance.parameters(), **self._registry.augmentation(plugin).parameters()}

    # ── changes ───────────────────────────────────────────────────────────────────────────────────────────────────

    @on(OptionList.OptionHighlighted)
    def _moved(self, event: OptionList.OptionHighlighted) -> None:
        event.stop()
        self._show_form()

    @on(OptionList.OptionSelected)
    def _enter_form(self, event: OptionList.OptionSelected) -> None:
        """Focus the step's parameters."""
        event.stop()
        for control in self.query("#augment-form Input, #augment-form Select, #augment-form Checkbox"):
            control.focus()
            return

    @on(TickList.Ticked)
    def _tick(self, event: TickList.Ticked) -> None:
        event.stop()
        step = self._steps[event.index]
        if step.p:
            self._ticked_off[event.index] = step.p
        changed = dataclasses.replace(step, p=0.0 if step.p else self._ticked_off.get(event.index, 1.0))
        self._steps = (*self._steps[: event.index], changed, *self._steps[event.index + 1 :])
        self._repaint(follow=True)
        self._send()

    @on(ParameterForm.Changed)
    def _typed(self, event: ParameterForm.Changed) -> None:
        event.stop()
        if event.form is not self._form or self._form_of is None:
            return
        index = self._form_of[2]
        self._type(index, {event.name: event.form.values[event.name]})
        self._repaint()

    def _type(self, index: int, values: Mapping[str, Any]) -> None:
        """Change a step's values, and send them once they have stayed so for a moment."""
        step = self._steps[index]
        others = {name: value for name, value in values.items() if name != "p"}
        changed = dataclasses.replace(step, p=values.get("p", step.p), values={**step.values, **others})
        self._steps = (*self._steps[:index], changed, *self._steps[index + 1 :])
        self._say("changed; it is sent a moment after the last change")
        if self._settling is not None:
            self._settling.stop()
        self._settling = self.set_timer(_SETTLES, self._send)

    def _send(self) -> None:
        if self._settling is not None:
            self._settling.stop()
            self._settling = None
        if not self._active:
            self.refused("the run is not active; press c to continue it first")
            return
        self._say("sent; takes effect from the next batch …")
        self.post_message(self.Wanted([step.to_dict() for step in self._steps]))


def _steps(tables: Sequence[Mapping[str, Any]]) -> tuple[Augment, ...]:
    """Read steps in the form that a recipe has. ParameterError if they are invalid."""
    try:
        return Recipe.from_dict({"images_per_character": 1, "augment": list(tables)}).augments
    except ParameterError as error:
        raise ParameterError(f"the run's augmentations: {error}") from None


def _load() -> Registry:
    from kanatui.plugins.registry import load

    return load()

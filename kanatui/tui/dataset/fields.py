"""The Recipe tab: the recipe picker and the recipe's fields."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from textual import on
from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.message import Message
from textual.widgets import Select, Static
from typing_extensions import override

from kanatui.core.errors import UsageError
from kanatui.core.harmless import harmless
from kanatui.dataset.recipe import Recipe, recipe_files
from kanatui.kana.sets import parse_characters
from kanatui.tui.dataset.draft import Draft
from kanatui.tui.dataset.messages import Change, Edited
from kanatui.tui.widgets.form import ParameterForm
from kanatui.tui.widgets.picklist import PickList
from kanatui.tui.widgets.pluginforms import PluginForms
from kanatui.tui.words import in_the_app

if TYPE_CHECKING:
    from kanatui.plugins.registry import Registry

_ELSEWHERE = "faces"
"""The field that has its own tab."""


class RecipePanel(VerticalScroll, can_focus=False):
    """The recipe picker and the recipe's fields."""

    class Picked(Message):
        """The user picked another recipe."""

        def __init__(self, name: str) -> None:
            super().__init__()
            self.name = name

    def __init__(self, draft: Draft, **options: Any) -> None:
        super().__init__(**options)
        self._draft = draft

    @override
    def compose(self) -> ComposeResult:
        yield PickList(self._choices(), value=self._origin(), allow_blank=False, compact=True, id="recipe-picker")
        yield Static(self._mark(), id="recipe-mark", markup=False)
        declared = {name: field for name, field in Recipe.parameters().items() if name != _ELSEWHERE}
        yield ParameterForm(declared, self._draft.fields, {"characters": _wrong_characters}, id="recipe-fields")
        yield PluginForms(id="recipe-sources")

    def on_resize(self) -> None:
        """Keep the field that is typed into in view: what is wrong with it takes lines below."""
        focused = self.screen.focused
        if focused is not None and self in focused.ancestors:
            self.call_after_refresh(focused.scroll_visible, animate=False)

    @property
    def form(self) -> ParameterForm:
        """The recipe's fields."""
        return self.query_one("#recipe-fields", ParameterForm)

    @property
    def forms(self) -> list[ParameterForm]:
        """The recipe's fields, and the settings of each glyph source that has some."""
        return [self.form, *self.query_one(PluginForms).forms.values()]

    def use(self, registry: Registry) -> None:
        """Take the loaded plugins: the glyph sources' settings are made from their declarations."""
        settable = {id: cls for id, cls in registry.glyph_sources.items() if cls.parameters()}
        self.query_one(PluginForms).show(settable, values=self._draft.sources)

    def show(self, draft: Draft, reset: bool = False) -> None:
        """Show a draft; its values come from the fields themselves, unless it is another one (``reset``)."""
        relisted = draft.origin.name != self._draft.origin.name
        self._draft = draft
        if relisted:
            self.list_recipes()
        self.query_one("#recipe-mark", Static).update(self._mark())
        if reset:
            self.form.reset(draft.fields)
            self.query_one(PluginForms).reset(draft.sources)

    def settle(self) -> Change:
        """Return the change by what the fields show at this moment, ahead of messages under way."""
        changes = [self._change_by(form, form.settle()) for form in self.forms]
        return lambda draft: functools.reduce(lambda changed, change: change(changed), changes, draft)

    def _change_by(self, form: ParameterForm, values: Mapping[str, Any]) -> Change:
        """Return the change by new values of one of the forms."""
        for plugin, each in self.query_one(PluginForms).forms.items():
            if each is form:
                return _with_source(plugin, values, {name: form.declared[name].default for name in values})
        return _with_fields(values)

    def list_recipes(self) -> None:
        """List the recipes again, after one was saved or picked."""
        picker = self.query_one("#recipe-picker", Select)
        with self.prevent(Select.Changed):
            picker.set_options(self._choices())
            picker.value = self._origin()

    def _origin(self) -> str:
        return self._draft.origin.name

    def _choices(self) -> list[tuple[str, str]]:
        names = dict.fromkeys([*recipe_files(), self._origin()])
        return [(name, name) for name in names]

    def _mark(self) -> str:
        if self._draft.changed:
            return "* changed (s: save as, u: revert)"
        return harmless(self._draft.origin.description, 200) or "no changes"

    @on(Select.Changed, "#recipe-picker")
    def _pick(self, event: Select.Changed) -> None:
        event.stop()
        if event.value != self._origin():
            self.post_message(self.Picked(str(event.value)))

    @on(ParameterForm.Changed)
    def _change(self, event: ParameterForm.Changed) -> None:
        event.stop()
        self.post_message(Edited(self._change_by(event.form, {event.name: event.value})))


def _with_fields(values: Mapping[str, Any]) -> Change:
    return lambda draft: draft.with_fields(values)


def _with_source(plugin: str, values: Mapping[str, Any], defaults: Mapping[str, Any]) -> Change:
    def change(draft: Draft) -> Draft:
        for name, value in values.items():
            draft = draft.with_source(plugin, name, value, defaults[name])
        return draft

    return change


def _wrong_characters(text: str) -> str:
    try:
        parse_characters(text)
    except UsageError as error:
        return in_the_app(error)
    return ""

"""The Recipe tab: the recipe picker and the recipe's fields."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

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
from kanatui.tui.words import in_the_app

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

    @property
    def form(self) -> ParameterForm:
        """The recipe's fields."""
        return self.query_one(ParameterForm)

    def show(self, draft: Draft, reset: bool = False) -> None:
        """Show a draft; its values come from the fields themselves, unless it is another one (``reset``)."""
        relisted = draft.origin.name != self._draft.origin.name
        self._draft = draft
        if relisted:
            self.list_recipes()
        self.query_one("#recipe-mark", Static).update(self._mark())
        if reset:
            self.form.reset(draft.fields)

    def settle(self) -> Change:
        """Return the change by what the fields show at this moment, ahead of messages under way."""
        return _with_fields(self.form.settle())

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
        self.post_message(Edited(_with_fields({event.name: event.value})))


def _with_fields(values: Mapping[str, Any]) -> Change:
    return lambda draft: draft.with_fields(values)


def _wrong_characters(text: str) -> str:
    try:
        parse_characters(text)
    except UsageError as error:
        return in_the_app(error)
    return ""

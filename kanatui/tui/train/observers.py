"""The settings of observers, in the form for a new training."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from textual.containers import Vertical
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Static

from kanatui.tui.widgets.form import ParameterForm, checked

if TYPE_CHECKING:
    from kanatui.plugins.registry import Registry


class ObserverForms(Vertical):
    """What watches a training: a form for each observer; one that cannot be used here says why."""

    def __init__(self, id: str) -> None:
        super().__init__(id=id)
        self._registry: Registry | None = None
        self._forms: dict[str, ParameterForm] = {}

    @property
    def settings(self) -> dict[str, dict[str, Any]]:
        """The parameters that differ from their defaults, by observer."""
        changed = {id: _changed(form) for id, form in self._forms.items()}
        return {id: values for id, values in changed.items() if values}

    def show(self, registry: Registry, problems: Mapping[str, str]) -> None:
        """Make the forms, unless these plugins are shown already; what was set stays if it is still valid.

        Args:
            registry: where the observers are from.
            problems: why some cannot be used, by their ids.
        """
        from kanatui.plugins.registry import description

        if registry is self._registry:
            return
        kept, self._registry, self._forms = self.settings, registry, {}
        parts: list[Widget] = []
        for id, cls in registry.observers.items():
            problem, declared = problems.get(id, ""), cls.parameters()
            about = (f"✗ {problem}", "$text-warning") if problem else (description(cls), "$text-muted")
            parts.append(Static(Content.assemble((f"{id}: ", "bold"), about)))
            if declared and not problem:
                self._forms[id] = ParameterForm(declared, checked(declared, kept.get(id, {})))
                parts.append(self._forms[id])
        # Not awaited, as in the form for the model's parameters.
        self.remove_children()
        self.mount(*parts)


def _changed(form: ParameterForm) -> dict[str, Any]:
    return {name: value for name, value in form.values.items() if value != form.declared[name].default}

"""Forms for the settings of several plugins, one below the other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from textual.containers import Vertical
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Static

from kanatui.tui.widgets.form import ParameterForm, checked

if TYPE_CHECKING:
    from kanatui.plugins.bases import Plugin


class PluginForms(Vertical):
    """A form for each of some plugins; one that cannot be used here says why."""

    def __init__(self, id: str) -> None:
        super().__init__(id=id)
        self._plugins: Mapping[str, type[Plugin]] = {}
        self.forms: dict[str, ParameterForm] = {}
        """The form of each plugin that has parameters and can be used, by the plugin's id."""

    @property
    def settings(self) -> dict[str, dict[str, Any]]:
        """The parameters that differ from their defaults, by plugin."""
        changed = {id: _changed(form) for id, form in self.forms.items()}
        return {id: values for id, values in changed.items() if values}

    def show(
        self,
        classes: Mapping[str, type[Plugin]],
        problems: Mapping[str, str] | None = None,
        values: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> None:
        """Make the forms, unless these plugins are shown already.

        Args:
            classes: the plugins by id.
            problems: why some cannot be used.
            values: parameters that are set, by plugin; None for those that were set before and are still valid.
        """
        from kanatui.plugins.registry import description

        if classes == self._plugins:
            return
        kept = self.settings if values is None else values
        self._plugins, self.forms = dict(classes), {}
        parts: list[Widget] = []
        for id, cls in classes.items():
            problem, declared = (problems or {}).get(id, ""), cls.parameters()
            about = (f"✗ {problem}", "$text-warning") if problem else (description(cls), "$text-muted")
            parts.append(Static(Content.assemble((f"{id}: ", "bold"), about), classes="" if problem else "about"))
            if declared and not problem:
                self.forms[id] = ParameterForm(declared, checked(declared, kept.get(id, {})))
                parts.append(self.forms[id])
        # Not awaited: an awaited removal that is cancelled ends Textual's message loop, and with it the app.
        self.remove_children()
        self.mount(*parts)

    def reset(self, values: Mapping[str, Mapping[str, Any]]) -> None:
        """Show other values of the parameters, by plugin; those that are not there have their defaults."""
        for id, form in self.forms.items():
            form.reset(checked(form.declared, values.get(id, {})))


def _changed(form: ParameterForm) -> dict[str, Any]:
    return {name: value for name, value in form.values.items() if value != form.declared[name].default}

"""The dialog that adds an augmentation; it also lists plugins that failed to load or are not trusted yet."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from rich.cells import set_cell_size
from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Label, OptionList
from textual.widgets.option_list import Option
from typing_extensions import override

from kanatui.tui.keys import asks
from kanatui.tui.widgets.dialogs import Confirm, Details
from kanatui.tui.widgets.filter import Filterable, FilterLine, searchable
from kanatui.tui.widgets.keybar import KeyBar

if TYPE_CHECKING:
    from kanatui.plugins.registry import PluginModule, Registry

_NAME_CELLS = 16


class AddStep(ModalScreen[str | Path | None], Filterable):
    """A list of augmentations. Returns the chosen one's id, or the file of a plugin to trust from now on."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss(None)", "Cancel"),
        Binding("t", "trust", "Trust", tooltip="Let the untrusted plugin file under the cursor run"),
    ]

    def __init__(self, registry: Registry) -> None:
        super().__init__()
        self._registry = registry
        self._ids = sorted(registry.augmentations)
        self._modules = [module for module in registry.modules if module.state in ("failed", "untrusted")]
        self._all = self._lines()
        self._shown = list(range(len(self._all)))

    @override
    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog wide"):
            yield Label("Add an augmentation", classes="title")
            yield OptionList(*map(Option, self._all))
            yield FilterLine(id="steps-filter")
            yield KeyBar()

    def _lines(self) -> list[Content]:
        from kanatui.plugins.registry import description

        augmentations = self._registry.augmentations
        lines = [_line(id, augmentations[id].kind, description(augmentations[id])) for id in self._ids]
        return [*lines, *(self._module_line(module) for module in self._modules)]

    def _module_line(self, module: PluginModule) -> Content:
        hint = "t trusts it" if module.state == "untrusted" else f"{module.error} (enter: traceback)"
        return _line(
            module.name, f"✗ {module.state}", hint if module.state == "failed" else f"{hint} · {module.location}"
        )

    @on(FilterLine.Changed)
    def _narrow(self) -> None:
        """List what has the words looked for."""
        self._shown = self.terms.among([searchable([line.plain]) for line in self._all])
        listed = self.query_one(OptionList)
        listed.set_options(Option(self._all[index]) for index in self._shown)
        listed.highlighted = 0 if self._shown else None
        self.filter_line.count(len(self._shown), len(self._all))

    @on(OptionList.OptionSelected)
    def _choose(self, event: OptionList.OptionSelected) -> None:
        index = self._shown[event.option_index]
        if index < len(self._ids):
            self.dismiss(self._ids[index])
            return
        module = self._modules[index - len(self._ids)]
        if module.state == "untrusted":
            self.action_trust()
        else:
            self.app.push_screen(Details(f"{module.location}: {module.error}", module.traceback))

    @asks
    @work
    async def action_trust(self) -> None:
        """Ask whether the untrusted plugin file under the cursor may run from now on."""
        place = self.query_one(OptionList).highlighted
        index = -1 if place is None else self._shown[place] - len(self._ids)
        if index < 0 or self._modules[index].state != "untrusted":
            self.notify("this line is not an untrusted plugin")
            return
        file = self._modules[index].location
        question = f"Run the code in {file} whenever kanatui starts?\nYou will be asked again if the file changes."
        if await self.app.push_screen_wait(Confirm(question, {"trust": "Trust"}, danger="trust")) == "trust":
            self.dismiss(Path(file))


def _line(name: str, kind: str, text: str) -> Content:
    failed = kind.startswith("✗")
    return Content.assemble(
        (set_cell_size(name, _NAME_CELLS), "$text-error" if failed else "bold"),
        (f" {kind:10} ", "$text-error" if failed else "$text-muted"),
        text,
    )

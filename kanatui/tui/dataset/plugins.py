"""Loads the plugins for the Dataset screen, and again when one of the user's files is saved, added or deleted."""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from textual import work
from textual.message import Message
from textual.widget import Widget

from kanatui.core.errors import KanatuiError
from kanatui.plugins import importing, registry, trust
from kanatui.tui.host import host

if TYPE_CHECKING:
    from kanatui.plugins.registry import Registry

_LOOK_EVERY = 1.0
"""Seconds between looks at the times and sizes of the files: a few system calls, so no file watcher is needed."""


class Plugins(Widget):
    """Has no picture: it tells the screen what plugins there are."""

    DEFAULT_CSS = "Plugins { display: none; }"

    class Loaded(Message):
        """The plugins are there, or there again."""

        def __init__(self, registry: Registry, again: bool) -> None:
            super().__init__()
            self.registry, self.again = registry, again

    def __init__(self) -> None:
        super().__init__()
        self.registry: Registry | None = None
        """None until they are loaded."""
        self._stamps: Mapping[str, tuple[int, int]] = {}

    def on_mount(self) -> None:
        self._load()
        self.set_interval(_LOOK_EVERY, self._look)

    async def trust(self, file: Path) -> None:
        """Trust a file and load it. PluginError or StorageError if it cannot be read or remembered."""
        await asyncio.to_thread(trust.trust, file)
        await self._load_again()
        self.notify(f"{file.name} is trusted: press a to see what it adds", markup=False)

    @work(exclusive=True, group="plugins")
    async def _load(self) -> None:
        try:
            self.registry = await asyncio.to_thread(_imported)
            self._stamps = await asyncio.to_thread(importing.stamps, self.registry.folders)
        except KanatuiError as error:
            host(self).tell_problem(error)
            return
        self.post_message(self.Loaded(self.registry, again=False))

    @work(exclusive=True, group="plugins-look")
    async def _look(self) -> None:
        """Load all plugins again if a file has changed; a training has its own, in its process."""
        if self.registry is None or not self.registry.folders:
            return
        now = await asyncio.to_thread(importing.stamps, self.registry.folders)
        changed = [path for path in {**self._stamps, **now} if now.get(path) != self._stamps.get(path)]
        if changed:
            await self._load_again()
            for path in changed:
                self._tell(path, gone=path not in now)

    async def _load_again(self) -> None:
        registry.reload()
        try:
            self.registry = await asyncio.to_thread(registry.load)
        except KanatuiError as error:
            host(self).tell_problem(error)
            return
        self._stamps = await asyncio.to_thread(importing.stamps, self.registry.folders)
        await host(self).renew_engines()
        self.post_message(self.Loaded(self.registry, again=True))

    def _tell(self, path: str, gone: bool) -> None:
        assert self.registry is not None
        name = Path(path).name
        module = next((module for module in self.registry.modules if module.location == path), None)
        if gone or module is None:
            self.notify(f"{name} is gone, and with it what it added", markup=False)
        elif module.state == "untrusted":
            text = f"{name} has changed: to run it, press a under Augmentations, then t on its line"
            self.notify(text, severity="warning", markup=False)
        elif module.state == "failed":
            host(self).tell_problem(f"{name}: {module.error}", module.traceback)
        else:
            self.notify(f"{name} is loaded again", markup=False)


def _imported() -> Registry:
    """Load the plugins. Import NumPy and Pillow here too; later they would block the event loop."""
    for module in ("kanatui.core.mosaic", "kanatui.fonts.faces"):
        importlib.import_module(module)
    return registry.load()

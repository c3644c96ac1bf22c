"""Polls the data sets, and starts, resumes, stops and deletes generations."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Callable
from typing import Any

from textual import work
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.message import Message
from typing_extensions import override

from kanatui.core.errors import KanatuiError
from kanatui.core.storage import tail
from kanatui.core.units import counted
from kanatui.dataset import generation
from kanatui.dataset.catalogue import Catalogue, Entry
from kanatui.dataset.recipe import Recipe
from kanatui.tui.dataset.progress import GenerationLine, Pace
from kanatui.tui.host import host

_LOOK_EVERY = 0.5
"""Seconds between polls while a data set is being written."""
_LOOK_IDLE = 4
"""While none is being written, only one poll in this many is made."""


class Generations(Vertical):
    """The active generation, or the last one that stopped; hidden if there is none."""

    class Looked(Message):
        """The data sets were polled."""

        def __init__(self, found: list[Entry]) -> None:
            super().__init__()
            self.found = found

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._line = GenerationLine(id="generation")
        self._catalogue, self._pace = Catalogue(), Pace()
        self._processes: list[subprocess.Popen[bytes]] = []
        self._found: list[Entry] = []
        self._watched = ""
        self._stopping: set[str] = set()
        self._looks = 0

    @override
    def compose(self) -> ComposeResult:
        yield self._line

    def on_mount(self) -> None:
        self.set_interval(_LOOK_EVERY, self._maybe_look)
        self.look()

    @property
    def current(self) -> Entry | None:
        """The generation on the line: the one started or stopped last, else the first active one; None if none is."""
        watched = next((data for data in self._found if data.name == self._watched), None)
        if watched is not None and (watched.active or watched.resumable):
            return watched
        return next((data for data in self._found if data.active), None)

    def _maybe_look(self) -> None:
        self._looks += 1
        active = any(data.active for data in self._found)
        if active or (self.screen.is_current and self._looks % _LOOK_IDLE == 0):
            self.look()

    @work(exclusive=True, group="catalogue")
    async def look(self) -> None:
        """Poll all data sets now."""
        self._take(await asyncio.to_thread(self._catalogue.look))

    def _take(self, found: list[Entry]) -> None:
        # Asking for a child's status lets the system release it once it has ended.
        self._processes = [process for process in self._processes if process.poll() is None]
        before = {data.name: data for data in self._found}
        self._found = found
        self._pace.note(found)
        for entry in found:
            self._tell_end(before.get(entry.name), entry)
        data, app = self.current, host(self)
        self._stopping &= {entry.name for entry in found if entry.active}
        rate, stopping = (self._pace.rate(data), data.name in self._stopping) if data else (0.0, False)
        self._line.show(data, rate, app.ascii, stopping)
        self.post_message(self.Looked(found))

    def _tell_end(self, before: Entry | None, now: Entry) -> None:
        if before is None or not before.active or now.active:
            return
        if now.state == "complete":
            self.notify(f"{now.name} is complete: {counted(now.images, 'image')}")
        elif now.state == "failed":
            host(self).tell_problem(f"{now.name}: {now.reason}", tail(now.log))

    async def generate(self, recipe: Recipe, name: str) -> None:
        """Start writing a data set in its own process."""
        await self._begin(name, lambda: generation.generate(recipe, name))

    def is_stopping(self, data: Entry) -> bool:
        """Whether a generation was told to stop and has not ended yet."""
        return data.name in self._stopping

    async def resume(self, data: Entry) -> None:
        """Resume a stopped or failed generation."""
        await self._begin(data.name, lambda: generation.resume(data.name))

    async def _begin(self, name: str, start: Callable[[], subprocess.Popen[bytes]]) -> None:
        try:
            self._processes.append(await asyncio.to_thread(start))
        except KanatuiError as error:
            host(self).tell_problem(error)
            return
        self._watched = name
        self.look()

    async def stop(self, data: Entry) -> None:
        """Stop a generation so that it can be resumed."""
        try:
            await asyncio.to_thread(generation.stop, data.name)
        except KanatuiError as error:
            host(self).tell_problem(error)
            return
        self._watched = data.name
        self._stopping.add(data.name)
        self._take(self._found)  # the line says so before the process has noticed
        self.look()

    async def delete(self, data: Entry) -> None:
        """Delete a data set's folder."""
        try:
            await asyncio.to_thread(generation.delete, data.name)
        except KanatuiError as error:
            host(self).tell_problem(error)
        self.look()

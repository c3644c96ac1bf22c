"""Fetches masters in the background before a job asks for them."""

from __future__ import annotations

import contextlib
import os
import queue
import threading
import traceback

from kanatui.dataset.layout import Layout
from kanatui.dataset.mastercache import MasterCache

_PRIORITY = 10
"""A tenth of what other processes get of a core that all of them want. At 19, a sixtieth, two seconds of work take
minutes beside a training, and until they are done a sheet of other images takes half a second."""


class Prefetcher:
    """A thread that fills the cache with the masters of the recipe that was looked at last."""

    def __init__(self, masters: MasterCache) -> None:
        """Take the cache that :meth:`start` fills."""
        self._masters = masters
        self._wanted: queue.SimpleQueue[tuple[Layout, int]] = queue.SimpleQueue()
        self.paused = threading.Lock()
        """Held while a job runs: no more masters are fetched then."""

    def want(self, layout: Layout, em: int) -> None:
        """Ask for all masters of a layout, in place of those that were wanted before."""
        self._wanted.put((layout, em))

    def start(self) -> None:
        """Start a thread that ends with the process."""
        threading.Thread(target=self._run, name="masters", daemon=True).start()

    def _run(self) -> None:
        # On Linux this holds for the thread alone, and for the ImageMagick processes that it starts.
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _PRIORITY)
        while True:
            self.fetch(*self._wanted.get())

    def fetch(self, layout: Layout, em: int) -> None:
        """Fetch the masters of a layout until they are all there, or others are wanted."""
        try:
            for _ in self._masters.fill(layout, em):
                with self.paused:
                    pass
                if not self._wanted.empty():
                    return
        except Exception:  # noqa: BLE001  # a job that needs these masters meets the same error and reports it
            traceback.print_exc()

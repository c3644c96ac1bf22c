"""Fetches masters in the background before a job needs them."""

from __future__ import annotations

import contextlib
import os
import queue
import threading
import traceback

from kanatui.dataset.layout import Layout
from kanatui.dataset.mastercache import MasterCache

_PRIORITY = 10
"""Niceness: a tenth of other processes' share of a contended core. At 19, a sixtieth, two seconds of work take minutes
beside a training, and until they are done a sheet of other images takes half a second."""


class Prefetcher:
    """A thread that fills the cache with the masters of the recipe viewed last."""

    def __init__(self, masters: MasterCache) -> None:
        """Prepare to fill ``masters``; :meth:`start` starts the thread."""
        self._masters = masters
        self._wanted: queue.SimpleQueue[tuple[Layout, int]] = queue.SimpleQueue()
        self.paused = threading.Lock()
        """Held while a job runs; no masters are fetched meanwhile."""

    def want(self, layout: Layout, em: int) -> None:
        """Request all masters of a layout, at ``em`` pixels per em, instead of those requested before."""
        self._wanted.put((layout, em))

    def start(self) -> None:
        """Start the thread, which ends with the process."""
        threading.Thread(target=self._run, name="masters", daemon=True).start()

    def _run(self) -> None:
        # On Linux this affects only this thread and the ImageMagick processes that it starts.
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _PRIORITY)
        while True:
            self.fetch(*self._wanted.get())

    def fetch(self, layout: Layout, em: int) -> None:
        """Fetch the masters of a layout until all are cached or others are requested."""
        try:
            for _ in self._masters.fill(layout, em):
                with self.paused:
                    pass
                if not self._wanted.empty():
                    return
        except Exception:  # noqa: BLE001  # a job that needs these masters meets the same error and reports it
            traceback.print_exc()

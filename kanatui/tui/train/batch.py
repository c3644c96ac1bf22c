"""The images of the batch that is being trained on, and what they are read as."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from kanatui.core.errors import StorageError
from kanatui.training.runs import Run
from kanatui.tui.host import host
from kanatui.tui.widgets.glyphs import GlyphSheet, caption

if TYPE_CHECKING:
    from kanatui.training.previews import BatchPreview

_NONE_YET = "the images of a batch come with the next report …"
_AT_REST = "images are shown while the run trains"

_BUDGET = 8000
"""Bytes per second for this sheet. Every image of a batch is new, and a sheet takes a hundred kilobytes: too much each
second for a slow line. So a whole sheet is shown first, and then a few images per second are replaced."""


class BatchSheet(GlyphSheet):
    """Images of the present batch."""

    def __init__(self, **options: Any) -> None:
        super().__init__(_NONE_YET, **options)
        self._run: Run | None = None
        self._step = -1
        self._place = 0
        self._saved = 0.0
        """Bytes that were not sent yet of those that may be."""
        self._exhibits: list[tuple[Any, str, bool]] = []

    def watch_run(self, run: Run) -> None:
        """Show another run's batches."""
        self._run, self._step, self._place = run, -1, 0
        self._exhibits = []
        self.say(_NONE_YET)

    async def advance(self, active: bool) -> None:
        """Ask for batches and show the newest one; to be called once a second while the sheet is visible."""
        run = self._run
        if run is None:
            return
        if not active:
            if not self._exhibits and self.empty != _AT_REST:
                self.say(_AT_REST)
            return
        batch = await asyncio.to_thread(_look, run)
        if batch is not None and batch.step != self._step and run is self._run:
            self._step = batch.step
            self._take(batch)

    def _take(self, batch: BatchPreview) -> None:
        """Show images of a batch: a few new ones, or all if their number has changed."""
        count = min(len(batch.images), self.fitting)
        tiles = [self._tile_of(batch, index) for index in range(count)]
        if len(self._exhibits) != count:
            self._exhibits = tiles
        else:
            self._saved += _BUDGET
            for _ in range(count):
                place = (self._place + 1) % count
                cost = host(self).pictures.bytes_of(tiles[place][0], self.tile, self.tile // 2)
                if cost > self._saved:
                    break
                self._saved -= cost
                self._place, self._exhibits[place] = place, tiles[place]
            else:
                self._saved = 0.0  # all images are new: nothing to save up for
        images, captions, marks = zip(*self._exhibits, strict=True) if self._exhibits else ((), (), ())
        self.show(list(images), captions, marks)

    def _tile_of(self, batch: BatchPreview, index: int) -> tuple[Any, str, bool]:
        """Return an image, its caption (か, or か→が and the probability if misread), and whether it is misread."""
        truth, said = batch.truths[index], batch.readings[index]
        read = truth if said == truth else f"{truth}→{said}"
        text = caption(read, f"{100 * batch.probabilities[index]:.0f} %", width=self.tile - 1)
        return batch.images[index], text, said != truth


def _look(run: Run) -> BatchPreview | None:
    try:
        run.watch()
    except StorageError:
        return None  # another user's run, or a full disk: it can be watched without its images
    return run.batch()

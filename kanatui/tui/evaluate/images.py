"""The sheet of misread images, and the dialog that enlarges one."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias

from textual import work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Label, Static
from typing_extensions import override

from kanatui.core.errors import EngineError, Superseded
from kanatui.tui.evaluate.results import Selection, SheetImage, surely
from kanatui.tui.widgets.glyphs import GlyphSheet, GlyphView
from kanatui.tui.words import in_the_app

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Images = npt.NDArray[np.uint8]

Fetched: TypeAlias = "tuple[Images, Sequence[str]]"
"""Images, uint8 [n, S, S], and how each was made, "" where that is not known."""

_STILL = 0.08
"""Seconds that the cursor must rest before images are fetched, so that fast moves fetch none in between."""
_PATIENCE = 0.3
"""Seconds after which the previous images are replaced by a note that new ones are being fetched."""

_BAR = 20
"""Width of the bar for 100 %, in columns."""


class ImagesPanel(Vertical):
    """The misread images of the row or cell under the cursor."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._described: Sequence[SheetImage] = ()
        self._images: Images | None = None
        self._about = ""

    @override
    def compose(self) -> ComposeResult:
        yield Static("", id="about", markup=False)
        yield GlyphSheet(id="sheet")

    @property
    def sheet(self) -> GlyphSheet:
        """The sheet of images."""
        return self.query_one(GlyphSheet)

    def copied(self) -> str:
        """Return what is known of the images, in order."""
        return "\n\n".join(describe(image) for image in self._described)

    @work(exclusive=True, group="look")
    async def look(
        self, selected: Callable[[], Selection], fetch: Callable[[Sequence[int]], Awaitable[Fetched]]
    ) -> None:
        """Show images once the cursor rests; while the panel is hidden, do nothing.

        Args:
            selected: returns which images to show.
            fetch: returns the images, uint8 [n, S, S], of some records, and how each was made; raises EngineError.
        """
        if not self.display:
            return
        await asyncio.sleep(_STILL)
        selection = selected()
        if not selection.images:
            self._say(selection.about, "none" if selection.about else "")
            return
        # Not a timer of Textual's: its call waits in the widget's queue once it is due, where stopping it is too late,
        # and the note would cover the images.
        slow = asyncio.get_running_loop().call_later(_PATIENCE, self._say, selection.about, "fetching …")
        try:
            images, origins = await fetch([image.record for image in selection.images])
        except Superseded:
            return
        except EngineError as error:
            if self.is_attached:
                self._say(selection.about, in_the_app(error))
            return
        finally:
            slow.cancel()
        self._show(selection, images, origins)

    def _show(self, selection: Selection, images: Images, origins: Sequence[str]) -> None:
        described = [replace(one, made=made) for one, made in zip(selection.images, origins, strict=True)]
        total = selection.total
        more = f" · the first {len(described)} of {total:,}" if total > len(described) else ""
        self._about, self._described, self._images = selection.about + more, described, images
        self.query_one("#about", Static).update(self._about)
        self.sheet.show(images, [image.caption for image in described])
        self.sheet.cursor = 0

    def _say(self, about: str, instead: str) -> None:
        """Show a text instead of images."""
        self._about, self._described, self._images = about, (), None
        self.query_one("#about", Static).update(about)
        self.sheet.say(instead)

    def on_glyph_sheet_selected(self, event: GlyphSheet.Selected) -> None:
        event.stop()
        if self._images is not None:
            self.app.push_screen(ImageZoom(self._about, self._images, self._described, event.index), self._go)

    def _go(self, index: int | None) -> None:
        self.sheet.cursor = index or 0


class ImageZoom(ModalScreen[int]):
    """One image with its most likely readings; the arrows go to the others. Returns the last image's index."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left,up", "go(-1)", "Previous image"),
        Binding("right,down", "go(1)", "Next image"),
        Binding("escape,enter,q", "close", "Close"),
    ]

    def __init__(self, about: str, images: Images, described: Sequence[SheetImage], index: int) -> None:
        super().__init__()
        self._about, self._images, self._described, self._index = about, images, described, index

    @override
    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog wide"):
            yield Label("", id="zoom-title", classes="title", markup=False)
            with Horizontal():
                yield GlyphView()
                with VerticalScroll(can_focus=False):
                    yield Static("", id="zoom-text", markup=False)
            yield Static("←→ previous, next · escape closes", classes="hint")

    def on_mount(self) -> None:
        self._show()

    def _show(self) -> None:
        here = self._described[self._index]
        self.query_one("#zoom-title", Label).update(f"{self._about} · {self._index + 1} of {len(self._described)}")
        self.query_one(GlyphView).show(self._images[self._index])
        self.query_one("#zoom-text", Static).update(describe(here))

    def action_go(self, steps: int) -> None:
        """Go to another image of the sheet."""
        self._index = (self._index + steps) % len(self._described)
        self._show()

    def action_close(self) -> None:
        """Close and return the current index."""
        self.dismiss(self._index)


def describe(image: SheetImage) -> str:
    """Return an image's readings, a line each with a bar; a tick marks the correct one."""
    lines = [f"shows {image.truth}", image.origin]
    lines += ["", image.made] if image.made else []
    for view in image.opinions:
        lines += ["", f"{view.whose} reads" if view.whose else "read as"]
        lines += [_bar(character, probability, character == image.truth) for character, probability in view.likeliest]
        if not view.likeliest:
            lines.append("nothing: no ink was found")
            continue
        if image.truth not in dict(view.likeliest):
            lines.append(f"  {image.truth} is not among the five most likely")
        lines.append(f"look-alikes folded: {surely(*view.alike)}")
    return "\n".join(lines)


def _bar(character: str, probability: float, right: bool) -> str:
    mark = "✓" if right else " "
    return f"{mark} {character} {100 * probability:5.1f} %  " + ("█" * round(probability * _BAR) or "▏")

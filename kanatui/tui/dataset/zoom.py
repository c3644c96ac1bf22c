"""The dialog that shows one glyph of the preview as large as the terminal allows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Label
from typing_extensions import override

from kanatui.tui.widgets.glyphs import GlyphView
from kanatui.tui.widgets.keybar import KeyBar

if TYPE_CHECKING:
    from kanatui.core.blocks import Pixels


class GlyphZoom(ModalScreen[int]):
    """One glyph and its description; the arrows go to the others. Returns the index of the last one shown."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left,up", "walk(-1)", "Previous", key_display="←"),
        Binding("right,down", "walk(1)", "Next", key_display="→"),
        Binding("escape,enter,q", "leave", "Close", key_display="esc"),
    ]

    def __init__(self, images: Sequence[Pixels], titles: Sequence[str], index: int) -> None:
        """Open on one of several glyphs.

        Args:
            images: uint8 [H, W] each.
            titles: one line about each image.
            index: the image to show first.
        """
        super().__init__()
        self._images, self._titles, self._index = images, titles, index

    @override
    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog wide"):
            yield Label("", classes="title", markup=False)
            yield GlyphView()
            yield KeyBar()

    def on_mount(self) -> None:
        self.action_walk(0)

    def action_walk(self, by: int) -> None:
        self._index = (self._index + by) % len(self._images)
        self.query_one(Label).update(self._titles[self._index])
        self.query_one(GlyphView).show(self._images[self._index])

    def action_leave(self) -> None:
        """Close and return the current index."""
        self.dismiss(self._index)

"""Draws small pictures of characters in braille, eight dots per cell."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.segment import Segment
from textual.strip import Strip
from textual.widget import Widget
from typing_extensions import override

from kanatui.tui.host import host

if TYPE_CHECKING:
    from kanatui.pictures.drawing import Pixels


class Picture(Widget):
    """One picture, as large as fits, in the text colour."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._image: Pixels | None = None

    def show(self, image: Pixels | None) -> None:
        """Show a picture, uint8 [H, W], or nothing."""
        self._image = image
        self.refresh()

    @override
    def notify_style_update(self) -> None:
        """Redraw after a change of theme or of plain characters."""
        super().notify_style_update()
        self.refresh()

    @override
    def render_line(self, y: int) -> Strip:
        """Return one line, with the picture at the top left."""
        width, height = self.size
        side = min(width, 2 * height) // 2 * 2
        if self._image is None or side < 2 or y >= side // 2:
            return Strip.blank(width, self.rich_style)
        line = Segment(self._lines(side)[y], self.rich_style)
        return Strip([line], side).adjust_cell_length(width, self.rich_style)

    def _lines(self, side: int) -> list[str]:
        from kanatui.core.mosaic import WAYS, fit

        assert self._image is not None
        way = WAYS["ascii" if host(self).ascii else "braille"]
        return [line[0][0] for line in fit(self._image, way, side, side // 2).lines()]

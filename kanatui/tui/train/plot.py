"""textual-plot's widget, made to send only the lines that changed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Region
from textual.widget import Widget
from textual_hires_canvas import Canvas
from textual_plot import PlotWidget
from textual_plot.axis_formatter import NumericAxisFormatter
from textual_plot.plot_widget import VLinePlot
from typing_extensions import override

_MARGIN_LEFT = 7
_MOST_TICKS = 5


class StepTicks(NumericAxisFormatter):
    """Few ticks, written short: 500, 1.5k, 20k, 3M."""

    @override
    def get_ticks(self, min_: float, max_: float, max_ticks: int = _MOST_TICKS) -> list[float]:
        """Return where ticks stand."""
        ticks = super().get_ticks(min_, max_, _MOST_TICKS)
        return ticks[:: 1 + len(ticks) // (_MOST_TICKS + 2)]

    @override
    def get_labels_for_ticks(self, ticks: Sequence[float]) -> list[str]:
        """Return what is written at each tick."""
        return [_short(tick) for tick in ticks]


def _short(number: float) -> str:
    for unit, size in (("M", 1e6), ("k", 1e3)):
        if abs(number) >= size:
            return f"{number / size:g}{unit}"
    return f"{number:.6g}"


class Plot(PlotWidget, inherit_bindings=False):
    """Curves to zoom into and move about in."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(
            "plus,equals_sign", "zoom_in", "Zoom", key_display="+", tooltip="Zoom into the curves; arrows move them"
        ),
        Binding("minus", "zoom_out", "Zoom out", show=False, key_display="-"),
        Binding("left", "pan_left", "Earlier", show=False),
        Binding("right", "pan_right", "Later", show=False),
        Binding("up", "pan_up", "Higher", show=False),
        Binding("down", "pan_down", "Lower", show=False),
        Binding("shift+left", "zoom_x_out", "Zoom out in time", show=False),
        Binding("shift+right", "zoom_x_in", "Zoom into time", show=False),
        Binding("r", "reset_scales", "Whole curve", show=False, tooltip="Show the whole curve again"),
    ]

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._waiting = False
        self.moved = False
        """Whether the user chose what part to see."""
        self._letters: dict[float, str] = {}

    @override
    def on_mount(self) -> None:
        """Leave little room round the curves: terminals are small."""
        super().on_mount()
        self.margin_top, self.margin_bottom, self.margin_left = 0, 1, _MARGIN_LEFT
        self.set_x_formatter(StepTicks())

    @override
    def clear(self) -> None:
        """Take everything away."""
        self._letters = {}
        super().clear()

    def mark(self, x: float, letter: str, style: str) -> None:
        """Draw an upright line with a letter at its top, which tells marks apart without colour."""
        self._letters[x] = letter
        self.add_v_line(x, style)

    @override
    def _render_v_line_plot(self, vline: VLinePlot) -> None:
        if self.span[0] <= vline.x <= self.span[1]:
            super()._render_v_line_plot(vline)
            x, _ = self.get_pixel_from_coordinate(vline.x, 0)
            self.query_one("#plot", Canvas).set_pixel(x, 1, self._letters[vline.x], f"bold {vline.line_style}")

    @property
    def span(self) -> tuple[float, float]:
        """The steps between which it is drawn."""
        return self._x_min, self._x_max

    @override
    def _rerender(self) -> None:
        # Repainting the whole widget at each of the calls that make up a picture cost 16 kB a second at 82×16, twice
        # what the picture takes; only lines that differ from what is shown cost a tenth of that.
        self._needs_rerender = True
        if not self._waiting and self.is_attached:
            self._waiting = True
            self.call_later(self._draw)

    def _draw(self) -> None:
        """Draw what has changed and repaint the lines that differ."""
        self._waiting = False
        canvases = list(self.query(Canvas))
        before = [(canvas._buffer, canvas._styles) for canvas in canvases]
        for canvas in canvases:
            canvas._refreshes_pending += 1
        try:
            self.render()
        finally:
            for canvas in canvases:
                canvas._refreshes_pending -= 1
        for canvas, (letters, styles) in zip(canvases, before, strict=True):
            _repaint(canvas, letters, styles)

    @override
    def _zoom(self, center_x: float, center_y: float, factor: float, zoom_x: bool, zoom_y: bool) -> None:
        self.moved = True
        super()._zoom(center_x, center_y, factor, zoom_x, zoom_y)

    @override
    def _pan(self, factor_x: float, factor_y: float) -> None:
        self.moved = True
        super()._pan(factor_x, factor_y)

    @override
    def action_reset_scales(self) -> None:
        """Show the whole curve again."""
        self.moved = False
        super().action_reset_scales()

    def on_resize(self, event: events.Resize) -> None:
        """Draw anew in the new size."""
        self._needs_canvas_resize = True
        self._rerender()


def _repaint(canvas: Canvas, letters: list[list[str]], styles: list[list[str]]) -> None:
    """Repaint the lines of a canvas that differ from what it showed."""
    if len(letters) != len(canvas._buffer):
        Widget.refresh(canvas)
        return
    width = canvas.size.width
    for y, (line, style) in enumerate(zip(canvas._buffer, canvas._styles, strict=True)):
        if line != letters[y] or style != styles[y]:
            Widget.refresh(canvas, Region(0, y, width, 1))

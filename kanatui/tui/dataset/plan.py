"""The plan line: how many images a recipe makes, how large, how long, and what is left out. Never a stale figure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from textual.binding import Binding, BindingType
from textual.content import Content
from textual.widgets import Static

from kanatui.core.units import bytes_text, counted, duration
from kanatui.tui.widgets.dialogs import Details


class PlanLine(Static, can_focus=True):
    """The plan. Enter says what is left out."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "why", "Why left out", tooltip="Which glyphs are left out, and which faces are missing")
    ]

    def __init__(self, **options: Any) -> None:
        super().__init__("… planning", markup=False, **options)
        self._layout: Mapping[str, Any] | None = None
        self._error = ""

    @property
    def failed(self) -> bool:
        """Whether there is no plan."""
        return bool(self._error)

    def unsettle(self) -> None:
        """Something changed: until the new plan is there, no figure of the old one is shown."""
        self._layout, self._error = None, ""
        self.update(Content.styled("… planning", "$text-muted"))

    def fail(self, error: str) -> None:
        """Say that there is no plan, and why."""
        self._layout, self._error = None, error
        self.update(Content.styled(f"✗ no plan: {error}", "$text-error"))

    def settle(self, layout: Mapping[str, Any], image_size: int, rate: Mapping[str, Any] | None) -> None:
        """Show a plan.

        Args:
            layout: as the engine's job ``layout`` gives it.
            image_size: pixels along a side.
            rate: as the engine's job ``rate`` gives it; None while it is being measured.
        """
        self._layout, self._error = layout, ""
        self.update(Content(plan_text(layout, image_size, rate)))

    def on_click(self) -> None:
        """Show the details."""
        self.action_why()

    def action_why(self) -> None:
        """Show which glyphs are left out and which faces are missing."""
        if self._error:
            self.app.push_screen(Details("There is no plan", self._error))
        elif self._layout is not None:
            self.app.push_screen(Details("What is left out", plan_details(self._layout)))


def plan_text(layout: Mapping[str, Any], image_size: int, rate: Mapping[str, Any] | None) -> str:
    """Write a plan in one line; the arguments are those of :meth:`PlanLine.settle`."""
    least, most = layout["least"], layout["most"]
    each = f"{most:,}" if least == most else f"{least:,} to {most:,}"
    parts = [
        f"{counted(len(layout['characters']), 'character')} × {each} = {counted(layout['images'], 'image')}",
        f"{image_size} px",
        bytes_text(layout["bytes"]),
        _time(layout["images"], rate),
    ]
    left_out = sum(len(characters) for _, characters in layout["left_out"])
    if left_out:
        parts.append(f"{counted(left_out, 'glyph')} left out (why: enter)")
    missing = len(layout["missing_faces"])
    if missing:
        parts.append(f"{counted(missing, 'face')} not installed" + ("" if left_out else " (which: enter)"))
    return " · ".join(parts)


def _time(images: int, rate: Mapping[str, Any] | None) -> str:
    if rate is None:
        return "time …"
    return f"about {duration(images / max(rate['rate'] * rate['workers'], 1e-9))}"


def plan_details(layout: Mapping[str, Any]) -> str:
    """Write out what a plan leaves out, and how to get the faces that are missing."""
    lines = [f"{face} cannot draw {characters}" for face, characters in layout["left_out"]]
    if layout["undrawable"]:
        lines += ["", f"no ticked face draws, left out altogether: {layout['undrawable']}"]
    if layout["missing_faces"]:
        lines += ["", "not installed: " + ", ".join(layout["missing_faces"])]
        lines += ["", "To install them:", f"  {layout['install']}"] if layout["install"] else []
    return "\n".join(lines).strip() or "Nothing: every ticked face is installed and draws every character."

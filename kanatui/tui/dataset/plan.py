"""The plan line: a recipe's number of images, size, time and left-out glyphs; it never shows a stale figure."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar

from textual import work
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.widgets import Static
from typing_extensions import override

from kanatui.core.errors import KanatuiError, Superseded
from kanatui.core.units import bytes_text, counted, duration
from kanatui.dataset.recipe import Recipe
from kanatui.tui.dataset.draft import Draft
from kanatui.tui.host import host
from kanatui.tui.widgets.dialogs import Details
from kanatui.tui.words import in_the_app

_ASKS_AFTER = 0.05
"""Seconds to wait, so that the preview asks the engine first."""

_IDLE_BEFORE_RATE = 0.5
"""Seconds without a change before the rate is measured, which keeps the engine busy for a quarter of a second."""


@dataclasses.dataclass(frozen=True)
class Takes:
    """What writing a data set takes, as estimated."""

    images: int
    bytes: int
    seconds: float

    @override
    def __str__(self) -> str:
        return f"{counted(self.images, 'image')}, {bytes_text(self.bytes)}, about {duration(self.seconds)}"


class PlanLine(Static, can_focus=True):
    """The plan. Enter shows what is left out."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "why", "Why left out", tooltip="Which glyphs are left out, and which faces are missing")
    ]

    def __init__(self, **options: Any) -> None:
        super().__init__("… planning", markup=False, **options)
        self._draft: Draft | None = None
        self._layout: Mapping[str, Any] | None = None
        self._rate: Mapping[str, Any] | None = None
        self._error = ""

    @property
    def failed(self) -> bool:
        """Whether the last plan failed."""
        return bool(self._error)

    def follow(self, draft: Draft) -> None:
        """Show the plan of a draft; the old figures disappear at once."""
        self._draft, self._layout, self._rate, self._error = draft, None, None, ""
        self.update(Content.styled("… planning", "$text-muted"))
        self._ask(draft)

    def refuse(self, error: str) -> None:
        """Show why there is no plan: a field is invalid."""
        self.workers.cancel_group(self, "plan")
        self._draft = None
        self._fail(error)

    @work(exclusive=True, group="plan")
    async def _ask(self, draft: Draft) -> None:
        """Ask for the plan and, once the draft has rested for a moment, for the time it takes."""
        engine = host(self).engine("preview")
        await asyncio.sleep(_ASKS_AFTER)
        try:
            recipe = draft.recipe()
            layout = (await engine.ask("layout", slot="layout", recipe=recipe.to_dict())).data
            self._settle(draft, layout, None)
            await asyncio.sleep(_IDLE_BEFORE_RATE)
            rate = (await engine.ask("rate", slot="rate", recipe=recipe.to_dict())).data
            self._settle(draft, layout, rate)
        except Superseded:
            return
        except KanatuiError as error:
            if draft is self._draft:
                self._fail(in_the_app(error))

    async def takes(self, recipe: Recipe) -> Takes:
        """Return what writing a recipe's data set takes, as planned or, if that has not come yet, planned now.

        Raises:
            EngineError: it cannot be planned.
        """
        layout, rate = self._layout, self._rate
        if self._draft is None or layout is None or self._draft.recipe().to_dict() != recipe.to_dict():
            layout, rate = None, None
        engine = host(self).engine("preview")
        if layout is None:
            layout = (await engine.ask("layout", recipe=recipe.to_dict())).data
        if rate is None:
            rate = (await engine.ask("rate", recipe=recipe.to_dict())).data
        return Takes(layout["images"], layout["bytes"], _seconds(layout["images"], rate))

    def _fail(self, error: str) -> None:
        self._layout, self._error = None, error
        self.update(Content.styled(f"✗ no plan: {error}", "$text-error"))

    def _settle(self, draft: Draft, layout: Mapping[str, Any], rate: Mapping[str, Any] | None) -> None:
        """Show a plan, unless it is that of an older draft."""
        if draft is self._draft:
            self._layout, self._rate, self._error = layout, rate, ""
            self.update(Content(plan_text(layout, draft.fields["image_size"], rate)))

    def on_click(self) -> None:
        self.action_why()

    def action_why(self) -> None:
        if self._error:
            self.app.push_screen(Details("No plan", self._error))
        elif self._layout is not None:
            self.app.push_screen(Details("What is left out", plan_details(self._layout)))


def plan_text(layout: Mapping[str, Any], image_size: int, rate: Mapping[str, Any] | None) -> str:
    """Return a plan in one line.

    Args:
        layout: the result of the engine's job ``layout``.
        image_size: pixels per side.
        rate: the result of the engine's job ``rate``; None while it is being measured.
    """
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
    if layout["unusable"]:
        parts.append(f"{counted(len(layout['unusable']), 'face')} cannot be used (why: enter)")
    missing = len(layout["missing_faces"])
    if missing:
        parts.append(f"{counted(missing, 'face')} not installed" + ("" if left_out else " (which: enter)"))
    return " · ".join(parts)


def _time(images: int, rate: Mapping[str, Any] | None) -> str:
    if rate is None:
        return "time …"
    return f"about {duration(_seconds(images, rate))}"


def _seconds(images: int, rate: Mapping[str, Any]) -> float:
    return float(images / max(rate["rate"] * rate["workers"], 1e-9))


def plan_details(layout: Mapping[str, Any]) -> str:
    """Return the glyphs that a plan leaves out, and how to install the missing faces, in several lines."""
    lines = [f"{face} is left out: {why}" for face, why in layout["unusable"]]
    lines += [f"{face} cannot draw {characters}" for face, characters in layout["left_out"]]
    if layout["undrawable"]:
        lines += ["", f"in no ticked face, left out entirely: {layout['undrawable']}"]
    if layout["missing_faces"]:
        lines += ["", "not installed: " + ", ".join(layout["missing_faces"])]
        lines += ["", "To install them:", f"  {layout['install']}"] if layout["install"] else []
    return "\n".join(lines).strip() or "Nothing: every ticked face is installed and draws every character."

"""The dialog that shows one glyph as large as the terminal allows, and what each augmentation did to it."""

from __future__ import annotations

import dataclasses
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Label, OptionList
from textual.widgets.option_list import Option
from typing_extensions import override

from kanatui.core.errors import KanatuiError, Superseded
from kanatui.tui.widgets.glyphs import GlyphView
from kanatui.tui.widgets.keybar import KeyBar

if TYPE_CHECKING:
    from kanatui.core.blocks import Pixels


@dataclasses.dataclass(frozen=True)
class Stages:
    """How one image came about."""

    images: Any
    """The glyph alone, and after each step: uint8 [steps + 1, H, W]."""
    plugins: Sequence[str]
    """The augmentation of each step."""
    drawn: Sequence[str]
    """What each step drew for this image, in words."""


class GlyphZoom(ModalScreen[int]):
    """One glyph and its description; ←→ go to the others, ↑↓ to the steps. Returns the index of the last one shown."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left", "walk(-1)", "Previous", key_display="←", priority=True),
        Binding("right", "walk(1)", "Next", key_display="→", priority=True),
        Binding("up", "step(-1)", "Step", key_display="↑↓", priority=True, tooltip="Before and after each step"),
        Binding("down", "step(1)", show=False, priority=True),
        Binding("escape,enter,q", "leave", "Close", key_display="esc", priority=True),
    ]

    def __init__(
        self,
        images: Sequence[Pixels],
        titles: Sequence[str],
        index: int,
        stages: Callable[[int], Awaitable[Stages | None]] | None = None,
    ) -> None:
        """Open on one of several glyphs.

        Args:
            images: uint8 [H, W] each.
            titles: one line about each image.
            index: the image to show first.
            stages: returns how an image came about, None if there is nothing to tell; without it, no image has steps.
        """
        super().__init__()
        self._images, self._titles, self._index = images, titles, index
        self._ask = stages
        self._stages: Stages | None = None

    @override
    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog wide"):
            yield Label("", classes="title", markup=False)
            with Horizontal():
                with Vertical(id="zoom-before"):
                    yield Label("", markup=False)
                    yield GlyphView(top=True)
                with Vertical(id="zoom-after"):
                    yield Label("", markup=False)
                    yield GlyphView(top=True)
                yield OptionList(id="zoom-steps")
            yield KeyBar()

    def on_mount(self) -> None:
        self.query_one(OptionList).display = self._ask is not None
        self.action_walk(0)

    def action_walk(self, by: int) -> None:
        """Go to another glyph; the same step stays under the cursor."""
        self._index = (self._index + by) % len(self._images)
        self.query_one(".title", Label).update(self._titles[self._index])
        self._stages = None
        if self._ask is not None:
            self._look()
        self._show()

    @work(exclusive=True, group="stages")
    async def _look(self) -> None:
        assert self._ask is not None
        steps = self.query_one(OptionList)
        try:
            stages = await self._ask(self._index)
        except Superseded:
            return
        except KanatuiError as error:
            steps.set_options([Option(Content(str(error)), disabled=True)])
            return
        if stages is None or not self.is_running:
            return
        self._stages = stages
        place = steps.highlighted or 0
        told = zip(stages.plugins, stages.drawn, strict=True)
        steps.set_options(
            [
                Option(Content("the image")),
                *(
                    Option(Content.assemble(f"{number} {plugin}\n", (f"  {drawn}", "$text-muted")))
                    for number, (plugin, drawn) in enumerate(told, start=1)
                ),
            ]
        )
        steps.highlighted = min(place, len(stages.plugins))
        self._show()

    def action_step(self, by: int) -> None:
        """Go to another step: the image before it and after it are side by side."""
        steps = self.query_one(OptionList)
        if self._stages is not None and steps.highlighted is not None:
            steps.highlighted = max(0, min(steps.highlighted + by, len(self._stages.plugins)))

    @on(OptionList.OptionHighlighted)
    def _show(self) -> None:
        step, stages = self.query_one(OptionList).highlighted or 0, self._stages
        before = self.query_one("#zoom-before")
        compared = stages is not None and step > 0
        before.display = compared
        if compared and stages is not None:
            self._fill("before", stages.images[step - 1], f"before {stages.plugins[step - 1]}")
            self._fill("after", stages.images[step], f"after: {stages.drawn[step - 1]}")
        else:
            self._fill("after", self._images[self._index], "")

    def _fill(self, side: str, image: Pixels, text: str) -> None:
        self.query_one(f"#zoom-{side} GlyphView", GlyphView).show(image)
        self.query_one(f"#zoom-{side} Label", Label).update(text)

    def action_leave(self) -> None:
        """Close and return the current index."""
        self.dismiss(self._index)

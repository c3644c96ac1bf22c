"""The live preview: a sheet of the edited recipe's images, or pairs without and with one step."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from textual import on, work
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.widgets import Static
from typing_extensions import override

from kanatui.core.errors import KanatuiError
from kanatui.tui.dataset.draft import Draft
from kanatui.tui.dataset.zoom import GlyphZoom, Stages
from kanatui.tui.host import host
from kanatui.tui.widgets.glyphs import GlyphSheet
from kanatui.tui.words import in_the_app

if TYPE_CHECKING:
    from kanatui.engine.client import Answer

_DEBOUNCE = 0.02
"""Seconds within which several changes count as one: a repeating key sends 30 a second."""

_PATIENCE = 0.5
"""Seconds that pending images may still take when newer ones are wanted. Cached glyphs need a fifth of that, so a held
key shows its effect; images whose glyphs must be rendered first are cancelled."""


@dataclasses.dataclass(frozen=True)
class PreviewImages:
    """Images from the engine, uint8 [n, H, W], and what each of them shows."""

    images: Any
    after: Any
    """The same images with one more step, uint8 [n, H, W]; None without a comparison."""
    characters: Sequence[str]
    faces: Sequence[str]
    numbers: Sequence[int]
    indices: Sequence[int]
    """Which images of the data set they are."""
    recipe: dict[str, Any]
    """The recipe that they are of, with the step that is compared."""

    def title(self, index: int) -> str:
        """Return an image's character, code point, face and number in one line."""
        character = self.characters[index]
        return f"{character}  U+{ord(character):04X} · {self.faces[index]} · image {self.numbers[index]:,}"


class PreviewPanel(Vertical):
    """The preview of the recipe."""

    def __init__(self, draft: Draft, **options: Any) -> None:
        super().__init__(**options)
        self._draft = draft
        self._step: int | None = None
        self.shown: PreviewImages | None = None
        """What is on the sheet, None while it is empty."""
        self._order: list[tuple[int, bool] | None] = []
        self._draws = 0
        self._behind = False  # the draft has changed since the last request
        self._drawing = False
        self._limit: asyncio.Timeout | None = None  # of the pending request
        self.comparing = False
        # Kept as attributes: an answer may come while the app closes and they have left the tree.
        self.sheet = GlyphSheet("drawing the first glyphs …", id="preview-sheet")
        self._about_line = Static("", id="preview-about", markup=False)
        self._error_line = Static("", id="preview-error", markup=False)

    @override
    def compose(self) -> ComposeResult:
        yield self._about_line
        yield self._error_line
        yield self.sheet

    def show(self, draft: Draft, step: int | None) -> None:
        """Show a draft's images; a comparison is about ``step``, the index of the step under the cursor."""
        if draft is self._draft and self.shown is not None and (step == self._step or not self.comparing):
            self._step = step
            return
        self._draft, self._step = draft, step
        self.draw()

    def redraw(self) -> None:
        """Show different images of the same recipe."""
        self._draws += 1
        self.draw()

    def compare(self) -> None:
        """Start or end comparing each glyph without and with the step under the cursor."""
        self.comparing = not self.comparing
        self.draw()

    def draw(self) -> None:
        """Request new images. A pending request is shown first, unless it takes long."""
        self._behind = True
        if self._limit is not None and self._limit.when() is None:
            self._limit.reschedule(asyncio.get_running_loop().time() + _PATIENCE)
        if not self._drawing:
            self._drawing = True
            self._catch_up()

    @work(group="preview")
    async def _catch_up(self) -> None:
        try:
            while self._behind:
                await asyncio.sleep(_DEBOUNCE)
                self._behind = False
                with contextlib.suppress(TimeoutError):  # cancelled in favour of newer ones
                    await self._draw()
        finally:
            self._drawing = False

    async def _draw(self) -> None:
        about = self._about()  # now: it may have changed when the answer comes
        try:
            recipe = self._draft.recipe(including=self._compared).to_dict()
            async with asyncio.timeout(None) as self._limit:
                answer = await self._ask(recipe)
        except KanatuiError as error:
            self._fail(error)
            return
        finally:
            self._limit = None
        data, arrays = answer.data, answer.arrays
        first = arrays["images"] if "images" in arrays else arrays["before"]
        self.shown = PreviewImages(
            first, arrays.get("after"), data["characters"], data["faces"], data["numbers"], data["indices"], recipe
        )
        self._about_line.update(about)
        self._lay_out()
        if self.has_class("failed"):
            self.remove_class("failed")
            self.call_after_refresh(self.draw)  # the sheet regains the lines of the error

    async def _ask(self, recipe: dict[str, Any]) -> Answer:
        engine = host(self).engine("preview")
        step = self._compared
        wanted: dict[str, Any] = {"recipe": recipe, "count": self._count, "draw": self._draws}
        if step is None:
            return await engine.ask("sheet", on_progress=self._progress, **wanted)
        wanted["step"] = self._draft.position(step)
        return await engine.ask("before_after", on_progress=self._progress, **wanted)

    @property
    def _compared(self) -> int | None:
        if not self.comparing or self._step is None or self._step >= len(self._draft.steps):
            return None
        return self._step

    @property
    def _count(self) -> int:
        """Return how many images fit, counting a partly visible last row."""
        sheet = self.sheet
        rows = -(-max(1, sheet.size.height) // (sheet.tile // 2 + 1))
        return sheet.columns * (-(-rows // 2) if self.comparing else rows)

    def _progress(self, done: int, total: int, text: str) -> None:
        self._about_line.update(f"… {text} {done:,}/{total:,}")

    def _fail(self, error: KanatuiError) -> None:
        details = getattr(error, "details", "")
        text = in_the_app(error)
        self.shown = None
        self.sheet.say("")
        self.add_class("failed")
        self._about_line.update("")
        self._error_line.update(f"✗ {text}")
        if details:
            host(self).tell_problem(error)

    def _about(self) -> str:
        step = self._compared
        if step is not None:
            plugin = self._draft.steps[step].augment.plugin
            return f"below each: with {plugin} (b: back)"
        if self.comparing:
            return "no augmentation under the cursor to compare (b: back)"
        return f"preview{f' · draw {self._draws + 1}' if self._draws else ''} (r: others)"

    # ── layout ────────────────────────────────────────────────────────────────────────────────────────────────────

    def _lay_out(self) -> None:
        """Put the glyphs on the sheet; the first of a pair is above the second."""
        shown = self.shown
        if shown is None:
            return
        count = len(shown.images)
        self._order = [(index, False) for index in range(count)]
        if shown.after is not None:
            columns = self.sheet.columns_for(2 * count)
            rows = [[*range(start, min(start + columns, count))] for start in range(0, count, columns)]
            self._order = [entry for row in rows for entry in (*_row(row, False, columns), *_row(row, True, columns))]
        glyphs = sum(entry is not None for entry in self._order)
        self.sheet.show(self._pictures(), [self._caption(entry) for entry in self._order], glyphs=glyphs)

    def _pictures(self) -> Any:
        import numpy as np

        assert self.shown is not None
        shown = self.shown
        if shown.after is None:
            return shown.images
        blank = np.zeros_like(shown.images[0])
        pick = {False: shown.images, True: shown.after}
        return np.stack([blank if entry is None else pick[entry[1]][entry[0]] for entry in self._order])

    def _caption(self, entry: tuple[int, bool] | None) -> str:
        assert self.shown is not None
        if entry is None:
            return ""
        index, with_step = entry
        character = self.shown.characters[index]
        if self.shown.after is None:
            return f"{character} {self.shown.faces[index]}"
        if not with_step:
            return f"{character} without"
        same = bool((self.shown.images[index] == self.shown.after[index]).all())
        return f"{character} unchanged" if same else f"{character} with"

    def _title(self, entry: tuple[int, bool] | None) -> str:
        assert self.shown is not None
        if entry is None:
            return ""
        title = self.shown.title(entry[0])
        return title if self.shown.after is None else f"{title} · {self._caption(entry).partition(' ')[2]}"

    def on_resize(self) -> None:
        if self.shown is None or len(self.shown.images) != self._count:
            self.draw()
        elif self.comparing:
            self._lay_out()

    @on(GlyphSheet.Resized)
    def _fill(self, event: GlyphSheet.Resized) -> None:
        """Draw as many images as fit now."""
        event.stop()
        self.on_resize()

    @on(GlyphSheet.Selected)
    @work
    async def _zoom(self, event: GlyphSheet.Selected) -> None:
        if self.shown is not None:
            titles = [self._title(entry) for entry in self._order]
            order, shown = self._order, self.shown

            async def stages(place: int) -> Stages | None:
                entry = order[place]
                return None if entry is None else await self._stages_of(shown, entry[0])

            last = await self.app.push_screen_wait(GlyphZoom(self._pictures(), titles, event.index, stages))
            self.sheet.cursor = last if last is not None else event.index

    async def _stages_of(self, shown: PreviewImages, index: int) -> Stages:
        answer = (
            await host(self)
            .engine("preview")
            .ask("stages", slot="stages", recipe=shown.recipe, index=shown.indices[index])
        )
        steps = answer.data["steps"]
        return Stages(answer.arrays["images"], [step["plugin"] for step in steps], [step["drawn"] for step in steps])


def _row(row: list[int], with_step: bool, columns: int) -> list[tuple[int, bool] | None]:
    """Return a row of the sheet, padded with None so that the next one starts below it."""
    blanks: list[tuple[int, bool] | None] = [None] * (columns - len(row))
    return [*((index, with_step) for index in row), *blanks]

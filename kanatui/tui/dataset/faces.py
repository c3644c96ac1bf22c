"""The Faces tab: which font faces the glyphs come from."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import OptionList, Static
from typing_extensions import override

from kanatui.core.errors import EngineError, KanatuiError, Superseded
from kanatui.dataset.recipe import Recipe, source_tables
from kanatui.tui.dataset.browse import Browser, of_face
from kanatui.tui.dataset.draft import Draft, ticked_faces
from kanatui.tui.dataset.messages import Edited
from kanatui.tui.host import host
from kanatui.tui.widgets.dialogs import Details
from kanatui.tui.widgets.filter import Filterable, FilterLine, searchable
from kanatui.tui.widgets.ticks import OPEN, PARTLY, TICKED, TickList, line
from kanatui.tui.words import in_the_app

_ASKS_AFTER = 0.1
"""Seconds to wait, so that preview and plan ask the engine first."""

_GLYPH = 96
"""Pixels of a glyph that is looked at."""

_ROOM_FOR_WEIGHT = 46
"""Columns from which a face's weight is shown, too."""


class FacesPanel(Vertical, Filterable):
    """The faces, grouped by style, to tick."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("a", "tick_all(True)", "All", tooltip="Tick every face that is shown"),
        Binding("n", "tick_all(False)", "None", tooltip="Tick no face of those shown"),
        Binding("o", "glyphs", "Glyphs", tooltip="Show all glyphs of the face under the cursor"),
        Binding("i", "install", "Install", tooltip="Show the command that installs the missing faces"),
    ]

    def __init__(self, draft: Draft, **options: Any) -> None:
        super().__init__(**options)
        self._draft = draft
        self._faces: Sequence[Mapping[str, Any]] = ()
        self._known: list[Any] = []
        self._rows: list[str | int] = []
        self._install = ""

    @property
    def filled(self) -> bool:
        """Whether the faces have been loaded."""
        return bool(self._faces)

    @override
    def compose(self) -> ComposeResult:
        yield Static("looking at the faces …", id="faces-state", markup=False)
        faces = TickList(id="faces")
        faces.tooltip = "faces: the fonts that characters are drawn with; a heading stands for all of its style"
        yield faces
        yield FilterLine(id="faces-filter")

    def on_resize(self) -> None:
        self._repaint()

    def on_show(self) -> None:
        self._repaint()  # what came while another tab was shown

    def show(self, draft: Draft) -> None:
        """Show a draft's ticked faces."""
        self._draft = draft
        self._repaint()

    @work(exclusive=True, group="faces")
    async def look(self) -> None:
        """Find the faces that the draft's glyph sources have, and how many of its characters each covers."""
        await asyncio.sleep(_ASKS_AFTER)

        def progress(done: int, total: int, text: str) -> None:
            self._say(f"… looking at the faces: {text} {done}/{total}")

        wanted = {"characters": self._draft.fields["characters"], "sources": source_tables(self._draft.sources)}
        try:
            answer = await host(self).engine("preview").ask("faces", slot="faces", on_progress=progress, **wanted)
        except Superseded:
            return
        except EngineError as error:
            self._say(f"✗ {in_the_app(error)}")
            return
        self._fill(answer.data["faces"], answer.data["install"])

    def _say(self, text: str) -> None:
        if self.is_running:  # the engine may still answer while the app closes
            self.query_one("#faces-state", Static).update(text)

    def _fill(self, faces: Sequence[Mapping[str, Any]], install: str) -> None:
        """Show the faces.

        Args:
            faces: the result of the engine's job ``faces``.
            install: the command that installs the missing ones, "" if none is missing.
        """
        from kanatui.fonts.faces import STYLES, UNKNOWN, Face

        styles = (*STYLES, UNKNOWN)
        self._faces = sorted(faces, key=lambda face: styles.index(face["style"]))
        self._known = [
            Face(
                face["id"], face["style"], face["weight"], face["licence"], face["package"], None, 0, "", face["source"]
            )
            for face in self._faces
        ]
        self._install = install
        self._narrow()

    @on(FilterLine.Changed)
    def _narrow(self) -> None:
        """Show the faces that have the words looked for, below their styles."""
        ticks, terms = self.query_one(TickList), self.terms
        place = ticks.highlighted
        here = self._rows[place] if place is not None and place < len(self._rows) else None
        shown = [i for i, face in enumerate(self._faces) if terms.match(_search(face))]
        self._rows = []
        for style in dict.fromkeys(self._faces[i]["style"] for i in shown):
            self._rows += [style, *(i for i in shown if self._faces[i]["style"] == style)]
        self.filter_line.count(len(shown), len(self._faces))
        if not self._rows:
            ticks.clear_options()
        self._repaint(self._rows.index(here) if here in self._rows else None)

    @property
    def _shown(self) -> frozenset[str]:
        """The ids of the faces that have the words looked for."""
        return frozenset(self._faces[row]["id"] for row in self._rows if not isinstance(row, str))

    def _repaint(self, cursor: int | None = None) -> None:
        ticks = self.query_one(TickList)
        width = ticks.scrollable_content_region.width
        if not self._rows or width < 1:
            return
        ticked = ticked_faces(self._known, self._draft.fields["faces"])
        present = sum(face["installed"] for face in self._faces)
        missing = "" if present == len(self._faces) else f" · {len(self._faces) - present} not installed (i: how)"
        self._say(f"{len(ticked)} of {len(self._faces)} ticked{missing}")
        ticks.show([self._line(row, ticked, width) for row in self._rows], cursor)

    def _line(self, row: str | int, ticked: frozenset[str], width: int) -> Content:
        if isinstance(row, str):
            ids = self._of_style(row)
            count = len(ids & ticked)
            tick = TICKED if count == len(ids) else PARTLY if count else OPEN
            return line(f"{tick} {row}", f"{count} of {len(ids)}", width, "bold")
        face = self._faces[row]
        tick = TICKED if face["id"] in ticked else OPEN
        name = f" {tick} {face['id']}"
        if face["problem"]:
            return line(name, "cannot be used (i: why)", width, "$text-warning")
        if not face["installed"]:
            return line(name, f"not installed: {face['package'] or 'no package'}", width, "$text-muted")
        weight = f"{face['weight']:10} " if width >= _ROOM_FOR_WEIGHT else ""
        lacking = face["covered"] < face["of"]
        covered = f"{'lacks some ' if lacking and width >= _ROOM_FOR_WEIGHT + 11 else ''}{face['covered']}/{face['of']}"
        return line(name, weight + covered, width, right_style="$text-warning" if lacking else "$text-muted")

    def _of_style(self, style: str) -> frozenset[str]:
        """Return the ids of the faces of a style that are shown."""
        return frozenset(face["id"] for face in self._faces if face["style"] == style) & self._shown

    @on(TickList.Ticked)
    @on(OptionList.OptionSelected)
    def _tick(self, event: TickList.Ticked | OptionList.OptionSelected) -> None:
        event.stop()
        row = self._rows[event.index if isinstance(event, TickList.Ticked) else event.option_index]
        ids = self._of_style(row) if isinstance(row, str) else frozenset([self._faces[row]["id"]])
        ticked = ticked_faces(self._known, self._draft.fields["faces"])
        self._choose(ticked - ids if ids <= ticked else ticked | ids)

    def _choose(self, ids: frozenset[str]) -> None:
        known = self._known
        self.post_message(Edited(lambda draft: draft.with_faces(known, ids)))

    def action_tick_all(self, on: bool) -> None:
        ticked = ticked_faces(self._known, self._draft.fields["faces"])
        self._choose(ticked | self._shown if on else ticked - self._shown)

    @work(exclusive=True, group="glyphs")
    async def action_glyphs(self) -> None:
        """Show the recipe's characters as the face under the cursor draws them."""
        highlighted = self.query_one(TickList).highlighted
        row = self._rows[highlighted] if highlighted is not None and highlighted < len(self._rows) else ""
        if isinstance(row, str):
            return
        face = self._faces[row]
        if not face["installed"] or not face["covered"]:
            self.notify(f"{face['id']} draws none of the characters here (i: why)")
            return
        characters = self._draft.fields["characters"]
        fields = {"characters": characters, "faces": (face["id"],), "image_size": _GLYPH, "images_per_character": 1}
        recipe = Recipe("face", sources=self._draft.sources, **fields)

        def progress(done: int, total: int, text: str) -> None:
            self._say(f"… {face['id']}: {text} {done:,}/{total:,}")

        try:
            answer = (
                await host(self)
                .engine("preview")
                .ask("sheet", slot="face", on_progress=progress, recipe=recipe.to_dict(), count=face["covered"])
            )
        except Superseded:
            return
        except KanatuiError as error:
            host(self).tell_problem(error)
            return
        finally:
            self._repaint()
        self.app.push_screen(Browser(of_face(face["id"], answer.data["characters"], answer.arrays["images"])))

    def action_install(self) -> None:
        """Show how to install the missing faces, and why others cannot be used."""
        broken = [face["problem"] for face in self._faces if face["problem"]]
        missing = [face for face in self._faces if not face["problem"] and not face["installed"]]
        lines = [f"{face['id']}: {face['package'] or 'no package'}" for face in missing]
        parts = ["\n".join(part) for part in (broken, [self._install] * bool(self._install), lines) if part]
        text = "\n\n".join(parts) or "Every face is installed."
        self.app.push_screen(Details("Missing faces", text))


def _search(face: Mapping[str, Any]) -> str:
    state = "cannot be used" if face["problem"] else "" if face["installed"] else "not installed"
    return searchable([face["id"], face["style"], face["weight"], face["licence"], face["package"] or "", state])

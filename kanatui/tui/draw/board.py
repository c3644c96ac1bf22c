"""The drawing board, its readings and practice; drawings are saved as labelled samples."""

from __future__ import annotations

import asyncio
from typing import Any, ClassVar

from textual import events, on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.widgets import Select, Static
from typing_extensions import override

from kanatui.core.errors import EngineError, KanatuiError, StorageError, Superseded
from kanatui.evaluation import samples
from kanatui.evaluation.samples import Sample, Tally
from kanatui.kana.alphabet import KANA
from kanatui.kana.romaji import name_of, parse_typed
from kanatui.pictures.drawing import PEN_WIDTHS, Drawing
from kanatui.tui.draw.canvas import Canvas, Paper
from kanatui.tui.draw.practice import Practice, next_wanted
from kanatui.tui.draw.reader import Reader
from kanatui.tui.draw.readings import PLACES, PracticePrompt, Reading, ReadingRow, ReadingsPanel
from kanatui.tui.host import host
from kanatui.tui.keys import asks
from kanatui.tui.models import NONE_YET, model_for_drawing, models_for_drawing
from kanatui.tui.screen import pane
from kanatui.tui.widgets.dialogs import Ask
from kanatui.tui.widgets.form import FieldHelp
from kanatui.tui.widgets.picklist import PickList

_HINT = """Draw with the mouse, or with
arrows and space (pen down, up).
u undoes a stroke, c clears,
e erases, + and - change the pen.

Then label it: enter for the
first reading, 1–5, or t.

p asks for characters.
? shows all keys."""

_ABOUT_MODEL = "model: reads the drawing; typing narrows the list · default: the one that ships"

_PASSED = 5
"""How many of the last characters practice does not ask for again."""


class Board(Horizontal):
    """The drawing board and its readings."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(
            "enter", "accept", "Keep", tooltip="Save the drawing as the first reading, or as the character asked for"
        ),
        Binding("1", "pick(1)", "Pick", key_display="1–5", tooltip="Save the drawing as the reading with this number"),
        *(Binding(str(n), f"pick({n})", show=False) for n in range(2, PLACES + 1)),
        Binding("x", "look_alike", "Look-alike", show=False, tooltip="Save it as the first reading's look-alike"),
        Binding("t", "type", "Type", tooltip="Type the character drawn: か, ka, KA, U+304B"),
        Binding("p", "practice", "Practice", tooltip="Practise characters: least collected first, weakest first, off"),
        Binding("n", "next", "Next", tooltip="Practice: ask for another character"),
        Binding("g", "trace", "Trace", show=False, tooltip="Practice: show the character faintly, to trace it"),
        Binding(
            "U",
            "take_back",
            "Take back",
            show=False,
            key_display="U",
            tooltip="Put the last kept drawing back on the board",
        ),
        Binding("k", "script", "Script", show=False, tooltip="Read all kana, hiragana only, katakana only"),
        Binding("m", "model", "Model", show=False, tooltip="Choose the model"),
        Binding("escape", "leave", "Leave the board", show=False, tooltip="Leave the board; 1–4 switch screens again"),
    ]

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._reader = Reader(lambda: host(self).engine("draw"))
        self._read_up = asyncio.Event()
        self._read_up.set()
        self._practice = Practice.OFF
        self._wanted = ""
        self._passed: list[str] = []
        self._tallies: dict[str, Tally] = {}
        self._tracing = False
        self._kept: list[Sample] = []
        """The samples kept since the app was opened, the latest last."""

    @override
    def compose(self) -> ComposeResult:
        with pane(Paper(id="paper"), "Board"):
            yield Canvas()
        with pane(Vertical(id="side"), "Read as"):
            yield PickList[str]([], prompt="no model", compact=True, id="model")
            yield FieldHelp()
            yield PracticePrompt()
            yield ReadingsPanel()
            yield Static("", id="state", markup=False)

    def on_mount(self) -> None:
        self.query_one("#model").tooltip = _ABOUT_MODEL
        for name in ("pen", "pen_down", "erasing"):
            self.watch(self._canvas, name, self._tell_state)

    @property
    def _canvas(self) -> Canvas:
        return self.query_one(Canvas)

    @property
    def _readings(self) -> ReadingsPanel:
        return self.query_one(ReadingsPanel)

    # ── models ────────────────────────────────────────────────────────────────────────────────────────────────────

    @work(exclusive=True, group="prepare")
    async def prepare(self) -> None:
        """List the models, and load the one in use."""
        found = await asyncio.to_thread(models_for_drawing)
        select = self.query_one("#model", Select)
        with self.prevent(Select.Changed):
            select.set_options(found)
        references = [reference for _, reference in found]
        if not references:
            self._reader.model = ""
            self._readings.say(NONE_YET)
        elif self.model in references:
            with self.prevent(Select.Changed):
                select.value = self.model
        else:
            chosen = await asyncio.to_thread(model_for_drawing, host(self).settings)
            select.value = chosen if chosen in references else references[0]  # loads it
        await self.count_samples()

    async def count_samples(self) -> None:
        """Count the samples again, for practice and the status line."""
        try:
            self._tallies = await asyncio.to_thread(lambda: samples.tallies(samples.samples()))
        except KanatuiError as error:
            host(self).tell_problem(error)
        self._ask_for(self._wanted)
        self._tell_state()

    @work(exclusive=True, group="pictures")
    async def _fetch_pictures(self) -> None:
        """Fetch a picture of every kana, once; without any installed font the readings have no pictures."""
        if self._readings.pictures:
            return
        try:
            self._readings.pictures = await self._reader.pictures()
        except EngineError as error:
            host(self).tell_problem(error)
            return
        self._readings.show(self._readings.shown)
        self._ask_for(self._wanted)

    @on(Select.Changed, "#model")
    def _choose(self, event: Select.Changed) -> None:
        if event.value is not Select.NULL and event.value != self.model:
            self._reader.model = str(event.value)
            self._load()
            if event.select.has_focus:
                self._remember()
                self._canvas.focus()

    @work(exclusive=True, group="model")
    async def _load(self, note: str = "") -> None:
        self._readings.say("loading the model …")
        try:
            await self._reader.load()
        except Superseded:
            return
        except EngineError as error:
            self._readings.say("")
            host(self).tell_problem(error)
            return
        self._readings.known = self._reader.known
        self._fetch_pictures()
        self._read()
        if note:
            self.say(note)

    @property
    def model(self) -> str:
        """Reference of the model in use, "" if there is none."""
        return self._reader.model

    def read_with(self, model: str, note: str) -> None:
        """Switch to another model, and show a note once it is loaded."""
        self._reader.model = model
        self._remember()
        self.prepare()  # adds it to the list
        self._load(note)

    def _remember(self) -> None:
        """Keep the choice for the next session."""
        settings = host(self).settings
        settings.model, settings.adapting = self.model, ""
        settings.save()

    @property
    def up_to_date(self) -> bool:
        """Whether the readings are those of the current drawing."""
        return self._read_up.is_set()

    def say(self, text: str) -> None:
        """Show a text on the line above the readings."""
        self._readings.say(text)

    def action_model(self) -> None:
        select = self.query_one("#model", Select)
        select.focus()
        select.action_show_overlay()

    # ── reading ───────────────────────────────────────────────────────────────────────────────────────────────────

    @on(Canvas.Changed)
    def _changed(self) -> None:
        self.refresh_bindings()
        self._read()

    def _read(self) -> None:
        drawing = self._canvas.drawing
        if drawing.strokes and self.model:
            self._read_up.clear()
            self._ask_engine(drawing)
        else:
            self.workers.cancel_group(self, "read")
            self._show([])

    @work(exclusive=True, group="read")
    async def _ask_engine(self, drawing: Drawing) -> None:
        try:
            readings, doubt = await self._reader.read(drawing)
        except Superseded:
            return
        except EngineError as error:
            host(self).tell_problem(error)
            readings, doubt = [], ""
        self._show(readings, doubt)

    def _show(self, readings: list[Reading], doubt: str = "") -> None:
        if self.model:
            self._readings.say(doubt if readings or not self._canvas.empty else _HINT)
        self._readings.show(readings)
        self._read_up.set()

    def action_script(self) -> None:
        """Switch between all kana, hiragana only and katakana only."""
        self._reader.switch_script()
        self._tell_state()
        if self._practice is not Practice.OFF and self._wanted not in self._reader.candidates:
            self._ask_for_next()
        self._read()

    @property
    def kept(self) -> int:
        """The number of samples."""
        return sum(tally.kept for tally in self._tallies.values())

    def _tell_state(self) -> None:
        canvas = self._canvas
        tool = "eraser" if canvas.erasing else f"pen {PEN_WIDTHS.index(canvas.pen) + 1}/{len(PEN_WIDTHS)}"
        down = " DOWN" if canvas.pen_down else ""
        self.query_one("#state", Static).update(f"{tool}{down} · {self._reader.restriction} · {self.kept:,} kept")

    # ── labelling ─────────────────────────────────────────────────────────────────────────────────────────────────

    @override
    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Leave the digits to the screens while the board is empty or not focused."""
        if action == "pick":
            return self._canvas.has_focus and not self._canvas.empty
        if action in ("accept", "look_alike", "leave"):
            return self._canvas.has_focus
        if action in ("next", "trace"):
            return self._practice is not Practice.OFF
        return True

    def action_accept(self) -> None:
        """Save the drawing as the character asked for, else as the first reading; lift the pen first if it is down."""
        if self._canvas.pen_down:
            self._canvas.action_pen()
        elif self._wanted:
            self._keep(self._wanted)
        else:
            self._keep_reading(0)

    def action_pick(self, number: int) -> None:
        """Save the drawing as one of the readings, counted from 1."""
        self._keep_reading(number - 1)

    @on(ReadingRow.Clicked)
    def _pick_clicked(self, event: ReadingRow.Clicked) -> None:
        if not self._canvas.empty:
            self.action_pick(event.place)

    def on_key(self, event: events.Key) -> None:
        """Save the drawing as the kana that an input method sends."""
        if self._canvas.has_focus and event.character and event.character in KANA:
            event.stop()
            self._keep(event.character)

    @work(exclusive=True, group="label")
    async def _keep_reading(self, place: int) -> None:
        await self._read_up.wait()
        if self._canvas.empty:
            self._readings.say("draw something first")
        elif place < len(self._readings.shown):
            self._keep(self._readings.shown[place].character)
        else:
            self._readings.say("no such reading: press t to type the character")

    @work(exclusive=True, group="label")
    async def action_look_alike(self) -> None:
        """Save the drawing as the first reading's look-alike."""
        await self._read_up.wait()
        other = self._readings.look_alike
        if other:
            self._keep(other)
        else:
            self._readings.say("the first reading has no look-alike")

    @asks
    @work(exclusive=True, group="label")
    async def action_type(self) -> None:
        """Ask for the character drawn, and save the drawing as it."""
        if self._canvas.empty:
            self._readings.say("draw something first")
            return
        question = "Which character is it? (か, ka, KA for katakana, U+304B)"
        text = await self.app.push_screen_wait(Ask(question, check=self._judge_typed))
        if text is not None:
            self._keep(parse_typed(text, self._reader.typed_script, self._reader.known))

    def _judge_typed(self, text: str) -> str:
        try:
            parse_typed(text, self._reader.typed_script, self._reader.known)
        except ValueError as error:
            return str(error)
        return ""

    @work(group="keep")
    async def _keep(self, character: str) -> None:
        """Save the drawing with its readings; the board is cleared at once."""
        await self._read_up.wait()
        canvas = self._canvas
        drawing = canvas.drawing
        if not drawing.strokes:
            self._readings.say("draw something first")
            return
        readings = [(read.character, round(read.probability, 4)) for read in self._readings.shown]
        canvas.clear()
        self._read()
        try:
            sample = await asyncio.to_thread(samples.keep, drawing, character, readings, self.model)
        except StorageError as error:
            host(self).tell_problem(error)
            if canvas.empty:
                canvas.put(drawing)
            return
        self._kept.append(sample)
        tally = self._tallies.setdefault(character, Tally())
        tally.add(character, sample.notes())
        self.refresh_bindings()
        read_as = f", read as {readings[0][0]}" if readings and readings[0][0] != character else ""
        self._readings.say(f"kept as {character} {name_of(character)}{read_as} · {tally.kept} of it\nU takes it back")
        self._tell_state()
        if self._wanted:
            self._ask_for_next()

    @work(group="keep")
    async def action_take_back(self) -> None:
        """Remove the sample kept last, and put its drawing back on the board."""
        if not self._canvas.empty:
            self._readings.say("clear the board first: the drawing that is taken back needs it")
            return
        if not self._kept:
            self._readings.say("nothing was kept since the app was opened")
            return
        sample = self._kept.pop()
        drawing = sample.notes().drawing
        if drawing is None:
            self._readings.say("the last sample that you kept is gone")
            return
        try:
            await asyncio.to_thread(samples.remove, sample)
        except StorageError as error:
            host(self).tell_problem(error)
            return
        if self._practice is not Practice.OFF:
            self._wanted = sample.character
        self._canvas.put(drawing)
        await self.count_samples()
        host(self).notify(f"taken back: {sample.character} is not a sample any more", timeout=3)

    # ── practice ──────────────────────────────────────────────────────────────────────────────────────────────────

    def action_practice(self) -> None:
        """Switch practice: least collected first, weakest first, off."""
        self._practice = self._practice.after
        self._passed.clear()
        self._fetch_pictures()
        if self._practice is Practice.OFF:
            self._ask_for("")
        else:
            self._ask_for_next()
        self.refresh_bindings()

    def action_next(self) -> None:
        """Practise another character."""
        self._ask_for_next()

    def _ask_for_next(self) -> None:
        if self._wanted:
            self._passed = [*self._passed, self._wanted][-_PASSED:]
        self._ask_for(next_wanted(self._reader.candidates, self._tallies, self._practice, self._passed))

    def _ask_for(self, character: str) -> None:
        self._wanted = character
        tally = self._tallies.get(character, Tally())
        picture = self._readings.pictures.get(character)
        self.query_one(PracticePrompt).show(character, picture, tally, self._practice)
        self._canvas.trace(picture if self._tracing else None)

    def action_trace(self) -> None:
        """Show the character asked for below the drawing, or no longer."""
        self._tracing = not self._tracing
        self._ask_for(self._wanted)
        self.refresh_bindings()

    def action_leave(self) -> None:
        """Move the focus away from the board."""
        self.screen.set_focus(None)

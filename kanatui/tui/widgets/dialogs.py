"""Dialogs over a screen: questions, and details to read."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Mapping
from typing import ClassVar

from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.screen import ModalScreen
from textual.suggester import Suggester
from textual.widgets import Button, Input, Label, Static
from typing_extensions import override

from kanatui.core import paths
from kanatui.tui.widgets.keybar import KeyBar

Check = Callable[[str], str]
"""Returns what is wrong with a text, "" if nothing is."""

_CANCEL = "cancel"


class Confirm(ModalScreen[str | None]):
    """A question with a button for each answer, and Cancel last; returns the answer's key, None if it is cancelled.

    The same keys answer every question: y takes the first answer, n and escape cancel, a letter takes the answer that
    begins with it, and enter takes the one that has the focus.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,n", "dismiss(None)", "Cancel"),
        Binding("left,up", "app.focus_previous", show=False),
        Binding("right,down", "app.focus_next", show=False),
    ]

    def __init__(
        self, question: str, answers: Mapping[str, str], default: str = "", danger: str = "", cancel: str = "Cancel"
    ) -> None:
        """Prepare the question.

        Args:
            question: may have several lines.
            answers: the label of each button, by the key that the dialog returns; without Cancel.
            default: the answer that has the focus at first; if empty, Cancel where there is danger, else the first.
            danger: the answer that destroys something. Its button is red, and keys that were typed before the question
                could be read do not answer it.
            cancel: the label of the last button.
        """
        super().__init__()
        self._question, self._danger = question, danger
        self._answers = {**answers, _CANCEL: cancel}
        self._default = default or (_CANCEL if danger else next(iter(answers)))
        self._painted_at = math.inf

    @override
    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog"):
            yield Label(self._question, markup=False)
            with Horizontal(classes="buttons"):
                for key, text in self._answers.items():
                    yield Button(text, id=f"answer-{key}", variant="error" if key == self._danger else "default")
            yield Static(f"{self._letters} · ←→ and enter choose · escape cancels", classes="hint")

    @property
    def _letters(self) -> str:
        """Return what the letters do; of several answers, none is just yes."""
        if len(self._answers) <= 2:  # one, and Cancel
            return "y yes · n no"
        labels = [text for key, text in self._answers.items() if key != _CANCEL]
        return " · ".join(f"{text[0].lower()} {text[0].lower()}{text[1:]}" for text in labels)

    def on_mount(self) -> None:
        """Focus the default answer."""
        self.query_one(f"#answer-{self._default}").focus()
        self.call_after_refresh(self._begin)

    def _begin(self) -> None:
        self._painted_at = time.monotonic()

    def on_key(self, event: events.Key) -> None:
        """Answer by y, or by the first letter of an answer."""
        if self._danger and event.time < self._painted_at and event.key != "escape":
            event.stop()  # typed for something else, or twice because the machine is slow
            event.prevent_default()
            return
        letter = (event.character or "").lower()
        labels = {"yes": next(iter(self._answers))} | {text.lower(): key for key, text in self._answers.items()}
        chosen = next((key for text, key in labels.items() if letter and text.startswith(letter)), "")
        if chosen:
            event.stop()  # or the screen below, by then on top, takes it for a key of its own
            self._dismiss_with(chosen)

    @on(Button.Pressed)
    def _answer(self, event: Button.Pressed) -> None:
        self._dismiss_with((event.button.id or "").removeprefix("answer-"))

    def _dismiss_with(self, answer: str) -> None:
        if self.is_current:  # two keys may answer before the dialog is gone
            self.dismiss(None if answer == _CANCEL else answer)


class Ask(ModalScreen[str | None]):
    """Asks for a line of text; problems are shown below as it is typed. Returns None for escape."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "dismiss(None)", "Cancel")]

    def __init__(self, question: str, value: str = "", check: Check | None = None) -> None:
        super().__init__()
        self._question, self._value, self._check = question, value, check or (lambda text: "")

    @override
    def compose(self) -> ComposeResult:
        """Yield the question, the field, and a line for problems."""
        with Vertical(classes="dialog"):
            yield Label(self._question, markup=False)
            yield Input(self._value)
            yield Static("", classes="error", markup=False)
            yield Static("enter takes it · escape cancels", classes="hint")

    @on(Input.Changed)
    def _judge(self, event: Input.Changed) -> None:
        self.query_one(".error", Static).update(self._check(event.value))

    @on(Input.Submitted)
    def _take(self, event: Input.Submitted) -> None:
        if not self._check(event.value):
            self.dismiss(event.value)


class AskPath(Ask):
    """Asks for a path; the right arrow and tab take the completion that is shown."""

    @override
    def compose(self) -> ComposeResult:
        """Yield what :class:`Ask` does, with completion."""
        with Vertical(classes="dialog"):
            yield Label(self._question, markup=False)
            yield Input(self._value, suggester=Paths(case_sensitive=True))
            yield Static("", classes="error", markup=False)
            yield Static("tab completes · enter takes it · escape cancels", classes="hint")

    async def on_key(self, event: events.Key) -> None:
        """Complete by tab, as in a shell: also before the completion is shown."""
        if event.key != "tab":
            return
        event.stop()
        event.prevent_default()
        field = self.query_one(Input)
        typed = field.value
        completed = await asyncio.to_thread(_completed, typed)
        if completed is not None:
            field.value, field.cursor_position = completed, len(completed)


class Paths(Suggester):
    """Completes the path of a file or folder that exists."""

    @override
    async def get_suggestion(self, value: str) -> str | None:
        """Return the first path that begins as typed, None if there is none."""
        return await asyncio.to_thread(_completed, value)


def _completed(value: str) -> str | None:
    place, _, start = value.rpartition("/")
    try:
        inside = sorted(paths.user_path(f"{place}/" if place or value.startswith("/") else ".").iterdir())
    except (OSError, RuntimeError):
        return None
    hidden = start.startswith(".")
    found = [path for path in inside if path.name.startswith(start) and path.name.startswith(".") == hidden]
    if not start or not found:
        return None
    return value + found[0].name[len(start) :] + ("/" if found[0].is_dir() else "")


class Details(ModalScreen[None]):
    """A text to read: a traceback, a log, a list. It scrolls."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,q,enter", "dismiss(None)", "Close")]

    def __init__(self, title: str, text: str) -> None:
        super().__init__()
        self._title, self._text = title, text

    @override
    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog wide"):
            yield Label(self._title, classes="title", markup=False)
            with VerticalScroll():
                yield Static(self._text, markup=False)
            yield KeyBar()

    def on_mount(self) -> None:
        """Focus the text, so that the arrows scroll it."""
        self.query_one(VerticalScroll).focus()

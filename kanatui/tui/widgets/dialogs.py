"""Dialogs over a screen: questions, and details to read."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import ClassVar

from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.screen import ModalScreen
from textual.suggester import Suggester
from textual.widgets import Button, Input, Label, Static
from typing_extensions import override

from kanatui.tui.widgets.keybar import KeyBar

Check = Callable[[str], str]
"""Returns what is wrong with a text, "" if nothing is."""


class Confirm(ModalScreen[str | None]):
    """A question with a button for each answer; returns the answer's key, None for escape."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss(None)", "Cancel"),
        Binding("left,up", "app.focus_previous", show=False),
        Binding("right,down", "app.focus_next", show=False),
    ]

    def __init__(self, question: str, answers: Mapping[str, str], default: str, danger: str = "") -> None:
        """Prepare the question.

        Args:
            question: may have several lines.
            answers: the label of each button, by the key that the dialog returns.
            default: the answer that has the focus at first.
            danger: the answer that destroys something; its button is red.
        """
        super().__init__()
        self._question, self._answers, self._default, self._danger = question, dict(answers), default, danger

    @override
    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog"):
            yield Label(self._question, markup=False)
            with Horizontal(classes="buttons"):
                for key, text in self._answers.items():
                    yield Button(text, id=f"answer-{key}", variant="error" if key == self._danger else "default")
            yield Static("←→ choose · enter takes it · escape cancels", classes="hint")

    def on_mount(self) -> None:
        """Focus the default answer."""
        self.query_one(f"#answer-{self._default}").focus()

    def on_key(self, event: events.Key) -> None:
        """Answer by the first letter of an answer."""
        for key, text in self._answers.items():
            if event.character and text.lower().startswith(event.character.lower()):
                event.stop()  # or the screen below, by then on top, takes it for a key of its own
                self.dismiss(key)
                return

    @on(Button.Pressed)
    def _answer(self, event: Button.Pressed) -> None:
        self.dismiss((event.button.id or "").removeprefix("answer-"))


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
    """Asks for a path; the right arrow takes the completion that is shown."""

    @override
    def compose(self) -> ComposeResult:
        """Yield what :class:`Ask` does, with completion."""
        with Vertical(classes="dialog"):
            yield Label(self._question, markup=False)
            yield Input(self._value, suggester=_Paths(case_sensitive=True))
            yield Static("", classes="error", markup=False)
            yield Static("→ completes · enter takes it · escape cancels", classes="hint")


class _Paths(Suggester):
    """Completes the path of a file or folder that exists."""

    @override
    async def get_suggestion(self, value: str) -> str | None:
        """Return the first path that begins as typed, None if there is none."""
        return await asyncio.to_thread(_completed, value)


def _completed(value: str) -> str | None:
    place, _, start = value.rpartition("/")
    try:
        inside = sorted(Path(f"{place}/" if place or value.startswith("/") else ".").expanduser().iterdir())
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

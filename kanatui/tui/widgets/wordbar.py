"""A line of words to choose one of, by key or by a click."""

from __future__ import annotations

from collections.abc import Mapping

from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.content import Content
from textual.message import Message
from textual.reactive import reactive
from textual.widgets import Static
from typing_extensions import override


class WordBar(Horizontal):
    """Words, one of them chosen: it stands in brackets, told without colour too."""

    chosen: reactive[str] = reactive("")

    class Picked(Message):
        """A word was clicked."""

        def __init__(self, bar: WordBar, word: str) -> None:
            super().__init__()
            self.bar, self.word = bar, word

        @property
        @override
        def control(self) -> WordBar:
            """The bar."""
            return self.bar

    def __init__(self, words: Mapping[str, str], id: str) -> None:
        """Set up; ``words`` says what stands there, by name."""
        super().__init__(id=id)
        self._words = dict(words)

    @override
    def compose(self) -> ComposeResult:
        """Give a label for each word."""
        for name, text in self._words.items():
            yield Word(name, text)

    def watch_chosen(self) -> None:
        """Move the brackets."""
        for word in self.query(Word):
            word.mark(word.word == self.chosen)


class Word(Static):
    """One word."""

    def __init__(self, word: str, text: str) -> None:
        super().__init__(Content(f" {text} "), classes="word")
        self.word = word
        self._text = text

    def mark(self, chosen: bool) -> None:
        """Show whether it is the chosen one."""
        self.set_class(chosen, "chosen")
        self.update(Content(f"[{self._text}]" if chosen else f" {self._text} "), layout=False)

    def on_click(self) -> None:
        """Choose it."""
        bar = self.parent
        if isinstance(bar, WordBar):
            bar.post_message(WordBar.Picked(bar, self.word))

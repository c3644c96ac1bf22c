"""Messages from the tabs to the Dataset screen."""

from __future__ import annotations

from collections.abc import Callable

from textual.message import Message

from kanatui.tui.dataset.draft import Draft

Change = Callable[[Draft], Draft]
"""A change of the draft, whatever else has changed by the time it is made."""


class Edited(Message):
    """The draft is to be changed, from one of the tabs."""

    def __init__(self, change: Change) -> None:
        super().__init__()
        self.change = change

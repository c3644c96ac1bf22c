"""Messages from the tabs to the Dataset screen."""

from __future__ import annotations

from textual.message import Message

from kanatui.tui.dataset.draft import Draft


class Edited(Message):
    """The draft was changed on one of the tabs."""

    def __init__(self, draft: Draft) -> None:
        super().__init__()
        self.draft = draft

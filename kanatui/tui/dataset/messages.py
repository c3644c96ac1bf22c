"""What the parts of the screen tell it."""

from __future__ import annotations

from textual.message import Message

from kanatui.tui.dataset.draft import Draft


class Edited(Message):
    """The draft was changed in one of the tabs."""

    def __init__(self, draft: Draft) -> None:
        super().__init__()
        self.draft = draft

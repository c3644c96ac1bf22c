"""What adapting a model changed, as its run tells it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING

from kanatui.words import percent

if TYPE_CHECKING:
    from kanatui.training.events import Event
    from kanatui.training.runs import Run

_KINDS = {"samples": "held-back drawings", "held_out": "generated"}
"""What is scored, as the events of :mod:`kanatui.training.events` name it, and how people are told of it."""

_SLACK = {"samples": 0.0, "held_out": 0.005}
"""By how much the folded score may fall before it counts as worse: a little forgetting is the price of adapting."""


@dataclasses.dataclass(frozen=True)
class Change:
    """Scores (``images``, ``loss``, ``strict``, ``folded``; shares 0 … 1) before and after."""

    before: Mapping[str, float]
    after: Mapping[str, float]


def changes(run: Run) -> dict[str, Change]:
    """Return what adapting changed, of the ``samples`` held back and of the ``held_out`` generated images.

    Empty for a run that adapts nothing or has not come to its end.
    """
    events: list[Event] = []
    reader = run.events()
    while read := reader.read():
        events += [event for event in read if event["event"] == "validation"]
    first = next((event for event in events if event["step"] == 0), None)
    if first is None or not events[-1]["step"]:
        return {}
    return {kind: Change(first[kind], events[-1][kind]) for kind in _KINDS if kind in first and kind in events[-1]}


def got_worse(found: Mapping[str, Change]) -> bool:
    """Say whether any folded score fell: of the drawings at all, of generated images by more than half a point."""
    return any(change.after["folded"] < change.before["folded"] - _SLACK[kind] for kind, change in found.items())


def in_words(found: Mapping[str, Change]) -> str:
    """Tell the folded scores before and after in one line."""
    return ", ".join(
        f"{_KINDS[kind]} {percent(change.before['folded'])} → {percent(change.after['folded'])}"
        for kind, change in found.items()
    )

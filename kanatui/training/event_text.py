"""Describes the events of a run, one line each, for the command line and the app."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from kanatui.core.harmless import harmless
from kanatui.core.units import counted, duration
from kanatui.model.metrics import VALIDATED

IMAGE_SETS = {
    "held_out": "held-out images",
    "faces": "held-out faces",
    "samples": "your samples",
    "folder": "pictures",
}
"""What scores can be of: by their key in events and evaluations, in words."""


def describe(event: Mapping[str, Any]) -> str:
    """Return one line about an event; "" for routine events, and for unknown or invalid ones."""
    try:
        return harmless(_describe(event))
    except (KeyError, TypeError, ValueError, AttributeError):  # a file may contain anything; a watcher must not fail
        return ""


def _describe(event: Mapping[str, Any]) -> str:
    kind = event["event"]
    if kind == "probe":
        times = ", ".join(f"{name} {1000 * seconds:.0f} ms" for name, seconds in event["seconds"].items())
        return f"a step takes {times}; using {event['chosen']}" if times else f"too slow to time: {event['chosen']}"
    if kind == "start":
        goes_on = f", continuing from step {event['step']:,}" if event.get("step") else ""
        return f"{event['weights']:,} weights on {event['device']}, {event['precision']}{goes_on}"
    if kind == "validation":
        return _scores(event)
    if kind == "command":
        return _answer(event)
    if kind == "augment":
        return f"new augmentations from step {event['step']:,}"
    if kind == "threads":
        threads = counted(event["threads"], "thread")
        others = "" if event.get("busy") is None else f"; other processes use {event['busy']:.1f} cores"
        return f"{threads} from step {event['step']:,}{others}"
    if kind in ("paused", "resumed"):
        return f"{kind} at step {event['step']:,}"
    if kind == "warning":
        return f"warning: {event['message']}"
    if kind == "end":
        return outcome(event["state"], event.get("reason", ""))
    return ""


def ranking(event: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
    """Return the scores that decide a validation, and what they are of: a key of :data:`IMAGE_SETS`.

    They are of the user's samples, else of held-out faces, else of held-out images.
    """
    kind = next((kind for kind in ("samples", "faces") if event.get(kind)), "held_out")
    return kind, event[kind]


def ranking_scores(event: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the scores that decide a validation (:func:`ranking`)."""
    return ranking(event)[1]


def scored_on(kind: str, images: float | None) -> str:
    """Return what scores are of, if it is not the usual, held-out images: ``17 own samples``; else "".

    Args:
        kind: a key of :data:`IMAGE_SETS`.
        images: how many there were, None if that is not known.
    """
    words = {"samples": "own samples", "faces": "images of held-out faces"}.get(kind, "")
    return f"{images:,.0f} {words}" if words and images else words


def outcome(state: str, reason: str) -> str:
    """Return how a run ended, such as "finished" or "failed: <reason>"."""
    return f"{state} {reason}".strip() if state in ("finished", "stopped") else f"{state}: {reason}"


def figures(event: Mapping[str, Any]) -> str:
    """Return the loss, speed and time left of a step event as text."""
    left = time_left(event.get("seconds_left"))
    return f"loss {event['loss']:.3f}  {event['images_per_second']:,.0f} images/s{left and f'  {left}'}"


def time_left(seconds: float | None, doing: str = "", text: Callable[[float], str] = duration) -> str:
    """Return in a few words what is left: the work under way besides steps, a time, or the end; "" if not known."""
    if doing or seconds is None:
        return doing
    # The last validation, the checkpoint and the calibration come after the time is up.
    return f"{text(seconds)} left" if round(seconds) else "finishing"


def preparing(event: Mapping[str, Any]) -> str:
    """Return the progress of the work before the first step as text: ``drawing the glyphs 12/71``."""
    count = f" {event['done']:,}/{event['total']:,}" if event["total"] else " …"
    return f"{harmless(event.get('stage', 'preparing'), 80)}{count}"


def _scores(event: Mapping[str, Any]) -> str:
    parts = [f"{name}: {metrics_text(event[key])}" for key, name in IMAGE_SETS.items() if key in event]
    return f"step {event['step']:,}: {'; '.join(parts)}{' · best' if event.get('best') else ''}"


def metrics_text(scores: Mapping[str, Any]) -> str:
    """Write what a validation found: strict 94.4 %, folded 99.3 %."""
    found = (metric for metric in VALIDATED if metric.key in scores)
    return ", ".join(f"{metric.heading} {metric.text(scores[metric.key])}" for metric in found)


def _answer(event: Mapping[str, Any]) -> str:
    if not event.get("accepted"):
        return f"{event.get('command') or 'command'} refused: {event.get('note')}"
    if event["command"] == "stop":
        return "stopping: writing a checkpoint"
    if event["command"] == "augment":
        return ""  # an event of its own follows
    return f"{event['command'].replace('_', ' ')}: {event['note']}" if event.get("note") else ""

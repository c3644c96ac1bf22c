"""The figures of the live view, as plain text, so that only changes are sent."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from rich.cells import cell_len

from kanatui.core.units import bytes_text, clock, duration
from kanatui.model.metrics import VALIDATED
from kanatui.training.event_text import preparing, time_left
from kanatui.tui.train.follow import History
from kanatui.tui.train.rows import SYMBOLS, Row

Told = TypeVar("Told")
Words = TypeVar("Words")


def headline(row: Row) -> str:
    """Return the run's name and state: ``● 7 handwriting · running``."""
    note = f" · {row.note.splitlines()[0]}" if row.note else ""
    return f"{SYMBOLS[row.state]} run {row.run.number} {row.title} · {row.state}{note}"


def bar(row: Row, history: History, width: int, plain: bool = False) -> str:
    """Return a progress bar with the share and the time left, ``width`` cells in total."""
    status = row.status
    if status.state == "starting" or (status.active and history.preparing):
        return _safe(preparing, history.preparing) or "starting"
    share = max(status.progress, float(history.step.get("progress", 0.0))) if status.active else status.progress
    left = history.step.get("seconds_left", status.seconds_left) if status.state == "running" else None
    standing = time_left(left, status.doing if status.active else "", clock)
    words = f" {100 * share:3.0f} %" + (f" · {standing}" if standing else "")
    words += f" · {duration(status.elapsed)} trained"
    cells = max(0, width - len(words) - 1)
    full = round(share * cells)
    done, rest = ("#", "-") if plain else ("━", "─")
    return done * full + rest * (cells - full) + words


def lines(row: Row, history: History, width: int) -> tuple[str, str, str]:
    """Return three lines: the progress, the scores, and the speed and memory; each as much as has room."""
    progress, cost = _safe(_place, history) or ["no step yet"], _safe(_cost, history) or []
    return _joined(progress, width), _joined(_scores(row, history), width), _joined(cost, width)


def _place(history: History) -> list[str]:
    step = history.step
    if not step:
        return []
    batches = history.start.get("batches")
    of = f" ({batches:,} batches)" if batches else ""
    # The step that completes an epoch belongs to it, though the event counts it as done already.
    epoch = max(1, -(-step["step"] // batches)) if batches else step["epoch"] + 1
    return [
        f"step {step['step']:,}",
        f"epoch {epoch}{of}",
        f"loss {step['loss']:.3f}",
        f"rate {step['rate']:.2g}" if "rate" in step else "",
    ]


def _scores(row: Row, history: History) -> list[str]:
    last, best = history.scores, history.best or row.status.best
    if not last:
        return ["not scored on the held-out images yet"]
    parts = []
    for metric in VALIDATED:
        now, top = metric.text(last[metric.key]), metric.text(best[metric.key]) if best and metric.key in best else ""
        parts.append(f"{metric.heading} {now}" + (f" (best {top})" if top not in ("", now) else ""))
    of = f"of {history.scored_on}" if history.scored_on else ""
    others = " / ".join(metric.text(value) for metric in VALIDATED if (value := history.held_out.get(metric.key)))
    return [*parts, of, f"held out {others}" if others else "", f"at step {last['step']:,.0f}"]


def _cost(history: History) -> list[str]:
    step, start = history.step, history.start
    computed = [str(start.get(key, "")) for key in ("device", "precision")]
    if not step:
        return computed
    return [
        f"{step['images_per_second']:,.0f} images/s",
        f"CPU {step['cpu']:.0f} %" if "cpu" in step else "",
        f"memory {bytes_text(step['memory'])}" if "memory" in step else "",
        f"GPU memory {bytes_text(step['gpu_memory'])}" if "gpu_memory" in step else "",
        f"data {100 * step['waiting']:.0f} %" if "waiting" in step else "",
        *computed,
    ]


def _joined(parts: Sequence[str], width: int) -> str:
    """Join what there is, without those of the last parts that have no room: half a figure may look like another."""
    text, *rest = [part for part in parts if part] or [""]
    for part in rest:
        longer = f"{text} · {part}"
        if cell_len(longer) > width:
            break
        text = longer
    return text


def _safe(tell: Callable[[Told], Words], event: Told) -> Words | None:
    """Return what is told of an event; None if it is not an event of this version."""
    try:
        return tell(event)
    except (KeyError, TypeError, ValueError):
        return None

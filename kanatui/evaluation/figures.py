"""Figures as files: curves, confusion maps and reliability diagrams. matplotlib draws them; it is an optional extra."""

from __future__ import annotations

import dataclasses
import importlib.util
import io
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from kanatui.core import storage
from kanatui.core.errors import UsageError
from kanatui.core.units import counted

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from kanatui.evaluation.scores import Scores

FORMATS = ("png", "svg", "pdf")
"""The kinds of files, by their endings."""

_MOST_CHARACTERS = 40
"""Rows and columns of a confusion map: more could not be read on a page."""

_DPI = 150
_PANEL = (6.4, 4.2)  # inches
_MARKERS = {"o": "o", "x": "x", "+": "+", "#": "s", "*": "*", "@": "D", "%": "^", "=": "v"}
_MOST_MARKERS = 40


@dataclasses.dataclass(frozen=True)
class Line:
    """One curve of a panel."""

    name: str
    xs: Sequence[float]
    ys: Sequence[float]
    colour: str
    sign: str = ""
    """One of the signs by which the app tells curves apart, "" for none."""
    faint: bool = False


@dataclasses.dataclass(frozen=True)
class Panel:
    """Curves in one pair of axes."""

    title: str
    across: str
    """What the level axis is."""
    lines: Sequence[Line]
    heights: tuple[float, float]
    """The ends of the upright axis."""
    log: bool = False
    marks: Sequence[tuple[float, str]] = ()
    """Upright lines: where, and a letter for each."""


def check_file(path: Path) -> None:
    """Raise UsageError if a figure cannot be written to a file of this name, or matplotlib is missing."""
    if path.suffix[1:].lower() not in FORMATS:
        raise UsageError(f"{path}: a figure's file ends in .{', .'.join(FORMATS)}")
    require_matplotlib()


def save_curves(path: Path, panels: Sequence[Panel]) -> None:
    """Write panels side by side, two in a row.

    Raises:
        UsageError: the file's name, or matplotlib is missing.
        StorageError: it cannot be written.
    """
    check_file(path)
    storage.write_bytes(path, curves(panels, path.suffix[1:].lower()))


def save_scores(path: Path, scores: Scores, parts: Sequence[str] = ("confusions", "reliability")) -> None:
    """Write a confusion map of the most confused characters, a reliability diagram, or both; raises like the others."""
    check_file(path)
    storage.write_bytes(path, of_scores(scores, parts, path.suffix[1:].lower()))


def curves(panels: Sequence[Panel], format: str) -> bytes:
    """Return panels side by side, two in a row, as a file of one of :data:`FORMATS`."""
    drawers = [lambda axes, panel=panel: _draw_panel(axes, panel) for panel in panels]
    return _drawn(drawers, min(2, len(panels)), format)


def of_scores(scores: Scores, parts: Sequence[str], format: str) -> bytes:
    """Return the figures of scores named in ``parts``, ``confusions`` or ``reliability``, as :func:`curves` does."""
    known = {"confusions": _draw_confusions, "reliability": _draw_reliability}
    drawers = [lambda axes, draw=known[part]: draw(axes, scores) for part in parts]
    return _drawn(drawers, len(parts), format, square=True)


def require_matplotlib() -> None:
    """Raise UsageError if matplotlib is missing."""
    if importlib.util.find_spec("matplotlib") is None:
        raise UsageError("figures need matplotlib: pip install matplotlib (or install kanatui with its extra, figures)")


def _drawn(drawers: Sequence[Callable[[Axes], None]], columns: int, format: str, square: bool = False) -> bytes:
    from matplotlib import rc_context

    rows = -(-len(drawers) // columns)
    width, height = (8.0, 7.2) if square else _PANEL
    with rc_context(cast(Any, _style())):  # matplotlib lists all its keys as a type
        figure = _figure(width * columns, height * rows)
        for place, draw in enumerate(drawers, start=1):
            draw(figure.add_subplot(rows, columns, place))
        data = io.BytesIO()
        figure.savefig(data, format=format, dpi=_DPI)
    return data.getvalue()


def _figure(width: float, height: float) -> Figure:
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def _style() -> Any:
    """Return matplotlib's settings: a font that has kana, if there is one."""
    from matplotlib import font_manager

    from kanatui.evaluation.annotate import kana_font

    style: dict[str, Any] = {"axes.spines.top": False, "axes.spines.right": False, "axes.grid": False}
    font = kana_font()
    if font:
        font_manager.fontManager.addfont(str(font))
        families = ["DejaVu Sans", font_manager.FontProperties(fname=str(font)).get_name()]
        style["font.family"] = families
    return style


def _draw_panel(axes: Axes, panel: Panel) -> None:
    for line in panel.lines:
        marker = _MARKERS.get(line.sign, "") if len(line.xs) <= _MOST_MARKERS else ""
        weight = 0.7 if line.faint else 1.6
        axes.plot(line.xs, line.ys, color=line.colour, label=line.name, marker=marker, markersize=5, linewidth=weight)
    for x, letter in panel.marks:
        axes.axvline(x, color="0.6", linewidth=0.8, linestyle=":")
        axes.annotate(letter, (x, 1.0), xycoords=("data", "axes fraction"), ha="center", color="0.4")
    if panel.log:
        axes.set_yscale("log")
    low, high = panel.heights
    axes.set_ylim(low, high if panel.log else high + 0.02 * (high - low))  # with room for the signs of the best
    axes.set_xlabel(panel.across)
    axes.set_title(panel.title, loc="left")
    axes.grid(visible=True, axis="y", color="0.9")
    axes.set_axisbelow(True)
    if panel.lines:
        axes.legend(frameon=False, fontsize="small")


def _draw_confusions(axes: Axes, scores: Scores) -> None:
    """Draw which characters are read as which, of the most confused; look-alikes count as right."""
    import numpy as np

    wrong = [confusion for confusion in scores.confusions if not confusion.folded] or list(scores.confusions)
    worst = [character for confusion in wrong for character in (confusion.truth, confusion.read) if character]
    shown = list(dict.fromkeys([*worst, *scores.per_character]))[:_MOST_CHARACTERS]
    rows = [character for character in shown if character in scores.per_character]
    images = {character: scores.per_character[character].images for character in rows}
    share = np.zeros((len(rows), len(shown)))
    for character in rows:
        share[rows.index(character), shown.index(character)] = scores.per_character[character]["strict"]
    for confusion in scores.confusions:
        if confusion.truth in rows and confusion.read in shown:
            place = rows.index(confusion.truth), shown.index(confusion.read)
            share[place] = confusion.count / images[confusion.truth]
    axes.imshow(share, cmap="Blues", vmin=0.0, vmax=1.0, aspect="auto")
    axes.set_xticks(range(len(shown)), shown)
    axes.set_yticks(range(len(rows)), rows)
    size = max(3.0, min(8.0, 160 / max(1, len(shown))))
    for row, column in np.argwhere(share >= 0.005).tolist():
        dark = "white" if share[row, column] > 0.5 else "black"
        text = f"{100 * share[row, column]:.0f}"
        axes.text(column, row, text, ha="center", va="center", fontsize=size, color=dark)
    axes.set_xlabel("read as")
    axes.set_ylabel("truth")
    more = len(scores.per_character) - len(rows)
    axes.set_title(f"confusions, % of each row{f' (and {more} characters more)' if more > 0 else ''}", loc="left")


def _draw_reliability(axes: Axes, scores: Scores) -> None:
    """Draw the share read correctly over the probability, and the number of images below."""
    bins = [each for each in scores.reliability if each.images]
    total = max(1, scores.total.images)
    width = scores.reliability[0].high - scores.reliability[0].low if scores.reliability else 1.0
    middles = [(each.low + each.high) / 2 for each in bins]
    axes.plot([0, 1], [0, 1], color="0.5", linestyle="--", linewidth=1, label="probabilities that hold")
    axes.bar(middles, [each.accuracy for each in bins], width=0.94 * width, color="#56B4E9", label="read correctly")
    axes.plot([each.confidence for each in bins], [each.accuracy for each in bins], "o", color="#0A6A9E")
    axes.bar(middles, [-0.12 * each.images / total for each in bins], width=0.94 * width, color="0.75", label="images")
    axes.set_xlim(0, 1)
    axes.set_ylim(-0.14, 1.02)
    axes.set_xlabel("probability of the likeliest character")
    axes.set_ylabel("share read correctly")
    error = scores.total.values.get("ece", 0.0)
    images = counted(scores.total.images, "image")
    axes.set_title(f"reliability of {images}, ECE {100 * error:.1f} %", loc="left")
    axes.legend(frameon=False, fontsize="small", loc="upper left")

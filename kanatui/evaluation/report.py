"""A report on a run: one HTML file that needs no other, for whoever has no kanatui."""

from __future__ import annotations

import base64
import dataclasses
import html
import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import groupby
from typing import Any

import numpy as np
import numpy.typing as npt
import tomlkit
from PIL import Image

from kanatui.core.errors import KanatuiError
from kanatui.core.units import counted, duration, percent
from kanatui.core.version import __version__
from kanatui.dataset.open import open_source
from kanatui.evaluation import figures
from kanatui.evaluation.evaluate import open_pictures
from kanatui.evaluation.scores import Score, Scores
from kanatui.evaluation.store import Evaluation, list_evaluations
from kanatui.model.metrics import METRICS
from kanatui.training.runs import Run

MISREAD = 48
"""Images in the gallery of an evaluation."""

_STYLE = """
:root { color-scheme: light; }
body { max-width: 70rem; margin: 2rem auto; padding: 0 1rem; font: 15px/1.5 system-ui, sans-serif; color: #1c2024; }
h1 { font-size: 1.6rem; } h2 { margin-top: 2.5rem; border-bottom: 1px solid #c9ced4; font-size: 1.25rem; }
h3 { font-size: 1.05rem; }
table { border-collapse: collapse; } th, td { padding: .2rem .8rem .2rem 0; text-align: left; vertical-align: top; }
th { font-weight: 600; } td.n, th.n { text-align: right; font-variant-numeric: tabular-nums; }
svg { width: 100%; height: auto; } pre { background: #f3f4f6; padding: 1rem; overflow-x: auto; font-size: 13px; }
.figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(26rem, 1fr)); gap: 1rem; }
.gallery { display: grid; grid-template-columns: repeat(auto-fill, minmax(7rem, 1fr)); gap: .8rem; }
figure { margin: 0; font-size: 13px; } figure img { width: 100%; image-rendering: pixelated; background: #000; }
figcaption b { font-size: 1.2rem; font-weight: 500; } .quiet { color: #5b636b; }
"""


@dataclasses.dataclass(frozen=True)
class Shown:
    """An evaluation with what is drawn of it."""

    evaluation: Evaluation
    scores: Scores
    gallery: str
    """HTML."""
    note: str = ""


def newest_of_each(run: Run, step: int) -> list[Evaluation]:
    """Return the newest evaluation of each kind, place and candidates, of the weights of one step; newest last."""
    found = {}
    for evaluation in reversed(list_evaluations(run.path / "evaluations")):
        if evaluation.step == step:
            found[evaluation.kind, evaluation.where, evaluation.candidates] = evaluation
    return list(found.values())


def shown(evaluation: Evaluation) -> Shown:
    """Compute an evaluation's scores and collect the images that it misread. RunError if its files are damaged."""
    predictions, _ = evaluation.load()
    misread = predictions.misread(folded=True)[:MISREAD]
    if not len(misread):
        return Shown(evaluation, Scores.of(predictions), "", "Nothing was misread but look-alikes.")
    try:
        images, origins, _ = open_pictures(evaluation, misread.tolist(), open_source)
    except KanatuiError as error:  # a font or a folder may be gone; the rest of the report does not need it
        return Shown(evaluation, Scores.of(predictions), "", f"The misread images cannot be shown: {error}.")
    cells = []
    for place, image, origin in zip(misread.tolist(), images, origins, strict=True):
        read, probability = predictions.reading(place, folded=True)
        said = f"<b>{_text(predictions.truth(place))}</b> read as <b>{_text(read or 'nothing')}</b>"
        caption = f"{said} {percent(probability)}<br><span class=quiet>{_text(origin.partition(chr(10))[0])}</span>"
        cells.append(f'<figure><img src="{_inlined(image)}" alt=""><figcaption>{caption}</figcaption></figure>')
    return Shown(evaluation, Scores.of(predictions), f"<div class=gallery>{''.join(cells)}</div>")


def report(run: Run, card: Mapping[str, Any], evaluations: Sequence[Shown], panels: Sequence[figures.Panel]) -> str:
    """Return the report as HTML.

    Args:
        run: with weights.
        card: as :func:`kanatui.evaluation.export.complete_card` returns it.
        evaluations: what to show of the model's.
        panels: the training's curves.
    """
    title = f"{run.id}" + (f": {run.title}" if run.title != run.name else "")
    parts = [
        f"<h1>{_text(title)}</h1>",
        f"<p>{_text(run.note)}</p>" if run.note else "",
        _summary(run, card),
        _section("Scores", _scores(evaluations)),
        _section("Training", svg(figures.curves(panels, "svg"))),
        *(_section(f"Read: {_of(each.evaluation)}", _evaluation(each)) for each in evaluations),
        _section("Faces", _faces(card.get("faces", []))),
        _section("Configuration", f"<pre>{_text(_configuration(run, card))}</pre>"),
        f"<p class=quiet>Made with kanatui {__version__}.</p>",
    ]
    head = f'<meta charset="utf-8"><title>{_text(title)}</title><style>{_STYLE}</style>'
    return f'<!doctype html>\n<html lang="en"><head>{head}</head>\n<body>\n{"".join(parts)}\n</body></html>\n'


def figure_files(evaluations: Sequence[Shown], panels: Sequence[figures.Panel]) -> dict[str, Callable[[str], bytes]]:
    """Return every figure of the report by a name for its file: what draws it in one of the formats of figures."""
    found: dict[str, Callable[[str], bytes]] = {"curves": lambda kind: figures.curves(panels, kind)}
    for each in evaluations:
        for part in ("confusions", "reliability"):
            name = f"{each.evaluation.name}-{part}"
            found[name] = lambda kind, each=each, part=part: figures.of_scores(each.scores, [part], kind)  # type: ignore[misc]
    return found


def svg(data: bytes) -> str:
    """Return an SVG file as an element of HTML, without its preamble."""
    text = data.decode()
    return text[text.index("<svg") :]


def _text(value: object) -> str:
    return html.escape(str(value))


def _section(title: str, content: str) -> str:
    return f"<h2>{_text(title)}</h2>\n{content}\n" if content else ""


def _table(headings: Sequence[str], rows: Iterable[Sequence[object]], numbers: int = 0) -> str:
    """Return a table; the last ``numbers`` columns are aligned to the right."""
    first = len(headings) - numbers

    def row(tag: str, cells: Sequence[object]) -> str:
        made = (f"<{tag}{' class=n' if place >= first else ''}>{_text(c)}</{tag}>" for place, c in enumerate(cells))
        return f"<tr>{''.join(made)}</tr>"

    head = row("th", headings) if any(headings) else ""
    return f"<table>{head}{''.join(row('td', cells) for cells in rows)}</table>"


def _summary(run: Run, card: Mapping[str, Any]) -> str:
    training = card.get("training", {})
    rows = {
        "state": run.status().state,
        "model": f"{card['model']['id']}" + (f", {training['weights']:,} weights" if "weights" in training else ""),
        "reads": f"{counted(len(card['characters']), 'character')} at {card['image_size']} px",
        "recipe": f"{card.get('recipe') or '–'}, seed {card.get('seed', 0)}",
        "trained": f"{duration(training.get('seconds', 0.0))} on {training.get('images', 0):,} images, "
        f"{training.get('steps', 0):,} steps",
        "computed on": ", ".join(str(training[key]) for key in ("device", "precision") if key in training),
        "versions": ", ".join(f"{name} {card[name]}" for name in ("kanatui", "torch") if card.get(name)),
        "date": card.get("date", ""),
    }
    return _table(("", ""), [(name, value) for name, value in rows.items() if value])


def _of(evaluation: Evaluation) -> str:
    candidates = f", {len(evaluation.candidates)} candidates" if evaluation.candidates else ""
    return f"{evaluation.source}{candidates}"


def _scores(evaluations: Sequence[Shown]) -> str:
    if not evaluations:
        return "<p>The model has not been evaluated.</p>"
    rows: list[Sequence[object]] = []
    for each in evaluations:
        scripts: Mapping[str, Score] = each.scores.by_script if len(each.scores.by_script) > 1 else {}
        for script, score in {"all": each.scores.total, **scripts}.items():
            rows.append((_of(each.evaluation), script, f"{score.images:,}", *score.texts()))
    headings = ("images", "script", "n", *(metric.heading for metric in METRICS))
    note = "Strict counts every character; folded counts look-alikes as one. ECE is the expected calibration error."
    return f"{_table(headings, rows, 1 + len(METRICS))}<p class=quiet>{note}</p>"


def _evaluation(each: Shown) -> str:
    drawn = "".join(
        f"<div>{svg(figures.of_scores(each.scores, [part], 'svg'))}</div>" for part in ("confusions", "reliability")
    )
    note = f"<p>{_text(each.note)}</p>" if each.note else ""
    said = f"<p>{_text(each.evaluation.of_outliers)}</p>" if each.evaluation.of_outliers else ""
    return f"<div class=figures>{drawn}</div>{said}<h3>Misread, the surest first</h3>{note}{each.gallery}"


def _faces(faces: Sequence[Mapping[str, str]]) -> str:
    def kind(face: Mapping[str, str]) -> tuple[str, str]:
        return face["style"], face["licence"]

    rows = [
        (style, licence or "not known", ", ".join(face["id"] for face in own))
        for (style, licence), own in groupby(sorted(faces, key=kind), key=kind)
    ]
    return _table(("style", "licence", "faces"), rows) if rows else ""


def _configuration(run: Run, card: Mapping[str, Any]) -> str:
    """Return what determined the training, without the folders of this machine."""
    return tomlkit.dumps({"run": run.id, **card.get("config", {})})


def _inlined(image: npt.NDArray[np.uint8]) -> str:
    data = io.BytesIO()
    Image.fromarray(image).save(data, "PNG")
    return f"data:image/png;base64,{base64.b64encode(data.getvalue()).decode()}"

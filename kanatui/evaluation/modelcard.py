"""A model's card as a document (Markdown): every figure in it comes from the weights file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import Any

from kanatui.core.units import duration
from kanatui.evaluation.store import KINDS
from kanatui.model.calibration import Calibration
from kanatui.model.metrics import all_metrics

_LIMITS = """\
- It reads one character per picture; `kanatui read` finds the characters on a page and has it read each of them.
  It does not read words. It does not know kanji, digits or Latin letters{others}
- Small and normal kana (つ, っ) differ only in size, and へ and ヘ do not differ at all, so they cannot be told apart
  in a cropped picture. On the drawing board and in a line, size and position show which kana are small.
- {probabilities}
- It was trained on fonts and imaginary writers, not on the handwriting of people. Cursive handwriting, or handwriting
  that leaves out strokes, is read less well than careful handwriting. `kanatui adapt` adapts it to yours."""

_UNCALIBRATED = {
    "others": ", and reads them as some kana.",
    "probabilities": """Its probabilities rank the readings; they do not say how often a reading is correct. Even a
  scribble has a likeliest kana.""",
}

_CALIBRATED = {
    "others": """. It marks most of them with a question, and reads
  some as a kana, above all those that look like one.""",
    "probabilities": """Its probabilities were fitted to generated images. They may be too high for handwriting that
  is unlike any font or imaginary writer.""",
}


def model_card(name: str, card: Mapping[str, Any]) -> str:
    """Return the document, without the parts for which the card has no data.

    Args:
        name: what the model is called.
        card: as :func:`kanatui.evaluation.export.export` writes it; the card of a run's own weights has less data.
    """
    limits = _CALIBRATED if _calibration(card) else _UNCALIBRATED
    sections = [
        f"# The model {name}",
        _summary(card),
        _section("How it was made", _table(("", ""), _making(card))),
        _section("What it reads", _reads(card)),
        _section("What it confuses", _confuses(card)),
        _section("Limitations", _LIMITS.format(**limits)),
        _section("What its images were drawn with", _faces(card)),
    ]
    return "\n\n".join(section for section in sections if section) + "\n"


def _calibration(card: Mapping[str, Any]) -> str:
    found = Calibration.of_card(card)
    return found.in_words() if found.images else ""


def _section(title: str, text: str) -> str:
    return f"## {title}\n\n{text}" if text else ""


def _summary(card: Mapping[str, Any]) -> str:
    weights = card.get("training", {}).get("weights")
    size = f", {weights:,} weights" if weights else ""
    return (
        f"It takes pictures of {card['image_size']} × {card['image_size']} pixels, white on black, and tells "
        f"{len(card['characters'])} characters apart (`{card['model']['id']}`{size})."
    )


def _making(card: Mapping[str, Any]) -> list[tuple[str, str]]:
    training, train = card.get("training", {}), card.get("config", {}).get("train", {})
    images = training.get("images")
    seen = f" on {images:,} images, {training.get('steps', 0):,} steps" if images else ""
    adapted = card.get("adapt", {})
    rows = {
        "recipe": f"`{card.get('recipe')}`, seed {card.get('seed', 0)}",
        "model's plugin": str(card.get("plugin", "")),
        "adapted": f"from {adapted['from']} to {adapted['samples']} samples" if adapted else "",
        "trained": f"{duration(training.get('seconds', card.get('seconds', 0.0)))}{seen}",
        "time budget": f"{train['minutes']:g} min" if train.get("minutes") else "",
        "calibration": _calibration(card),
        "machine": str(card.get("machine", "")),
        "computed on": ", ".join(str(training[key]) for key in ("device", "precision") if key in training),
        "versions": ", ".join(f"{name} {card[name]}" for name in ("kanatui", "torch") if card.get(name)),
        "date": str(card.get("date", "")),
    }
    return [(name, text) for name, text in rows.items() if text]


def _reads(card: Mapping[str, Any]) -> str:
    rows = []
    evaluations = card.get("evaluations", [])
    metrics = [
        m for m in all_metrics() if all(m.key in score for each in evaluations for score in each["scores"].values())
    ]
    for evaluation in evaluations:
        what = KINDS[evaluation["kind"]] + (f", {evaluation.get('of')}" if evaluation["kind"] == "folder" else "")
        scores = evaluation["scores"]
        for script, score in scores.items():
            if len(scores) == 2 and script != "all":  # only one script: the figures are those of all
                continue
            shares = (metric.text(score[metric.key]) for metric in metrics)
            rows.append((what, evaluation["candidates"], script, f"{score['images']:,}", *shares))
    headings = ("images", "candidates", "script", "n", *(metric.heading for metric in metrics))
    table = _table(headings, rows) if rows else ""
    return f"{table}\n\nStrict counts every character; folded counts look-alikes as one." if table else ""


def _confuses(card: Mapping[str, Any]) -> str:
    found = [each for each in card.get("evaluations", []) if each["candidates"] == "any" and each["confusions"]]
    lines = []
    for evaluation in found:
        pairs = ", ".join(f"{truth} as {read or 'nothing'} {count}" for truth, read, count in evaluation["confusions"])
        of = f" in {evaluation.get('of')}" if evaluation["kind"] == "folder" else ""
        what = f"{KINDS[evaluation['kind']]}{of}"
        lines.append(f"Most frequent confusions on {what}, apart from look-alikes: {pairs}.")
    return "\n\n".join(lines)


def _faces(card: Mapping[str, Any]) -> str:
    def kind(face: Mapping[str, str]) -> tuple[str, str]:
        return face["style"], face["licence"]

    rows = []
    for (style, licence), faces in groupby(sorted(card.get("faces", []), key=kind), key=kind):
        rows.append((style, licence or "not known", ", ".join(face["id"] for face in faces)))
    return _table(("style", "licence", "faces"), rows) if rows else ""


def _table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [headings, ["---"] * len(headings), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)

"""A model's card as a document (Markdown): every figure in it comes from the weights file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import Any

from kanatui.core.units import duration
from kanatui.evaluation.store import KINDS
from kanatui.model.metrics import METRICS

_LIMITS = """\
- It reads one character a picture. `kanatui read` finds the characters on a page and has it read each; it reads no
  words, and knows no kanji, digits or Latin letters: it takes them for some kana all the same.
- Small and normal kana (つ, っ) differ only in size, へ and ヘ not at all: in a picture cut from its surroundings they
  cannot be told apart. On the drawing board and in a line size and place tell the small ones.
- Its probabilities say which reading is likelier, not how often it is right: a scribble has a likeliest kana, too.
- It learnt from fonts and from imaginary writers, not from people. A cursive hand, or one that leaves strokes out, is
  read worse than a careful one; `kanatui adapt` teaches it yours."""


def model_card(name: str, card: Mapping[str, Any]) -> str:
    """Return the document; what the card lacks is left out.

    Args:
        name: what the model is called.
        card: as :func:`kanatui.evaluation.export.export` writes it; one of a run's own weights has less to tell.
    """
    sections = [
        f"# The model {name}",
        _summary(card),
        _section("How it was made", _table(("", ""), _making(card))),
        _section("What it reads", _reads(card)),
        _section("What it confuses", _confuses(card)),
        _section("What it is not good for", _LIMITS),
        _section("What its images were drawn with", _faces(card)),
    ]
    return "\n\n".join(section for section in sections if section) + "\n"


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
    seen = f" on {images:,} images, {training['steps']:,} steps" if images else ""
    adapted = card.get("adapt", {})
    rows = {
        "recipe": f"`{card.get('recipe')}`, seed {card.get('seed', 0)}",
        "adapted": f"from {adapted['from']} to {adapted['samples']} samples" if adapted else "",
        "trained": f"{duration(training.get('seconds', card.get('seconds', 0.0)))}{seen}",
        "asked for": f"{train['minutes']:g} min" if train.get("minutes") else "",
        "machine": str(card.get("machine", "")),
        "computed on": ", ".join(str(training[key]) for key in ("device", "precision") if key in training),
        "with": ", ".join(f"{name} {card[name]}" for name in ("kanatui", "torch") if card.get(name)),
        "date": str(card.get("date", "")),
    }
    return [(name, text) for name, text in rows.items() if text]


def _reads(card: Mapping[str, Any]) -> str:
    rows = []
    evaluations = card.get("evaluations", [])
    metrics = [m for m in METRICS if all(m.key in score for each in evaluations for score in each["scores"].values())]
    for evaluation in evaluations:
        what = KINDS[evaluation["kind"]] + (f", {evaluation['of']}" if evaluation["kind"] == "folder" else "")
        scores = evaluation["scores"]
        for script, score in scores.items():
            if len(scores) == 2 and script != "all":  # one script alone: the same figures again
                continue
            shares = (metric.text(score[metric.key]) for metric in metrics)
            rows.append((what, evaluation["candidates"], script, f"{score['images']:,}", *shares))
    headings = ("images", "candidates", "script", "n", *(metric.heading for metric in metrics))
    table = _table(headings, rows) if rows else ""
    return f"{table}\n\nStrict counts every character; folded takes look-alikes as one." if table else ""


def _confuses(card: Mapping[str, Any]) -> str:
    found = [each for each in card.get("evaluations", []) if each["candidates"] == "any" and each["confusions"]]
    lines = []
    for evaluation in found:
        pairs = ", ".join(f"{truth} as {read or 'nothing'} {count}" for truth, read, count in evaluation["confusions"])
        of = f" {evaluation['of']}" if evaluation["kind"] == "folder" else ""
        lines.append(f"Most often, look-alikes aside, of the {KINDS[evaluation['kind']]}{of}: {pairs}.")
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

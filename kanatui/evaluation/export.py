"""Exporting a model: one weights file whose card says everything that is known from its run.

The card of a weights file in a run (:mod:`kanatui.model.card`) does not say how the training went; the run does. The
card of an exported file adds::

    {"config": {…},          the training's configuration, its images streamed from the recipe
     "training": {…},        steps, images, weights, device, precision
     "faces": [{…}, …],      id, style and licence of what the images were drawn with
     "evaluations": [{…}]}   the scores of every saved evaluation of these weights
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors
import safetensors.numpy

from kanatui.core.errors import FontError, ParameterError, PluginError, RunError, StorageError, WeightsError
from kanatui.dataset.recipe import Recipe, without_folders
from kanatui.evaluation.scores import Scores
from kanatui.evaluation.store import Evaluation, list_evaluations
from kanatui.kana.alphabet import SETS
from kanatui.model import seal
from kanatui.model.card import KEY, one_line, read_card
from kanatui.training.provenance import provenance_of
from kanatui.training.runs import Run

_CONFUSIONS = 12


def export(run: Run, target: Path, *, last: bool = False, force: bool = False) -> dict[str, Any]:
    """Write a run's weights with a complete card, and return the card.

    Args:
        run: finished or not.
        target: the file to write.
        last: the last weights instead of the best.
        force: replace an existing file.

    Raises:
        RunError: the run has no such weights.
        WeightsError: they are damaged.
        StorageError: the file exists already, or it cannot be written.
    """
    if os.path.exists(target) and not force:
        raise StorageError(f"{target}: exists already; --force replaces it")
    weights = run.checkpoint("last") if last else run.weights()
    if not weights.is_file():
        raise RunError(f"run {run.id} has no weights yet; wait for its first checkpoint")
    card = complete_card(run, weights)
    try:
        seal.check(weights)
        tensors = safetensors.numpy.load_file(weights)
    except (OSError, ValueError, safetensors.SafetensorError) as error:
        raise WeightsError(f"{weights}: damaged ({one_line(error)})") from None
    text = json.dumps(card, ensure_ascii=False, default=str)
    seal.write(target, safetensors.numpy.save(tensors, metadata={KEY: text}))
    return card


def complete_card(run: Run, weights: Path) -> dict[str, Any]:
    """Return the card of a run's weights with all that the run tells. WeightsError if they are damaged."""
    card = read_card(weights)
    origin = provenance_of(weights)
    config, recipe = origin.config, origin.recipe().to_dict()
    source = {"recipe": without_folders(recipe), "plugins": []}  # of this machine, and no one's samples
    card |= {
        "config": {name: config[name] for name in ("recipe", "train", "model") if name in config} | {"source": source},
        "training": training_of(run),
        "faces": _faces(recipe),
        "evaluations": _evaluations(run, int(card.get("scores", {}).get("step", 0))),
    }
    if "adapt" in config:
        card["adapt"] = {name: config["adapt"][name] for name in ("from", "samples", "held_back")}
    return card


def training_of(run: Run) -> dict[str, Any]:
    """Return how a training went: device, precision, steps, seconds and images, from its events."""
    told: dict[str, Any] = {}
    reader = run.events()
    while events := reader.read():
        for event in events:
            if event["event"] == "start":
                told |= {key: event[key] for key in ("weights", "device", "precision", "processes") if key in event}
            elif event["event"] == "step":
                told |= {"steps": event["step"], "seconds": event.get("elapsed", 0.0)}
    batch = int(run.config.get("train", {}).get("batch_size", 0))
    return told | {"images": told.get("steps", 0) * batch * int(told.get("processes", 1))}


def _faces(recipe: Mapping[str, Any]) -> list[dict[str, str]]:
    """Return the recipe's faces that are known on this machine, sorted by style; [] of imported pictures."""
    from kanatui.fonts.faces import select_faces
    from kanatui.plugins.registry import load

    made = Recipe.from_dict(recipe)
    try:
        known = [face for source in made.glyph_sources(load()).values() for face in source.faces()]
        chosen = select_faces(known, made.faces)
    except (FontError, ParameterError, PluginError):  # a folder or a plugin that is gone
        return []
    return [
        {"id": face.id, "style": face.style, "licence": face.licence}
        for face in sorted(chosen, key=lambda face: (face.style, face.id))
    ]


def _evaluations(run: Run, step: int) -> list[dict[str, Any]]:
    """Return the scores of the weights of one step: the newest evaluation of each kind, oldest first."""
    found: dict[tuple[str, str, str], dict[str, Any]] = {}
    for evaluation in reversed(list_evaluations(run.path / "evaluations")):
        if evaluation.step == step:
            found[evaluation.kind, evaluation.where, evaluation.candidates] = _scores(evaluation)
    return list(found.values())


def _scores(evaluation: Evaluation) -> dict[str, Any]:
    scores = Scores.of(evaluation.load()[0])
    wrong = [confusion for confusion in scores.confusions if not confusion.folded][:_CONFUSIONS]
    return {
        "kind": evaluation.kind,
        "of": Path(evaluation.where).name,
        "candidates": _candidates(evaluation),
        "made": evaluation.made,
        "scores": {"all": scores.total.to_dict()} | {name: s.to_dict() for name, s in scores.by_script.items()},
        "confusions": [[confusion.truth, confusion.read, confusion.count] for confusion in wrong],
    }


def _candidates(evaluation: Evaluation) -> str:
    if not evaluation.candidates:
        return "any"
    allowed = set(evaluation.candidates) & set(evaluation.characters)
    named = (name for name, script in SETS.items() if allowed == set(script) & set(evaluation.characters))
    return next(named, f"{len(allowed)} characters")

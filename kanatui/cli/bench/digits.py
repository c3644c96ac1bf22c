"""Benchmark of other characters than kana: digits learnt from fonts alone, read as people wrote them.

The 1,797 pictures of 8 × 8 pixels come with scikit-learn ("Optical recognition of handwritten digits", UCI, E. Alpaydin
and C. Kaynak, 43 writers, CC BY 4.0). They are only read, never trained on.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np

from kanatui.cli.bench.figures import Figure
from kanatui.cli.bench.process import own_home, run_kanatui
from kanatui.core.errors import UsageError
from kanatui.dataset.source import OnStage
from kanatui.evaluation.scores import Score, Scores
from kanatui.evaluation.scoring import read_folder
from kanatui.pictures.labelled import find_labelled
from kanatui.training.runs import find_weights


def measure_digits(minutes: float, model: str | None, on_stage: OnStage) -> list[Figure]:
    """Train the recipe ``digits`` for some minutes, or take a model that is there, and read real digits with it.

    Raises:
        UsageError: scikit-learn is not installed.
        KanatuiError: the training failed, or there is no such model.
    """
    with tempfile.TemporaryDirectory(prefix="kanatui-bench-") as folder:
        pictures = _real_digits(Path(folder) / "digits.npz")
        if model:
            score, how = _score(find_weights(model), pictures, on_stage), f"of {model}"
        else:
            with own_home() as home:
                on_stage(0, 1, "training")
                run_kanatui(["train", "digits", "--minutes", str(minutes)], home)
                on_stage(1, 1, "training")
                best = home / "runs" / "001-digits" / "checkpoints" / "best.safetensors"
                score, how = _score(best, pictures, on_stage), f"after {minutes:g} minutes of training"
    name = f"digits right, of {score.images:,} that people wrote"
    return [Figure(name, 100 * score["strict"], "%", least=95.0, note=f"8 × 8 pixels; {how}, on fonts alone")]


def _real_digits(file: Path) -> Path:
    try:
        from sklearn.datasets import load_digits
    except ImportError:
        raise UsageError("bench digits: scikit-learn is not installed: pip install scikit-learn") from None
    digits = load_digits()
    np.savez(file, images=digits.images, labels=digits.target)
    return file


def _score(weights: Path, pictures: Path, on_stage: OnStage) -> Score:
    found = find_labelled(pictures)
    done = 0

    def advance(more: int) -> None:
        nonlocal done
        done += more
        on_stage(done, len(found.files), "reading")

    predictions, _ = read_folder(weights, found, None, advance)
    return Scores.of(predictions).total

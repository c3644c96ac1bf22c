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

_PAPER = 2  # pixels


def measure_digits(minutes: float, model: str | None, on_stage: OnStage) -> list[Figure]:
    """Train the recipe ``digits`` for some minutes, or take a model that is there, and read real digits with it.

    Raises:
        UsageError: scikit-learn is not installed.
        KanatuiError: the training failed, or there is no such model.
    """
    with tempfile.TemporaryDirectory(prefix="kanatui-bench-") as folder:
        as_they_are, framed = _real_digits(Path(folder))
        if model:
            return _figures(find_weights(model), as_they_are, framed, f"read by {model}", on_stage)
        with own_home() as home:
            on_stage(0, 1, "training")
            run_kanatui(["train", "digits", "--minutes", str(minutes)], home)
            on_stage(1, 1, "training")
            best = home / "runs" / "001-digits" / "checkpoints" / "best.safetensors"
            return _figures(best, as_they_are, framed, f"{minutes:g} minutes of training on fonts alone", on_stage)


def _figures(weights: Path, as_they_are: Path, framed: Path, how: str, on_stage: OnStage) -> list[Figure]:
    plain, spacious = (100 * _score(weights, file, on_stage)["strict"] for file in (as_they_are, framed))
    return [
        Figure("digits that people wrote, read right", plain, "%", least=95.0, note=f"1,797 of 8 × 8 pixels; {how}"),
        Figure("with paper around them", spacious, "%", note=f"{_PAPER} pixels on each side"),
    ]


def _real_digits(folder: Path) -> tuple[Path, Path]:
    """Write the digits as they are, cropped to their ink, and with paper around them."""
    try:
        from sklearn.datasets import load_digits
    except ImportError:
        raise UsageError("bench digits: scikit-learn is not installed: pip install scikit-learn") from None
    digits = load_digits()
    sides = ((0, 0), (_PAPER, _PAPER), (_PAPER, _PAPER))
    files = folder / "as-they-are.npz", folder / "framed.npz"
    for file, images in zip(files, (digits.images, np.pad(digits.images, sides)), strict=True):
        np.savez(file, images=images, labels=digits.target)
    return files


def _score(weights: Path, pictures: Path, on_stage: OnStage) -> Score:
    found = find_labelled(pictures)
    done = 0

    def advance(more: int) -> None:
        nonlocal done
        done += more
        on_stage(done, len(found.files), "reading")

    predictions, _ = read_folder(weights, found, None, advance)
    return Scores.of(predictions).total

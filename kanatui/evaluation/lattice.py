"""Finds the characters of a line: which neighbouring segments belong together, by reading every way to join them.

Up to :data:`MOST_JOINED` neighbours are joined into a candidate, each candidate is read by the model, and the best
path through the line is found by dynamic programming. A candidate is good if the model is sure of it, if its size and
place are those of the character that it is read as (:mod:`kanatui.kana.proportions`), and if the gaps inside it are
smaller than those around it. The weights of these were fitted as a conditional random field over paths (Lafferty and
others, "Conditional Random Fields", ICML 2001) on lines set in the faces that models are trained on.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from kanatui.kana.folding import fold_groups, fold_matrix
from kanatui.kana.proportions import Proportions, proportions

MOST_JOINED = 5
"""Segments to a character: the strokes of ぼ or ミ may all be apart in vertical writing."""

LONGEST = 1.45
"""Ems along the line, the longest candidate of several segments."""

FEATURES = ("log p", "shape", "energy", "character", "inner gap", "outer gap", "mark")

WEIGHTS = np.array([0.97, 0.70, 4.12, -0.06, -3.69, 4.68, -1.32])
"""What each of :data:`FEATURES` is worth; found by fitting."""

SHAPE = 0.5
"""What a log-density of size and place is worth beside a log-probability where it is decided what a candidate is."""

_HAND = 0.10  # ems by which the same hand varies in size and place
_UNKNOWN = Proportions(0.75, 0.75, 0.0, 0.0, 0.15, 0.15)


@dataclasses.dataclass(frozen=True)
class Candidate:
    """Neighbouring segments that may be one character."""

    first: int
    """Index of its first segment in the line."""
    stop: int
    """One past its last segment."""
    box: tuple[float, float, float, float]
    """Start and stop along the line, start and stop across it from the line's middle, in pixels."""
    inner: float
    """Its widest gap, in pixels; 0 if there is none."""


def join(spans: Sequence[tuple[float, float, float, float]], em: float) -> list[Candidate]:
    """Return all candidates of a line.

    Args:
        spans: of each segment, in order, its start and stop along the line, and across from the line's middle, pixels.
        em: size of the line's characters in pixels.
    """
    found = []
    for first in range(len(spans)):
        box, inner = spans[first], 0.0
        found.append(Candidate(first, first + 1, box, inner))
        for last in range(first + 1, min(first + MOST_JOINED, len(spans))):
            start, stop, low, high = spans[last]
            inner = max(inner, start - box[1])
            box = (min(box[0], start), max(box[1], stop), min(box[2], low), max(box[3], high))
            if box[1] - box[0] > LONGEST * em:
                break
            found.append(Candidate(first, last + 1, box, inner))
    return found


@dataclasses.dataclass(frozen=True)
class Shapes:
    """Proportions of the characters that a model knows, as arrays in the line's own directions."""

    sizes: npt.NDArray[np.float64]
    """[C, 2] along and across, ems."""
    spreads: npt.NDArray[np.float64]
    """[C, 2] standard deviations."""
    places: npt.NDArray[np.float64]
    """[C] across the line from its middle, ems."""


def shapes(known: str, vertical: bool) -> Shapes:
    """Return the proportions of characters in a horizontal or a vertical line."""
    table = proportions()
    rows = [table.get(character, _UNKNOWN) for character in known]
    sizes = np.array([(row.width, row.height) for row in rows])
    spreads = np.array([(row.width_spread, row.height_spread) for row in rows])
    down = np.array([row.down for row in rows])
    right = np.array([row.right for row in rows])
    if not vertical:
        return Shapes(sizes, spreads, down)
    # What lies low in a horizontal line (small kana, 、 and 。) lies to the right in a vertical one.
    turned = np.array([character in "ー「」" for character in known])
    flipped = np.where(turned[:, None], sizes, sizes[:, ::-1])
    return Shapes(flipped, np.where(turned[:, None], spreads, spreads[:, ::-1]), np.where(down > 0.06, down, right))


def fits(candidates: Sequence[Candidate], em: float, of: Shapes) -> npt.NDArray[np.float64]:
    """Return how well each candidate's box fits each character: log-densities float64 [n, C] without the constant."""
    boxes = np.array([candidate.box for candidate in candidates]) / em
    sizes = np.stack([boxes[:, 1] - boxes[:, 0], boxes[:, 3] - boxes[:, 2]], axis=1)
    middles = (boxes[:, 2] + boxes[:, 3]) / 2
    variance = of.spreads**2 + _HAND**2
    away = ((sizes[:, None, :] - of.sizes) ** 2 / variance).sum(axis=2)
    away += (middles[:, None] - of.places) ** 2 / _HAND**2
    return np.asarray(-0.5 * np.minimum(away, 25.0))


def features(
    candidates: Sequence[Candidate],
    logits: npt.NDArray[np.float32],
    fit: npt.NDArray[np.float64],
    known: str,
    of_model: int,
    em: float,
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]:
    """Describe candidates of a line for :func:`best_path`.

    Args:
        candidates: n of them.
        logits: the model's outputs, [n, C], -inf for characters that are not allowed.
        fit: what :func:`fits` returned, [n, C].
        known: the characters: the model's, then marks that are told by their shape.
        of_model: how many of them are the model's.
        em: size of the line's characters, pixels.

    Returns:
        float64 [n, len(FEATURES)], all but the outer gap; and the index of the character that each is read as, [n].
    """
    top = logits.max(axis=1, keepdims=True)
    likelihood = np.exp(logits - top)
    folded = ((likelihood / likelihood.sum(axis=1, keepdims=True)) @ fold_matrix(known))[:, fold_groups(known)[1]]
    log_p = np.log(np.maximum(folded, 1e-9))
    log_p[~np.isfinite(logits)] = -np.inf
    choice = (log_p + SHAPE * fit).argmax(axis=1)
    rows = np.arange(len(candidates))
    inner = np.array([candidate.inner for candidate in candidates]) / em
    mark = choice >= of_model
    strongest = logits[:, :of_model].max(axis=1)
    evidence = strongest + np.log(np.exp(logits[:, :of_model] - strongest[:, None]).sum(axis=1))
    described = np.column_stack(
        [
            log_p[rows, choice],
            fit[rows, choice],
            np.where(mark, 0.0, _standing(evidence)),
            np.ones(len(rows)),
            np.clip(inner, 0.0, 0.8),
            np.zeros(len(rows)),
            mark,
        ]
    )
    return described, choice.astype(np.int64)


def _standing(energy: npt.NDArray[np.floating]) -> npt.NDArray[np.floating]:
    """Return how much a candidate resembles any character, beside the line's others: whole ones are the upper fifth.

    The sum of the model's evidence (Liu and others, "Energy-based Out-of-distribution Detection", NeurIPS 2020) has a
    scale of its own in every model.
    """
    low, high, upper = np.quantile(energy, (0.1, 0.9, 0.8))
    return np.asarray((energy - upper) / max(float(high - low), 1e-3))


def outer_gap(before: Candidate, after: Candidate, em: float) -> float:
    """Return the gap between two characters that follow each other, in ems, at most 0.6."""
    return min((after.box[0] - before.box[1]) / em, 0.6)


def best_path(
    candidates: Sequence[Candidate], described: npt.NDArray[np.float64], em: float, weights: npt.NDArray[np.float64]
) -> list[int]:
    """Return the candidates that make up the line, by index, in order (Viterbi's algorithm)."""
    own = described @ weights
    starting: dict[int, list[int]] = {}
    for index, candidate in enumerate(candidates):
        starting.setdefault(candidate.first, []).append(index)
    best = np.full(len(candidates), -np.inf)
    before = np.full(len(candidates), -1)
    gap_weight = weights[FEATURES.index("outer gap")]
    for index in starting.get(0, []):
        best[index] = own[index]
    for index in sorted(range(len(candidates)), key=lambda i: candidates[i].first):
        if best[index] == -np.inf:
            continue
        for following in starting.get(candidates[index].stop, []):
            gap = outer_gap(candidates[index], candidates[following], em)
            score = best[index] + own[following] + gap_weight * gap
            if score > best[following]:
                best[following], before[following] = score, index
    stop = max(candidate.stop for candidate in candidates)
    at = max((i for i, candidate in enumerate(candidates) if candidate.stop == stop), key=lambda i: best[i])
    path = [at]
    while before[path[-1]] >= 0:
        path.append(int(before[path[-1]]))
    return path[::-1]

"""Candidates of a line, and the best path through them."""

import itertools

import numpy as np
import pytest

from kanatui.evaluation import lattice
from kanatui.kana.alphabet import KANA, SMALL

EM = 100.0
HERE = lattice.FEATURES.index


def spans(*along, across=(-35.0, 35.0)):
    return [(float(start), float(stop), *across) for start, stop in along]


def test_neighbours_are_joined_up_to_the_length_of_a_character():
    found = lattice.join(spans((0, 30), (40, 70), (90, 160)), EM)
    assert {(candidate.first, candidate.stop) for candidate in found} == {(0, 1), (0, 2), (1, 2), (1, 3), (2, 3)}
    pair = next(candidate for candidate in found if (candidate.first, candidate.stop) == (0, 2))
    assert pair.box == (0.0, 70.0, -35.0, 35.0) and pair.inner == 10.0


def test_a_long_segment_is_a_candidate_by_itself():
    assert len(lattice.join(spans((0, 900)), EM)) == 1


def test_no_candidate_has_more_than_the_most_segments():
    found = lattice.join(spans(*((10 * n, 10 * n + 5) for n in range(9))), EM)
    assert max(candidate.stop - candidate.first for candidate in found) == lattice.MOST_JOINED


def test_the_best_path_is_the_best_of_all_paths():
    rng = np.random.default_rng(0)
    for _ in range(20):
        candidates = lattice.join(spans((0, 30), (35, 70), (80, 110), (112, 140), (160, 190)), EM)
        described = rng.normal(size=(len(candidates), len(lattice.FEATURES)))
        described[:, HERE("outer gap")] = 0.0
        weights = rng.normal(size=len(lattice.FEATURES))
        by_span = {(candidate.first, candidate.stop): n for n, candidate in enumerate(candidates)}

        def score(path, candidates=candidates, described=described, weights=weights):
            gaps = sum(lattice.outer_gap(candidates[a], candidates[b], EM) for a, b in itertools.pairwise(path))
            return float((described[path] @ weights).sum() + weights[HERE("outer gap")] * gaps)

        paths = []
        for cuts in itertools.product([False, True], repeat=4):
            ends = [0, *(n + 1 for n, cut in enumerate(cuts) if cut), 5]
            parts = list(itertools.pairwise(ends))
            if all(part in by_span for part in parts):
                paths.append([by_span[part] for part in parts])
        found = lattice.best_path(candidates, described, EM, weights)
        assert found in paths
        assert score(found) == pytest.approx(max(map(score, paths)))


@pytest.mark.parametrize("vertical", [False, True])
def test_size_and_place_tell_small_kana_in_a_line(vertical):
    of = lattice.shapes(KANA, vertical)
    for small, normal in SMALL.items():
        for character, other in ((small, normal), (normal, small)):
            place = KANA.index(character)
            along, across = of.sizes[place] * EM / 2
            middle = of.places[place] * EM
            own = lattice.Candidate(0, 1, (-along, along, middle - across, middle + across), 0.0)
            fit = lattice.fits([own], EM, of)[0]
            assert fit[place] > fit[KANA.index(other)]
            assert fit[place] == pytest.approx(0.0, abs=1e-9)


def test_characters_that_are_not_allowed_are_never_chosen():
    candidates = lattice.join(spans((0, 70)), EM)
    logits = np.full((1, len(KANA)), -np.inf, dtype=np.float32)
    logits[0, KANA.index("ソ")] = -5.0
    of = lattice.fits(candidates, EM, lattice.shapes(KANA, False))
    _, choice = lattice.features(candidates, logits, of, KANA, len(KANA), EM)
    assert KANA[choice[0]] == "ソ"

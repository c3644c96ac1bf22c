import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from kanatui.core.rng import Keys, mix64, sample_keys


def keys(count=1000, seed=0):
    return sample_keys(seed, np.full(count, 0x3042), np.arange(count))


def test_mixing_never_merges_values():
    values = np.arange(100_000, dtype=np.uint64)
    assert len(np.unique(mix64(values))) == len(values)


def test_mixing_is_splitmix64():
    # The first outputs of SplitMix64 seeded with 0, as its reference implementation prints them.
    golden = np.uint64(0x9E3779B97F4A7C15)
    states = np.arange(3, dtype=np.uint64) * golden
    assert [hex(v) for v in mix64(states)] == ["0xe220a8397b1dcdaf", "0x6e789e6aa1b965f4", "0x6c45d188009454f"]


@given(st.lists(st.integers(0, 999), min_size=1, max_size=40), st.integers(0, 2**64))
def test_a_sample_draws_the_same_in_any_company(chosen, seed):
    everyone = Keys(keys(seed=seed), "blur")
    few = Keys(keys(seed=seed)[chosen], "blur")
    for draw in (
        lambda k: k.uniform(0, 1, (3,)),
        lambda k: k.normal(2.0, (5, 5)),
        lambda k: k.integers(7),
        lambda k: k.uniform(),
    ):
        assert np.array_equal(draw(everyone)[chosen], draw(few))


def test_streams_seeds_characters_and_calls_are_independent():
    base = Keys(keys(), "blur")
    first, second = base.uniform(), base.uniform()
    others = [second, Keys(keys(), "noise").uniform(), Keys(keys(seed=1), "blur").uniform()]
    for other in others:
        assert abs(np.corrcoef(first, other)[0, 1]) < 0.1
        assert not np.array_equal(first, other)


def test_uniform_fills_its_interval_evenly():
    drawn = Keys(keys(20_000), "x").uniform(-2.0, 3.0)
    assert drawn.dtype == np.float32
    assert drawn.min() >= -2.0 and drawn.max() < 3.0
    histogram, _ = np.histogram(drawn, bins=10, range=(-2, 3))
    assert abs(histogram - 2000).max() < 250


def test_normal_has_mean_zero_and_the_scale_asked_for():
    scales = np.where(np.arange(2000) < 1000, 1.0, 3.0)
    drawn = Keys(keys(2000), "x").normal(scales, (10, 10))
    assert drawn.shape == (2000, 10, 10)
    assert abs(drawn[:1000].std() - 1.0) < 0.01
    assert abs(drawn[1000:].std() - 3.0) < 0.03
    assert abs(drawn[:1000].mean()) < 0.01


def test_integers_cover_their_range():
    drawn = Keys(keys(7000), "x").integers(7)
    assert np.bincount(drawn, minlength=7).min() > 850
    per_row = Keys(keys(4), "x").integers(np.array([1, 1, 5, 5]), (100,))
    assert per_row[:2].max() == 0 and per_row[2:].max() == 4


def test_take_restarts_the_draws_of_some_samples():
    whole = Keys(keys(), "x")
    whole.uniform()
    some = whole.take(np.array([5, 6]))
    assert np.array_equal(some.uniform(), Keys(keys(), "x").uniform()[[5, 6]])

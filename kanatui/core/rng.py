"""Counter-based random numbers: an image's numbers depend on its key alone.

No state is kept between calls, so neither the number of workers nor the batch that an image is in can change
what is drawn for it. The mixing function is the finaliser of SplitMix64 (Steele, Lea and Flood, "Fast splittable
pseudorandom number generators", OOPSLA 2014) with the constants of Stafford's variant 13.
"""

from __future__ import annotations

import functools
import hashlib
import math
import statistics

import numpy as np
import numpy.typing as npt

U64 = npt.NDArray[np.uint64]
Floats = npt.NDArray[np.float32]

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
# Made once, because most calls mix only a few words: saves 2 to 4 % of the time to make a batch.
_FACTORS = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
_SHIFTS = np.uint64(30), np.uint64(27), np.uint64(31)


def mix64(values: U64) -> U64:
    """Scramble each 64-bit value; a bijection, so distinct inputs stay distinct. Any shape, uint64 in and out."""
    z = values + _GOLDEN
    z ^= z >> _SHIFTS[0]
    z *= _FACTORS[0]
    z ^= z >> _SHIFTS[1]
    z *= _FACTORS[1]
    z ^= z >> _SHIFTS[2]
    return z


@functools.cache
def word_key(text: str) -> np.uint64:
    """Turn a name into a fixed 64-bit number, the same in every process (unlike ``hash``)."""
    return np.uint64(int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little"))


def sample_keys(seed: int, codepoints: npt.ArrayLike, numbers: npt.ArrayLike) -> U64:
    """Return the key of each image, [n] uint64, from the recipe's seed, its character and its number.

    The key uses the character's code point rather than its place in the set, so that leaving characters out of a
    recipe does not change the images of the others.
    """
    base = mix64(np.array([seed % 2**64], dtype=np.uint64))
    chars = mix64(base + np.asarray(codepoints, dtype=np.uint64))
    return mix64(chars + np.asarray(numbers, dtype=np.uint64))


@functools.cache
def _normal_table() -> Floats:
    """Standard normal quantiles at 65,536 mid-points, scaled so that their variance is exactly one.

    A table needs no transcendental function at run time (whose last bit differs between machines) and yields four
    values for each 64-bit word. Its range is ±4.3, enough for images.
    """
    gauss = statistics.NormalDist()
    upper = np.array([gauss.inv_cdf((i + 0.5) / 65536) for i in range(32768, 65536)])
    table = np.concatenate([-upper[::-1], upper])
    scaled: Floats = (table / table.std()).astype(np.float32)
    return scaled


class Keys:
    """Random numbers for a batch of images: every method returns one row per image.

    Each call draws fresh numbers, in the order of the calls, so a plugin that always draws in the same order always
    gets the same numbers for the same image.
    """

    def __init__(self, keys: U64, stream: str = "") -> None:
        """Take the images' keys, [n] uint64, and the name of the stream (each name has its own numbers)."""
        self.keys = mix64(np.asarray(keys, dtype=np.uint64) ^ word_key(stream))
        self._calls = 0

    def __len__(self) -> int:
        return len(self.keys)

    def _words(self, count: int) -> U64:
        """Return [n, count] fresh 64-bit words."""
        self._calls += 1
        rows = mix64(self.keys + np.uint64(self._calls))
        counters = np.arange(count, dtype=np.uint64) * _GOLDEN
        return mix64(rows[:, None] + counters[None, :])

    def uniform(self, low: npt.ArrayLike = 0.0, high: npt.ArrayLike = 1.0, shape: tuple[int, ...] = ()) -> Floats:
        """Draw uniformly from [low, high): float32 [n, *shape]. ``low`` and ``high`` are numbers or [n] arrays."""
        words = self._words(math.prod(shape))
        unit = ((words >> np.uint64(40)).astype(np.float32) * np.float32(2**-24)).reshape(len(self), *shape)
        low_, high_ = (_per_row(bound, unit.ndim) for bound in (low, high))
        return np.asarray(low_ + (high_ - low_) * unit, dtype=np.float32)

    def normal(self, scale: npt.ArrayLike = 1.0, shape: tuple[int, ...] = ()) -> Floats:
        """Draw from a normal distribution of mean 0: float32 [n, *shape]. ``scale`` is a number or an [n] array."""
        count = math.prod(shape)
        words = self._words(-(-count // 4)).astype("<u8", copy=False)
        quarters = words.view("<u2")[:, :count]
        values = np.take(_normal_table(), quarters).reshape(len(self), *shape)
        return np.asarray(values * _per_row(scale, values.ndim), dtype=np.float32)

    def integers(self, high: npt.ArrayLike, shape: tuple[int, ...] = ()) -> npt.NDArray[np.int64]:
        """Draw whole numbers from 0 to ``high`` − 1 (``high`` < 2³², a number or an [n] array): int64 [n, *shape]."""
        words = (self._words(math.prod(shape)) >> np.uint64(32)).reshape(len(self), *shape)
        bound = np.asarray(high, dtype=np.uint64)
        bound = bound.reshape(bound.shape + (1,) * (words.ndim - bound.ndim)) if bound.ndim else bound
        return ((words * bound) >> np.uint64(32)).astype(np.int64)

    def take(self, which: npt.NDArray[np.bool_] | npt.NDArray[np.int64]) -> Keys:
        """Return the same generator for some of the images, reset to its first draw."""
        chosen = Keys.__new__(Keys)
        chosen.keys, chosen._calls = self.keys[which], 0
        return chosen


def _per_row(bound: npt.ArrayLike, ndim: int) -> Floats:
    """Shape a number or an [n] array so that it broadcasts over the trailing axes of [n, …]."""
    array = np.asarray(bound, dtype=np.float32)
    return array.reshape(array.shape + (1,) * (ndim - 1)) if array.ndim else array

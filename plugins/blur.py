"""Blur with a Gaussian, as an out-of-focus camera or scanner does."""

import math

import numpy as np

from kanatui import Pixel, Range, hookimpl


class Blur(Pixel):
    id = "blur"
    sigma = Range((0.0, 1.2), min=0.0, max=8.0, step=0.1, unit="px at 64", help="standard deviation, uniform")

    def draw(self, keys, size):
        sigma = keys.uniform(*self.sigma).astype(np.float64) * size / 64
        # Always the reach of the widest blur allowed, so that every batch computes the same sums.
        reach = np.arange(math.ceil(3 * self.sigma[1] * size / 64) + 1)
        weights = np.exp(-0.5 * (reach / np.maximum(sigma, 1e-3)[:, None]) ** 2)
        weights /= 2 * weights.sum(axis=1, keepdims=True) - 1
        return {"weights": weights.astype(np.float32)}

    def apply(self, images, drawn):
        weights = drawn["weights"][:, :, None, None, None]
        return _blur(_blur(images, weights, axis=2), weights, axis=3)


def _blur(images, weights, axis):
    """Convolve along one axis with symmetric kernels, [n, reach + 1, 1, 1, 1] from the centre outwards."""
    total = images * weights[:, 0]
    length = images.shape[axis]
    for distance in range(1, min(weights.shape[1], length)):
        faded, rest = images * weights[:, distance], length - distance
        total.narrow(axis, distance, rest).add_(faded.narrow(axis, 0, rest))
        total.narrow(axis, 0, rest).add_(faded.narrow(axis, distance, rest))
    return total


@hookimpl
def kanatui_augmentations():
    return [Blur]

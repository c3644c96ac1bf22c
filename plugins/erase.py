"""Erase a strip at a random place, as a dry pen, a fold or a bad scan does.

After Zhong et al., "Random Erasing Data Augmentation", AAAI 2020, but filled with paper, and a strip at any angle
instead of a rectangle: a patch large enough to matter would remove whole voicing marks and so make the label wrong.
"""

import numpy as np

from kanatui import Pixel, Range, hookimpl


class Erase(Pixel):
    id = "erase"
    width = Range((1.0, 4.0), min=0.0, max=64.0, step=0.5, unit="px at 64", help="across the strip, uniform")
    length = Range((8.0, 32.0), min=0.0, max=96.0, step=1.0, unit="px at 64", help="along the strip, uniform")

    def draw(self, keys, size):
        direction = keys.normal(shape=(2,))
        return {
            "along": direction / np.sqrt(np.square(direction).sum(axis=1, keepdims=True)),
            "centre": keys.uniform(0.0, size, shape=(2,)),
            "width": keys.uniform(*self.width, shape=(1, 1, 1)) * (size / 64),
            "length": keys.uniform(*self.length, shape=(1, 1, 1)) * (size / 64),
        }

    def apply(self, images, drawn):
        import torch

        pixels = torch.arange(images.shape[-1], device=images.device) + 0.5
        x, y = (pixels - drawn["centre"][..., None]).unbind(1)
        across, down = drawn["along"][..., None].unbind(1)
        forth = (x * across)[:, None, None, :] + (y * down)[:, None, :, None]
        aside = (x * down)[:, None, None, :] - (y * across)[:, None, :, None]
        return images * (1.0 - _cover(aside, drawn["width"]) * _cover(forth, drawn["length"]))


def _cover(distance, width):
    """Return how much of a pixel at this signed distance from the middle of a band is inside it (antialiasing)."""
    return ((width + 1) / 2 - distance.abs_()).clamp_(min=0.0).minimum(width.clamp(max=1.0))


@hookimpl
def kanatui_augmentations():
    return [Erase]

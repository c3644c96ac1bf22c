"""Scatter specks of dust and ink over the paper."""

import math

import numpy as np

from kanatui import Int, Pixel, Range, hookimpl


class Speckle(Pixel):
    id = "speckle"
    most = Int(8, min=1, max=200, help="each image gets 0 to this many specks, uniform")
    radius = Range((0.4, 1.4), min=0.1, max=16.0, step=0.1, unit="px at 64", help="uniform for each speck")
    level = Range((0.3, 1.0), min=0.0, max=1.0, step=0.05, help="brightness, uniform for each speck; ink is 1")

    def draw(self, keys, size):
        count = keys.integers(self.most + 1)
        level = keys.uniform(*self.level, shape=(self.most,))
        level[np.arange(self.most) >= count[:, None]] = 0.0
        radius = keys.uniform(*self.radius, shape=(self.most,)) * size / 64
        return {"level": level, "radius": radius, "place": keys.uniform(0.0, size, shape=(2, self.most))}

    def apply(self, images, drawn):
        import torch

        size = images.shape[-1]
        reach = math.ceil(self.radius[1] * size / 64)
        near = torch.arange(-reach, reach + 1, device=images.device)
        pixels = drawn["place"].floor().long()[..., None] + near
        y, x = (pixels + 0.5 - drawn["place"][..., None]).square().unbind(1)
        radius = drawn["radius"][..., None, None]
        # (r² - d²) / 2r is close to r - d near the edge and needs no square root.
        cover = ((radius.square() - y[..., None] - x[..., None, :]) / (2 * radius) + 0.5).clamp(0.0, 1.0)
        inside = ((pixels >= 0) & (pixels < size)).unbind(1)
        ink = cover * drawn["level"][..., None, None] * inside[0][..., None] * inside[1][..., None, :]
        rows, columns = pixels.clamp(0, size - 1).unbind(1)
        where = rows[..., None] * size + columns[..., None, :]
        flat = images.flatten(1).scatter_reduce(1, where.flatten(1), ink.flatten(1), "amax")
        return flat.view_as(images)


@hookimpl
def kanatui_augmentations():
    return [Speckle]

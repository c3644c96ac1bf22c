"""Make strokes thinner or thicker: grey-scale morphology by fractions of a pixel.

Thickening is dilation by an octagon. Thinning removes the edge from eight sides in turn, once per pixel of depth, and
takes from a pixel only as much as its inner neighbours hold: hairlines that erosion would erase stay connected. On
binary images this is parallel thinning by simple points (Rosenfeld, "A characterization of parallel thinning
algorithms", Information and Control 29, 1975), with line ends kept; on grey images it is the same at all thresholds at
once.
"""

import itertools

import numpy as np

from kanatui import Pixel, Range, hookimpl


class StrokeWidth(Pixel):
    id = "stroke_width"
    grow = Range((-1.5, 1.5), min=-6.0, max=6.0, step=0.1, unit="px at 64", help="how far edges move out, uniform")

    def draw(self, keys, size):
        return {"grow": keys.uniform(*self.grow, shape=(1, 1, 1)) * (size / 64)}

    def apply(self, images, drawn):
        import torch

        # Eight bits per pixel, the depth of the finished image, are four times as fast as floats. NumPy, because two
        # torch threads take 1.3 to 2.6 times as long: the sums are too small to share.
        count, _, height, width = images.shape
        levels = np.zeros((count, height + 2, width + 2), dtype=np.uint8)
        levels[:, 1:-1, 1:-1] = (images[:, 0] * 255).round_().numpy()
        result = images.clone()
        for step, sign in ((_thicken, 1), (_thin, -1)):
            grow = drawn["grow"].numpy() * sign
            which, layer = np.arange(count), levels
            for depth in itertools.count():
                more = np.flatnonzero(grow[which] > depth)
                if not len(more):
                    break
                which, before = which[more], layer[more]
                layer = step(before, depth)
                less, greater = (before, layer)[::sign]
                change = torch.from_numpy(greater - less).float()[:, None, 1:-1, 1:-1]
                share = torch.from_numpy(np.minimum(grow[which] - depth, 1) / 255)
                result.index_add_(0, torch.from_numpy(which), change * share, alpha=sign)
        return result


def _neighbours(layer):
    """Return the pixels of [n, H, W] as a flat view, and views of their 8 neighbours clockwise from the north-west.

    Flat views of the whole batch are four times as fast as slices by row. Only the margin of zeros, one pixel wide, has
    wrong neighbours (from other rows or images), and it stays zero.
    """
    row = layer.shape[-1]
    flat = layer.reshape(-1)
    first, last = row + 1, len(flat) - row - 1
    steps = (-row - 1, -row, -row + 1, 1, row + 1, row, row - 1, -1)
    return flat[first:last], [flat[first + step : last + step] for step in steps]


def _thicken(layer, depth):
    thicker = layer.copy()
    pixels, _ = _neighbours(thicker)
    _, around = _neighbours(layer)
    # Alternating cross and square make an octagon, which is closer to a round pen than either.
    for neighbour in around if depth % 2 else around[1::2]:
        np.maximum(pixels, neighbour, out=pixels)
    thicker[:, [0, -1]] = 0
    thicker[:, :, [0, -1]] = 0
    return thicker


def _thin(layer, depth):
    thinner = layer.copy()
    pixels, around = _neighbours(thinner)
    outside, loss = np.empty_like(pixels), np.empty_like(pixels)
    for side in (1, 5, 3, 7, 2, 6, 0, 4):
        out, out_right, right, in_right, inwards, in_left, left, out_left = around[side:] + around[:side]
        np.maximum(out_left, out, out=outside)
        np.maximum(outside, out_right, out=outside)
        if side % 2:
            # If its only neighbour beside it or behind it is the next pixel inwards, this is the end of a line.
            np.maximum(left, right, out=loss)
            np.maximum(loss, in_left, out=loss)
            np.maximum(loss, in_right, out=loss)
            np.minimum(loss, inwards, out=loss)
        else:
            np.minimum(in_left, in_right, out=loss)
        np.minimum(loss, pixels, out=loss)
        np.maximum(loss, outside, out=loss)
        loss -= outside
        pixels -= loss
    return thinner


@hookimpl
def kanatui_augmentations():
    return [StrokeWidth]
